/**
 * The pool's interface for work that waits: on the caller's own event loop.
 *
 * @module
 */

import type { AsyncResult } from "./async_result.ts";
import { Calls } from "./pool_calls.ts";
import type { ResultIterator } from "./result_stream.ts";
import { traceJson } from "./trace.ts";
import { InvalidStateError } from "../errors.ts";
import type { CallbackOptions, CallOptions, ImapOptions, MapOptions, PoolStats, ResultOf } from "./options.ts";
import { refuseInstances } from "../codec/encoder.ts";
import {
  checkedArgs,
  checkedCount,
  checkedFlag,
  checkedFunction,
  checkedLimit,
  OptionsSchema,
} from "../base/options_schema.ts";
import { checkName, sizeAndOptions } from "./worker_options.ts";
import { LocalScheduler } from "../scheduler/local_scheduler.ts";

/** Options of a {@linkcode ThreadPool}. */
export interface ThreadPoolOptions {
  /**
   * How many tasks at once, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly processes?: number | undefined;
  /**
   * TaskRun in each lane before its first task. If it throws, the pool is broken: everything fails with
   * `BrokenProcessPoolError`, and that error as its `cause`.
   *
   * @default {undefined}
   */
  readonly initializer?: ((...args: never[]) => unknown) | undefined;
  /**
   * The arguments of `initializer`.
   *
   * @default {[]}
   */
  readonly initargs?: readonly unknown[] | undefined;
  /**
   * Limit of one call, in milliseconds from its start, above 0. A call that takes longer fails with `TimeoutError`; it
   * goes on, as nothing can stop it here, but nobody waits for it.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
  /**
   * What the lanes are called in a trace, before their number.
   *
   * @default {"ThreadPool"}
   */
  readonly name?: string | undefined;
  /**
   * Whether {@linkcode ThreadPool.trace} records the tasks.
   *
   * @default {false}
   */
  readonly trace?: boolean | undefined;
}

const THREAD_POOL_OPTIONS = new OptionsSchema({
  processes: checkedCount,
  initializer: checkedFunction,
  initargs: checkedArgs,
  taskTimeout: checkedLimit,
  name: checkName,
  trace: checkedFlag,
});

/**
 * The interface of {@linkcode Pool} on the caller's own event loop and heap, for work that waits rather than computes:
 * at most so many tasks are under way at a time. Nothing is copied, and closures are fine. As with Python's threads,
 * tasks take turns: they do not use more cores. There are no `*Sync` methods, as a thread cannot wait for itself.
 *
 * Order, failures, cancellation and closing are those of `Pool`.
 *
 * Source: `multiprocessing.pool.ThreadPool`, `multiprocessing.dummy.Pool`. Differs from Python: tasks change turns only
 * where they await.
 *
 * @example Three at a time
 * ```ts
 * import { ThreadPool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new ThreadPool(3);
 * const seen: string[] = [];
 * await pool.map(async (name: string) => {
 *   await Promise.resolve();
 *   seen.push(name);
 * }, ["a", "b", "c", "d"]);
 * assertEquals(seen.sort(), ["a", "b", "c", "d"]);
 * ```
 */
export class ThreadPool implements AsyncDisposable, Disposable {
  readonly #scheduler: LocalScheduler;
  readonly #calls: Calls;
  readonly #name: string;

  static {
    refuseInstances(ThreadPool.prototype, "Cannot send a pool to another thread: make a pool of its own there");
  }

  /**
   * Makes a pool.
   *
   * @param processes How many tasks at once, a positive integer; by default one for each core. Or the options.
   * @param options Options.
   * @throws {TypeError} If an option is of a wrong kind, or there is none of that name, or options are given twice.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example With options alone
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool({ processes: 20 });
   * assertEquals(pool.size, 20);
   * ```
   */
  constructor(processes?: number | ThreadPoolOptions, options?: ThreadPoolOptions) {
    const given = sizeAndOptions(THREAD_POOL_OPTIONS, "ThreadPool", "processes", processes, options);
    const { initializer, initargs = [], name = "ThreadPool", trace = false, taskTimeout } = given.options;
    const size = given.size ?? navigator.hardwareConcurrency;
    this.#name = name;
    this.#scheduler = new LocalScheduler({ owner: "pool", size, initializer, initargs, trace });
    this.#calls = new Calls(this.#scheduler, taskTimeout);
  }

  /**
   * The most tasks it runs at a time.
   *
   * @example One for each core by default
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool();
   * assertEquals(pool.size, navigator.hardwareConcurrency);
   * ```
   */
  get size(): number {
    return this.#scheduler.size;
  }

  /**
   * Calls `fn` on the caller's event loop.
   *
   * Source: `Pool.apply`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns; a promise is awaited.
   * @param fn The function.
   * @param args Its arguments, as an array; none by default, if it needs none.
   * @param options Options.
   * @returns What `fn` returns. Rejects with the error of `fn`; with `ClosedError` if the pool is closed or
   * terminated; with the errors of its options and of the way there: `TimeoutError`, the reason of `signal`,
   * `SerializationError`, `CancelledError` by `terminate()`, `BrokenProcessPoolError`.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example One call
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
   * assertEquals(await pool.apply((a: number, b: number) => a + b, [1, 2]), 3);
   * ```
   */
  apply<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>>;
  /** The same for a function that needs arguments. */
  apply<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>>;
  apply<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>> {
    return this.#calls.apply(fn, args, options);
  }

  /**
   * The same, without waiting.
   *
   * Source: `Pool.apply_async`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns; a promise is awaited.
   * @param fn The function.
   * @param args Its arguments, as an array; none by default, if it needs none.
   * @param options Options, with `callback` and `errorCallback`.
   * @returns The result to come.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Now and later
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
   * const result = pool.applyAsync((a: number, b: number) => a + b, [1, 2]);
   * assertEquals(await result.get(), 3);
   * ```
   */
  applyAsync<R>(
    fn: () => R,
    args?: readonly [],
    options?: CallOptions & CallbackOptions<Awaited<R>>,
  ): AsyncResult<Awaited<R>>;
  /** The same for a function that needs arguments. */
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
   * Calls `fn` for each item, in chunks, on the caller's event loop.
   *
   * Every chunk runs to its end even if others fail; of several errors, the one of the lowest index counts.
   *
   * Source: `Pool.map`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable or async iterable; it is read to its end first.
   * @param options Options.
   * @returns The results in the order of the input. Rejects with the error of `fn`; with `ClosedError` if the pool is closed or
   * terminated; with the errors of its options and of the way there: `TimeoutError`, the reason of `signal`,
   * `SerializationError`, `CancelledError` by `terminate()`, `BrokenProcessPoolError`.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example The results keep the order
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * The same, without waiting.
   *
   * Source: `Pool.map_async`. Differs from Python: for empty input the callback is called, with `[]`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable or async iterable; it is read to its end first.
   * @param options Options, with `callback` and `errorCallback`.
   * @returns The results to come.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Now and later
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` for each tuple, spread as its arguments, in chunks, on the caller's event loop.
   *
   * Every chunk runs to its end even if others fail; of several errors, the one of the lowest index counts.
   *
   * Source: `Pool.starmap`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable or async iterable.
   * @param options Options.
   * @returns The results in the order of the input. Rejects with the error of `fn`; with `ClosedError` if the pool is closed or
   * terminated; with the errors of its options and of the way there: `TimeoutError`, the reason of `signal`,
   * `SerializationError`, `CancelledError` by `terminate()`, `BrokenProcessPoolError`.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example The results keep the order
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * The same, without waiting.
   *
   * Source: `Pool.starmap_async`. Differs from Python: for empty input the callback is called, with `[]`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable or async iterable.
   * @param options Options, with `callback` and `errorCallback`.
   * @returns The results to come.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example Now and later
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` for each item, and gives the results one by one, in the order of the input.
   *
   * The input is read ahead only as far as `buffersize` allows, so it may be endless. Leaving the loop early stops
   * reading and drops what has not begun.
   *
   * Source: `Pool.imap`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable or async iterable.
   * @param options Options.
   * @returns The results, as an async iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example One by one
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` for each item, and gives the results as they come.
   *
   * The input is read ahead only as far as `buffersize` allows, so it may be endless. Leaving the loop early stops
   * reading and drops what has not begun.
   *
   * Source: `Pool.imap_unordered`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable or async iterable.
   * @param options Options.
   * @returns The results, as an async iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example One by one
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` for each tuple, spread as its arguments, and gives the results one by one, in the order of the input.
   *
   * The input is read ahead only as far as `buffersize` allows, so it may be endless. Leaving the loop early stops
   * reading and drops what has not begun.
   *
   * Python lacks it.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable or async iterable.
   * @param options Options.
   * @returns The results, as an async iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example One by one
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` for each tuple, spread as its arguments, and gives the results as they come.
   *
   * The input is read ahead only as far as `buffersize` allows, so it may be endless. Leaving the loop early stops
   * reading and drops what has not begun.
   *
   * Python lacks it.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable or async iterable.
   * @param options Options.
   * @returns The results, as an async iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   *
   * @example One by one
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2);
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
   * Calls `fn` as often as tasks can run at once, each time in another lane.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns.
   * @param fn The function.
   * @param args Its arguments, as an array; none by default, if it needs none.
   * @param options Options.
   * @returns The results in the order of the lanes; rejects with the first error in that order, once all have ended.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   *
   * @example Once for each lane
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(3);
   * let count = 0;
   * assertEquals(await pool.broadcast(() => ++count), [1, 2, 3]);
   * ```
   */
  broadcast<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>[]>;
  /** The same for a function that needs arguments. */
  broadcast<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>[]>;
  broadcast<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>[]> {
    return this.#calls.broadcast(fn, args, options);
  }

  /**
   * Takes no more work; what it has goes on to its end. Can be repeated.
   *
   * @example Closing, then waiting for the end
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const pool = new ThreadPool(1);
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
   * Gives everything up at once: what is pending fails with `CancelledError`. A call that has begun cannot be stopped,
   * but nobody waits for it. Can be repeated.
   *
   * @example Giving up
   * ```ts
   * import { CancelledError, ThreadPool } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const pool = new ThreadPool(1);
   * const result = pool.apply(() => new Promise(() => {}));
   * pool.terminate();
   * await assertRejects(() => result, CancelledError);
   * ```
   */
  terminate(): void {
    this.#scheduler.terminate();
  }

  /**
   * Waits until everything has settled. Input of an `imap` that is still unread is read to its
   * end meanwhile, and its results are kept.
   *
   * @returns Resolves then; rejects with `InvalidStateError` if the pool is still open.
   *
   * @example An open pool has no end to wait for
   * ```ts
   * import { InvalidStateError, ThreadPool } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const pool = new ThreadPool(1);
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
   * The counts of this moment.
   *
   * @returns Lanes as workers, and tasks by state.
   *
   * @example A new pool has no lanes yet
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(4);
   * assertEquals(pool.stats(), { workers: 0, queued: 0, running: 0, finished: 0, zombies: 0, startFailures: 0 });
   * ```
   */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /**
   * What ran when in which lane, as text in the Chrome Trace Event format, which Perfetto opens as it is. Tasks are
   * recorded if the pool was made with `trace: true`.
   *
   * @returns JSON: one complete event (`"ph": "X"`) for each ended task, times in microseconds.
   *
   * @example Which lane ran the chunks
   * ```ts
   * import { ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new ThreadPool(2, { trace: true });
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
   * Closes the pool and waits for its end: all work given before is done then.
   *
   * Differs from Python, where leaving `with Pool()` terminates.
   *
   * @returns Resolves when all work is done.
   *
   * @example The work is done when the block is left
   * ```ts
   * import { type AsyncResult, ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * let result: AsyncResult<number>;
   * {
   *   await using pool = new ThreadPool(1);
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
   * @example What is pending when the block is left is given up
   * ```ts
   * import { type AsyncResult, ThreadPool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * let result: AsyncResult<number>;
   * {
   *   using pool = new ThreadPool(1);
   *   result = pool.applyAsync(Math.sqrt, [4]);
   * }
   * assertEquals(result.successful(), false);
   * ```
   */
  [Symbol.dispose](): void {
    this.terminate();
  }
}
