/**
 * Errors that programs catch: the failures of pools, executors, processes and synchronization objects. Wrong arguments
 * throw the built-in `TypeError` and `RangeError` instead.
 *
 * Every class here keeps its identity when an error travels between threads: a `TimeoutError` thrown in a worker is a
 * `TimeoutError` for the caller.
 *
 * @example Telling a slow task from a failed one
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
 * A wait or a task took longer than its limit. Both throw this one class; Python has a class for each.
 *
 * Source: `multiprocessing.TimeoutError`, `concurrent.futures.TimeoutError`.
 *
 * @example The class keeps its name
 * ```ts
 * import { TimeoutError } from "@manycore/parallel/errors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new TimeoutError("Too slow").name, "TimeoutError");
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
 * @example Terminating a pool with pending work
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
 * @example Joining an open pool
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
 * @example Work for a closed pool
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
 * @example A bound function has no source to send
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
 * @example The base class of the worker failures
 * ```ts
 * import { BrokenExecutorError, BrokenProcessPoolError } from "@manycore/parallel/errors";
 * import { assert } from "@std/assert";
 *
 * assert(new BrokenProcessPoolError("Worker 1 ended") instanceof BrokenExecutorError);
 * ```
 */
export class BrokenExecutorError extends Error {
  /** The name of the class. */
  override name = "BrokenExecutorError";
}

/**
 * A worker ended while it ran the task, or the workers cannot start. If an uncaught error ended the worker, that error
 * is the `cause`; if the initializer failed, its error is the `cause`.
 *
 * Source: `concurrent.futures.process.BrokenProcessPool`.
 *
 * @example A task that ends its worker fails alone
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
  /** The code that was passed to `Deno.exit()` or a similar function in the worker; undefined if there was none. */
  declare readonly exitCode?: number;

  /** Creates an error with a message, and with `cause` and `exitCode` if they are known. */
  constructor(message?: string, options: { cause?: unknown; exitCode?: number | undefined } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    if (options.exitCode !== undefined) Object.defineProperty(this, "exitCode", { value: options.exitCode });
  }
}

/**
 * A barrier was broken or reset while parties waited at it.
 *
 * Source: `threading.BrokenBarrierError`.
 *
 * @example The class keeps its name
 * ```ts
 * import { BrokenBarrierError } from "@manycore/parallel/errors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new BrokenBarrierError("Aborted").name, "BrokenBarrierError");
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
 * @example The class keeps its name
 * ```ts
 * import { QueueEmptyError } from "@manycore/parallel/errors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new QueueEmptyError("Empty").name, "QueueEmptyError");
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
 * @example The class keeps its name
 * ```ts
 * import { QueueFullError } from "@manycore/parallel/errors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new QueueFullError("Full").name, "QueueFullError");
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
