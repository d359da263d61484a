/**
 * Errors that programs catch: the failures of pools, executors, processes and synchronization objects. Wrong arguments
 * throw the built-in `TypeError` and `RangeError` instead.
 *
 * Every class here keeps its identity when an error travels between threads: a `TimeoutError` thrown in a worker is a
 * `TimeoutError` for the caller.
 *
 * @example Tell a task that is too slow from one that fails
 * ```ts
 * import { Pool, TimeoutError } from "@manycore/parallel";
 * import { assertInstanceOf } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * const error = await pool.apply(() => { for (;;); }, [], { taskTimeout: 50 }).catch((e) => e);
 * assertInstanceOf(error, TimeoutError);
 * ```
 *
 * @module
 */

import { shareClass } from "./base/copies.ts";

/**
 * A wait or a task took longer than its limit. Python has a class for each of the two.
 *
 * Source: `multiprocessing.TimeoutError`, `concurrent.futures.TimeoutError`.
 *
 * @example Catch a wait that takes too long
 * ```ts
 * import { Pool, TimeoutError } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * const result = pool.applyAsync(() => new Promise((done) => setTimeout(done, 200)));
 * await assertRejects(() => result.get(1), TimeoutError);
 * ```
 */
export class TimeoutError extends Error {
  /** Always `"TimeoutError"`. */
  override name = "TimeoutError";
}

/**
 * The work ended before it had a result: it was cancelled, or it was pending when its pool was terminated.
 *
 * Source: `concurrent.futures.CancelledError`.
 *
 * @example Cancel pending work by terminating a pool
 * ```ts
 * import { CancelledError, Pool } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = new Pool(1);
 * const result = pool.applyAsync(() => new Promise(() => {}));
 * pool.terminate();
 * await assertRejects(() => result.get(), CancelledError);
 * ```
 */
export class CancelledError extends Error {
  /** Always `"CancelledError"`. */
  override name = "CancelledError";
}

/**
 * The call does not fit the state of the object, such as `join()` on a pool that is still open.
 *
 * Source: `concurrent.futures.InvalidStateError`; `ValueError` and `AssertionError` in `multiprocessing`.
 *
 * @example Get an error for joining an open pool
 * ```ts
 * import { InvalidStateError, Pool } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * await assertRejects(() => pool.join(), InvalidStateError);
 * ```
 */
export class InvalidStateError extends Error {
  /** Always `"InvalidStateError"`. */
  override name = "InvalidStateError";
}

/**
 * Work was submitted to a pool, executor or process that is closed or terminated.
 *
 * Source: `ValueError("Pool not running")` in `multiprocessing.pool`.
 *
 * @example Get an error for a call of a closed pool
 * ```ts
 * import { ClosedError, Pool } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * const pool = new Pool(1);
 * pool.close();
 * await assertRejects(() => pool.apply(Math.sqrt, [4]), ClosedError);
 * await pool.join();
 * ```
 */
export class ClosedError extends Error {
  /** Always `"ClosedError"`. */
  override name = "ClosedError";
}

/**
 * A function, an argument or a result cannot travel between threads. Only the task concerned fails. If another error
 * was the reason, that error is the `cause`.
 *
 * Source: `multiprocessing.pool.MaybeEncodingError`, `pickle.PicklingError`.
 *
 * @example Get an error for a bound function, which has no source to send
 * ```ts
 * import { Pool, SerializationError } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * const bound = ((x: number) => x).bind(null);
 * await assertRejects(() => pool.apply(bound, [1]), SerializationError);
 * ```
 */
export class SerializationError extends Error {
  /** Always `"SerializationError"`. */
  override name = "SerializationError";
}

/**
 * The executor or pool can no longer run tasks.
 *
 * Source: `concurrent.futures.BrokenExecutor`.
 *
 * @example Catch every failure of a worker by the base class
 * ```ts
 * import { BrokenExecutorError, BrokenProcessPoolError } from "@manycore/parallel/errors";
 * import { assert } from "@std/assert";
 *
 * assert(new BrokenProcessPoolError("Worker 1 ended") instanceof BrokenExecutorError);
 * ```
 */
export class BrokenExecutorError extends Error {
  /** The name of the class: `"BrokenExecutorError"`, or that of a subclass. */
  override name = "BrokenExecutorError";
}

/**
 * A worker ended while it ran the task, or the workers cannot start. If an uncaught error ended the worker, that error
 * is the `cause`; if the initializer failed, its error is the `cause`.
 *
 * Source: `concurrent.futures.process.BrokenProcessPool`.
 *
 * @example End a worker in a task, which fails alone
 * ```ts
 * import { BrokenProcessPoolError, Pool } from "@manycore/parallel";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * await assertRejects(() => pool.apply(() => Deno.exit(3)), BrokenProcessPoolError);
 * assertEquals(await pool.apply(Math.sqrt, [16]), 4);
 * ```
 */
export class BrokenProcessPoolError extends BrokenExecutorError {
  /** Always `"BrokenProcessPoolError"`. */
  override name = "BrokenProcessPoolError";
  /**
   * The code that was passed to `Deno.exit()` or a similar function in the worker; undefined if there was none. Of a
   * process that a signal has ended, it is minus the number of the signal, as in Python: -9 for `SIGKILL`.
   */
  declare readonly exitCode?: number;
  /** The signal that has ended the process, such as `"SIGKILL"`; undefined if there was none. */
  declare readonly signal?: string;

  /** Creates an error with a message, and with `cause`, `exitCode` and `signal` if they are known. */
  constructor(
    message?: string,
    options: { cause?: unknown; exitCode?: number | undefined; signal?: string | undefined } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    for (const key of ["exitCode", "signal"] as const) {
      if (options[key] !== undefined) Object.defineProperty(this, key, { value: options[key] });
    }
  }
}

/**
 * A barrier was broken or reset while parties waited at it.
 *
 * Source: `threading.BrokenBarrierError`.
 *
 * @example Abort a barrier at which a thread waits
 * ```ts
 * import { Barrier, BrokenBarrierError } from "@manycore/parallel";
 * import { assertRejects } from "@std/assert";
 *
 * const barrier = new Barrier(2);
 * const waiting = barrier.waitAsync();
 * barrier.abort();
 * await assertRejects(() => waiting, BrokenBarrierError);
 * ```
 */
export class BrokenBarrierError extends Error {
  /** Always `"BrokenBarrierError"`. */
  override name = "BrokenBarrierError";
}

/**
 * A queue was empty, and stayed empty for the whole timeout.
 *
 * Source: `queue.Empty`.
 *
 * @example Get an error from an empty queue
 * ```ts
 * import { Queue, QueueEmptyError } from "@manycore/parallel";
 * import { assertThrows } from "@std/assert";
 *
 * const queue = new Queue();
 * assertThrows(() => queue.get({ block: false }), QueueEmptyError);
 * ```
 */
export class QueueEmptyError extends Error {
  /** Always `"QueueEmptyError"`. */
  override name = "QueueEmptyError";
}

/**
 * A queue was full, and stayed full for the whole timeout.
 *
 * Source: `queue.Full`.
 *
 * @example Get an error from a full queue
 * ```ts
 * import { Queue, QueueFullError } from "@manycore/parallel";
 * import { assertThrows } from "@std/assert";
 *
 * const queue = new Queue<string>(1);
 * queue.put("first");
 * assertThrows(() => queue.put("second", { block: false }), QueueFullError);
 * ```
 */
export class QueueFullError extends Error {
  /** Always `"QueueFullError"`. */
  override name = "QueueFullError";
}

// A worker has two copies of this library if its module imports it: the classes of one copy catch errors of the other.
const classes = {
  TimeoutError,
  CancelledError,
  InvalidStateError,
  ClosedError,
  SerializationError,
  BrokenExecutorError,
  BrokenProcessPoolError,
  BrokenBarrierError,
  QueueEmptyError,
  QueueFullError,
};
for (const [name, type] of Object.entries(classes)) shareClass(type, name);
