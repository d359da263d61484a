/**
 * Shared memory that grows.
 *
 * @module
 */

import { refuseWithoutSharedMemory } from "../../base/platform.ts";
import { type Source, sourceOf } from "../../codec/decoder.ts";

// Taken before any task runs: a task that patches `Math` must not change what is computed here.
const { ceil, min } = Math;

/** Bytes that are written into shared memory. */
export interface Writable {
  /** The number of bytes. */
  readonly length: number;
  /** Writes the bytes to `target`, from the offset `at` on. */
  writeTo(target: Uint8Array, at: number): void;
}

/**
 * Returns shared memory of `size` bytes that can grow up to `most` bytes when they are needed. Large memory of full size may reuse
 * memory that was used before, and is then filled with zeros all at once.
 */
export function growable(size: number, most: number): SharedArrayBuffer {
  refuseWithoutSharedMemory();
  return new SharedArrayBuffer(size, { maxByteLength: most });
}

/** Grows the memory so that it reaches up to `end` at least, in bytes. */
export function growTo(memory: SharedArrayBuffer, end: number): void {
  memory.grow(min(memory.maxByteLength, ceil(end / GROWTH) * GROWTH));
}

/** The step in which memory grows, in bytes. */
const GROWTH = 2 ** 18;

/** Returns a source with views of fixed length over the memory. Views that follow its growth would be slow. */
export function sourceOver(memory: SharedArrayBuffer): Source {
  return sourceOf(new Uint8Array(memory, 0, memory.byteLength));
}
