/**
 * The processes that were started on a worker and that it waits for, as its program sees them.
 *
 * @module
 */

/** Tells whether there are any. */
export class Children {
  readonly #say: (detail: number) => void;
  #news = 0;
  /** Whether there are. */
  any = false;

  /** `say` is told each change, as the detail of a record `CHILDREN`. */
  constructor(say: (detail: number) => void) {
    this.#say = say;
  }

  /** There are so many now. */
  note(count: number): void {
    const any = count > 0;
    if (any === this.any) return;
    this.any = any;
    this.#say(++this.#news * 2 + (any ? 1 : 0));
  }
}
