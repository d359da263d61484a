/**
 * Decides when workers are started.
 *
 * @module
 */

import { soon, unrefTimer } from "../../base/platform.ts";

// Taken early: a program may mock them, and its pools must go on.
const { max, min } = Math;

/** The time to wait for a worker that is about to be free before another one is started in its place, in milliseconds. */
const PATIENCE_MS = 5;
/** The time from a failure to the next attempt, in milliseconds; it doubles with each further failure. */
const BACK_OFF = 100;
/** The longest time from a failure to the next attempt, in milliseconds. */
const LONGEST_BACK_OFF = 10_000;

/** Options of a {@linkcode Spawner}. */
export interface SpawnerOptions {
  /** Returns the number of workers that may still be started. */
  readonly room: () => number;
  /** Returns whether there are any workers. */
  readonly any: () => boolean;
  /** Calls the existing workers to their tasks. Returns the number of unclaimed tasks with no worker on its way. */
  readonly demand: () => number;
  /** Returns whether any worker has finished starting. */
  readonly anyReady: () => boolean;
  /** Returns the number of workers without a task that may come uncounted, for instance after a turn of their event loop. */
  readonly nearlyFree: () => number;
  /** Starts a worker. Returns false on failure. */
  readonly start: () => boolean;
}

/**
 * Starts workers. To create a worker blocks the calling thread for a while. So only the first worker is created at once. Each
 * further one is created in a separate turn of the event loop, if it is still needed then, or at once if the thread is about to
 * block. After a failure the next attempt waits for some time, unless there is no worker at all.
 */
export class Spawner {
  readonly #options: SpawnerOptions;
  #undo: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The time when the timer is due, on the clock of `performance.now()`. */
  #due = Infinity;
  /** The time until which nearly free workers are waited for; 0 if they are not. */
  #patientUntil = 0;
  /** The time before which no start is attempted, because of a failure. */
  #failedUntil = 0;
  #backOff = BACK_OFF;

  /** Starts no worker yet. */
  constructor(options: SpawnerOptions) {
    this.#options = options;
  }

  /** Starts up to `count` workers, the number of unclaimed tasks with no worker on its way. With `now`, all start at once. */
  start(count: number, now: boolean): void {
    const { any, room } = this.#options;
    while (count > 0 && room() > 0) {
      if (any()) {
        if (this.#timer !== undefined) return;
        if (!now) {
          this.#undo ??= soon(() => {
            this.#undo = undefined;
            this.#next(false);
          });
          return;
        }
        if (this.#mustWait(count)) return;
      }
      if (!this.#startOne(count)) return;
      count--;
    }
  }

  /** Starts one worker of `count`. If that fails and there are other workers, it is tried again later. */
  #startOne(count: number): boolean {
    const { any, room, start } = this.#options;
    if (start()) return true;
    if (room() > 0 && any()) this.#mustWait(count);
    return false;
  }

  /** Called when a worker is on its way to each unclaimed task. */
  satisfied(): void {
    this.#patientUntil = 0;
  }

  #next(now: boolean): void {
    const { any, room, demand } = this.#options;
    const count = demand();
    if (count === 0) return this.satisfied();
    if (room() <= 0 || (any() && this.#mustWait(count)) || !this.#startOne(count)) return;
    this.start(demand(), now);
  }

  /** Returns whether the next start has to wait. If so, a timer was set that attempts it. */
  #mustWait(count: number): boolean {
    const now = performance.now();
    if (this.#patientUntil === 0 && this.#options.nearlyFree() >= count) this.#patientUntil = now + PATIENCE_MS;
    // After a failure no start is attempted while all other workers are still starting: they may fail, too.
    const starting = this.#failedUntil > 0 && !this.#options.anyReady();
    const until = max(this.#patientUntil, this.#failedUntil, starting ? now + BACK_OFF : 0);
    if (until <= now) return false;
    this.#due = until;
    this.#timer = setTimeout(() => this.check(false), until - now);
    unrefTimer(this.#timer); // the other workers keep the program from ending while there is work
    return true;
  }

  /** Returns the time until a start has waited long enough, in milliseconds. */
  untilNext(): number {
    return this.#due - performance.now();
  }

  /** Starts the workers whose start has waited long enough. */
  check(now: boolean): void {
    this.#stopTimer();
    this.#next(now);
  }

  /** Called when this thread is about to block, so that no timer will fire. Starts the workers that were left for later. */
  spawnNow(): void {
    if (this.#undo === undefined && this.#timer === undefined) return;
    this.stop();
    this.#failedUntil = 0;
    this.#patientUntil = performance.now();
    this.#next(true);
  }

  /** Called when a start has failed while there are other workers. `again`: true if the start before it has failed as well. */
  failed(again: boolean): void {
    if (!again) this.#backOff = BACK_OFF;
    this.#failedUntil = performance.now() + this.#backOff;
    this.#backOff = min(2 * this.#backOff, LONGEST_BACK_OFF);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
  }

  /** Starts no more workers. */
  stop(): void {
    this.#undo?.();
    this.#undo = undefined;
    this.#stopTimer();
  }
}
