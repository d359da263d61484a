/**
 * Moving instead of copying.
 *
 * @module
 */

import { registerLibraryFunction } from "./functions.ts";

/** A value on its way together with the buffers that it gives away; made by {@linkcode transfer}. */
export class Transfer {
  /** What is sent. */
  readonly value: unknown;
  /** What is moved. */
  readonly buffers: readonly Transferable[];

  constructor(value: unknown, buffers: readonly Transferable[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/**
 * Marks `value`, an argument or a result of a task, so that `buffers` in it are moved to the other thread rather than
 * copied. They are detached here as soon as the task is handed to a worker (an argument) or has returned (a result).
 *
 * Works both ways: a task sent by source finds this function when it is given in `scope: { transfer }`.
 *
 * Differs from Python, which always copies.
 *
 * @typeParam T What is sent.
 * @param value What is sent; it may hold the buffers at any depth.
 * @param buffers What is moved: `ArrayBuffer`s, `MessagePort`s and other transferable objects. A `SharedArrayBuffer` may
 * be among them, and stays shared.
 * @returns The marked value, typed as what the other side receives; good for nothing but being sent.
 * @throws {TypeError} If `buffers` is not an array of objects.
 *
 * @example 64 MB there and back, nothing copied
 * ```ts
 * import { Pool, transfer } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool(1, { scope: { transfer } });
 * const data = new Float64Array(8_000_000).fill(1);
 * const result = await pool.apply((a: Float64Array) => transfer(a, [a.buffer]), [transfer(data, [data.buffer])]);
 * assertEquals(result.length, 8_000_000);
 * assertEquals(data.length, 0);
 * ```
 */
export const transfer: <T>(value: T, buffers: readonly (Transferable | ArrayBufferLike)[]) => T =
  registerLibraryFunction(
    "transfer",
    <T>(value: T, buffers: readonly (Transferable | ArrayBufferLike)[]): T => {
      if (!Array.isArray(buffers) || buffers.some((b) => typeof b !== "object" || b === null)) {
        throw new TypeError("Cannot transfer as 'buffers' must be an array of transferable objects");
      }
      // Shared memory is shared already: there is nothing to move.
      const moved = buffers.filter((buffer) => !(buffer instanceof SharedArrayBuffer)) as Transferable[];
      return new Transfer(value, moved) as T;
    },
  );
