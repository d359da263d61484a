/**
 * Room in shared memory for payloads that are too large for a slot.
 *
 * @module
 */

/** Each piece begins at a multiple of this, in bytes. */
const GRANULE = 16_384;
/** How many there are. */
const GRANULES = 1024;

/** How many bytes there are in all. The runtime gives no memory to what was never used. */
export const ARENA: number = GRANULE * GRANULES;

/** Which pieces are taken: known to the calling thread alone, which gives them out and takes them back. */
export class Arena {
  /** For each granule how many the piece has that begins there; 0 for none. */
  readonly #pieces = new Uint16Array(GRANULES);

  /** Takes a piece of `length` bytes, the first that is free: where it begins, or -1 when there is none. */
  take(length: number): number {
    const pieces = this.#pieces;
    const needed = Math.ceil(length / GRANULE);
    let begin = 0;
    for (let at = 0; at - begin < needed;) {
      if (at >= GRANULES) return -1;
      const taken = pieces[at]!;
      at += taken || 1;
      if (taken > 0) begin = at;
    }
    pieces[begin] = needed;
    return begin * GRANULE;
  }

  /** Takes back the piece that begins at `place`. */
  free(place: number): void {
    this.#pieces[place / GRANULE] = 0;
  }
}
