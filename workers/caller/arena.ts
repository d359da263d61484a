/**
 * Room in shared memory for payloads that are too large for a slot.
 *
 * @module
 */

import { ARENA_BYTES } from "../shared/submission_ring.ts";

/** Each block begins at a multiple of this, in bytes. */
const PAGE = 16_384;
/** How many there are. */
const PAGES = ARENA_BYTES / PAGE;

/** Which blocks are taken: known to the calling thread alone, which gives them out and takes them back. */
export class Arena {
  /** For each page how many the block has that begins there; 0 for none. */
  readonly #blocks = new Uint16Array(PAGES);

  /** Takes a block of `length` bytes, the first that is free: where it begins, or -1 when there is none. */
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

  /** Takes back the block that begins at `place`. */
  free(place: number): void {
    this.#blocks[place / PAGE] = 0;
  }
}
