/**
 * The deadlines of calls that run in children.
 *
 * @module
 */

import { unrefTimer } from "../base/platform.ts";

/** The time after its limit that a call has to end by itself, in milliseconds. */
const GRACE = 50;

/** Knows when calls must have ended, and tells when one has not. */
export class Deadlines {
  readonly #now: () => number;
  readonly #overdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next = Infinity;

  /** `now` is the clock of the deadlines, in milliseconds. `overdue` is called when a call is overdue. */
  constructor(now: () => number, overdue: () => void) {
    this.#now = now;
    this.#overdue = overdue;
  }

  /** Returns the deadline of which a frame has the lowest 32 bits, and watches it. */
  add(time: number): number {
    const now = Math.trunc(this.#now());
    const deadline = now + (time - now | 0);
    this.watch(deadline);
    return deadline;
  }

  /** Watches a deadline. */
  watch(deadline: number): void {
    if (deadline >= this.#next) return;
    clearTimeout(this.#timer);
    this.#next = deadline;
    this.#timer = setTimeout(() => this.#check(), Math.max(0, this.untilNext()));
    unrefTimer(this.#timer);
  }

  /** Returns whether a call with this deadline is overdue. */
  isOverdue(deadline: number): boolean {
    return deadline + GRACE <= this.#now();
  }

  /** Returns the time until a call can be overdue, in milliseconds. */
  untilNext(): number {
    return this.#next + GRACE - this.#now();
  }

  /** Looks for calls that are overdue, if one can be. A timer does the same while the event loop has its turns. */
  check(): void {
    if (this.untilNext() <= 0) this.#check();
  }

  #check(): void {
    this.#next = Infinity;
    this.#overdue();
  }

  /** Cancels the timer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next = Infinity;
  }
}
