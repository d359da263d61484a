/**
 * A pool of workers, with all that Python's `multiprocessing.Pool` has, and a pool of the same interface on the
 * caller's own event loop.
 *
 * @example All cores in three lines
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
  InitargsOf,
  MapOptions,
  NeedsInitargs,
  PoolStats,
  ResultOf,
  WorkerPermissions,
} from "./calls/options.ts";
import { refuseInstances } from "./codec/encoder.ts";
import { checkedCount, checkedFlag, OptionsSchema } from "./base/options_schema.ts";
import { sizeAndOptions, WORKER_CHECKS, workerOptions } from "./calls/worker_options.ts";
import { refuseWhileImporting } from "./calls/import_guard.ts";
import type { Backend } from "./base/backend.ts";
import { openScheduler } from "./scheduler/backend.ts";
import type { Scheduler } from "./scheduler/task.ts";
import { webWorkers } from "./workers/mod.ts";

export type { AsyncResult } from "./calls/async_result.ts";
export type { ResultIteratorSync } from "./calls/result_iterators.ts";
export type { ResultIterator } from "./calls/result_stream.ts";
export type * from "./calls/options.ts";
export { ThreadPool, type ThreadPoolOptions } from "./calls/thread_pool.ts";
export type { Backend } from "./base/backend.ts";
export { transfer } from "./codec/transfer.ts";

/**
 * Options of a {@linkcode Pool}.
 *
 * @typeParam I The parameters of `initializer`.
 */
export interface PoolOptions<I extends readonly unknown[] = never[]> {
  /**
   * How many workers at most, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly processes?: number | undefined;
  /**
   * TaskRun in each worker before its first task. If it throws, the pool is broken: everything fails with
   * `BrokenProcessPoolError`, and that error as its `cause`.
   *
   * @default {undefined}
   */
  readonly initializer?: ((...args: I) => unknown) | undefined;
  /**
   * The arguments of `initializer`.
   *
   * @default {[]}
   */
  readonly initargs?: NoInfer<InitargsOf<I>> | undefined;
  /**
   * After how many tasks a worker is replaced by a new one, a positive integer. A chunk is one task.
   *
   * @default {undefined} never
   */
  readonly maxTasksPerChild?: number | undefined;
  /**
   * The module whose exported functions are the tasks, usually `import.meta.url`: a task that it exports, under whatever
   * name, is taken from there, with its imports and helpers. Each worker imports the module, which needs `--allow-read`
   * for a local file; guard the main program with `if (import.meta.main)`.
   *
   * @default {undefined} every function goes by source
   */
  readonly module?: string | URL | undefined;
  /**
   * What functions sent by source find under these names: functions, and values that can be sent.
   *
   * @default {undefined} none
   */
  readonly scope?: Readonly<Record<string, unknown>> | undefined;
  /**
   * What the workers may do: nothing, or less than this program. Deno takes this only with its flag `--unstable-worker-options`
   * (or `"unstable": ["worker-options"]` in `deno.json`); without it the runtime ends the program, and says so.
   *
   * @default {"inherit"} as much as this program
   */
  readonly permissions?: WorkerPermissions | undefined;
  /**
   * Hard limit of one call, in milliseconds, above 0; see {@linkcode CallOptions}. It is also one for the import of `module`,
   * and one for the initializer: a worker that needs longer for either breaks the pool, with `TimeoutError` as the cause.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
  /**
   * How long an idle pool keeps its workers, in milliseconds, above 0. They come back on demand. `Infinity` keeps them. A
   * pool that was not closed never keeps the program from ending, where the runtime can unreference a worker: Deno and Bun.
   *
   * @default {10_000}
   */
  readonly idleTimeout?: number | undefined;
  /**
   * What the workers are called, before their number.
   *
   * @default {"PoolWorker"}
   */
  readonly name?: string | undefined;
  /**
   * Where the calls run. See {@linkcode Backend}.
   *
   * @default {undefined} on Web Workers of this program
   */
  readonly backend?: Backend | undefined;
  /**
   * Whether {@linkcode Pool.trace} records the tasks.
   *
   * @default {false}
   */
  readonly trace?: boolean | undefined;
}

const POOL_OPTIONS = new OptionsSchema({ processes: checkedCount, ...WORKER_CHECKS, trace: checkedFlag });

/**
 * A pool of Web Workers that run functions in parallel.
 *
 * Workers start on demand, up to the number of `processes`, and run one task at a time. Tasks begin in the order they
 * were given, on whichever worker is free. Each settles exactly once, whatever happens to its worker; a worker that
 * dies fails only what it ran, with `BrokenProcessPoolError`, and is replaced.
 *
 * Functions go by source (see {@linkcode PoolOptions.scope}) or by module ({@linkcode PoolOptions.module}). Arguments
 * and results are copied as `structuredClone` copies them, when the task is handed to a worker; functions among them go
 * by source. Nothing here needs a permission but `module`.
 *
 * Source: `multiprocessing.pool.Pool`. Differs from Python: what blocks there returns a promise here, and blocks under a
 * name that ends in `Sync`; workers have a heap of their own but share the process; leaving `await using` waits for the
 * work (`close` and `join`), leaving `using` terminates.
 *
 * @typeParam I The parameters of the initializer.
 *
 * @example The articles' first script
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
   * Makes a pool. Its workers start with the first work.
   *
   * @param options Options; the number of workers may stand before them.
   * @throws {TypeError} If an option is of a wrong kind, or there is none of that name, or options are given twice.
   * @throws {RangeError} If a number is out of its range, or a name of `scope` cannot be the name of a variable.
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   * @throws {InvalidStateError} If a worker makes it while it imports its module: the main program there lacks its
   * guard.
   *
   * @example With options alone
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool({ processes: 2, taskTimeout: 1000 });
   * assertEquals(pool.size, 2);
   * ```
   */
  constructor(options?: PoolOptions<I> & NeedsInitargs<I>);
  /** The same with the number of workers first. */
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
   * The most workers it has at a time.
   *
   * @example One for each core by default
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
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(2);
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
   * The same, blocking the thread until the result is there. On any thread that may block: in Deno on all, main
   * included; meanwhile no timer and no promise of this thread runs.
   *
   * Source: `Pool.apply`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns; a promise is awaited.
   * @param fn The function.
   * @param args Its arguments, as an array; none by default, if it needs none.
   * @param options Options.
   * @returns What `fn` returns.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(1);
   * assertEquals(pool.applySync(Math.sqrt, [16]), 4);
   * ```
   */
  applySync<R>(fn: () => R, args?: readonly [], options?: CallOptions): Awaited<R>;
  /** The same for a function that needs arguments. */
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
   * Calls `fn` for each item, in chunks, on the workers.
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
   * The same, blocking the thread until the results are there; see {@linkcode Pool.applySync}.
   *
   * Source: `Pool.map`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable.
   * @param options Options.
   * @returns The results in the order of the input.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Without `await`
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
   * Calls `fn` for each tuple, spread as its arguments, in chunks, on the workers.
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
   * The same, blocking the thread until the results are there; see {@linkcode Pool.applySync}.
   *
   * Source: `Pool.starmap`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable.
   * @param options Options.
   * @returns The results in the order of the input.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Without `await`
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
   * The same, blocking the thread at each result that is not there yet; see {@linkcode Pool.applySync}.
   *
   * Source: `Pool.imap`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable.
   * @param options Options.
   * @returns The results, as an iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example One by one, without `await`
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
   * The same, blocking the thread at each result that is not there yet; see {@linkcode Pool.applySync}.
   *
   * Source: `Pool.imap_unordered`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param items The items: any iterable.
   * @param options Options.
   * @returns The results, as an iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example One by one, without `await`
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
   * The same, blocking the thread at each result that is not there yet; see {@linkcode Pool.applySync}.
   *
   * Python lacks it.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable.
   * @param options Options.
   * @returns The results, as an iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example One by one, without `await`
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
   * The same, blocking the thread at each result that is not there yet; see {@linkcode Pool.applySync}.
   *
   * Python lacks it.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @typeParam E Whether errors are returned in place of results.
   * @param fn The function.
   * @param argTuples The tuples of arguments, in any iterable.
   * @param options Options.
   * @returns The results, as an iterator that can time out.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example One by one, without `await`
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
   * Calls `fn` once on every worker, starting those that are missing. It serves to set up or to ask each of them.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns.
   * @param fn The function.
   * @param args Its arguments, as an array; none by default, if it needs none.
   * @param options Options.
   * @returns The results in the order of the workers; rejects with the first error in that order, once all have ended.
   * @throws {TypeError} If an argument is of a wrong kind, or there is no such option.
   *
   * @example A counter in each worker
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
   * Ends the workers at once. What is pending fails with `CancelledError`. Can be repeated.
   *
   * A worker in the middle of synchronous code that has no `taskTimeout` cannot be stopped on Deno 2.7.6 and later; see
   * {@linkcode PoolStats.zombies}. One that is just starting is waited for, some 5 ms: its memory would never be given back.
   *
   * @example Giving up
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
   * Waits until everything has settled and the workers are gone. Input of an `imap` that is still unread is read to its
   * end meanwhile, and its results are kept.
   *
   * @returns Resolves then; rejects with `InvalidStateError` if the pool is still open.
   *
   * @example An open pool has no end to wait for
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
   * The same, blocking the thread; see {@linkcode Pool.applySync}.
   *
   * Source: `Pool.join`. Differs from Python: it can time out.
   *
   * @param timeout How long to wait at most, in milliseconds; 0 and less: not at all. For ever by default.
   * @returns Whether all that is so: false only after `timeout`.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} If the pool is still open; if it cannot end while this thread is blocked, since the input of a
   * call is an async iterable or is being read further up; in a browser, where a thread cannot block for its workers.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   *
   * @example Without `await`
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
   * The counts of this moment.
   *
   * @returns Workers, and tasks by state.
   *
   * @example A new pool has no workers yet
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
   * What ran when on which worker, as text in the Chrome Trace Event format, which Perfetto opens as it is. Tasks are
   * recorded if the pool was made with `trace: true`.
   *
   * @returns JSON: one complete event (`"ph": "X"`) for each ended task, times in microseconds.
   *
   * @example Which worker ran the chunks
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
   * Closes the pool and waits for its end: all work given before is done then.
   *
   * Differs from Python, where leaving `with Pool()` terminates.
   *
   * @returns Resolves when the workers are gone.
   *
   * @example The work is done when the block is left
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
   * @example What is pending when the block is left is given up
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
