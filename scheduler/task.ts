/**
 * The unit of work, its outcome, and what a scheduler promises to those who use it.
 *
 * @module
 */

import type { BrokenProcessPoolError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import type { Lifecycle, TaskProducer } from "./lifecycle.ts";
import { type CallSite, stackHere } from "../base/call_site.ts";
import type { NumberTarget } from "../codec/decoder.ts";
import { thenRefused } from "../codec/foreign.ts";
import type { NumberRange, StoredPayload } from "../codec/payload.ts";
import { type Deferred, deferred } from "../base/deferred.ts";

/** What is done with the arguments: one call, a call for each item or each tuple, or one call whose result is dropped. */
export type TaskMode = "apply" | "map" | "starmap" | "run";

/** The numbers of the modes, in a slot. */
export const MODES = ["apply", "map", "starmap", "run"] as const;
/** The same by name. */
export const MODE_NUMBERS: Readonly<Record<TaskMode, number>> = { apply: 0, map: 1, starmap: 2, run: 3 };
/**
 * The value of a `map` or `starmap` task: what the failed items threw, by index, and a result for each other item; undefined when
 * these are where the task has its {@linkcode NumberTarget}.
 */
export type ChunkValue = readonly [
  failures: readonly (readonly [index: number, error: unknown])[] | undefined,
  results: unknown[] | undefined,
];

/** The value of a task whose results are where it wants them. */
export const AT_TARGET: ChunkValue = [undefined, undefined];

/** How a task ended. `thenable`: the value came from another thread, and a promise would call its `then`. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown; readonly thenable?: true }
  | {
    readonly ok: false;
    readonly error: unknown;
    readonly cancelled?: true;
    /** Of a task that a worker has not answered, since it has ended. */
    readonly end?: WorkerEnd;
    /** To be told the stack of whoever gets the error, with which its own ends then. */
    readonly complete?: ((stack: string) => void) | undefined;
  };

/** Receives the outcome of a call. */
export type Settle = (outcome: Outcome) => void;

/** How a worker ended that has not replied. */
export interface WorkerEnd {
  /** The exit code that its code gave. */
  readonly exitCode: number | undefined;
  /** The error that nothing caught, if it was that: in an array, as it may be anything. */
  readonly uncaught: readonly [error: unknown] | undefined;
}

/** A unit of scheduling: one call, or a chunk of calls. */
export abstract class Task {
  /** What is called. */
  readonly fn: AnyFunction;
  /** How `args` are meant. */
  readonly mode: TaskMode;
  /** What that is called in messages; empty for nothing. */
  get name(): string {
    try {
      const { name } = this.fn;
      return typeof name === "string" ? name : "";
    } catch {
      return ""; // a getter of its own, or a proxy
    }
  }

  /** The arguments, the items or the tuples. */
  args: readonly unknown[];
  /** What stands for them while the task is handed over, if anything. */
  range: NumberRange | undefined = undefined;
  /** The limit of one call in milliseconds; 0 for none. */
  readonly limit: number;
  /** Where its results may be put if all are numbers, if anywhere. */
  target: NumberTarget | undefined = undefined;
  /** Its number at the scheduler; -1 while it only waits. */
  taskId = -1;
  /** The number of its function at the scheduler. */
  functionId = -1;
  /** Its payload, if that is encoded and kept here until a worker asks for it. */
  payload: StoredPayload | undefined = undefined;
  /** Whether its arguments have left this thread for good. */
  moved = false;
  /** How many workers have ended while they read it. */
  tries = 0;
  /** Whether it has an outcome. */
  settled = false;
  /** Where the call was made that it is a part of, if there are several parts. */
  site: CallSite | undefined = undefined;
  /** The index of its first item in that call. */
  first = 0;

  constructor(fn: AnyFunction, mode: TaskMode, args: readonly unknown[], limit: number) {
    this.fn = fn;
    this.mode = mode;
    this.args = args;
    this.limit = limit;
  }

  /** How many calls it makes. */
  get calls(): number {
    return this.mode === "apply" ? 1 : this.args.length;
  }

  /** Takes what it needs of arrays that belong to the caller. To be called after it was submitted, before the caller goes on. */
  detach(): void {
    // Most tasks have arguments of their own.
  }

  /** Receives the outcome, exactly once. */
  abstract settle(outcome: Outcome): void;
}

/** A task whose outcome a function is told. */
export class CallbackTask extends Task {
  readonly #tell: (outcome: Outcome) => void;

  constructor(
    fn: AnyFunction,
    mode: TaskMode,
    args: readonly unknown[],
    limit: number,
    tell: (outcome: Outcome) => void,
  ) {
    super(fn, mode, args, limit);
    this.#tell = tell;
  }

  settle(outcome: Outcome): void {
    this.#tell(outcome);
  }
}

/** What a promise of an outcome is resolved with. One function for both ends: there may be a million of them. */
export function resolution(outcome: Outcome): unknown {
  if (outcome.ok) {
    const { value } = outcome;
    if (typeof value !== "object" || outcome.thenable === undefined) return value;
    return Promise.reject(thenRefused("the result", "return it in an array, or get it by a call that blocks"));
  }
  const { error, complete } = outcome;
  if (complete === undefined) return Promise.reject(error);
  // Two turns later the promise has taken over from the one here: then a stack tells who waits for it.
  return Promise.resolve().then(nothing).then(() => {
    complete(stackHere());
    throw error;
  });
}

function nothing(): void {
  // Only takes a turn.
}

/** Calls for a part of an array of numbers, which are copied into shared memory if there is room, else into an array. */
export class NumberRangeTask extends CallbackTask {
  readonly #calls: number;

  constructor(
    fn: AnyFunction,
    mode: TaskMode,
    range: NumberRange,
    limit: number,
    tell: (outcome: Outcome) => void,
  ) {
    super(fn, mode, [], limit, tell);
    this.range = range;
    this.#calls = range.end - range.start;
  }

  override get calls(): number {
    return this.#calls;
  }

  override detach(): void {
    const range = this.range;
    this.range = undefined;
    if (range === undefined || this.settled) return;
    this.args = Array.from({ length: this.#calls }, (_, i) => range.numbers[range.start + i]);
  }
}

/** A single call whose outcome is a promise. */
export class PromiseTask extends Task {
  /** The promise. */
  readonly promise: Promise<unknown>;
  readonly #resolve: Deferred["resolve"];

  constructor(fn: AnyFunction, args: readonly unknown[], limit: number) {
    super(fn, "apply", args, limit);
    const { promise, resolve } = deferred();
    this.promise = promise;
    this.#resolve = resolve;
  }

  settle(outcome: Outcome): void {
    this.#resolve(resolution(outcome));
  }
}

/** One task of a worker, for a trace. */
export interface TraceEvent {
  /** The worker's number. */
  readonly worker: number;
  /** The name of the function. */
  readonly name: string;
  /** How many calls. */
  readonly calls: number;
  /** The start, in milliseconds since the scheduler was made. */
  readonly start: number;
  /** The length in milliseconds. */
  readonly duration: number;
}

/** A worker of a scheduler. */
export interface WorkerInfo {
  /** Its number: unique among all processes and workers of the program, or that of the operating system. */
  readonly pid: number;
  /** Its name. */
  readonly name: string;
}

/** The counts of a scheduler. */
export interface SchedulerStats {
  /** Workers alive. */
  readonly workers: number;
  /** Tasks that no worker has begun. */
  readonly queued: number;
  /** Tasks under way. */
  readonly running: number;
  /** Tasks that have ended, well or not. */
  readonly finished: number;
  /** Workers that were ended but may still run, as the runtime cannot stop their code. */
  readonly zombies: number;
  /** How many workers could not be started. */
  readonly startFailures: number;
}

/** What a thread can block on for tasks of its workers. */
export interface BlockingScheduler {
  /** Blocks the thread until `done`, at most until the time `deadline` of `performance.now()`: whether it is done. */
  block(done: () => boolean, deadline: number): boolean;
}

/**
 * Takes tasks and settles each exactly once, in any event. The two kinds: on workers, and on the caller's event loop.
 */
export interface Scheduler {
  /** The number of tasks that can run at once. */
  readonly size: number;
  /** Whether tasks may come as ranges of an array of numbers, which are read before `submitFrom` returns or by `detach()`. */
  readonly takesRanges: boolean;
  /** Whether {@linkcode block} and {@linkcode joinSync} may be called: false if the tasks need this thread. */
  readonly canBlock: boolean;
  /** Whether it takes and runs work. */
  readonly state: Lifecycle["state"];
  /** Takes a task. Throws `ClosedError` or `BrokenProcessPoolError` when it takes none. */
  submit(task: Task): void;
  /** A call begins that hands over its tasks with `submitFrom` until `end`, also after `close()`. Throws as `submit`. */
  attach(producer: TaskProducer): void;
  /** Takes a task of such a call. */
  submitFrom(task: Task): void;
  /** The call has no more tasks. */
  detach(producer: TaskProducer): void;
  /** Gives one task to every worker, and tells how many those are: fewer than `size` where some cannot be started. */
  submitToAll(make: (index: number) => Task): number;
  /** Drops a task that has not begun: false when it has. A dropped task is never settled by the scheduler. */
  cancel(task: Task): boolean;
  /** Whether a task has begun and not ended. */
  isRunning(task: Task): boolean;
  /** Settles every task that has not begun with `outcome`. */
  cancelAll(outcome: () => Outcome): void;
  /** Takes no more tasks; calls that still hand over tasks get `cut`, if given, and hand over no more. */
  close(cut?: Error): void;
  /** Ends everything: what is pending settles with `CancelledError`. */
  terminate(): void;
  /** Ends everything: what is pending settles with `BrokenProcessPoolError`, for `cause`. */
  abort(cause: BrokenProcessPoolError): void;
  /** Resolves once it is closed, every task has settled and the workers are gone. */
  join(): Promise<void>;
  /** As for a {@linkcode BlockingScheduler}. Throws `InvalidStateError` if the tasks need this thread. */
  block(done: () => boolean, deadline: number): boolean;
  /**
   * Blocks the thread until it is closed, every task has settled and the workers are gone, at most until the time `deadline` of
   * `performance.now()`. Returns whether that is so. Throws as {@linkcode block}.
   */
  joinSync(deadline: number): boolean;
  /** The workers that have not ended, the oldest first. */
  workers(): readonly WorkerInfo[];
  /** The counts. */
  stats(): SchedulerStats;
  /** The tasks so far, when tracing. */
  trace(): readonly TraceEvent[];
}
