/**
 * Worker pools with the methods of Python's `multiprocessing.Pool`: {@linkcode Pool} runs functions on Web Workers,
 * {@linkcode ThreadPool} runs them on the caller's own event loop.
 *
 * @example Map a function over items on all cores
 * ```ts
 * import { Pool } from "@manycore/parallel/pool";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool();
 * const squares = await pool.map((n: number) => n * n, [1, 2, 3]);
 * assertEquals(squares, [1, 4, 9]);
 * ```
 *
 * @module
 */

import type { AsyncResult } from "./calls/async_result.ts";
import { Calls } from "./calls/pool_calls.ts";
import { checkTimeout } from "./base/checks.ts";
import { refuseToBlockForMessages } from "./base/platform.ts";
import type { ResultIteratorSync } from "./calls/result_iterators.ts";
import type { ResultIterator } from "./calls/result_stream.ts";
import { traceJson } from "./calls/trace.ts";
import { InvalidStateError } from "./errors.ts";
import type {
  CallbackOptions,
  CallOptions,
  ImapOptions,
  MapOptions,
  NeedsInitargs,
  PoolStats,
  ResultOf,
  WorkerPoolOptions,
} from "./calls/options.ts";
import { refuseInstances } from "./codec/refused.ts";
import { checkedCount, checkedFlag, OptionsSchema } from "./base/options_schema.ts";
import { sizeAndOptions, WORKER_CHECKS, workerOptions } from "./calls/worker_options.ts";
import { refuseWhileImporting } from "./calls/import_guard.ts";
import { openScheduler } from "./scheduler/backend.ts";
import type { Scheduler } from "./scheduler/task.ts";
import { webWorkers } from "./workers/mod.ts";

export { type CurrentTask, currentTask } from "./sync/internal/current_task.ts";
export type { AsyncResult } from "./calls/async_result.ts";
export type { ResultIteratorSync } from "./calls/result_iterators.ts";
export type { ResultIterator } from "./calls/result_stream.ts";
export type * from "./calls/options.ts";
export { ThreadPool, type ThreadPoolOptions } from "./calls/thread_pool.ts";
export type { Backend } from "./base/backend.ts";
export { transfer } from "./codec/transfer.ts";

/**
 * Options of a {@linkcode Pool}: those of {@linkcode WorkerPoolOptions} and these.
 *
 * @typeParam I The parameters of `initializer`.
 */
export interface PoolOptions<I extends readonly unknown[] = never[]> extends WorkerPoolOptions<I> {
  /**
   * The largest number of workers, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly processes?: number | undefined;
  /**
   * True if {@linkcode Pool.trace} records the tasks.
   *
   * @default {false}
   */
  readonly trace?: boolean | undefined;
}

const POOL_OPTIONS = new OptionsSchema({ processes: checkedCount, ...WORKER_CHECKS, trace: checkedFlag });

/**
 * A pool of Web Workers that run functions in parallel.
 *
 * Workers start on demand, up to {@linkcode PoolOptions.processes} of them, and each runs one task at a time. A single
 * call is a task, and so is each chunk of a map. Functions are sent as source text (see
 * {@linkcode WorkerPoolOptions.scope}) or taken from a module (see {@linkcode WorkerPoolOptions.module}). No permission
 * is needed, except for the import of a module. A worker can make pools of its own, but a pool cannot be sent to
 * another thread.
 *
 * Arguments and results are copied as `structuredClone` copies them, and functions in them are sent as source text.
 * Arguments are copied when the task is sent, which may be later than the call: do not change them before the call has
 * settled.
 *
 * Source: `multiprocessing.pool.Pool`. Differs from Python: the methods that block there return promises here, and
 * block under names that end in `Sync`; workers have their own heap but share the process; leaving `await using` waits
 * for the work.
 *
 * ### Order
 *
 * Tasks begin in the order in which they were submitted, on whichever worker is free. `map`, `starmap`, `imap` and
 * `istarmap` return results in the order of the input, the `Unordered` methods in the order in which they complete.
 *
 * ### Failures
 *
 * Wrong arguments throw a `TypeError` or `RangeError` at once. Otherwise every call settles exactly once. It rejects
 * with
 *
 * - the error that the function threw, with its built-in class, its properties and the worker's stack;
 * - `TimeoutError` if it took longer than its `taskTimeout`;
 * - the reason of its `signal`, as soon as it aborts;
 * - `SerializationError` if the function, an argument or the result cannot be sent;
 * - `BrokenProcessPoolError` if the worker died while it ran the task, or the pool is broken;
 * - `CancelledError` if the pool was terminated before the call settled;
 * - `ClosedError` if the pool was closed or terminated before the call was made;
 * - the error of the input, of `onProgress` or of a callback, if one of these throws.
 *
 * In the same cases an `AsyncResult` fails with the error, `next()` of an async iterator rejects with it, and whatever
 * blocks throws it. The methods that return an `AsyncResult` or an iterator throw at once if the pool is closed,
 * terminated or broken.
 *
 * If several items of a map fail, the call rejects with the error of the earliest one in the input, once all chunks
 * have ended. A worker that dies fails only the task that it was running, and is replaced. The pool is broken if the
 * initializer or the import of the module throws, or if no worker can be started. Then all pending and later calls fail
 * with `BrokenProcessPoolError`, and the error that broke the pool is its `cause`.
 *
 * ### Cancellation
 *
 * An aborted `signal` abandons a call. If a task of the call has not begun, it never runs. If it has begun, its worker
 * stays busy until the task ends, and the result is dropped; a `taskTimeout` limits that time. Leaving a loop over an
 * iterator early drops the tasks that have not begun. The `timeout` of a wait ends only the wait.
 *
 * ### Closing
 *
 * `close()` refuses new calls, and the calls made before run to their end; `join()` waits for that end. `terminate()`
 * ends the workers at once. Leaving an `await using` block closes and joins, leaving a `using` block terminates. A pool
 * that is never closed does not keep the program from ending once its work is done, where the runtime can unreference a
 * worker: Deno and Bun.
 *
 * @typeParam I The parameters of the initializer.
 *
 * @example Run a function on four workers
 * ```ts
 * import { Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * function fib(n: number): number {
 *   return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
 * }
 *
 * await using pool = new Pool(4);
 * assertEquals(await pool.map(fib, [1, 2, 3, 4, 5]), [1, 2, 3, 5, 8]);
 * ```
 */
export class Pool<I extends readonly unknown[] = never[]> implements AsyncDisposable, Disposable {
  readonly #scheduler: Scheduler;
  readonly #calls: Calls;
  readonly #name: string;

  static {
    refuseInstances(Pool.prototype, "Cannot send a pool to another thread: make a pool of its own there");
  }

  /**
   * Creates a pool, whose workers start with the first call.
   *
   * @param options The options. The number of workers may also be given as a first argument before them.
   * @throws {TypeError} If an option is of a wrong kind or unknown, or an option is given twice.
   * @throws {RangeError} If a number is out of its range, or a name in `scope` is not a valid name of a variable.
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   * @throws {InvalidStateError} If a worker makes the pool while it imports its module: the main program in that module
   * needs the guard `if (import.meta.main)`.
   *
   * @example Pass the number of workers as an option
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool({ processes: 2, taskTimeout: 1000 });
   * assertEquals(pool.size, 2);
   * ```
   */
  constructor(options?: PoolOptions<I> & NeedsInitargs<I>);
  /** Creates a pool, with the number of workers as the first argument. */
  constructor(processes?: number, options?: PoolOptions<I> & NeedsInitargs<I>);
  constructor(first?: number | PoolOptions<I>, second?: PoolOptions<I>) {
    refuseWhileImporting("a pool");
    const { size, options } = sizeAndOptions(POOL_OPTIONS, "Pool", "processes", first, second);
    const { taskTimeout, name = "PoolWorker", trace = false } = options;
    const most = size ?? navigator.hardwareConcurrency;
    this.#scheduler = openScheduler(options.backend ?? webWorkers, workerOptions("pool", most, name, options, trace));
    this.#name = name;
    this.#calls = new Calls(this.#scheduler, taskTimeout);
  }

  /**
   * The largest number of workers at a time.
   *
   * @example Use one worker for each core by default
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool();
   * assertEquals(pool.size, navigator.hardwareConcurrency);
   * ```
   */
  get size(): number {
    return this.#scheduler.size;
  }

  /**
   * Calls `fn` on a worker.
   *
   * Source: `Pool.apply`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @param fn The function.
   * @param args The arguments of `fn`, as an array. They can be left out if `fn` needs none.
   * @param options Options of the call.
   * @returns The result of `fn`. Rejects as listed under *Failures* of {@linkcode Pool}.
   * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example Call a function on a worker
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * assertEquals(await pool.apply((a: number, b: number) => a + b, [1, 2]), 3);
   * ```
   */
  apply<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>>;
  /** Calls `fn` with arguments on a worker. */
  apply<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>>;
  apply<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>> {
    return this.#calls.apply(fn, args, options);
  }

  /**
   * Calls `fn` on a worker, and blocks the calling thread until the result is there; otherwise as
   * {@linkcode Pool.apply}. This method can be used on every thread that may block: in Deno on all threads, including
   * the main one. No timer and no promise of the thread runs meanwhile.
   *
   * Source: `Pool.apply`.
   *
   * @returns The result of `fn`.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Call a function on a worker without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(1);
   * assertEquals(pool.applySync(Math.sqrt, [16]), 4);
   * ```
   */
  applySync<R>(fn: () => R, args?: readonly [], options?: CallOptions): Awaited<R>;
  /** Calls `fn` with arguments on a worker, and blocks the calling thread until the result is there. */
  applySync<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Awaited<R>;
  applySync<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Awaited<R> {
    refuseToBlockForMessages("'apply()'");
    return this.#calls.applySync(fn, args, options);
  }

  /**
   * Starts a call of `fn` on a worker, and returns at once an {@linkcode AsyncResult}, which can be asked for the
   * result later; otherwise as {@linkcode Pool.apply}.
   *
   * Source: `Pool.apply_async`.
   *
   * @param options Options of the call, `callback` and `errorCallback` among them.
   * @returns The result, which can be asked for later.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Start a call, and ask for its result later
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const result = pool.applyAsync((a: number, b: number) => a + b, [1, 2]);
   * assertEquals(await result.get(), 3);
   * ```
   */
  applyAsync<R>(
    fn: () => R,
    args?: readonly [],
    options?: CallOptions & CallbackOptions<Awaited<R>>,
  ): AsyncResult<Awaited<R>>;
  /** Starts a call of `fn` with arguments on a worker, and returns an {@linkcode AsyncResult} at once. */
  applyAsync<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions & CallbackOptions<Awaited<R>>,
  ): AsyncResult<Awaited<R>>;
  applyAsync<R>(
    fn: (...args: never[]) => R,
    args?: readonly unknown[],
    options?: CallOptions & CallbackOptions<Awaited<R>>,
  ): AsyncResult<Awaited<R>> {
    return this.#calls.applyAsync(fn, args, options);
  }

  /**
   * Calls `fn` for each item, in chunks, on the workers. Every chunk runs to its end even if others fail.
   *
   * Source: `Pool.map`.
   *
   * @typeParam T An item.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @typeParam E The type of the option `returnExceptions`.
   * @param fn The function.
   * @param items The items: any iterable or async iterable. It is read to its end before the first task begins.
   * @param options Options of the call.
   * @returns The results in the order of the input. Rejects as listed under *Failures* of {@linkcode Pool}.
   * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example Square each item, with the results in the order of the items
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * assertEquals(await pool.map((n: number) => n * 2, [1, 2, 3]), [2, 4, 6]);
   * ```
   */
  map<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions<E>,
  ): Promise<ResultOf<R, E>[]> {
    return this.#calls.map(fn, "map", items, options);
  }

  /**
   * Calls `fn` for each item, and blocks the calling thread until all results are there; otherwise as
   * {@linkcode Pool.map}. See {@linkcode Pool.applySync} for the threads that may block.
   *
   * Source: `Pool.map`.
   *
   * @param items The items: any iterable.
   * @returns The results in the order of the input.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Map over items without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * assertEquals(pool.mapSync((n: number) => n * 2, [1, 2, 3]), [2, 4, 6]);
   * ```
   */
  mapSync<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T>,
    options?: MapOptions<E>,
  ): ResultOf<R, E>[] {
    refuseToBlockForMessages("'map()'");
    return this.#calls.mapSync(fn, "map", items, options);
  }

  /**
   * Starts a call of `fn` for each item, and returns at once an {@linkcode AsyncResult}, which can be asked for the
   * results later; otherwise as {@linkcode Pool.map}.
   *
   * Source: `Pool.map_async`. Differs from Python: `callback` is also called for empty input, with `[]`.
   *
   * @param options Options of the call, `callback` and `errorCallback` among them.
   * @returns The results, which can be asked for later.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Start a map, and ask for its results later
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const result = pool.mapAsync((n: number) => n * 2, [1, 2, 3]);
   * assertEquals(await result.get(), [2, 4, 6]);
   * ```
   */
  mapAsync<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions<E> & CallbackOptions<ResultOf<R, E>[]>,
  ): AsyncResult<ResultOf<R, E>[]> {
    return this.#calls.mapAsync(fn, "map", items, options);
  }

  /**
   * Calls `fn` for each tuple of arguments; otherwise as {@linkcode Pool.map}.
   *
   * Source: `Pool.starmap`.
   *
   * @typeParam A The parameters of `fn`.
   * @param argTuples The tuples of arguments, in any iterable or async iterable. It is read to its end before the first
   * task begins.
   * @returns The results in the order of the input. Rejects as listed under *Failures* of {@linkcode Pool}.
   *
   * @example Call a function of two parameters for each pair
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * assertEquals(await pool.starmap((a: number, b: number) => a * b, [[1, 2], [3, 4]]), [2, 12]);
   * ```
   */
  starmap<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: MapOptions<E>,
  ): Promise<ResultOf<R, E>[]> {
    return this.#calls.map(fn, "starmap", argTuples, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and blocks the calling thread until all results are there; otherwise as
   * {@linkcode Pool.starmap}. See {@linkcode Pool.applySync} for the threads that may block.
   *
   * Source: `Pool.starmap`.
   *
   * @param argTuples The tuples of arguments, in any iterable.
   * @returns The results in the order of the input.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Map over pairs without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * assertEquals(pool.starmapSync((a: number, b: number) => a * b, [[1, 2], [3, 4]]), [2, 12]);
   * ```
   */
  starmapSync<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>>,
    options?: MapOptions<E>,
  ): ResultOf<R, E>[] {
    refuseToBlockForMessages("'starmap()'");
    return this.#calls.mapSync(fn, "starmap", argTuples, options);
  }

  /**
   * Starts a call of `fn` for each tuple of arguments, and returns at once an {@linkcode AsyncResult}, which can be
   * asked for the results later; otherwise as {@linkcode Pool.starmap}.
   *
   * Source: `Pool.starmap_async`. Differs from Python: `callback` is also called for empty input, with `[]`.
   *
   * @param options Options of the call, `callback` and `errorCallback` among them.
   * @returns The results, which can be asked for later.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Start a map over pairs, and ask for its results later
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const result = pool.starmapAsync((a: number, b: number) => a * b, [[1, 2], [3, 4]]);
   * assertEquals(await result.get(), [2, 12]);
   * ```
   */
  starmapAsync<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: MapOptions<E> & CallbackOptions<ResultOf<R, E>[]>,
  ): AsyncResult<ResultOf<R, E>[]> {
    return this.#calls.mapAsync(fn, "starmap", argTuples, options);
  }

  /**
   * Calls `fn` for each item, and returns the results one by one, in the order of the input.
   *
   * The input is read only as far ahead as `buffersize` allows, so it may be endless. Leaving the loop early stops
   * reading it, and drops the tasks that have not begun.
   *
   * Source: `Pool.imap`.
   *
   * @typeParam T An item.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @typeParam E The type of the option `returnExceptions`.
   * @param fn The function.
   * @param items The items: any iterable or async iterable.
   * @param options Options of the call.
   * @returns An async iterator over the results. Its `next()` takes a timeout.
   * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Read results one by one with `for await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const results = await Array.fromAsync(pool.imap((n: number) => n * 2, [1, 2, 3]));
   * assertEquals(results, [2, 4, 6]);
   * ```
   */
  imap<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "map", true, items, options);
  }

  /**
   * Calls `fn` for each item, and returns the results in the order of the input. `next()` blocks the calling thread
   * until the result is there; otherwise as {@linkcode Pool.imap}. See {@linkcode Pool.applySync} for the threads that
   * may block.
   *
   * Source: `Pool.imap`.
   *
   * @param items The items: any iterable.
   * @returns An iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Read results one by one without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * const results = [...pool.imapSync((n: number) => n * 2, [1, 2, 3])];
   * assertEquals(results, [2, 4, 6]);
   * ```
   */
  imapSync<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T>,
    options?: ImapOptions<E>,
  ): ResultIteratorSync<ResultOf<R, E>> {
    refuseToBlockForMessages("'imap()'");
    return this.#calls.streamSync(fn, "map", true, items, options);
  }

  /**
   * Calls `fn` for each item, and returns the results in the order in which they complete; otherwise as
   * {@linkcode Pool.imap}.
   *
   * Source: `Pool.imap_unordered`.
   *
   * @returns An async iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Read results in the order in which they complete
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const results = await Array.fromAsync(pool.imapUnordered((n: number) => n * 2, [1, 2, 3]));
   * assertEquals(results.sort((a, b) => a - b), [2, 4, 6]);
   * ```
   */
  imapUnordered<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "map", false, items, options);
  }

  /**
   * Calls `fn` for each item, and returns the results in the order in which they complete. `next()` blocks the calling
   * thread until a result is there; otherwise as {@linkcode Pool.imapUnordered}. See {@linkcode Pool.applySync} for the
   * threads that may block.
   *
   * Source: `Pool.imap_unordered`.
   *
   * @param items The items: any iterable.
   * @returns An iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Read results as they complete, without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * const results = [...pool.imapUnorderedSync((n: number) => n * 2, [1, 2, 3])];
   * assertEquals(results.sort((a, b) => a - b), [2, 4, 6]);
   * ```
   */
  imapUnorderedSync<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T>,
    options?: ImapOptions<E>,
  ): ResultIteratorSync<ResultOf<R, E>> {
    refuseToBlockForMessages("'imapUnordered()'");
    return this.#calls.streamSync(fn, "map", false, items, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and returns the results one by one, in the order of the input; otherwise as
   * {@linkcode Pool.imap}. Python has no such method.
   *
   * @typeParam A The parameters of `fn`.
   * @param argTuples The tuples of arguments, in any iterable or async iterable.
   * @returns An async iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Call a function for each pair, and read results one by one
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const results = await Array.fromAsync(pool.istarmap((a: number, b: number) => a * b, [[1, 2], [3, 4]]));
   * assertEquals(results, [2, 12]);
   * ```
   */
  istarmap<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "starmap", true, argTuples, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and returns the results in the order of the input. `next()` blocks the
   * calling thread until the result is there; otherwise as {@linkcode Pool.istarmap}. See {@linkcode Pool.applySync}
   * for the threads that may block. Python has no such method.
   *
   * @param argTuples The tuples of arguments, in any iterable.
   * @returns An iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Read the results for pairs one by one without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * const results = [...pool.istarmapSync((a: number, b: number) => a * b, [[1, 2], [3, 4]])];
   * assertEquals(results, [2, 12]);
   * ```
   */
  istarmapSync<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIteratorSync<ResultOf<R, E>> {
    refuseToBlockForMessages("'istarmap()'");
    return this.#calls.streamSync(fn, "starmap", true, argTuples, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and returns the results in the order in which they complete; otherwise as
   * {@linkcode Pool.istarmap}. Python has no such method.
   *
   * @returns An async iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Read the results for pairs as they complete
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
   * const results = await Array.fromAsync(pool.istarmapUnordered((a: number, b: number) => a * b, [[1, 2], [3, 4]]));
   * assertEquals(results.sort((a, b) => a - b), [2, 12]);
   * ```
   */
  istarmapUnordered<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "starmap", false, argTuples, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and returns the results in the order in which they complete. `next()`
   * blocks the calling thread until a result is there; otherwise as {@linkcode Pool.istarmapUnordered}. See
   * {@linkcode Pool.applySync} for the threads that may block. Python has no such method.
   *
   * @param argTuples The tuples of arguments, in any iterable.
   * @returns An iterator over the results. Its `next()` takes a timeout.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Read the results for pairs as they complete, without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(2);
   * const results = [...pool.istarmapUnorderedSync((a: number, b: number) => a * b, [[1, 2], [3, 4]])];
   * assertEquals(results.sort((a, b) => a - b), [2, 12]);
   * ```
   */
  istarmapUnorderedSync<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIteratorSync<ResultOf<R, E>> {
    refuseToBlockForMessages("'istarmapUnordered()'");
    return this.#calls.streamSync(fn, "starmap", false, argTuples, options);
  }

  /**
   * Calls `fn` once on every worker, after starting the workers that are missing. Use it to prepare each worker, or to
   * collect something from each. Python has no such method.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R The result of `fn`; a promise is awaited.
   * @param fn The function.
   * @param args The arguments of `fn`, as an array. They can be left out if `fn` needs none.
   * @param options Options of the call.
   * @returns The results in the order of the workers. Rejects with the first error in that order, once all calls have
   * ended.
   * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example Get the name of each worker
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(3);
   * const names = await pool.broadcast(() => self.name);
   * assertEquals(names.sort(), ["PoolWorker-1", "PoolWorker-2", "PoolWorker-3"]);
   * ```
   */
  broadcast<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>[]>;
  /** Calls `fn` with arguments once on every worker. */
  broadcast<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>[]>;
  broadcast<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>[]> {
    return this.#calls.broadcast(fn, args, options);
  }

  /**
   * Refuses new calls. The calls made before run to their end. Can be repeated.
   *
   * @example Close a pool, then wait for the end of its calls
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new Pool(1);
   * const result = pool.apply(Math.sqrt, [4]);
   * pool.close();
   * await pool.join();
   * assertEquals(await result, 2);
   * ```
   */
  close(): void {
    this.#scheduler.close();
  }

  /**
   * Ends the workers at once. Pending calls fail with `CancelledError`. Can be repeated.
   *
   * A worker in the middle of synchronous code without a `taskTimeout` cannot be stopped on Deno 2.7.6 and later; see
   * {@linkcode PoolStats.zombies}. A worker that is just starting is waited for, about 5 ms, as its memory would leak
   * otherwise.
   *
   * @example Stop a call that never ends
   * ```ts
   * import { CancelledError, Pool } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const pool = new Pool(1);
   * const result = pool.apply(() => new Promise(() => {}));
   * pool.terminate();
   * await assertRejects(() => result, CancelledError);
   * ```
   */
  terminate(): void {
    this.#scheduler.terminate();
  }

  /**
   * Waits until all calls have settled and the workers are gone. The rest of the input of an `imap` is read to its end
   * meanwhile, and its results are kept. `join()` also waits for workers with living child processes; see
   * {@linkcode WorkerPoolOptions.idleTimeout}.
   *
   * @returns Resolves at the end. Rejects with `InvalidStateError` if the pool is still open.
   *
   * @example Terminate a pool before joining it
   * ```ts
   * import { InvalidStateError, Pool } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const pool = new Pool(1);
   * await assertRejects(() => pool.join(), InvalidStateError);
   * pool.terminate();
   * await pool.join();
   * ```
   */
  join(): Promise<void> {
    if (this.#scheduler.state === "open") {
      return Promise.reject(new InvalidStateError("Cannot join the pool as it is still open: close it first"));
    }
    return this.#scheduler.join();
  }

  /**
   * Blocks the calling thread until all calls have settled and the workers are gone; otherwise as
   * {@linkcode Pool.join}. See {@linkcode Pool.applySync} for the threads that may block.
   *
   * Source: `Pool.join`. Differs from Python: it can time out.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @returns Whether the pool has ended; false only after `timeout`.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} If the pool is still open; if it cannot end while this thread is blocked, because the
   * input of a call is an async iterable or is being read further up the stack; in a browser, where a thread cannot
   * block for its workers.
   * @throws {CancelledError} If this thread is a worker that was terminated meanwhile.
   *
   * @example Wait for the end of a pool without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new Pool(1);
   * const result = pool.applyAsync(Math.sqrt, [4]);
   * pool.close();
   * assertEquals(pool.joinSync(), true);
   * assertEquals(result.ready(), true);
   * ```
   */
  joinSync(timeout?: number): boolean {
    const deadline = performance.now() + checkTimeout(timeout);
    if (this.#scheduler.state === "open") {
      throw new InvalidStateError("Cannot join the pool as it is still open: close it first");
    }
    return this.#scheduler.joinSync(deadline);
  }

  /**
   * Counts the workers and tasks of the pool.
   *
   * @returns The counts at this moment.
   *
   * @example Count the workers of a new pool
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(4);
   * assertEquals(pool.stats(), { workers: 0, queued: 0, running: 0, finished: 0, zombies: 0, startFailures: 0 });
   * ```
   */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /**
   * Returns when each task ran on which worker, in the Chrome Trace Event format, which Perfetto opens. Tasks are
   * recorded if the pool was made with `trace: true`.
   *
   * @returns JSON with one complete event (`"ph": "X"`) for each task that has ended. Times are in microseconds.
   *
   * @example Record one event for each chunk
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2, { trace: true });
   * await pool.map((n: number) => n + 1, [1, 2, 3, 4], { chunksize: 2 });
   * const { traceEvents } = JSON.parse(pool.trace());
   * const tasks = traceEvents.filter((event: { ph: string }) => event.ph === "X");
   * assertEquals(tasks.length, 2);
   * ```
   */
  trace(): string {
    return traceJson(this.#name, this.#scheduler.trace());
  }

  /**
   * Closes the pool, and waits until all calls have settled and the workers are gone.
   *
   * Differs from Python: leaving `with Pool()` terminates the pool there.
   *
   * @returns Resolves at the end.
   *
   * @example Finish all work at the end of a block
   * ```ts
   * import { type AsyncResult, Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * let result: AsyncResult<number>;
   * {
   *   await using pool = new Pool(1);
   *   result = pool.applyAsync(Math.sqrt, [4]);
   * }
   * assertEquals(result.ready(), true);
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return this.join();
  }

  /**
   * Terminates the pool.
   *
   * @example Cancel pending work at the end of a block
   * ```ts
   * import { type AsyncResult, Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * let result: AsyncResult<number>;
   * {
   *   using pool = new Pool(1);
   *   result = pool.applyAsync(Math.sqrt, [4]);
   * }
   * assertEquals(result.successful(), false);
   * ```
   */
  [Symbol.dispose](): void {
    this.terminate();
  }
}
