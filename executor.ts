/**
 * Executors as in Python's `concurrent.futures`: each call returns a {@linkcode Future}, and results can be awaited in
 * any order.
 *
 * @example Use the results of several calls as they complete
 * ```ts
 * import { asCompleted, ProcessPoolExecutor } from "@manycore/parallel/executor";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ProcessPoolExecutor();
 * const futures = [1, 2, 3].map((n) => executor.submit((n: number) => n * n, n));
 * let sum = 0;
 * for await (const future of asCompleted(futures)) sum += await future.result();
 * assertEquals(sum, 14);
 * ```
 *
 * @module
 */

import { ExecutorCalls } from "./calls/executor_calls.ts";
import type { Future } from "./calls/future.ts";
import { refuseToBlockForMessages } from "./base/platform.ts";
import {
  checkedArgs,
  checkedCount,
  checkedFlag,
  checkedFunction,
  checkedLimit,
  checkedTimeout,
  OptionsSchema,
} from "./base/options_schema.ts";
import { sizeAndOptions, WORKER_CHECKS, workerOptions } from "./calls/worker_options.ts";
import { refuseInstances } from "./codec/refused.ts";
import { BrokenProcessPoolError } from "./errors.ts";
import type { LocalPoolOptions, NeedsInitargs, PoolStats, WorkerPoolOptions } from "./calls/options.ts";
import { LocalScheduler } from "./scheduler/local_scheduler.ts";
import { callAsTask } from "./calls/call_as_task.ts";
import { refuseWhileImporting } from "./calls/import_guard.ts";
import { openScheduler } from "./scheduler/backend.ts";
import type { Scheduler } from "./scheduler/task.ts";
import { webWorkers } from "./workers/mod.ts";

export { Future } from "./calls/future.ts";
export {
  asCompleted,
  type AsCompletedOptions,
  type AsCompletedSyncOptions,
  type ReturnWhen,
  wait,
  type Waited,
  type WaitForOptions,
  type WaitForSyncOptions,
} from "./calls/wait.ts";
export { asCompletedSync, waitSync } from "./calls/wait_sync.ts";
export type { Backend } from "./base/backend.ts";
export type {
  InitargsOf,
  LocalPoolOptions,
  NeedsInitargs,
  PoolStats,
  WorkerPermissions,
  WorkerPoolOptions,
} from "./calls/options.ts";

/** Options of {@linkcode Executor.map}: a plain object after the iterables. */
export interface ExecutorMapOptions {
  /**
   * The number of items that go to a worker at a time, a positive integer.
   *
   * @default {1}
   */
  readonly chunksize?: number | undefined;
  /**
   * The time for the whole iteration, in milliseconds from the call of `map()`. After that time, `next()` rejects with
   * `TimeoutError` if its result is not there yet, and the calls that have not begun are dropped. With 0 or less,
   * `next()` does not wait.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
  /**
   * The largest number of chunks that are submitted ahead of the results already returned, a positive integer. By
   * default the whole input is read and submitted at once.
   *
   * @default {Infinity}
   */
  readonly buffersize?: number | undefined;
  /**
   * A signal that abandons the iteration when it aborts: the iteration ends with the signal's reason, and the calls
   * that have not begun are dropped. Those that run are treated as {@linkcode CallOptions.signal} says.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The time that a task has to end after the signal has aborted, in milliseconds: see {@linkcode CallOptions.abortGrace}.
   *
   * @default {1000}
   */
  readonly abortGrace?: number | undefined;
}

/** Options of {@linkcode Executor.shutdown}. */
export interface ShutdownOptions {
  /**
   * True if the promise waits for the end of all calls.
   *
   * @default {true}
   */
  readonly wait?: boolean | undefined;
  /**
   * True if calls that have not begun are cancelled.
   *
   * @default {false}
   */
  readonly cancelFutures?: boolean | undefined;
}

/** Options of {@linkcode ProcessPoolExecutor.shutdownSync}. */
export interface ShutdownSyncOptions extends ShutdownOptions {
  /**
   * The longest wait, in milliseconds. 0 or less does not wait.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
}

/**
 * One iterable for each parameter of a function.
 *
 * @typeParam A The parameters of the function.
 */
export type IterablesOf<A extends readonly unknown[]> = { [K in keyof A]: Iterable<A[K]> | AsyncIterable<A[K]> };

/**
 * An object that takes calls and returns a {@linkcode Future} for each. A function with a parameter of type `Executor`
 * works with every executor: on workers, on the event loop, or one that you write. An executor of your own must keep
 * these guarantees.
 *
 * Source: `concurrent.futures.Executor`.
 *
 * ### Order
 *
 * Calls begin in the order in which they were submitted. `map()` submits its calls when it is called, not when its
 * results are read (`buffersize` limits this), and returns the results in the order of the input.
 *
 * ### Failures
 *
 * Wrong arguments throw a `TypeError` or `RangeError` at once. `submit()` and `map()` throw {@linkcode ClosedError}
 * after `shutdown()`, and {@linkcode BrokenProcessPoolError} once the executor is broken. Every future settles exactly
 * once. It fails with
 *
 * - the error that the function threw;
 * - `CancelledError` if it was cancelled before the call began;
 * - `TimeoutError` if the call took longer than the option `taskTimeout` of the executor;
 * - `SerializationError` if the function, an argument or the result cannot be sent to or from a worker;
 * - `BrokenProcessPoolError` if the worker died during the call, or the executor is broken.
 *
 * In the iteration of `map()`, an item that failed rejects its own `next()` with one of these errors, and the iteration
 * can go on after it. The iteration ends early with `TimeoutError` after its `timeout`, with the reason of its
 * `signal`, with the error of an input that throws later, or with `ClosedError` if the executor was shut down before
 * the whole input was read. If an input throws while `map()` itself reads it, `map()` throws that error.
 *
 * A failure concerns its own call alone. The executor is broken only if its initializer or the import of its module
 * throws, or if no worker can be started. Then all pending calls fail, and that error is the `cause`.
 *
 * ### Cancellation
 *
 * A call that has not begun can be cancelled with {@linkcode Future.cancel}, a call that has begun cannot. Leaving a
 * loop over the results of `map()` early cancels the calls that have not begun.
 *
 * ### Closing
 *
 * `shutdown()` refuses new calls, and the calls made before run to their end. Leaving an `await using` block shuts down
 * and waits.
 *
 * @example Write a function that works with any executor
 * ```ts
 * import { type Executor, ProcessPoolExecutor, ThreadPoolExecutor } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * async function sumOfSquares(executor: Executor, numbers: number[]): Promise<number> {
 *   let sum = 0;
 *   for await (const square of executor.map((n: number) => n * n, numbers)) sum += square;
 *   return sum;
 * }
 * await using workers = new ProcessPoolExecutor(2);
 * await using here = new ThreadPoolExecutor();
 * assertEquals(await sumOfSquares(workers, [1, 2, 3]), await sumOfSquares(here, [1, 2, 3]));
 * ```
 */
export interface Executor extends AsyncDisposable {
  /**
   * Submits one call of `fn`.
   *
   * Source: `Executor.submit`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @param fn The function.
   * @param args The arguments of `fn`.
   * @returns A future for the result.
   * @throws {TypeError} If `fn` is not a function.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If the executor is broken.
   */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>>;
  /**
   * Submits a call of `fn` for each item.
   *
   * Source: `Executor.map`.
   *
   * @typeParam T An item.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @param fn The function.
   * @param items The items: any iterable or async iterable. More iterables, one for each further parameter of `fn`, and
   * then options may follow.
   * @returns An async iterator over the results, in the order of the input.
   * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If the executor is broken.
   */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, up to the end of the shortest. */
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, with options after them. */
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  /**
   * Refuses new calls. The calls made before run to their end, except that `cancelFutures` cancels the calls that have
   * not begun. A `map()` that has not read its whole input reads no more of it; its iteration ends with a
   * {@linkcode ClosedError} after the results of the calls already submitted.
   *
   * Source: `Executor.shutdown`.
   *
   * @param options Whether to wait, and whether to cancel.
   * @returns Resolves when all calls have ended and the workers are gone; at once with `wait: false`.
   * @throws {TypeError} If an option is of a wrong kind or unknown.
   *
   * @example Cancel the calls that have not begun
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * const executor = new ProcessPoolExecutor(1);
   * const futures = [1, 2, 3].map((n) => executor.submit(Math.sqrt, n));
   * await executor.shutdown({ cancelFutures: true });
   * assert(futures.every((future) => future.done()));
   * ```
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
}

/**
 * Options of a {@linkcode ProcessPoolExecutor}: those of {@linkcode WorkerPoolOptions} and these.
 *
 * @typeParam I The parameters of `initializer`.
 */
export interface ProcessPoolExecutorOptions<I extends readonly unknown[] = never[]> extends WorkerPoolOptions<I> {
  /**
   * The largest number of workers, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly maxWorkers?: number | undefined;
}

/** Options of a {@linkcode ThreadPoolExecutor}: those of {@linkcode LocalPoolOptions} and these. */
export interface ThreadPoolExecutorOptions extends LocalPoolOptions {
  /**
   * The largest number of calls at a time, a positive integer.
   *
   * @default {Math.min(32, navigator.hardwareConcurrency + 4)}
   */
  readonly maxWorkers?: number | undefined;
}

/**
 * An {@linkcode Executor} on Web Workers, for functions that compute in parallel.
 *
 * Workers start on demand while none is idle, up to {@linkcode ProcessPoolExecutorOptions.maxWorkers}. A worker that
 * dies is replaced. See {@linkcode Pool} for how functions and values are sent.
 *
 * Source: `concurrent.futures.ProcessPoolExecutor`. Differs from Python: a worker that dies fails only the call that it
 * was running, and does not break the executor.
 *
 * @typeParam I The parameters of the initializer.
 *
 * @example Submit one call, and a call for each item
 * ```ts
 * import { ProcessPoolExecutor } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const power = (base: number, exponent: number) => base ** exponent;
 * await using executor = new ProcessPoolExecutor({ maxWorkers: 2 });
 * const future = executor.submit(power, 2, 10);
 * assertEquals(await future.result(), 1024);
 * assertEquals(await Array.fromAsync(executor.map(power, [1, 2, 3], [3, 2, 1])), [1, 4, 3]);
 * ```
 */
export class ProcessPoolExecutor<I extends readonly unknown[] = never[]> implements Executor {
  readonly #scheduler: Scheduler;
  readonly #calls: ExecutorCalls;

  static {
    refuseInstances(ProcessPoolExecutor.prototype, "Cannot send an executor to another thread: make one there");
  }

  /**
   * Creates an executor, whose workers start with the first call.
   *
   * @param options The options. The number of workers may also be given as a first argument before them.
   * @throws {TypeError} If an option is of a wrong kind or unknown, or an option is given twice.
   * @throws {RangeError} If a number is out of its range, or a name in `scope` is not a valid name of a variable.
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   * @throws {InvalidStateError} If a worker makes the executor while it imports its module: the main program in that
   * module needs the guard `if (import.meta.main)`.
   */
  constructor(options?: ProcessPoolExecutorOptions<I> & NeedsInitargs<I>);
  /** Creates an executor, with the number of workers as the first argument. */
  constructor(maxWorkers?: number, options?: ProcessPoolExecutorOptions<I> & NeedsInitargs<I>);
  constructor(first?: number | ProcessPoolExecutorOptions<I>, second?: ProcessPoolExecutorOptions<I>) {
    refuseWhileImporting("an executor");
    const { size, options } = sizeAndOptions(
      PROCESS_EXECUTOR_OPTIONS,
      "ProcessPoolExecutor",
      "maxWorkers",
      first,
      second,
    );
    const { taskTimeout, name = "ProcessPoolExecutor" } = options;
    const most = size ?? navigator.hardwareConcurrency;
    this.#scheduler = openScheduler(
      options.backend ?? webWorkers,
      workerOptions("executor", most, name, options, false),
    );
    this.#calls = new ExecutorCalls(this.#scheduler, taskTimeout);
  }

  /** Submits one call of `fn`, which runs on a worker; see {@linkcode Executor.submit}. */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>> {
    return this.#calls.submit(fn, args);
  }

  /** Submits a call of `fn` for each item, on the workers; see {@linkcode Executor.map}. */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables; see {@linkcode Executor.map}. */
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, with options; see {@linkcode Executor.map}. */
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  map<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): AsyncIterableIterator<Awaited<R>> {
    return this.#calls.map(fn, iterablesAndOptions);
  }

  /**
   * Submits a call of `fn` for each item. `next()` blocks the calling thread until the result is there; otherwise as
   * {@linkcode Executor.map}. This method can be used on every thread that may block: in Deno on all threads, including
   * the main one.
   *
   * @typeParam T An item.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @param fn The function.
   * @param items The items: any iterable, but no async iterable. More iterables and then options may follow.
   * @returns An iterator over the results, in the order of the input.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Map over items without `await`
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(2);
   * assertEquals([...executor.mapSync(Math.sqrt, [1, 4, 9])], [1, 2, 3]);
   * ```
   */
  mapSync<T, R>(fn: (item: T) => R, items: Iterable<T>, options?: ExecutorMapOptions): IterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, up to the end of the shortest. */
  mapSync<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterables: { [K in keyof A]: Iterable<A[K]> }
  ): IterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, with options after them. */
  mapSync<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: { [K in keyof A]: Iterable<A[K]> }, options: ExecutorMapOptions]
  ): IterableIterator<Awaited<R>>;
  mapSync<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): IterableIterator<Awaited<R>> {
    refuseToBlockForMessages("'map()'");
    return this.#calls.mapSync(fn, iterablesAndOptions);
  }

  /**
   * Refuses new calls, and waits for the end of the calls made before, as {@linkcode Executor.shutdown}. It also waits
   * for workers with living child processes; see {@linkcode WorkerPoolOptions.idleTimeout}.
   */
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#calls.shutdown(options);
  }

  /**
   * Refuses new calls, and blocks the calling thread until the calls made before have ended; otherwise as
   * {@linkcode ProcessPoolExecutor.shutdown}. See {@linkcode ProcessPoolExecutor.mapSync} for the threads that may
   * block.
   *
   * @param options Whether to wait and how long, and whether to cancel.
   * @returns Whether all calls have ended and the workers are gone; false only after `timeout` or with `wait: false`.
   * The executor is shut down in any case.
   * @throws {TypeError} If an option is of a wrong kind or unknown.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers; if a call cannot end while
   * this thread is blocked, because one of its arguments is being read further up the stack.
   * @throws {CancelledError} If this thread is a worker that was terminated meanwhile.
   *
   * @example Shut down without `await`
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * const executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(Math.sqrt, 16);
   * assert(executor.shutdownSync({ timeout: 10_000 }) && future.done());
   * ```
   */
  shutdownSync(options?: ShutdownSyncOptions): boolean {
    const { wait = true, cancelFutures = false, timeout = Infinity } = SHUTDOWN_SYNC_OPTIONS.read(
      options,
      "shutdownSync()",
    );
    const deadline = performance.now() + timeout;
    this.#calls.close(cancelFutures);
    return this.#scheduler.joinSync(wait ? deadline : -Infinity);
  }

  /**
   * Ends the workers at once, and refuses new calls. Calls that are running fail with
   * {@linkcode BrokenProcessPoolError}, and calls that have not begun are cancelled. Where the runtime cannot stop
   * running code (Deno 2.7.6 and later), that code may run on.
   *
   * Source: `ProcessPoolExecutor.terminate_workers` of Python 3.14.
   *
   * @example Stop a call that never ends
   * ```ts
   * import { BrokenProcessPoolError, ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(() => new Promise(() => {}));
   * while (!future.running()) await new Promise((resolve) => setTimeout(resolve, 1));
   * executor.terminateWorkers();
   * await assertRejects(() => future.result(), BrokenProcessPoolError);
   * ```
   */
  terminateWorkers(): void {
    this.#calls.close(true);
    this.#scheduler.abort(new BrokenProcessPoolError("The workers of the executor were terminated"));
  }

  /**
   * Counts the workers and tasks of the executor, as {@linkcode Pool.stats}.
   *
   * @returns The counts at this moment.
   *
   * @example See that workers start on demand
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(4);
   * assertEquals(executor.stats().workers, 0);
   * await executor.submit(Math.sqrt, 4).result();
   * assertEquals(executor.stats().workers, 1);
   * ```
   */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /** Shuts the executor down, and waits until all calls have ended and the workers are gone. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

/**
 * An {@linkcode Executor} on the caller's own event loop and heap, for functions that wait rather than compute. Nothing
 * is copied, and closures work. At most `maxWorkers` calls run at a time; they take turns where they await.
 *
 * Source: `concurrent.futures.ThreadPoolExecutor`. Differs from Python: nothing runs in parallel, and so nothing can
 * block here. `resultSync()` of its futures throws unless they are done.
 *
 * @example Run asynchronous calls, at most five at a time
 * ```ts
 * import { ThreadPoolExecutor } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ThreadPoolExecutor(5);
 * const pages = executor.map(async (path: string) => (await Promise.resolve(path)).length, ["/", "/about"]);
 * assertEquals(await Array.fromAsync(pages), [1, 6]);
 * ```
 */
export class ThreadPoolExecutor implements Executor {
  readonly #calls: ExecutorCalls;

  static {
    refuseInstances(ThreadPoolExecutor.prototype, "Cannot send an executor to another thread: make one there");
  }

  /**
   * Creates an executor.
   *
   * @param maxWorkers The largest number of calls at a time, a positive integer, or the options.
   * @param options The other options.
   * @throws {TypeError} If an option is of a wrong kind or unknown, or an option is given twice.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(maxWorkers?: number | ThreadPoolExecutorOptions, options?: ThreadPoolExecutorOptions) {
    const given = sizeAndOptions(THREAD_EXECUTOR_OPTIONS, "ThreadPoolExecutor", "maxWorkers", maxWorkers, options);
    const { initializer, initargs = [], taskTimeout } = given.options;
    const size = given.size ?? Math.min(32, navigator.hardwareConcurrency + 4);
    const scheduler = new LocalScheduler({
      owner: "executor",
      size,
      initializer,
      initargs,
      trace: false,
      call: callAsTask,
    });
    this.#calls = new ExecutorCalls(scheduler, taskTimeout);
  }

  /**
   * Submits one call of `fn`, which runs on this event loop; see {@linkcode Executor.submit}. `fn` is never called
   * within `submit()` itself.
   */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>> {
    return this.#calls.submit(fn, args);
  }

  /** Submits a call of `fn` for each item, on this event loop; see {@linkcode Executor.map}. */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables; see {@linkcode Executor.map}. */
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  /** Submits calls of `fn` with arguments from several iterables, with options; see {@linkcode Executor.map}. */
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  map<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): AsyncIterableIterator<Awaited<R>> {
    return this.#calls.map(fn, iterablesAndOptions);
  }

  /** Refuses new calls, and waits for the end of the calls made before; see {@linkcode Executor.shutdown}. */
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#calls.shutdown(options);
  }

  /** Shuts the executor down, and waits until all calls have ended. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

const PROCESS_EXECUTOR_OPTIONS = new OptionsSchema({ maxWorkers: checkedCount, ...WORKER_CHECKS });
const THREAD_EXECUTOR_OPTIONS = new OptionsSchema({
  maxWorkers: checkedCount,
  initializer: checkedFunction,
  initargs: checkedArgs,
  taskTimeout: checkedLimit,
});
const SHUTDOWN_SYNC_OPTIONS = new OptionsSchema({
  timeout: checkedTimeout,
  wait: checkedFlag,
  cancelFutures: checkedFlag,
});
