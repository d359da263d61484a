/**
 * Moving instead of copying.
 *
 * @module
 */

import { ofThread } from "../base/copies.ts";
import { registerLibraryFunction } from "./functions.ts";

/** What is to be moved from this thread, as every copy of the library knows it. */
export interface Transfers {
  /** The buffers of each value. Nothing is kept alive by being here. */
  readonly buffers: WeakMap<object, readonly Transferable[]>;
  /** How many values there are: mostly none, so that nobody need look. */
  count: number;
  /** Counts those that were never sent. */
  readonly collected: FinalizationRegistry<undefined>;
}

/** What is to be moved from this thread. */
export function transfersHere(): Transfers {
  return ofThread("transfers", () => {
    const transfers: Transfers = {
      buffers: new WeakMap(),
      count: 0,
      collected: new FinalizationRegistry(() => void transfers.count--),
    };
    return transfers;
  });
}

/** The buffers of these values have been moved: sent again, they are values like any other. */
export function forgetTransfers(values: readonly object[]): void {
  const transfers = transfersHere();
  for (const value of values) {
    if (!transfers.buffers.delete(value)) continue;
    transfers.count--;
    transfers.collected.unregister(value);
  }
}

/**
 * Has `buffers` moved to the other thread, rather than copied, when `value` is sent the next time: as an argument, an
 * item of a map, a result, an item of a queue or through a pipe, by itself or at any depth in something else. They are
 * detached here as soon as the task is handed to a worker (an argument), has returned (a result), or the item is put.
 *
 * `value` itself is returned, so a task that ends in it can be called directly as well. A task that is sent by source finds
 * this function when it is given in `scope: { transfer }`.
 *
 * - **Once they were moved** the wish is used up: what `value` holds then is copied again. As long as sending fails it
 *   stays; ports and the like in an item that a full queue has not taken are gone, buffers are not.
 * - **Called again** for a value that was not sent yet, it adds its buffers.
 * - **A value that is never sent** keeps its buffers, and both can be collected.
 * - **The items of a map** are sent one by one: mark each, not the list.
 * - **Sending fails** with {@linkcode SerializationError} if a buffer was detached meanwhile, as by another value that had it
 *   too, or cannot be moved.
 *
 * Differs from Python, which always copies.
 *
 * @typeParam T What is sent.
 * @param value What is sent; it may hold the buffers at any depth.
 * @param buffers What is moved: `ArrayBuffer`s, `MessagePort`s and other transferable objects. A `SharedArrayBuffer` may
 * be among them, and stays shared.
 * @returns `value`.
 * @throws {TypeError} If `buffers` is not an array of objects, or there are some and `value` is no object that could hold them: a
 * function has nothing with it when it is sent.
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
 *
 * @example The same function, called directly
 * ```ts
 * import { transfer } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * function zeros(n: number): Uint8Array {
 *   const bytes = new Uint8Array(n);
 *   return transfer(bytes, [bytes.buffer]);
 * }
 * assertEquals(zeros(3).length, 3);
 * ```
 */
export const transfer: <T>(value: T, buffers: readonly (Transferable | ArrayBufferLike)[]) => T =
  registerLibraryFunction(
    "transfer",
    <T>(value: T, buffers: readonly (Transferable | ArrayBufferLike)[]): T => {
      // Shared memory is shared already: there is nothing to move.
      const moved = checkBuffers(buffers).filter((buffer) => !(buffer instanceof SharedArrayBuffer)) as Transferable[];
      if (moved.length > 0) remember(value, moved);
      return value;
    },
  );

/** A copy, as they are now. */
function checkBuffers(buffers: readonly (Transferable | ArrayBufferLike)[]): (Transferable | ArrayBufferLike)[] {
  if (isArray(buffers)) {
    const copy = Array.from(buffers);
    if (copy.every((buffer) => typeof buffer === "object" && buffer !== null)) return copy;
  }
  throw new TypeError("Cannot transfer as 'buffers' must be an array of transferable objects");
}

function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value);
  } catch {
    return false; // a proxy that was revoked
  }
}

function remember(value: unknown, moved: readonly Transferable[]): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError("Cannot transfer as 'value' must be an object, which holds the buffers");
  }
  const transfers = transfersHere();
  const before = transfers.buffers.get(value);
  if (before === undefined) {
    transfers.count++;
    transfers.collected.register(value, undefined, value);
  }
  transfers.buffers.set(value, before === undefined ? moved : [...before, ...moved]);
}
