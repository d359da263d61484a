/**
 * Moving buffers to another thread instead of copying them.
 *
 * @module
 */

import { ofThread } from "../base/copies.ts";
import { registerLibraryFunction } from "./functions.ts";

/** The values of this thread whose buffers are to be moved. All copies of the library share it. */
export interface Transfers {
  /** The buffers of each value. An entry does not keep its value alive. */
  readonly buffers: WeakMap<object, readonly Transferable[]>;
  /** The number of values. It is mostly 0, which saves a search for each object that is sent. */
  count: number;
  /** Decrements `count` when a value is garbage-collected that was never sent. */
  readonly collected: FinalizationRegistry<undefined>;
}

/** Returns the values of this thread whose buffers are to be moved. */
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

/** Removes values whose buffers were moved. When sent again, they are copied like any other value. */
export function forgetTransfers(values: readonly object[]): void {
  const transfers = transfersHere();
  for (const value of values) {
    if (!transfers.buffers.delete(value)) continue;
    transfers.count--;
    transfers.collected.unregister(value);
  }
}

/**
 * Detaches the objects that are moved with an encoded value whose bytes hold a copy of them all.
 *
 * @throws {DOMException} If one of them cannot be moved; then none is.
 */
export function detachTransfers({ transfers, marked }: Moving): void {
  structuredClone(null, { transfer: [...transfers] });
  forgetTransfers(marked);
}

/** An encoded value with objects to be moved: see `Encoded`. */
interface Moving {
  readonly transfers: readonly Transferable[];
  readonly marked: readonly object[];
}

/**
 * Marks `value` so that `buffers` are moved to the other thread, rather than copied, when `value` is sent the next
 * time: as an argument, an item of a map, a result, an item of a queue or through a pipe, by itself or at any depth in
 * another value. The buffers are detached on this thread by the call that sends them, even if its task never begins
 * (an argument), when the task has returned (a result), or when the item is put.
 *
 * The function returns `value` itself, so a task that ends with `return transfer(…)` can be called directly as well. A
 * task that is sent by source can use this function if the pool has `scope: { transfer }`.
 *
 * - **The mark holds for one send**: after the move, the buffers that `value` holds are copied again. If sending fails,
 *   the mark stays. If a full queue did not take an item, ports and similar objects in it are lost; buffers are not.
 * - **A second call** for a value that was not sent yet adds more buffers.
 * - **A value that is never sent** keeps its buffers, and both can be garbage-collected.
 * - **The items of a map** are sent one by one: mark each item, not the list.
 * - **Sending fails** with {@linkcode SerializationError} if a buffer cannot be moved, or was detached meanwhile, for
 *   example because another value with the same buffer was sent.
 *
 * Differs from Python, which always copies.
 *
 * @typeParam T The type of the value.
 * @param value The value to send; it may hold the buffers at any depth.
 * @param buffers The objects to move: `ArrayBuffer`s, `MessagePort`s and other transferable objects. A
 * `SharedArrayBuffer` may be among them, and stays shared.
 * @returns `value`.
 * @throws {TypeError} If `buffers` is not an array of objects, or if it is not empty and `value` is no object that
 * could hold them. A function cannot hold any, as it is sent without its properties.
 *
 * @example Send 64 MB to a worker and back without a copy
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
 * @example Call a function that transfers its result directly
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

/** Checks the buffers and returns a copy of the list, which later changes do not affect. */
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
    return false; // a revoked proxy
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
