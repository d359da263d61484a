/**
 * The time limit of a task while it is decoded.
 *
 * @module
 */

import { TimeoutError } from "../errors.ts";
import { atomics } from "../sync/internal/atomics.ts";
import { afterInterruption } from "../sync/internal/current_thread.ts";
import { compileFunction, type Environment, type FunctionSpec, type TASK_URL } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { PreparationProgress, TaskHeader } from "../scheduler/messages.ts";
import { prepareLimit, runLimited } from "./time_limit.ts";

const { clock } = atomics;
// Captured before any code of the user runs, which may replace them.
const { ceil, max } = Math;

/**
 * Counts the time that a worker takes to read a task towards the limit of the task's first call. While a task is read,
 * its functions are compiled, and a class may have static blocks: this code of the user is interrupted when the limit
 * is over.
 */
export class ReadingLimit {
  readonly #progress: PreparationProgress;
  readonly #epoch: number;
  #limit = 0;
  #end = 0;
  #overdue: TimeoutError | undefined;

  /** `epoch`: the zero of the deadlines that are reported. */
  constructor(progress: PreparationProgress, epoch: number) {
    this.#progress = progress;
    this.#epoch = epoch;
  }

  /** Starts the limit of a task that is read from now on. */
  start({ limit }: TaskHeader): void {
    if (limit === 0) return;
    prepareLimit();
    this.#limit = limit;
    this.#end = clock() + limit;
    this.#progress.setDeadline(ceil(this.#end - this.#epoch));
  }

  /** Suspends the limit while the calling side is asked for a part that the task lacks. */
  interrupt(): void {
    if (this.#limit === 0) return;
    this.#limit = 0;
    this.#progress.clearDeadline();
  }

  /** Ends the reading of a task. Returns how long it took, in milliseconds; 0 if the task has no limit. */
  stop(): number {
    if (this.#limit === 0) return 0;
    const spent = this.#limit - (this.#end - clock());
    this.#limit = 0;
    return spent;
  }

  /** Ends a reading that failed. Returns the reason: the `TimeoutError`, which `error` may only wrap, else `error`. */
  fail(error: unknown): unknown {
    const reason = this.#overdue ?? error;
    this.#overdue = undefined;
    this.#limit = 0;
    return reason;
  }

  /**
   * Returns the function that `spec` describes.
   *
   * @throws {TimeoutError} If the limit is over.
   * @throws {SerializationError} If the function does not compile on this thread.
   */
  compile(spec: FunctionSpec, environment: Environment, url?: typeof TASK_URL): AnyFunction {
    if (this.#limit === 0) return compileFunction(spec, environment, url);
    let made: { fn: AnyFunction } | { error: unknown } | undefined;
    const ended = runLimited(() => {
      try {
        made = { fn: compileFunction(spec, environment, url) };
      } catch (error) {
        made = { error };
      }
    }, max(1, this.#end - clock()));
    if (!ended) afterInterruption();
    if (!ended || made === undefined) {
      throw this.#overdue = new TimeoutError(
        `The task was ended as its arguments took longer to be read than its limit of ${this.#limit} ms`,
      );
    }
    if ("error" in made) throw made.error;
    return made.fn;
  }
}
