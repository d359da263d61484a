/**
 * Encoded values.
 *
 * @module
 */

/** The destination of values: a thread, with which memory can be shared, or another process. */
export type Reach = "thread" | "process";

/** The parts of an encoded value that has none. All such values share these arrays. */
export const NONE: readonly unknown[] = [];
/** See {@linkcode NONE}. */
export const NO_TRANSFERS: readonly Transferable[] = [];
/** See {@linkcode NONE}. */
export const NO_COPIES: readonly ArrayBuffer[] = [];
/** See {@linkcode NONE}. */
export const NOT_MARKED: readonly object[] = [];
const EMPTY = new Uint8Array(0);
/** Up to this many bytes are copied one by one. */
const SHORT = 100;

/** An encoded value, valid only until the encoder is used again. */
export class Encoded {
  /** The number of bytes. */
  length = 0;
  /** The values that travel beside the bytes. */
  refs: readonly unknown[] = NONE;
  /** The objects that are moved, not copied. If there are no `refs`, the bytes hold copies of those that are part of the value. */
  transfers: readonly Transferable[] = NO_TRANSFERS;
  /** The buffers among `refs` that were copied for the message alone, so that they are moved with it. */
  copies: readonly ArrayBuffer[] = NO_COPIES;
  /** The values that `transfer()` marked. Once `transfers` are moved, they go to `forgetTransfers()`. */
  marked: readonly object[] = NOT_MARKED;
  /** The memory of the encoder, which begins with the bytes. */
  memory: Uint8Array<ArrayBuffer> = EMPTY;

  /** The bytes, in the memory of the encoder. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.memory.subarray(0, this.length);
  }

  /** Copies the bytes into `target`, from index `at` on. */
  writeTo(target: Uint8Array, at: number): void {
    const { length, memory } = this;
    if (length > SHORT) return target.set(this.bytes, at);
    for (let i = 0; i < length; i++) target[at + i] = memory[i]!; // cheaper than a view
  }
}

/** An encoded value without any bytes. */
export const NOTHING_ENCODED: Encoded = new Encoded();
