/**
 * Children that are quiet, because they have nothing to do or because one task takes long.
 *
 * @module
 */

import { unrefTimer } from "../base/platform.ts";
import { REST } from "./frames.ts";
import type { ProcessHandle } from "./process_handle.ts";

/** The time that a child blocks between tasks before it goes back to its event loop, in milliseconds. */
const LINGER = 2;
/** The time that a child may be silent before others get the tasks behind the one that it runs, in milliseconds: see `program.ts`. */
const SILENCE = 20;

/** Sends children without work to their event loops, and finds those whose task holds up others. */
export class QuietChildren {
  readonly #handles: ReadonlySet<ProcessHandle>;
  readonly #takeBack: (handle: ProcessHandle) => void;
  #restTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  /** `takeBack` is called with a child that will begin none of the tasks behind the one that it runs. */
  constructor(handles: ReadonlySet<ProcessHandle>, takeBack: (handle: ProcessHandle) => void) {
    this.#handles = handles;
    this.#takeBack = takeBack;
  }

  /** Sends the children that have had nothing to do for a while to their event loops. */
  restLater(): void {
    if (this.#restTimer !== undefined) return;
    this.#restTimer = setTimeout(() => {
      this.#restTimer = undefined;
      let again = false;
      const now = performance.now();
      for (const handle of this.#handles) {
        if (handle.state !== "ready" || handle.inFlight > 0 || !handle.hot) continue;
        if (now - handle.heard < LINGER) {
          again = true;
          continue;
        }
        handle.hot = false;
        handle.send(REST, 0);
        handle.flush();
      }
      if (again) this.restLater();
    }, LINGER);
    unrefTimer(this.#restTimer);
  }

  /** Watches for children whose task holds up others: looks after `time` milliseconds, and again while there may be one. */
  watch(time: number = SILENCE): void {
    if (this.#silenceTimer !== undefined) return;
    this.#silenceTimer = setTimeout(() => {
      this.#silenceTimer = undefined;
      const next = this.look();
      if (next < Infinity) this.watch(Math.max(1, next));
    }, time);
  }

  /** Looks for children whose task holds up others. Returns the time until there can be one, in milliseconds. */
  look(): number {
    let next = Infinity;
    for (const handle of this.#handles) {
      if (handle.stuck || handle.fencing || handle.running.size === 0 || handle.handed.empty) continue;
      const { heard } = handle;
      const left = heard + SILENCE - performance.now();
      if (left > 0) {
        next = Math.min(next, left);
        continue;
      }
      handle.fencing = true;
      handle.fence(() => {
        handle.fencing = false;
        if (!this.#handles.has(handle) || handle.stuck || handle.running.size === 0) return;
        if (handle.heard !== heard) return this.watch(); // it may go silent again, when nobody else looks
        handle.stuck = true;
        this.#takeBack(handle);
      });
    }
    return next;
  }

  /** Cancels the timers. */
  stop(): void {
    clearTimeout(this.#restTimer);
    clearTimeout(this.#silenceTimer);
    this.#restTimer = this.#silenceTimer = undefined;
  }
}
