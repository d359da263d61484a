/**
 * Noticing calls that have run over their limit, and that their worker could not end by itself: code that loops after
 * an `await`, and in browsers all that loops.
 *
 * @module
 */

import { hasNodeModules, unrefTimer } from "../../base/platform.ts";

/**
 * How long after its limit a call is given up from outside, in milliseconds: long enough for a worker on a busy machine
 * to interrupt it by itself, which costs no worker; in browsers, where it can only give up what awaits, for that.
 */
const GRACE = hasNodeModules() ? 500 : 100;

/** The longest time that a timer can be set to, in milliseconds. */
const LONGEST = 0x7fffffff;

/** What is known of a worker's call. */
export interface Limited {
  /** When the running call must be over, in milliseconds on the scheduler's clock, modulo 2 ** 32; 0 for never. */
  readonly deadline: number;
}

/** From `now` to `deadline`, which is kept modulo 2 ** 32, so that it holds in a pool that lives for years. */
function until(deadline: number, now: number): number {
  return (deadline - Math.floor(now)) | 0;
}

/** Watches over the calls in in flight that have a limit. One timer, set to the earliest time at which one can be late. */
export class DeadlineWatchdog {
  readonly #now: () => number;
  readonly #desks: () => Iterable<Limited>;
  readonly #endOverdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #count = 0;
  #least = Infinity;

  /** `now` is the scheduler's clock, `desks` its workers; `endOverdue` is called when one may be late. */
  constructor(now: () => number, desks: () => Iterable<Limited>, endOverdue: () => void) {
    this.#now = now;
    this.#desks = desks;
    this.#endOverdue = endOverdue;
  }

  /** A task with this limit for each call goes to the workers; 0 for none. */
  enter(limit: number): void {
    if (limit === 0) return;
    this.#count++;
    if (limit < this.#least) {
      this.#least = limit;
      this.stop(); // the timer may be set to a later time
    }
    this.#watch();
  }

  /** It has come back. */
  leave(limit: number): void {
    if (limit !== 0 && --this.#count === 0) this.#least = Infinity;
  }

  /** Whether the call is so late that its worker will not end it. */
  isOverdue({ deadline }: Limited): boolean {
    return deadline !== 0 && until(deadline, this.#now()) + GRACE <= 0;
  }

  /** How long until one can be overdue, in milliseconds. */
  untilNext(): number {
    if (this.#count === 0) return Infinity;
    const now = this.#now();
    let next = this.#least;
    for (const { deadline } of this.#desks()) if (deadline !== 0) next = Math.min(next, until(deadline, now));
    return next + GRACE;
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#count === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#endOverdue();
      this.#watch();
    }, Math.min(Math.max(1, this.untilNext()), LONGEST));
    unrefTimer(this.#timer); // the worker keeps the program from ending
  }

  /** Forgets the timer; the next task sets it again. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
