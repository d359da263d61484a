/**
 * The results of the `*Async` methods of pools.
 *
 * @module
 */

import { keepCause } from "./callback_errors.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { refuseInstances } from "../codec/refused.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { stackHere } from "../base/call_site.ts";
import { type Outcome, resolution } from "../scheduler/task.ts";
import { checkTimeout } from "../base/checks.ts";

/**
 * The result of an `*Async` method of a pool. The call is under way, and its value can be asked for later.
 *
 * It is not a promise: `await pool.mapAsync(…)` returns the object itself. A failure that is never asked for does not
 * become an unhandled rejection.
 *
 * Source: `multiprocessing.pool.AsyncResult`. Differs from Python: times are in milliseconds; each wait exists twice,
 * awaiting and blocking; after `terminate()` the result is ready, with a `CancelledError`, whereas Python waits
 * forever.
 *
 * @typeParam T The value.
 *
 * @example Continue while a map runs, then wait for its results
 * ```ts
 * import { Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool(2);
 * const result = pool.mapAsync((n: number) => n * n, [1, 2, 3]);
 * assertEquals(result.ready(), false);
 * assertEquals(await result.get(), [1, 4, 9]);
 * ```
 */
export interface AsyncResult<T> {
  /**
   * Waits for the value. Can be repeated, and returns the same value each time.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @returns The value. Rejects as listed under *Failures* of {@linkcode Pool}. Rejects with `TimeoutError` if the
   * value is not there in time, while the call goes on; `ready()` tells this from a call that was ended at its
   * `taskTimeout`. Rejects with `SerializationError` if a worker has sent an object with a method `then`, as a promise
   * would call it; `getSync()` returns such an object.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example Limit the wait for a value
   * ```ts
   * import { Pool, TimeoutError } from "@manycore/parallel";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * const result = pool.applyAsync(() => new Promise((done) => setTimeout(done, 200, "late")));
   * await assertRejects(() => result.get(1), TimeoutError);
   * assertEquals(await result.get(), "late");
   * ```
   */
  get(timeout?: number): Promise<T>;
  /**
   * Blocks the calling thread until the value is there; otherwise as {@linkcode AsyncResult.get}. This method can be
   * used on every thread on which `Atomics.wait` is allowed: in Deno on all threads, including the main one.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode AsyncResult.get}.
   * @returns The value.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If the value is not there in time.
   * @throws {InvalidStateError} If the call needs this thread to go on: a call of a `ThreadPool`, or a map over an
   * async iterable that is still being read.
   *
   * @example Get a value without `await`
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(1);
   * assertEquals(pool.applyAsync((a: number, b: number) => a + b, [1, 2]).getSync(), 3);
   * ```
   */
  getSync(timeout?: number): T;
  /**
   * Waits until the call has ended. Does not reject if the call fails, or if it has not ended in time.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode AsyncResult.get}.
   * @returns Whether the call has ended.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example Wait for a call that fails
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * const result = pool.applyAsync(() => {
   *   throw new Error("no");
   * });
   * assertEquals(await result.wait(), true);
   * assertEquals(result.successful(), false);
   * ```
   */
  wait(timeout?: number): Promise<boolean>;
  /**
   * Blocks the calling thread until the call has ended; otherwise as {@linkcode AsyncResult.wait}. See
   * {@linkcode AsyncResult.getSync} for the threads that may block.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode AsyncResult.get}.
   * @returns Whether the call has ended.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} As for `getSync()`.
   *
   * @example Block for at most 10 ms
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(1);
   * assertEquals(pool.applyAsync(() => new Promise(() => {})).waitSync(10), false);
   * ```
   */
  waitSync(timeout?: number): boolean;
  /**
   * Returns whether the call has ended, with or without an error.
   *
   * @returns True as soon as `get()` would not wait.
   *
   * @example Check a result before and after the call ends
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * const result = pool.applyAsync(Math.sqrt, [4]);
   * assertEquals(result.ready(), false);
   * await result.wait();
   * assertEquals(result.ready(), true);
   * ```
   */
  ready(): boolean;
  /**
   * Returns whether the call has ended without an error.
   *
   * @returns False if it failed.
   * @throws {InvalidStateError} If the call has not ended yet.
   *
   * @example Check that a call succeeded
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * const result = pool.applyAsync(Math.sqrt, [4]);
   * await result.wait();
   * assertEquals(result.successful(), true);
   * ```
   */
  successful(): boolean;
}

/** Blocks until `done` returns true, or until `deadline`, a time of `performance.now()`. Returns whether it is done. */
export type Block = (done: () => boolean, deadline: number) => boolean;

/** The callbacks for an outcome, called before the result is ready. */
export interface ResultCallbacks<T> {
  /** Called with the value. */
  readonly callback?: ((value: T) => void) | undefined;
  /** Called with the error. */
  readonly errorCallback?: ((error: unknown) => void) | undefined;
}

const NO_CALLBACKS = Object.freeze({});

/** An {@linkcode AsyncResult} that is settled by the call it belongs to. */
export class AsyncResultImpl<T> implements AsyncResult<T> {
  readonly #block: Block;
  readonly #callbacks: ResultCallbacks<T>;
  /** For callers that wait without a limit. Made for the first of them. */
  #promised: Deferred | undefined;
  #waiters: Set<() => void> | undefined;
  #outcome: Outcome | undefined;
  #settling = false;

  static {
    refuseInstances(AsyncResultImpl.prototype, "Cannot send the result of a call to another thread: send its value");
  }

  constructor(block: Block, callbacks: ResultCallbacks<T> = NO_CALLBACKS) {
    this.#block = block;
    this.#callbacks = callbacks;
  }

  /**
   * Ends the wait. The callback is called first, so that it has run before any waiter goes on. If the callback throws,
   * that error is the outcome.
   */
  settle(outcome: Outcome): void {
    const { callback, errorCallback } = this.#callbacks;
    this.#settling = true;
    try {
      if (outcome.ok) callback?.(outcome.value as T);
      else errorCallback?.(outcome.error);
    } catch (error) {
      if (!outcome.ok) keepCause(error, outcome.error);
      outcome = { ok: false, error };
    }
    this.#outcome = outcome;
    this.#promised?.resolve(resolution(outcome));
    const waiters = this.#waiters;
    this.#waiters = undefined;
    for (const wake of waiters ?? []) wake();
  }

  get(timeout?: number): Promise<T> {
    if (timeout === undefined) {
      if (this.#outcome !== undefined) return toPromise(this.#outcome);
      this.#promised ??= deferred();
      return this.#promised.promise as Promise<T>;
    }
    return this.wait(timeout).then((ended) => {
      if (!ended) throw lateError(timeout);
      return resolution(this.#outcome!) as T;
    });
  }

  getSync(timeout?: number): T {
    if (!this.waitSync(timeout)) throw lateError(timeout);
    return this.#value();
  }

  wait(timeout?: number): Promise<boolean> {
    const limit = checkTimeout(timeout);
    if (this.#outcome !== undefined) return Promise.resolve(true);
    if (limit <= 0) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wake = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    (this.#waiters ??= new Set()).add(wake);
    if (limit !== Infinity) {
      timer = setTimeout(() => {
        this.#waiters?.delete(wake);
        resolve(false);
      }, limit);
    }
    return promise;
  }

  waitSync(timeout?: number): boolean {
    const limit = checkTimeout(timeout);
    if (this.#settling && !this.ready()) {
      throw new InvalidStateError("Cannot block for a result in its own callback: it is ready after that");
    }
    return this.ready() || this.#block(() => this.ready(), performance.now() + limit);
  }

  ready(): boolean {
    return this.#outcome !== undefined;
  }

  successful(): boolean {
    if (this.#outcome === undefined) throw new InvalidStateError("Cannot tell the success of work that has not ended");
    return this.#outcome.ok;
  }

  get [Symbol.toStringTag](): string {
    return "AsyncResult";
  }

  #value(): T {
    const outcome = this.#outcome!;
    if (outcome.ok) return outcome.value as T;
    outcome.complete?.(stackHere());
    throw outcome.error;
  }
}

function toPromise<T>(outcome: Outcome): Promise<T> {
  return Promise.resolve(resolution(outcome) as T);
}

/** Returns the error of a wait that was too short. */
export function lateError(timeout: number | undefined): TimeoutError {
  return new TimeoutError(`The result is not there after ${timeout} ms`);
}
