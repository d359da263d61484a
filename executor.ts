/**
 * Executors: calls whose results come as futures, one by one, in any order.
 *
 * @example Results as they come
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
import { refuseInstances } from "./codec/encoder.ts";
import { BrokenProcessPoolError } from "./errors.ts";
import type { InitargsOf, NeedsInitargs, PoolStats, WorkerPermissions } from "./calls/options.ts";
import { LocalScheduler } from "./scheduler/local_scheduler.ts";
import { refuseWhileImporting } from "./calls/import_guard.ts";
import type { Backend } from "./base/backend.ts";
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
export type { InitargsOf, NeedsInitargs } from "./calls/options.ts";

/** Options of `map()` of an executor: a plain object, after the iterables. */
export interface ExecutorMapOptions {
  /**
   * How many items go to a worker at once, a positive integer.
   *
   * @default {1}
   */
  readonly chunksize?: number | undefined;
  /**
   * How long all of it may take from the call of `map()`, in milliseconds: whoever then waits for a result that is not there
   * gets a `TimeoutError`, and what has not begun is dropped. 0 and less: nobody waits.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
  /**
   * How many chunks at most are handed over ahead of what was given out, a positive integer. Without it all of the input is
   * read and handed over at once.
   *
   * @default {Infinity}
   */
  readonly buffersize?: number | undefined;
  /**
   * Gives up: the iteration ends with the signal's reason, and what has not begun is dropped.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `shutdown()`. */
export interface ShutdownOptions {
  /**
   * Whether the promise waits for the end of all work.
   *
   * @default {true}
   */
  readonly wait?: boolean | undefined;
  /**
   * Whether what has not begun is cancelled.
   *
   * @default {false}
   */
  readonly cancelFutures?: boolean | undefined;
}

/** Options of `shutdownSync()`. */
export interface ShutdownSyncOptions extends ShutdownOptions {
  /**
   * How long to wait at most, in milliseconds; 0 and less: not at all.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
}

/** One iterable for each parameter of a function. */
export type IterablesOf<A extends readonly unknown[]> = { [K in keyof A]: Iterable<A[K]> | AsyncIterable<A[K]> };

/**
 * What can be given calls, and returns futures. A function that takes an `Executor` works with all of them: on workers, on the
 * event loop, or of one's own.
 *
 * Whoever implements it promises that
 * - every future settles exactly once, also when workers die;
 * - a call that has not begun can be cancelled, one that has begun cannot;
 * - `map()` hands its calls over when it is called, not when it is read, unless `buffersize` says otherwise;
 * - after `shutdown()`, `submit()` and `map()` throw a {@linkcode ClosedError} at once, while what was given before still runs;
 * - wrong arguments throw at once, and errors of a call settle its future alone.
 *
 * Source: `concurrent.futures.Executor`.
 *
 * @example A function for any executor
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
  /** Has a function called: its result to come. */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>>;
  /** Has a function called for each item: the results in order. */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  /** Has a function called for the items at the same place of several iterables, up to the end of the shortest. */
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  /** The same with options. */
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  /** Takes no more calls, and resolves when all have ended. */
  shutdown(options?: ShutdownOptions): Promise<void>;
}

/**
 * Options of a {@linkcode ProcessPoolExecutor}.
 *
 * @typeParam I The parameters of `initializer`.
 */
export interface ProcessPoolExecutorOptions<I extends readonly unknown[] = never[]> {
  /**
   * How many workers at most, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly maxWorkers?: number | undefined;
  /**
   * TaskRun in each worker before its first task. If it throws, the executor is broken: everything fails with
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
   * After how many tasks a worker is replaced by a new one, a positive integer.
   *
   * @default {undefined} never
   */
  readonly maxTasksPerChild?: number | undefined;
  /**
   * The module whose exported functions are the tasks, as for `Pool`.
   *
   * @default {undefined} every function goes by source
   */
  readonly module?: string | URL | undefined;
  /**
   * What functions sent by source find under these names.
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
   * Hard limit of one call, in milliseconds from its start, above 0: one that takes longer is ended, and fails with
   * `TimeoutError`.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
  /**
   * How long an idle executor keeps its workers, in milliseconds, above 0. They come back on demand.
   *
   * @default {10_000}
   */
  readonly idleTimeout?: number | undefined;
  /**
   * What the workers are called, before their number.
   *
   * @default {"ProcessPoolExecutor"}
   */
  readonly name?: string | undefined;
  /**
   * Where the calls run. See {@linkcode Backend}.
   *
   * @default {undefined} on Web Workers of this program
   */
  readonly backend?: Backend | undefined;
}

/** Options of a {@linkcode ThreadPoolExecutor}. */
export interface ThreadPoolExecutorOptions {
  /**
   * How many calls at once, a positive integer.
   *
   * @default {Math.min(32, navigator.hardwareConcurrency + 4)}
   */
  readonly maxWorkers?: number | undefined;
  /**
   * TaskRun before the first call in each of the places for calls. If it throws, the executor is broken: everything fails with
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
   * Limit of one call, in milliseconds from its start, above 0. One that takes longer fails with `TimeoutError`; it goes on, as
   * nothing can stop it here, but nobody waits for it.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
}

/**
 * An executor on workers: true parallelism, for work that computes.
 *
 * Workers start on demand while none is idle, up to `maxWorkers`. A worker that dies fails the futures of what it ran, with
 * `BrokenProcessPoolError`, and is replaced; when workers cannot even start, or the initializer throws, the executor is broken:
 * everything pending fails with that cause, and later calls throw at once. How functions and values travel is told at `Pool`.
 *
 * Source: `concurrent.futures.ProcessPoolExecutor`. Differs from Python: a worker that dies does not break the executor.
 *
 * @typeParam I The parameters of the initializer.
 *
 * @example The first result, and the rest
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
   * Makes an executor. Its workers start with the first work.
   *
   * @param options Options; the number of workers may stand before them.
   * @throws {TypeError} If an option is of a wrong kind.
   * @throws {RangeError} If a number is out of its range, or a name of `scope` cannot be the name of a variable.
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   * @throws {InvalidStateError} If a worker makes it while it imports its module: the main program there lacks its guard.
   *
   * @example With options alone
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const scope = { factor: 10 };
   * const { factor } = scope;
   * await using executor = new ProcessPoolExecutor({ maxWorkers: 2, scope });
   * assertEquals(await executor.submit((n: number) => n * factor, 4).result(), 40);
   * ```
   */
  constructor(options?: ProcessPoolExecutorOptions<I> & NeedsInitargs<I>);
  /** The same with the number of workers first. */
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

  /**
   * Has a function called on a worker.
   *
   * Source: `Executor.submit`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns; a promise is awaited.
   * @param fn The function.
   * @param args Its arguments.
   * @returns The result to come.
   * @throws {TypeError} If `fn` is not a function.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If it is broken.
   *
   * @example One call
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * assertEquals(await executor.submit((a: number, b: number) => a + b, 1, 2).result(), 3);
   * ```
   */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>> {
    return this.#calls.submit(fn, args);
  }

  /**
   * Has a function called on the workers for each item, or for the items at the same place of several iterables, up to the end
   * of the shortest. The calls are handed over at once (see {@linkcode ExecutorMapOptions.buffersize}), also if nobody reads the
   * results. The iteration gives the results in order; a call that failed rejects the `next()` at its place, and the iteration
   * can go on after it; leaving the loop early drops what has not begun.
   *
   * Source: `Executor.map`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @param fn The function.
   * @param items The iterable, or async iterable, for its first parameter; further ones for the others may follow, then options.
   * @returns The results.
   * @throws {TypeError} If an argument is of a wrong kind.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If it is broken.
   *
   * @example Two iterables
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(2);
   * const products = executor.map((x: number, y: number) => x * y, [1, 2, 3], [4, 5, 6], { chunksize: 2 });
   * assertEquals(await Array.fromAsync(products), [4, 10, 18]);
   * ```
   */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  map<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): AsyncIterableIterator<Awaited<R>> {
    return this.#calls.map(fn, iterablesAndOptions);
  }

  /**
   * The same, blocking the thread at each result that is not there yet.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @param fn The function.
   * @param items As for {@linkcode ProcessPoolExecutor.map}, but not asynchronous.
   * @returns The results.
   * @throws {TypeError} If an argument is of a wrong kind.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If it is broken.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers.
   *
   * @example Without `await`
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(2);
   * assertEquals([...executor.mapSync(Math.sqrt, [1, 4, 9])], [1, 2, 3]);
   * ```
   */
  mapSync<T, R>(fn: (item: T) => R, items: Iterable<T>, options?: ExecutorMapOptions): IterableIterator<Awaited<R>>;
  /** The same with several iterables. */
  mapSync<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterables: { [K in keyof A]: Iterable<A[K]> }
  ): IterableIterator<Awaited<R>>;
  /** The same with several iterables and options. */
  mapSync<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: { [K in keyof A]: Iterable<A[K]> }, options: ExecutorMapOptions]
  ): IterableIterator<Awaited<R>>;
  mapSync<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): IterableIterator<Awaited<R>> {
    refuseToBlockForMessages("'map()'");
    return this.#calls.mapSync(fn, iterablesAndOptions);
  }

  /**
   * Takes no more calls: later ones throw. What was given before still runs, unless it is to be cancelled; a `map()` that still
   * reads its input reads no more of it, and ends with a {@linkcode ClosedError} after the results that are under way.
   *
   * Source: `Executor.shutdown`.
   *
   * @param options Whether to wait, and whether to cancel.
   * @returns Resolves when everything has ended and the workers are gone; at once with `wait: false`.
   * @throws {TypeError} If an option is of a wrong kind.
   *
   * @example Dropping what has not begun
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
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#calls.shutdown(options);
  }

  /**
   * The same, blocking the thread until everything has ended. On any thread that may block: in Deno on all, main included.
   *
   * Source: `Executor.shutdown`.
   *
   * @param options Whether to wait, and how long; whether to cancel.
   * @returns Whether everything has ended and the workers are gone: false only after `timeout`, or with `wait: false`. It is shut
   * down in any case.
   * @throws {TypeError} If an option is of a wrong kind.
   * @throws {InvalidStateError} In a browser, where a thread cannot block for its workers; or if a call cannot end while this
   * thread is blocked, since an argument of it is being read further up.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   *
   * @example Without `await`
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
   * Ends the workers at once: calls under way fail with {@linkcode BrokenProcessPoolError}, those that have not begun are
   * cancelled, later ones throw. Where the runtime cannot stop code that runs (Deno 2.7.6 and later), it may run on.
   *
   * Source: `ProcessPoolExecutor.terminate_workers` of Python 3.14.
   *
   * @example A call that would never end
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
   * The counts of this moment.
   *
   * @returns As for `Pool`.
   *
   * @example Workers start on demand
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

  /**
   * Shuts down and waits.
   *
   * @example What was given is done when the block is left
   * ```ts
   * import { type Future, ProcessPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * let future: Future<number>;
   * {
   *   await using executor = new ProcessPoolExecutor(1);
   *   future = executor.submit(Math.sqrt, 4);
   * }
   * assert(future.done());
   * ```
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }
}

/**
 * An executor on the caller's own event loop and heap, for work that waits: nothing is copied, and closures are fine.
 * At most `maxWorkers` calls are under way at a time; they take turns where they await.
 *
 * Source: `concurrent.futures.ThreadPoolExecutor`. Differs from Python: nothing runs in parallel, so nothing can block here:
 * `resultSync()` of its futures throws unless they are done.
 *
 * @example Five at a time
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
   * Makes an executor.
   *
   * @param maxWorkers How many calls at once, a positive integer; by default 4 more than there are cores, and at most 32. Or the
   * options.
   * @param options Options.
   * @throws {TypeError} If an option is of a wrong kind.
   * @throws {RangeError} If a number is out of its range.
   *
   * @example One call at a time
   * ```ts
   * import { ThreadPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ThreadPoolExecutor({ maxWorkers: 1 });
   * assertEquals(await executor.submit(() => "here").result(), "here");
   * ```
   */
  constructor(maxWorkers?: number | ThreadPoolExecutorOptions, options?: ThreadPoolExecutorOptions) {
    const given = sizeAndOptions(THREAD_EXECUTOR_OPTIONS, "ThreadPoolExecutor", "maxWorkers", maxWorkers, options);
    const { initializer, initargs = [], taskTimeout } = given.options;
    const size = given.size ?? Math.min(32, navigator.hardwareConcurrency + 4);
    const scheduler = new LocalScheduler({ owner: "executor", size, initializer, initargs, trace: false });
    this.#calls = new ExecutorCalls(scheduler, taskTimeout);
  }

  /**
   * Has a function called on this event loop, never within `submit()` itself.
   *
   * Source: `Executor.submit`.
   *
   * @typeParam A The parameters of `fn`.
   * @typeParam R What it returns; a promise is awaited.
   * @param fn The function.
   * @param args Its arguments, as they are.
   * @returns The result to come.
   * @throws {TypeError} If `fn` is not a function.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If it is broken.
   *
   * @example A closure
   * ```ts
   * import { ThreadPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ThreadPoolExecutor();
   * const seen: string[] = [];
   * await executor.submit((name: string) => seen.push(name), "Ada").result();
   * assertEquals(seen, ["Ada"]);
   * ```
   */
  submit<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): Future<Awaited<R>> {
    return this.#calls.submit(fn, args);
  }

  /**
   * Has a function called for each item, or for the items at the same place of several iterables, as
   * {@linkcode ProcessPoolExecutor.map} does.
   *
   * Source: `Executor.map`.
   *
   * @typeParam T An item.
   * @typeParam R What `fn` returns; a promise is awaited.
   * @param fn The function.
   * @param items The iterable, or async iterable, for its first parameter; further ones for the others may follow, then options.
   * @returns The results.
   * @throws {TypeError} If an argument is of a wrong kind.
   * @throws {RangeError} If a number is out of its range.
   * @throws {ClosedError} If the executor was shut down.
   * @throws {BrokenProcessPoolError} If it is broken.
   *
   * @example In order
   * ```ts
   * import { ThreadPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ThreadPoolExecutor();
   * const results = executor.map(async (n: number) => await Promise.resolve(n * 2), [1, 2, 3]);
   * assertEquals(await Array.fromAsync(results), [2, 4, 6]);
   * ```
   */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ExecutorMapOptions,
  ): AsyncIterableIterator<Awaited<R>>;
  map<A extends unknown[], R>(fn: (...args: A) => R, ...iterables: IterablesOf<A>): AsyncIterableIterator<Awaited<R>>;
  map<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...iterablesAndOptions: [...iterables: IterablesOf<A>, options: ExecutorMapOptions]
  ): AsyncIterableIterator<Awaited<R>>;
  map<R>(fn: (...args: never[]) => R, ...iterablesAndOptions: unknown[]): AsyncIterableIterator<Awaited<R>> {
    return this.#calls.map(fn, iterablesAndOptions);
  }

  /**
   * As {@linkcode ProcessPoolExecutor.shutdown}.
   *
   * Source: `Executor.shutdown`.
   *
   * @param options Whether to wait, and whether to cancel.
   * @returns Resolves when everything has ended; at once with `wait: false`.
   * @throws {TypeError} If an option is of a wrong kind.
   *
   * @example Nothing more is taken
   * ```ts
   * import { ClosedError, ThreadPoolExecutor } from "@manycore/parallel";
   * import { assertThrows } from "@std/assert";
   *
   * const executor = new ThreadPoolExecutor();
   * await executor.shutdown();
   * assertThrows(() => executor.submit(() => 1), ClosedError);
   * ```
   */
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#calls.shutdown(options);
  }

  /**
   * Shuts down and waits.
   *
   * @example What was given is done when the block is left
   * ```ts
   * import { type Future, ThreadPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * let future: Future<number>;
   * {
   *   await using executor = new ThreadPoolExecutor(1);
   *   future = executor.submit(Math.sqrt, 4);
   * }
   * assert(future.done());
   * ```
   */
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
