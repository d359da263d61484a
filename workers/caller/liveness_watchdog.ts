/**
 * Noticing workers that have no task, were called to one, and do not come: code that an earlier task has left running,
 * such as a timer that loops, has taken them.
 *
 * @module
 */

import { unrefTimer } from "../../base/platform.ts";
import { BUSY, SEARCHING, TURNING } from "../shared/control_block.ts";
import type { WorkerHandle } from "./worker_handle.ts";

/** How long a free worker may take to look for a task, in milliseconds. */
const UNRESPONSIVE_MS = 1000;

/** Watches while there are tasks that nobody has claimed. */
export class LivenessWatchdog {
  readonly #handles: () => Iterable<WorkerHandle>;
  readonly #unclaimed: () => boolean;
  readonly #lose: (handle: WorkerHandle) => void;
  readonly #looks = new Map<WorkerHandle, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;

  /** `unclaimed` tells whether there are such tasks; `lose` is told a worker that does not come. */
  constructor(handles: () => Iterable<WorkerHandle>, unclaimed: () => boolean, lose: (handle: WorkerHandle) => void) {
    this.#handles = handles;
    this.#unclaimed = unclaimed;
    this.#lose = lose;
  }

  /** To be called when tasks were handed over. */
  watch(): void {
    if (this.#timer !== undefined) return;
    let waiting = this.#unclaimed();
    for (const handle of this.#handles()) {
      this.#looks.set(handle, handle.control.looks);
      waiting ||= handle.directTasks.size > 0;
    }
    if (!waiting) return this.#looks.clear();
    this.#due = performance.now() + UNRESPONSIVE_MS;
    this.#timer = setTimeout(() => this.check(), UNRESPONSIVE_MS);
    unrefTimer(this.#timer); // the worker keeps the program from ending
  }

  /** How long until it looks again, in milliseconds. */
  untilNext(): number {
    return this.#due - performance.now();
  }

  /** Gives up the workers that have not looked for a task since the last time. */
  check(): void {
    const before = [...this.#looks];
    this.stop();
    for (const [handle, looks] of before) {
      const { sleep, current } = handle.control;
      const called = this.#unclaimed() || handle.directTasks.size > 0;
      const coming = sleep === BUSY || sleep === TURNING || sleep === SEARCHING;
      if (called && coming && current < 0 && handle.control.looks === looks) this.#lose(handle);
    }
    this.watch();
  }

  /** Forgets everything. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
    this.#looks.clear();
  }
}
