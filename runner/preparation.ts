/**
 * The preparation of a worker before its first task: it imports the module, makes the values of `scope` and runs the
 * initializer.
 *
 * @module
 */

import { TimeoutError } from "../errors.ts";
import { atomics } from "../sync/internal/atomics.ts";
import { afterInterruption } from "../sync/internal/current_thread.ts";
import { buildEnvironment, compileFunction, type Environment, TASK_URL } from "../codec/functions.ts";
import { explainReferenceError } from "./reference_errors.ts";
import { importModule } from "./import_module.ts";
import { trimStack } from "./stack.ts";
import { IMPORTING, NONE, type PreparationProgress, PREPARING, type Setup } from "../scheduler/messages.ts";
import { timers } from "./timers.ts";
import { prepareLimit, runLimited } from "./time_limit.ts";

const { clock } = atomics;
// Captured before any code of the user runs, which may replace them.
const { ceil, max } = Math;

/** The shortest limit, in milliseconds, for reading the setup and making the scope: a loaded machine may take long. */
const LEAST_SETUP_LIMIT = 1000;

/** Prepares a worker, with a time limit for each part of the preparation. */
export class Preparation {
  readonly #progress: PreparationProgress;
  readonly #epoch: number;
  readonly #limit: number;
  /** The limit for what is the library's own work, unless a static block of a class loops: not as short as a task's. */
  readonly #setupLimit: number;
  readonly #name: string;
  readonly #load: (() => Promise<Readonly<Record<string, unknown>>>) | undefined;

  /**
   * `epoch`: the zero of the deadlines that are reported. `limit`: for each part, in milliseconds; 0 means none. `load` imports the
   * module; by default it is imported by its URL.
   */
  constructor(
    progress: PreparationProgress,
    epoch: number,
    limit: number,
    name: string,
    load?: () => Promise<Readonly<Record<string, unknown>>>,
  ) {
    this.#load = load;
    this.#progress = progress;
    this.#epoch = epoch;
    this.#limit = limit;
    this.#setupLimit = limit === 0 ? 0 : max(limit, LEAST_SETUP_LIMIT);
    this.#name = name;
  }

  /**
   * Runs all parts of the preparation. `unpack` returns the setup; it counts as a part, as it may run static blocks of
   * classes.
   *
   * @throws {TimeoutError} If a part takes longer than the limit.
   */
  async run(unpack: () => Setup): Promise<{ setup: Setup; environment: Environment }> {
    const setup = this.#limited("reading its setup", unpack, PREPARING, this.#setupLimit);
    const { module, functions, values, initializer, initargs } = setup;
    const namespace = module === undefined
      ? undefined
      : await this.#awaited("the import of the module", IMPORTING, () => importModule(module, this.#load));
    const environment = this.#limited(
      "making the scope",
      () => buildEnvironment(functions, values, namespace),
      PREPARING,
      this.#setupLimit,
    );
    if (initializer !== undefined) {
      try {
        await this.#awaited("the initializer", PREPARING, () => {
          return Reflect.apply(compileFunction(initializer, environment, TASK_URL), undefined, initargs) as unknown;
        });
      } catch (error) {
        explainReferenceError(error, initializer, environment, "initializer");
        trimStack(error, environment);
        throw error;
      }
    }
    this.#progress.clearDeadline();
    return { setup, environment };
  }

  /** Runs synchronous code within the limit. */
  #limited<T>(what: string, run: () => T, stage: number = PREPARING, limit: number = this.#limit): T {
    this.#progress.setStage(stage);
    try {
      if (limit === 0) return run();
      prepareLimit();
      this.#progress.setDeadline(ceil(clock() - this.#epoch + limit));
      let outcome: { value: T } | { error: unknown } | undefined;
      const ended = runLimited(() => {
        try {
          outcome = { value: run() };
        } catch (error) {
          outcome = { error };
        }
      }, limit);
      if (!ended) afterInterruption();
      if (!ended || outcome === undefined) throw this.#overdue(what, limit);
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    } finally {
      this.#progress.setStage(NONE);
    }
  }

  /** Runs code that may continue asynchronously, within the limit. */
  async #awaited<T>(what: string, stage: number, run: () => T): Promise<Awaited<T>> {
    const limit = this.#limit;
    const start = clock();
    const result = this.#limited(what, run, stage);
    if (limit === 0) return await result;
    if (stage === IMPORTING) this.#progress.setStage(stage); // its top level may run in any turn of the event loop
    const [set, clear] = [timers.set(), timers.clear()];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = set(() => reject(this.#overdue(what, limit)), max(0, limit - (clock() - start)));
    });
    try {
      return await Promise.race([result, late]);
    } finally {
      clear(timer);
      this.#progress.setStage(NONE);
    }
  }

  #overdue(what: string, limit: number): TimeoutError {
    return new TimeoutError(
      `Worker '${this.#name}' did not start as ${what} took longer than the limit of ${limit} ms`,
    );
  }
}
