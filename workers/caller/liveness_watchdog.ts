/**
 * Detects workers that have no task, were called to one, and do not come: code that an earlier task has left running, such as
 * a timer that loops, blocks them.
 *
 * @module
 */

import { unrefTimer } from "../../base/platform.ts";
import { BUSY, TURNING } from "../shared/control_block.ts";
import type { WorkerHandle } from "./worker_handle.ts";

/** The time within which a free worker must look for a task, in milliseconds. */
const UNRESPONSIVE_MS = 1000;

/** Watches the workers while there are unclaimed tasks. */
export class LivenessWatchdog {
  readonly #handles: () => Iterable<WorkerHandle>;
  readonly #unclaimed: () => boolean;
  readonly #lose: (handle: WorkerHandle) => void;
  readonly #looks = new Map<WorkerHandle, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;

  /** `unclaimed` returns whether there are unclaimed tasks. `lose` is called with a worker that does not come. */
  constructor(handles: () => Iterable<WorkerHandle>, unclaimed: () => boolean, lose: (handle: WorkerHandle) => void) {
    this.#handles = handles;
    this.#unclaimed = unclaimed;
    this.#lose = lose;
  }

  /** Must be called when tasks were handed over. */
  watch(): void {
    if (this.#timer !== undefined) return;
    let waiting = this.#unclaimed();
    for (const handle of this.#handles()) {
      this.#looks.set(handle, handle.control.looks);
      waiting ||= handle.directTasks.size > 0 || handle.handed !== undefined;
    }
    if (!waiting) return this.#looks.clear();
    this.#due = performance.now() + UNRESPONSIVE_MS;
    this.#timer = setTimeout(() => this.check(), UNRESPONSIVE_MS);
    unrefTimer(this.#timer); // the worker keeps the program from ending
  }

  /** Returns the time until the next check, in milliseconds. */
  untilNext(): number {
    return this.#due - performance.now();
  }

  /** Abandons the workers that have not looked for a task since the last check. */
  check(): void {
    const before = [...this.#looks];
    this.stop();
    for (const [handle, looks] of before) {
      const { sleep, current } = handle.control;
      const called = this.#unclaimed() || handle.directTasks.size > 0 || handle.handed !== undefined;
      const coming = sleep === BUSY || sleep <= TURNING;
      if (called && coming && current < 0 && handle.control.looks === looks) this.#lose(handle);
    }
    this.watch();
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
    this.#looks.clear();
  }
}
