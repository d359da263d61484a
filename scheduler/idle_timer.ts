/**
 * The timer that ends workers which have nothing to do.
 *
 * @module
 */

import { unrefTimer } from "../base/platform.ts";

/** Calls a callback after a time without work. There is one timer, however many tasks come in between. */
export class IdleTimer {
  readonly #timeout: number;
  readonly #expired: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;

  /** `expired` is called after `timeout` milliseconds without work; never if that is `Infinity`. */
  constructor(timeout: number, expired: () => void) {
    this.#timeout = timeout;
    this.#expired = expired;
  }

  /** Called with whether there is nothing to do. */
  set(idle: boolean): void {
    if (!idle) {
      this.#since = 0;
    } else if (this.#since === 0) {
      this.#since = performance.now();
      this.#start();
    }
  }

  /** Starts the timer. If there was work in between, the timer notices that when it ends, and starts again for the rest. */
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

  /** Cancels the timer. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#since = 0;
  }
}
