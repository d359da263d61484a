/**
 * Noticing interruptions that come too late.
 *
 * @module
 */

import { atomics } from "../sync/internal/atomics.ts";
import { timers } from "./timers.ts";

const { clock } = atomics;
/** How long after its limit a call must have been ended, in milliseconds. */
const LATE = 10;

/**
 * An interruption may come too late (see `time_limit.ts`) and cut off the worker's program itself, without an error. A timer notices:
 * when it has its turn, nothing else runs here.
 */
export class LateInterruption {
  readonly #isInside: () => boolean;
  readonly #recover: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;

  /** `isInside`: whether the program runs, as far as it knows; `recover`: called when it was cut off. */
  constructor(isInside: () => boolean, recover: () => void) {
    this.#isInside = isInside;
    this.#recover = recover;
  }

  /** A call with this limit is about to be made, in milliseconds. */
  watch(limit: number): void {
    const due = clock() + limit + LATE;
    if (this.#due <= due) return;
    if (this.#timer !== undefined) timers.clear()(this.#timer);
    this.#due = due;
    this.#timer = timers.set()(() => {
      this.#timer = undefined;
      this.#due = Infinity;
      if (this.#isInside()) this.#recover();
    }, limit + LATE);
  }
}
