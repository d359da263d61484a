/**
 * Detects calls that have run over their time limit and that their worker could not end by itself: code that loops after an
 * `await`, and in browsers all code that loops.
 *
 * @module
 */

import { hasNodeModules, unrefTimer } from "../../base/platform.ts";

/**
 * The time after its limit until the calling side gives up a call, in milliseconds. It is long enough for a worker on a busy
 * machine to interrupt the call by itself, which costs no worker. In browsers a worker can only give up a call that awaits.
 */
const GRACE = hasNodeModules() ? 500 : 100;

/** The longest time that a timer can be set to, in milliseconds. */
const LONGEST = 0x7fffffff;

/** The deadline of the call that a worker runs. */
export interface Limited {
  /** The time when the running call must be over, in milliseconds on the scheduler's clock, modulo 2 ** 32; 0 for never. */
  readonly deadline: number;
}

/** Returns the time from `now` to `deadline`. The deadline is kept modulo 2 ** 32, so this works in a pool that lives for years. */
function until(deadline: number, now: number): number {
  return (deadline - Math.floor(now)) | 0;
}

/** Watches the calls in flight that have a time limit. One timer is set to the earliest time at which one can be overdue. */
export class DeadlineWatchdog {
  readonly #now: () => number;
  readonly #controls: () => Iterable<Limited>;
  readonly #endOverdue: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #count = 0;
  #least = Infinity;

  /** `now` is the scheduler's clock, `controls` are those of its workers. `endOverdue` is called when a call may be overdue. */
  constructor(now: () => number, controls: () => Iterable<Limited>, endOverdue: () => void) {
    this.#now = now;
    this.#controls = controls;
    this.#endOverdue = endOverdue;
  }

  /** Called when a task goes to the workers. `limit` is the time limit of each of its calls; 0 for none. */
  enter(limit: number): void {
    if (limit === 0) return;
    this.#count++;
    if (limit < this.#least) {
      this.#least = limit;
      this.stop(); // the timer may be set to a later time
    }
    this.#watch();
  }

  /** Called when a task with this limit has come back. */
  leave(limit: number): void {
    if (limit !== 0 && --this.#count === 0) this.#least = Infinity;
  }

  /** Returns whether the call is so late that its worker will not end it. */
  isOverdue({ deadline }: Limited): boolean {
    return deadline !== 0 && until(deadline, this.#now()) + GRACE <= 0;
  }

  /** Returns the time until a call can be overdue, in milliseconds. */
  untilNext(): number {
    if (this.#count === 0) return Infinity;
    const now = this.#now();
    let next = this.#least;
    for (const { deadline } of this.#controls()) if (deadline !== 0) next = Math.min(next, until(deadline, now));
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

  /** Cancels the timer; the next task sets it again. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
