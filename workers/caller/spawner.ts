/**
 * When workers are started.
 *
 * @module
 */

import { soon, unrefTimer } from "../../base/platform.ts";

// Taken early: a program may mock them, and its pools must go on.
const { max, min } = Math;

/** How long a worker that is about to be free is waited for before another one is started in its place, in milliseconds. */
const PATIENCE_MS = 5;
/** How long after a failure the next start is tried, in milliseconds; twice as long after each further one. */
const BACK_OFF = 100;
/** The longest such time. */
const LONGEST_BACK_OFF = 10_000;

/** What the starts of workers depend on. */
export interface SpawnerOptions {
  /** How many workers may still be started. */
  readonly room: () => number;
  /** Whether there are some. */
  readonly any: () => boolean;
  /** Calls the workers there are to their tasks: for how many tasks nobody is on the way. */
  readonly demand: () => number;
  /** Whether one of them has come up. */
  readonly anyReady: () => boolean;
  /** How many workers have no task, and may come without having been counted: they go once through their event loop, say. */
  readonly nearlyFree: () => number;
  /** Spawner one: whether that was possible. */
  readonly start: () => boolean;
}

/**
 * To create a worker blocks the calling thread for a while. So only the first is created at once, each further one in a turn
 * of the event loop of its own, if it is still needed then; at once as well if the thread is about to block. After a failure the
 * next one is tried only after some time, unless there is no worker at all.
 */
export class Spawner {
  readonly #options: SpawnerOptions;
  #undo: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is due. */
  #due = Infinity;
  /** Until when those that are nearly free are waited for; 0 if they are not. */
  #patientUntil = 0;
  /** Before this, none is tried. */
  #failedUntil = 0;
  #backOff = BACK_OFF;

  /** Spawner none yet. */
  constructor(options: SpawnerOptions) {
    this.#options = options;
  }

  /** Spawner up to `count` workers, as many tasks as nobody is on the way to; all `now` if need be. */
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

  /** Spawner one worker of `count`; if that fails and there are others, it is tried again later. */
  #startOne(count: number): boolean {
    const { any, room, start } = this.#options;
    if (start()) return true;
    if (room() > 0 && any()) this.#mustWait(count);
    return false;
  }

  /** Somebody is on the way to each task. */
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

  /** Whether the next start has to wait; if so, a timer goes on with it. */
  #mustWait(count: number): boolean {
    const now = performance.now();
    if (this.#patientUntil === 0 && this.#options.nearlyFree() >= count) this.#patientUntil = now + PATIENCE_MS;
    // After a failure nothing is tried as long as all others are still starting: they may fail, too.
    const starting = this.#failedUntil > 0 && !this.#options.anyReady();
    const until = max(this.#patientUntil, this.#failedUntil, starting ? now + BACK_OFF : 0);
    if (until <= now) return false;
    this.#due = until;
    this.#timer = setTimeout(() => this.check(false), until - now);
    unrefTimer(this.#timer); // the other workers keep the program from ending while there is work
    return true;
  }

  /** How long until a start has waited long enough, in milliseconds. */
  untilNext(): number {
    return this.#due - performance.now();
  }

  /** Spawner what has waited long enough. */
  check(now: boolean): void {
    this.#stopTimer();
    this.#next(now);
  }

  /** This thread is about to block, and no timer will have its turn: what was left for later is started now. */
  spawnNow(): void {
    if (this.#undo === undefined && this.#timer === undefined) return;
    this.stop();
    this.#failedUntil = 0;
    this.#patientUntil = performance.now();
    this.#next(true);
  }

  /** A start has failed while there are other workers; `again`: as the one before. */
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

  /** Spawner no more. */
  stop(): void {
    this.#undo?.();
    this.#undo = undefined;
    this.#stopTimer();
  }
}
