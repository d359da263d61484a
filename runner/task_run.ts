/**
 * A task that runs in its worker.
 *
 * @module
 */

import { TimeoutError } from "../errors.ts";
import type { Environment } from "../codec/functions.ts";
import type { FunctionSpec } from "../codec/functions.ts";
import { explainReferenceError } from "./reference_errors.ts";
import type { KnownFunction } from "./known_functions.ts";
import type { Answer } from "./reply_encoder.ts";
import { trimStack } from "./stack.ts";
import type { TaskMode } from "../scheduler/task.ts";
import type { TaskHeader } from "../scheduler/messages.ts";
import type { CurrentTask } from "../sync/internal/current_thread.ts";
import { TaskSignal } from "./task_signal.ts";
import { isIterable } from "../base/values.ts";

// Captured before any code of the user runs, which may replace it.
const { max } = Math;

/** Returns a phrase for the time after the last task has ended. */
export function afterTask(last: FunctionSpec | undefined): string {
  if (last === undefined) return "before any task";
  return last.name === "" ? "after a task without a name" : `after the task '${last.name}'`;
}

function nothing(): void {
  // The signal learns of an abort in the event loop.
}

/** The calls of a task, and their outcomes so far. */
export class TaskRun implements Answer {
  readonly header: TaskHeader;
  readonly fn: KnownFunction;
  readonly environment: Environment;
  readonly mode: TaskMode;
  readonly args: readonly unknown[];
  /** True if all arguments are for one call; else each argument is for a separate call. */
  readonly isOneCall: boolean;
  /** The number of calls. */
  readonly count: number;
  readonly results: unknown[];
  readonly failures: [number, unknown][] = [];
  readonly started: number;
  /** The index of the current call. */
  index = 0;
  /** When the current call must have ended, in milliseconds since the epoch of the calling side; 0 for never. */
  deadline = 0;

  /** Called before the task's signal says whether it is aborted; it may call {@linkcode TaskRun.abort}. */
  readonly #look: (run: TaskRun) => void;

  /** The time that reading the task took, in milliseconds. */
  readonly #read: number;
  #signal: TaskSignal | undefined;
  #current: CurrentTask | undefined;
  #reason: { readonly reason: unknown } | undefined;

  /** Creates the run of a task, of which no call is made yet. */
  constructor(
    header: TaskHeader,
    mode: TaskMode,
    fn: KnownFunction,
    environment: Environment,
    args: readonly unknown[],
    started: number,
    read: number,
    look: (run: TaskRun) => void = nothing,
  ) {
    this.#look = look;
    this.header = header;
    this.fn = fn;
    this.environment = environment;
    this.mode = mode;
    this.args = args;
    this.isOneCall = this.mode === "apply" || this.mode === "run";
    this.count = this.isOneCall ? 1 : args.length;
    this.results = new Array(this.count);
    this.started = started;
    this.#read = read;
  }

  /** The task as its function sees it. */
  get current(): CurrentTask {
    const { taskId, first, delivery: { id = taskId, attempt = 1 } = {} } = this.header;
    const index = this.isOneCall ? 0 : first + this.index;
    if (this.#current?.index === index) return this.#current;
    if (this.#signal === undefined) {
      this.#signal = new TaskSignal(() => this.#look(this));
      if (this.#reason !== undefined) this.#signal.abort(this.#reason.reason);
    }
    return this.#current = Object.freeze({ id, index, attempt, signal: this.#signal.signal });
  }

  /** Aborts the signal of the task. */
  abort(reason: unknown): void {
    this.#reason ??= { reason };
    this.#signal?.abort(reason);
  }

  /** True once the task was aborted. */
  get isAborted(): boolean {
    return this.#reason !== undefined;
  }

  /** The limit of one call in milliseconds; 0 means none. */
  get limit(): number {
    return this.header.limit;
  }

  /** Returns how many milliseconds the current call may take; 0 means no limit. Reading the task shortens the first. */
  rest(): number {
    const { limit } = this.header;
    return limit === 0 || this.index > 0 ? limit : max(1, limit - this.#read);
  }

  /** Makes the current call. It throws what the function throws. */
  call(): unknown {
    const { call } = this.fn;
    switch (this.mode) {
      case "apply":
      case "run":
        return call(...this.args);
      case "map":
        return call(this.args[this.index]);
      case "starmap": {
        const tuple = this.args[this.index];
        if (!isIterable(tuple)) {
          const what = `item ${this.index} of the chunk`;
          throw new TypeError(`Cannot spread the arguments of a call: ${what} is not iterable`);
        }
        return call(...tuple);
      }
    }
  }

  /** Records that the current call has failed. */
  fail(error: unknown): void {
    explainReferenceError(error, this.fn.spec, this.environment);
    trimStack(error, this.environment);
    this.results[this.index] = undefined;
    this.failures.push([this.index, error]);
  }

  /** Records that the current call took longer than the task's limit. */
  failAtLimit(): void {
    const { name } = this.fn.spec;
    const what = name === "" ? "The task" : `The task '${name}'`;
    this.fail(new TimeoutError(`${what} was ended as it ran longer than its limit of ${this.header.limit} ms`));
  }
}
