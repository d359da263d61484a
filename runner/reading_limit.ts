/**
 * The limit of a task while it is read.
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
// Taken before any code of the user runs, which may replace them.
const { ceil, max } = Math;

/**
 * Has the time that a worker takes to read a task count for the limit of its first call. Functions are compiled then, and a class may
 * have static blocks: that code of the user is interrupted when the limit is over.
 */
export class ReadingLimit {
  readonly #progress: PreparationProgress;
  readonly #epoch: number;
  #limit = 0;
  #end = 0;
  #overdue: TimeoutError | undefined;

  /** `epoch`: the zero of the times that are told. */
  constructor(progress: PreparationProgress, epoch: number) {
    this.#progress = progress;
    this.#epoch = epoch;
  }

  /** From here on a task is read. */
  start({ limit }: TaskHeader): void {
    if (limit === 0) return;
    prepareLimit();
    this.#limit = limit;
    this.#end = clock() + limit;
    this.#progress.setDeadline(ceil(this.#end - this.#epoch));
  }

  /** It is the turn of the caller, who is asked for what the task lacks. */
  interrupt(): void {
    if (this.#limit === 0) return;
    this.#limit = 0;
    this.#progress.clearDeadline();
  }

  /** The task was read: gives how long that has taken, in milliseconds; 0 if it has no limit. */
  stop(): number {
    if (this.#limit === 0) return 0;
    const spent = this.#limit - (this.#end - clock());
    this.#limit = 0;
    return spent;
  }

  /** The task cannot be read, for this error: gives the reason, which the decoder may have made the cause of another one. */
  fail(error: unknown): unknown {
    const reason = this.#overdue ?? error;
    this.#overdue = undefined;
    this.#limit = 0;
    return reason;
  }

  /**
   * Makes a function.
   *
   * @throws {TimeoutError} If the limit is over.
   * @throws {SerializationError} If it does not compile here.
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
