/**
 * Result streams as their readers see them: those that await each result, and those that block for it.
 *
 * @module
 */

import type { ResultIterator, ResultStream } from "./result_stream.ts";
import { refuseInstances } from "../codec/refused.ts";

const CANNOT_SEND = "Cannot send the results of a map to another thread: send them one by one";

/**
 * The results of `imapSync` and its relatives, one by one. `next()` blocks the calling thread until its result is
 * there. An item that failed throws from its own `next()`, and the iteration can go on after it.
 *
 * Source: `multiprocessing.pool.IMapIterator`. Differs from Python: the iteration goes on after a failed chunk, and
 * leaving the loop early drops the tasks that have not begun.
 *
 * @typeParam T A result.
 *
 * @example Continue after an item that failed
 * ```ts
 * import { Pool } from "@manycore/parallel";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * using pool = new Pool(1);
 * const roots = pool.imapSync((n: number) => {
 *   if (n < 0) throw new RangeError("negative");
 *   return Math.sqrt(n);
 * }, [4, -1, 9]);
 * assertEquals(roots.next(), { done: false, value: 2 });
 * assertThrows(() => roots.next(), RangeError);
 * assertEquals(roots.next(), { done: false, value: 3 });
 * ```
 */
export interface ResultIteratorSync<T> extends IterableIterator<T, undefined, number | undefined> {
  /**
   * Blocks the calling thread until the next result is there, and returns the result.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @returns The result, or the end.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If the result is not there in time. It is not lost: a later `next()` returns it.
   * @throws {InvalidStateError} If the code of the input itself asks for a result that needs more of the input.
   *
   * @example Limit the wait for the next result
   * ```ts
   * import { Pool, TimeoutError } from "@manycore/parallel";
   * import { assertEquals, assertThrows } from "@std/assert";
   *
   * using pool = new Pool(1);
   * const results = pool.imapSync((n: number) => new Promise((done) => setTimeout(done, 200, n)), [7]);
   * assertThrows(() => results.next(1), TimeoutError);
   * assertEquals(results.next(), { done: false, value: 7 });
   * ```
   */
  next(timeout?: number): IteratorResult<T, undefined>;
  /**
   * Ends the iteration: reads no more of the input, closes it, and drops the tasks that have not begun. A `for` loop
   * that is left early calls this method.
   *
   * @returns The end.
   *
   * @example Read only the first result
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * using pool = new Pool(1);
   * for (const first of pool.imapSync((n: number) => n + 1, [1, 2, 3])) {
   *   assertEquals(first, 2);
   *   break;
   * }
   * ```
   */
  return(): IteratorResult<T, undefined>;
  /** Returns the iterator itself. */
  [Symbol.iterator](): ResultIteratorSync<T>;
}

/** The results of a stream, for readers that await each one. */
export class AsyncResults<T> implements ResultIterator<T> {
  readonly #stream: ResultStream<T>;

  static {
    refuseInstances(AsyncResults.prototype, CANNOT_SEND);
    Object.defineProperty(AsyncResults, "name", { value: "ResultIterator" }); // what the console shows
  }

  constructor(stream: ResultStream<T>) {
    this.#stream = stream;
  }

  next(timeout?: number): Promise<IteratorResult<T, undefined>> {
    return this.#stream.next(timeout);
  }

  return(): Promise<IteratorResult<T, undefined>> {
    return this.#stream.return();
  }

  get [Symbol.toStringTag](): string {
    return "ResultIterator";
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** The results of a stream, for readers that block for each one. */
export class BlockingResults<T> implements ResultIteratorSync<T> {
  readonly #stream: ResultStream<T>;

  static {
    refuseInstances(BlockingResults.prototype, CANNOT_SEND);
    Object.defineProperty(BlockingResults, "name", { value: "ResultIteratorSync" });
  }

  constructor(stream: ResultStream<T>) {
    this.#stream = stream;
  }

  next(timeout?: number): IteratorResult<T, undefined> {
    return this.#stream.nextSync(timeout);
  }

  return(): IteratorResult<T, undefined> {
    this.#stream.returnSync();
    return { done: true, value: undefined };
  }

  get [Symbol.toStringTag](): string {
    return "ResultIteratorSync";
  }

  [Symbol.iterator](): this {
    return this;
  }
}
