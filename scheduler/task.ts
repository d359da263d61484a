/**
 * The unit of work, its outcome, and the interface of schedulers.
 *
 * @module
 */

import type { BrokenProcessPoolError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import type { Lifecycle, TaskProducer } from "./lifecycle.ts";
import { type CallSite, stackHere } from "../base/call_site.ts";
import type { NumberTarget } from "../codec/decoder.ts";
import { thenRefused } from "../codec/foreign.ts";
import type { Delivery } from "./messages.ts";
import type { NumberRange, StoredPayload } from "../codec/payload.ts";
import { type Deferred, deferred } from "../base/deferred.ts";

/** The use of the arguments: in one call, a call for each item or each tuple, or one call whose result is dropped. */
export type TaskMode = "apply" | "map" | "starmap" | "run";

/** The modes, by the numbers that slots hold. */
export const MODES = ["apply", "map", "starmap", "run"] as const;
/** The numbers of the modes, by name. */
export const MODE_NUMBERS: Readonly<Record<TaskMode, number>> = { apply: 0, map: 1, starmap: 2, run: 3 };
/**
 * The value of a `map` or `starmap` task: the errors of the failed items, each with its index, and the results, by
 * index. Both are undefined if the results were written to the task's {@linkcode NumberTarget}.
 */
export type ChunkValue = readonly [
  failures: readonly (readonly [index: number, error: unknown])[] | undefined,
  results: unknown[] | undefined,
];

/** The value of a task whose results were written to its {@linkcode NumberTarget}. */
export const AT_TARGET: ChunkValue = [undefined, undefined];

/** The outcome of a task. `thenable`: the value came from another thread, and a promise would call its `then`. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown; readonly thenable?: true }
  | {
    readonly ok: false;
    readonly error: unknown;
    readonly cancelled?: true;
    /** The end of the worker, if it ended without a reply to the task. */
    readonly end?: WorkerEnd;
    /** Called with the stack of the code that receives the error, to complete the stack of the error with it. */
    readonly complete?: ((stack: string) => void) | undefined;
  };

/** A callback for the outcome of a call. */
export type Settle = (outcome: Outcome) => void;

/** The end of a worker that has not replied. */
export interface WorkerEnd {
  /** The exit code, if code of the worker ended it; minus the number of the signal if a signal has ended its process. */
  readonly exitCode: number | undefined;
  /** The signal that has ended its process, if any. */
  readonly signal?: string | undefined;
  /** The uncaught error, if one ended the worker. It is in an array, as the error may be any value. */
  readonly uncaught: readonly [error: unknown] | undefined;
}

/** A unit of scheduling: one call, or a chunk of calls. */
export abstract class Task {
  /** The function to call. */
  readonly fn: AnyFunction;
  /** The use of `args`. */
  readonly mode: TaskMode;
  /** The name of the function in messages; empty if it has none. */
  get name(): string {
    try {
      const { name } = this.fn;
      return typeof name === "string" ? name : "";
    } catch {
      return ""; // a getter of the user or a proxy has thrown
    }
  }

  /** The arguments, the items or the tuples. */
  args: readonly unknown[];
  /** The part of an array of numbers that replaces `args` while the task is submitted, if any. */
  range: NumberRange | undefined = undefined;
  /** The limit of one call in milliseconds; 0 means none. */
  readonly limit: number;
  /** The place to which the results may be written if all of them are numbers, if any. */
  target: NumberTarget | undefined = undefined;
  /** The number of the task at the scheduler; -1 while the task is only queued. */
  taskId = -1;
  /** The number of the function at the scheduler. */
  functionId = -1;
  /** The payload, if it is encoded already and kept here until a worker asks for it. */
  payload: StoredPayload | undefined = undefined;
  /** True if parts of the arguments have been moved, so that this thread cannot send them again. */
  moved = false;
  /** The blame of the task for workers that were lost before they began it. */
  blame = 0;
  /** True once the task has an outcome. */
  settled = false;
  /** The place of the call that the task is a part of, if the call has several parts. */
  site: CallSite | undefined = undefined;
  /** The index of the task's first item in that call. */
  first = 0;
  /** The task of another program that it is, if any. Only processes pass it on. */
  delivery: Delivery | undefined = undefined;

  constructor(fn: AnyFunction, mode: TaskMode, args: readonly unknown[], limit: number) {
    this.fn = fn;
    this.mode = mode;
    this.args = args;
    this.limit = limit;
  }

  /** The number of calls that the task makes. */
  get calls(): number {
    return this.mode === "apply" ? 1 : this.args.length;
  }

  /** Called when the task has been submitted. Makes the task independent of later changes of the caller's arrays. */
  detach(): void {
    // Most tasks have arguments of their own.
  }

  /** Called with the outcome, exactly once. */
  abstract settle(outcome: Outcome): void;
}

/** A task that reports its outcome to a callback. */
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

/**
 * Returns the value to resolve a promise of an outcome with: a rejected promise for a failure. So a promise needs only
 * its `resolve`, which matters as there may be a million of them.
 */
export function resolution(outcome: Outcome): unknown {
  if (outcome.ok) {
    const { value } = outcome;
    if (typeof value !== "object" || outcome.thenable === undefined) return value;
    return Promise.reject(thenRefused("the result", "return it in an array, or get it by a call that blocks"));
  }
  const { error, complete } = outcome;
  if (complete === undefined) return Promise.reject(error);
  // After two microtasks the caller's promise follows this one: from then on a stack shows the code that awaits.
  return Promise.resolve().then(nothing).then(() => {
    complete(stackHere());
    throw error;
  });
}

function nothing(): void {
  // It only takes one turn of the microtask queue.
}

/**
 * Checks, before anything is submitted, that a thread may block for tasks of this scheduler.
 *
 * @throws {InvalidStateError} If it may not.
 */
export function refuseUnlessBlocking(scheduler: Scheduler): void {
  if (!scheduler.canBlock) scheduler.block(() => false, Infinity); // says why not
}

/** Drops a task if it has not begun, otherwise interrupts it. */
export function abandonTask(scheduler: Scheduler, task: Task, reason: unknown, grace: number): void {
  if (!scheduler.cancel(task) && !task.settled) scheduler.interrupt(task, reason, grace);
}

/** The time that an aborted task has to end by itself before its worker is ended, in milliseconds, unless an option says otherwise. */
export const ABORT_GRACE = 1000;

/** A task for a part of an array of numbers. It is copied into shared memory if there is room, else into an array. */
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

/** One task that a worker has run, in a trace. */
export interface TraceEvent {
  /** The worker's number. */
  readonly worker: number;
  /** The name of the function. */
  readonly name: string;
  /** The number of calls. */
  readonly calls: number;
  /** The start, in milliseconds since the scheduler was created. */
  readonly start: number;
  /** The duration in milliseconds. */
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
  /** The number of live workers. */
  readonly workers: number;
  /** The number of tasks that no worker has begun. */
  readonly queued: number;
  /** The number of tasks that run. */
  readonly running: number;
  /** The number of tasks that have ended, successfully or not. */
  readonly finished: number;
  /** The number of workers that were ended but may still run, as the runtime cannot stop their code. */
  readonly zombies: number;
  /** The number of workers that could not be started. */
  readonly startFailures: number;
}

/** A scheduler on which a thread can block for tasks of its workers. */
export interface BlockingScheduler {
  /** Blocks until `done()`, at most until the time `deadline` of `performance.now()`. Returns whether it is done. */
  block(done: () => boolean, deadline: number): boolean;
}

/**
 * Takes tasks and settles each of them exactly once, in any event. There are two kinds: one runs tasks on workers, the
 * other on the caller's event loop.
 */
export interface Scheduler {
  /** The number of tasks that can run at once. */
  readonly size: number;
  /** True if tasks may bring a range of an array of numbers, which is read before `submitFrom` returns or by `detach()`. */
  readonly takesRanges: boolean;
  /** True if {@linkcode block} and {@linkcode joinSync} may be called, false if the tasks need this thread. */
  readonly canBlock: boolean;
  /** The state, which says whether the scheduler takes and runs work. */
  readonly state: Lifecycle["state"];
  /** Takes a task. Throws `ClosedError` or `BrokenProcessPoolError` if the scheduler takes none. */
  submit(task: Task): void;
  /** Adds a call that submits tasks with `submitFrom` until `detach`, even after `close()`. Throws as `submit` does. */
  attach(producer: TaskProducer): void;
  /** Takes a task of an attached call. */
  submitFrom(task: Task): void;
  /** Removes a call that has no more tasks. */
  detach(producer: TaskProducer): void;
  /** Submits one task to every worker. Returns the number of workers: below `size` if some could not be started. */
  submitToAll(make: (index: number) => Task): number;
  /** Drops a task that has not begun, and never settles it. Returns false if the task has begun. */
  cancel(task: Task): boolean;
  /**
   * Tells a task that {@linkcode cancel} could not drop that its result is no longer wanted: its signal aborts with `reason`. If it
   * has not ended after `grace` milliseconds, its worker is ended and replaced. The task settles in any case.
   */
  interrupt(task: Task, reason: unknown, grace: number): void;
  /** Returns whether a task has begun and not ended. */
  isRunning(task: Task): boolean;
  /** Settles every task that has not begun with `outcome`. */
  cancelAll(outcome: () => Outcome): void;
  /** Makes the scheduler take no new calls. If `cut` is given, attached calls fail with it and submit no more tasks. */
  close(cut?: Error): void;
  /** Ends everything: pending tasks settle with `CancelledError`. */
  terminate(): void;
  /** Ends everything: pending tasks settle with `BrokenProcessPoolError`, for `cause`. */
  abort(cause: BrokenProcessPoolError): void;
  /** Resolves once the scheduler is closed, every task has settled and the workers are gone. */
  join(): Promise<void>;
  /** As {@linkcode BlockingScheduler.block}. Throws `InvalidStateError` if the tasks need this thread. */
  block(done: () => boolean, deadline: number): boolean;
  /**
   * Blocks the thread until the scheduler is closed, every task has settled and the workers are gone, at most until the time
   * `deadline` of `performance.now()`. Returns whether that is so. Throws as {@linkcode block}.
   */
  joinSync(deadline: number): boolean;
  /** Returns the workers that have not ended, the oldest first. */
  workers(): readonly WorkerInfo[];
  /** Returns the counts. */
  stats(): SchedulerStats;
  /** Returns the tasks that have run so far, if tracing is on. */
  trace(): readonly TraceEvent[];
}
