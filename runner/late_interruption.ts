/**
 * Detecting interruptions that come too late.
 *
 * @module
 */

import { atomics } from "../sync/internal/atomics.ts";
import { timers } from "./timers.ts";

const { clock } = atomics;
/** The time after its limit by which a call must have ended, in milliseconds. */
const LATE = 10;

/**
 * Detects an interruption that came too late (see `time_limit.ts`) and ended code of the worker's program itself,
 * without an error. A timer detects it: while its callback runs, nothing else can run on this thread.
 */
export class LateInterruption {
  readonly #isInside: () => boolean;
  readonly #recover: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;

  /** `isInside` returns whether the program seems to be running; `recover` is called if it was interrupted. */
  constructor(isInside: () => boolean, recover: () => void) {
    this.#isInside = isInside;
    this.#recover = recover;
  }

  /** Starts the timer for a call that begins now, with a limit in milliseconds. */
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
