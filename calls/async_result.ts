/**
 * @module
 */

import { keepCause } from "./callback_errors.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { refuseInstances } from "../codec/encoder.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { stackHere } from "../base/call_site.ts";
import { type Outcome, resolution } from "../scheduler/task.ts";
import { checkTimeout } from "../base/checks.ts";

/**
 * The result of an `*Async` method of a pool: the work is under way, and its value can be asked for later.
 *
 * It is no thenable: `await pool.mapAsync(…)` gives the object itself. A failure that nobody asks for never becomes an
 * unhandled rejection.
 *
 * Source: `multiprocessing.pool.AsyncResult`. Differs from Python: times are milliseconds, and each wait exists twice,
 * awaiting and blocking; after `terminate()` it is ready, with a `CancelledError`, where Python waits for ever.
 *
 * @typeParam T The value.
 *
 * @example The main program goes on meanwhile
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
   * The value, once it is there. Can be called again and gives the same.
   *
   * @param timeout How long to wait, in milliseconds; 0 or less: not at all. For ever by default.
   * @returns The value; rejects with the error of the work if that failed, with `TimeoutError` if it is not there in
   * time, while the work goes on. A `TimeoutError` of the work itself (`taskTimeout`) is told from that by `ready()`. With
   * `SerializationError` if a worker has sent an object with a method `then`, which a promise would call: `getSync` gives it.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example A wait that gives up, and one that does not
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
   * The same, blocking the thread. On any thread where `Atomics.wait` is allowed: in Deno on all, main included.
   *
   * @param timeout As for `get`.
   * @returns The value.
   * @throws {TimeoutError} If it is not there in time.
   * @throws {InvalidStateError} If the work needs this very thread to go on: that of a `ThreadPool`, or a map over an
   * async iterable that is still being read.
   *
   * @example Without `await`
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
   * Waits until the work has ended, well or not. Never rejects for a failure of the work or for time.
   *
   * @param timeout How long at most, in milliseconds. For ever by default.
   * @returns Whether the work has ended.
   *
   * @example Waiting without asking
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
   * The same, blocking the thread.
   *
   * @param timeout As for `wait`.
   * @returns Whether the work has ended.
   * @throws {InvalidStateError} As `getSync`.
   *
   * @example Blocking for a while
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
   * Whether the work has ended, well or not.
   *
   * @returns `true` from the moment `get` would not wait.
   *
   * @example Looking without waiting
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
   * Whether the work has ended without an error.
   *
   * @returns `false` if it failed.
   * @throws {InvalidStateError} If it has not ended yet.
   *
   * @example After the end
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

/** Blocks until `done`, or until a time; whether it is done. */
export type Block = (done: () => boolean, deadline: number) => boolean;

/** What is told of an outcome before anyone can ask for it. */
export interface ResultCallbacks<T> {
  /** Told the value. */
  readonly callback?: ((value: T) => void) | undefined;
  /** Told the error. */
  readonly errorCallback?: ((error: unknown) => void) | undefined;
}

const NO_CALLBACKS = Object.freeze({});

/** An {@linkcode AsyncResult} that is settled by the call it belongs to. */
export class AsyncResultImpl<T> implements AsyncResult<T> {
  readonly #block: Block;
  readonly #callbacks: ResultCallbacks<T>;
  /** For those who wait without a limit; made for the first of them. */
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

  /** Ends the wait. The callback comes first, so that whoever waits finds it has run; if it throws, that is the outcome. */
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

/** A wait was too short. */
export function lateError(timeout: number | undefined): TimeoutError {
  return new TimeoutError(`The result is not there after ${timeout} ms`);
}
