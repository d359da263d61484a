/**
 * The arena: shared memory for payloads that are too large for a slot.
 *
 * @module
 */

import { ARENA_BYTES } from "../shared/submission_ring.ts";

/** The size of a page, in bytes. Each block begins at a multiple of it. */
const PAGE = 16_384;
/** The number of pages in the arena. */
const PAGES = ARENA_BYTES / PAGE;

/** The record of the allocated blocks. The calling thread alone keeps it, as it alone allocates and frees blocks. */
export class Arena {
  /** For each page, the number of pages of the block that begins there; 0 if none does. */
  readonly #blocks = new Uint16Array(PAGES);

  /** Allocates the first free block of `length` bytes. Returns the offset where it begins, or -1 if there is none. */
  take(length: number): number {
    const blocks = this.#blocks;
    const needed = Math.ceil(length / PAGE);
    let begin = 0;
    for (let at = 0; at - begin < needed;) {
      if (at >= PAGES) return -1;
      const taken = blocks[at]!;
      at += taken || 1;
      if (taken > 0) begin = at;
    }
    blocks[begin] = needed;
    return begin * PAGE;
  }

  /** Frees the block that begins at the offset `place`. */
  free(place: number): void {
    this.#blocks[place / PAGE] = 0;
  }
}
