/**
 * The child processes that tasks of a worker have started, and for which the worker waits.
 *
 * @module
 */

/** Reports whether a worker has child processes. */
export class Children {
  readonly #say: (detail: number) => void;
  #news = 0;
  /** True while there are child processes. */
  any = false;

  /** `say` is called on each change, with the detail of a record `CHILDREN`. */
  constructor(say: (detail: number) => void) {
    this.#say = say;
  }

  /** Records how many child processes there are now. */
  note(count: number): void {
    const any = count > 0;
    if (any === this.any) return;
    this.any = any;
    this.#say(++this.#news * 2 + (any ? 1 : 0));
  }
}
