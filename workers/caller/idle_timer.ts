/**
 * Letting go of workers that have nothing to do.
 *
 * @module
 */

import { unrefTimer } from "../../base/platform.ts";

/** Calls back when nothing has happened for a time. One timer, whatever the number of tasks in between. */
export class IdleTimer {
  readonly #timeout: number;
  readonly #expired: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  /** `timeout` in milliseconds; `Infinity` for never. */
  constructor(timeout: number, expired: () => void) {
    this.#timeout = timeout;
    this.#expired = expired;
  }

  /** Says whether there is nothing to do. */
  set(idle: boolean): void {
    if (!idle) {
      this.#since = 0;
    } else if (this.#since === 0) {
      this.#since = performance.now();
      this.#start();
    }
  }

  /** If there was work in between, the timer finds it out when it ends, and starts again for the rest. */
  #start(): void {
    if (this.#timer !== undefined || this.#timeout === Infinity) return;
    const rest = this.#since + this.#timeout - performance.now();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#since === 0) return;
      if (performance.now() - this.#since >= this.#timeout) this.#expired();
      else this.#start();
    }, Math.max(0, Math.ceil(rest)));
    unrefTimer(this.#timer);
  }

  /** Forgets everything. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#since = 0;
  }
}
