/**
 * Shared memory that grows, and what is written into it.
 *
 * @module
 */

import { refuseWithoutSharedMemory } from "../../base/platform.ts";
import { type Source, sourceOf } from "../../codec/decoder.ts";

// Taken before any task runs: a task that patches `Math` must not change what is computed here.
const { ceil, min } = Math;

/** Bytes that are written into shared memory. */
export interface Writable {
  /** How many. */
  readonly length: number;
  /** Writes them. */
  writeTo(target: Uint8Array, at: number): void;
}

/**
 * Memory that has an end, but grows up to that only when it is needed. Large memory that has its size from the beginning can come
 * from what was used before, and is then filled with zeros all at once.
 */
export function growable(size: number, most: number): SharedArrayBuffer {
  refuseWithoutSharedMemory();
  return new SharedArrayBuffer(size, { maxByteLength: most });
}

/** Sees to it that the memory reaches up to `end` at least. */
export function growTo(memory: SharedArrayBuffer, end: number): void {
  memory.grow(min(memory.maxByteLength, ceil(end / GROWTH) * GROWTH));
}

/** In steps of so many bytes. */
const GROWTH = 2 ** 18;

/** Views of fixed length: those that follow the memory would be slow. */
export function sourceOver(memory: SharedArrayBuffer): Source {
  return sourceOf(new Uint8Array(memory, 0, memory.byteLength));
}
