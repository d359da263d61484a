/**
 * The pool on the caller's own event loop.
 *
 * @module
 */

import type { AsyncResult } from "./async_result.ts";
import { Calls } from "./pool_calls.ts";
import type { ResultIterator } from "./result_stream.ts";
import { traceJson } from "./trace.ts";
import { InvalidStateError } from "../errors.ts";
import type {
  CallbackOptions,
  CallOptions,
  ImapOptions,
  LocalPoolOptions,
  MapOptions,
  PoolStats,
  ResultOf,
} from "./options.ts";
import { refuseInstances } from "../codec/refused.ts";
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
import { callAsTask } from "./call_as_task.ts";

/** Options of a {@linkcode ThreadPool}: those of {@linkcode LocalPoolOptions} and these. */
export interface ThreadPoolOptions extends LocalPoolOptions {
  /**
   * The number of slots, which is the largest number of tasks at a time, a positive integer.
   *
   * @default {navigator.hardwareConcurrency}
   */
  readonly processes?: number | undefined;
  /**
   * The name of the slots in a trace, to which `-` and their number are added.
   *
   * @default {"ThreadPool"}
   */
  readonly name?: string | undefined;
  /**
   * True if {@linkcode ThreadPool.trace} records the tasks.
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
 * The interface of {@linkcode Pool} on the caller's own event loop and heap, for functions that wait rather than
 * compute.
 *
 * Nothing is copied, and closures work. Tasks take turns where they await, and do not use more cores. At most
 * {@linkcode ThreadPoolOptions.processes} tasks run at a time, each in a slot, which stands for a worker. There are no
 * `*Sync` methods, as a thread cannot wait for itself. Order, failures, cancellation and closing are as in `Pool`,
 * except that a running function cannot be stopped: after its `taskTimeout` or `terminate()` it runs on, and its result
 * is dropped.
 *
 * Source: `multiprocessing.pool.ThreadPool`, `multiprocessing.dummy.Pool`. Differs from Python: tasks take turns only
 * where they await.
 *
 * @example Run at most three asynchronous tasks at a time
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
   * Creates a pool.
   *
   * @param processes The largest number of tasks at a time, a positive integer, or the options.
   * @param options The other options.
   * @throws {TypeError} If an option is of a wrong kind or unknown, or an option is given twice.
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(processes?: number | ThreadPoolOptions, options?: ThreadPoolOptions) {
    const given = sizeAndOptions(THREAD_POOL_OPTIONS, "ThreadPool", "processes", processes, options);
    const { initializer, initargs = [], name = "ThreadPool", trace = false, taskTimeout } = given.options;
    const size = given.size ?? navigator.hardwareConcurrency;
    this.#name = name;
    this.#scheduler = new LocalScheduler({ owner: "pool", size, initializer, initargs, trace, call: callAsTask });
    this.#calls = new Calls(this.#scheduler, taskTimeout);
  }

  /** The largest number of tasks at a time. */
  get size(): number {
    return this.#scheduler.size;
  }

  /** Calls `fn` in a slot; otherwise as {@linkcode Pool.apply}. */
  apply<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>>;
  /** Calls `fn` with arguments in a slot; otherwise as {@linkcode Pool.apply}. */
  apply<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>>;
  apply<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>> {
    return this.#calls.apply(fn, args, options);
  }

  /**
   * Starts a call of `fn`, and returns an {@linkcode AsyncResult} at once; otherwise as {@linkcode Pool.applyAsync}.
   */
  applyAsync<R>(
    fn: () => R,
    args?: readonly [],
    options?: CallOptions & CallbackOptions<Awaited<R>>,
  ): AsyncResult<Awaited<R>>;
  /** Starts a call of `fn` with arguments, and returns an {@linkcode AsyncResult} at once. */
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

  /** Calls `fn` for each item, in chunks; otherwise as {@linkcode Pool.map}. */
  map<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions<E>,
  ): Promise<ResultOf<R, E>[]> {
    return this.#calls.map(fn, "map", items, options);
  }

  /** Starts a map, and returns an {@linkcode AsyncResult} at once; otherwise as {@linkcode Pool.mapAsync}. */
  mapAsync<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: MapOptions<E> & CallbackOptions<ResultOf<R, E>[]>,
  ): AsyncResult<ResultOf<R, E>[]> {
    return this.#calls.mapAsync(fn, "map", items, options);
  }

  /** Calls `fn` for each tuple of arguments; otherwise as {@linkcode Pool.starmap}. */
  starmap<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: MapOptions<E>,
  ): Promise<ResultOf<R, E>[]> {
    return this.#calls.map(fn, "starmap", argTuples, options);
  }

  /** Starts a map over tuples of arguments, and returns at once; otherwise as {@linkcode Pool.starmapAsync}. */
  starmapAsync<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: MapOptions<E> & CallbackOptions<ResultOf<R, E>[]>,
  ): AsyncResult<ResultOf<R, E>[]> {
    return this.#calls.mapAsync(fn, "starmap", argTuples, options);
  }

  /** Calls `fn` for each item, and returns the results one by one, in order; otherwise as {@linkcode Pool.imap}. */
  imap<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "map", true, items, options);
  }

  /** Calls `fn` for each item, and returns the results as they complete; see {@linkcode Pool.imapUnordered}. */
  imapUnordered<T, R, E extends boolean | undefined = false>(
    fn: (item: T) => R,
    items: Iterable<T> | AsyncIterable<T>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "map", false, items, options);
  }

  /** Calls `fn` for each tuple of arguments, and returns the results one by one; see {@linkcode Pool.istarmap}. */
  istarmap<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "starmap", true, argTuples, options);
  }

  /**
   * Calls `fn` for each tuple of arguments, and returns the results as they complete; see
   * {@linkcode Pool.istarmapUnordered}.
   */
  istarmapUnordered<A extends unknown[] | [], R, E extends boolean | undefined = false>(
    fn: (...args: A) => R,
    argTuples: Iterable<Readonly<A>> | AsyncIterable<Readonly<A>>,
    options?: ImapOptions<E>,
  ): ResultIterator<ResultOf<R, E>> {
    return this.#calls.stream(fn, "starmap", false, argTuples, options);
  }

  /** Calls `fn` once in each slot; otherwise as {@linkcode Pool.broadcast}. */
  broadcast<R>(fn: () => R, args?: readonly [], options?: CallOptions): Promise<Awaited<R>[]>;
  /** Calls `fn` with arguments once in each slot. */
  broadcast<A extends unknown[] | [], R>(
    fn: (...args: A) => R,
    args: readonly [...A],
    options?: CallOptions,
  ): Promise<Awaited<R>[]>;
  broadcast<R>(fn: (...args: never[]) => R, args?: readonly unknown[], options?: CallOptions): Promise<Awaited<R>[]> {
    return this.#calls.broadcast(fn, args, options);
  }

  /** Refuses new calls, and lets the calls made before run to their end; see {@linkcode Pool.close}. */
  close(): void {
    this.#scheduler.close();
  }

  /** Cancels pending calls at once, as {@linkcode Pool.terminate}. Functions that are running run on. */
  terminate(): void {
    this.#scheduler.terminate();
  }

  /** Waits until all calls have settled; otherwise as {@linkcode Pool.join}. */
  join(): Promise<void> {
    if (this.#scheduler.state === "open") {
      return Promise.reject(new InvalidStateError("Cannot join the pool as it is still open: close it first"));
    }
    return this.#scheduler.join();
  }

  /** Counts the tasks of the pool, and as workers the slots that have had a task; see {@linkcode Pool.stats}. */
  stats(): PoolStats {
    return this.#scheduler.stats();
  }

  /** Returns when each task ran in which slot; otherwise as {@linkcode Pool.trace}. */
  trace(): string {
    return traceJson(this.#name, this.#scheduler.trace());
  }

  /** Closes the pool, and waits until all calls have settled. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return this.join();
  }

  /** Terminates the pool. */
  [Symbol.dispose](): void {
    this.terminate();
  }
}
