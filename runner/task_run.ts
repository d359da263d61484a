/**
 * A task under way in its worker.
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
import { isIterable } from "../base/values.ts";

// Taken before any code of the user runs, which may replace it.
const { max } = Math;

/** When something came after the last task has ended. */
export function afterTask(last: FunctionSpec | undefined): string {
  if (last === undefined) return "before any task";
  return last.name === "" ? "after a task without a name" : `after the task '${last.name}'`;
}

/** The calls of a task, and what has come of them so far. */
export class TaskRun implements Answer {
  readonly header: TaskHeader;
  readonly fn: KnownFunction;
  readonly environment: Environment;
  readonly mode: TaskMode;
  readonly args: readonly unknown[];
  /** Whether all arguments are for one call; else each is for one of its own. */
  readonly isOneCall: boolean;
  /** How many calls there are. */
  readonly count: number;
  readonly results: unknown[];
  readonly failures: [number, unknown][] = [];
  readonly started: number;
  /** The call that is under way. */
  index = 0;

  /** How long the task was read, in milliseconds. */
  readonly #read: number;

  /** None of the calls is made yet. */
  constructor(
    header: TaskHeader,
    mode: TaskMode,
    fn: KnownFunction,
    environment: Environment,
    args: readonly unknown[],
    started: number,
    read: number,
  ) {
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

  /** The limit of one call in milliseconds; 0 for none. */
  get limit(): number {
    return this.header.limit;
  }

  /** How long the call that is under way may take, in milliseconds; 0 for no limit. The first one has been read for a while. */
  rest(): number {
    const { limit } = this.header;
    return limit === 0 || this.index > 0 ? limit : max(1, limit - this.#read);
  }

  /** Makes the call that is under way, whatever it throws. */
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

  /** The call that is under way has failed. */
  fail(error: unknown): void {
    explainReferenceError(error, this.fn.spec, this.environment);
    trimStack(error, this.environment);
    this.results[this.index] = undefined;
    this.failures.push([this.index, error]);
  }

  /** It has failed as it took longer than the task's limit. */
  failAtLimit(): void {
    const { name } = this.fn.spec;
    const what = name === "" ? "The task" : `The task '${name}'`;
    this.fail(new TimeoutError(`${what} was ended as it ran longer than its limit of ${this.header.limit} ms`));
  }
}
