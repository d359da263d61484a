/**
 * When workers are started.
 *
 * @module
 */

import { soon } from "../_platform.ts";

/**
 * To create a worker blocks the calling thread for a while. So only the first is created at once, each further one in a turn
 * of the event loop of its own, if it is still needed then; at once as well if the thread is about to block.
 */
export class Starts {
  readonly #room: () => number;
  readonly #any: () => boolean;
  readonly #lacking: () => number;
  readonly #start: () => boolean;
  #undo: (() => void) | undefined;

  /**
   * `room`: how many workers may still be started; `any`: whether there are some; `lacking`: for how many tasks nobody comes;
   * `start`: starts one, and gives whether that was possible.
   */
  constructor(room: () => number, any: () => boolean, lacking: () => number, start: () => boolean) {
    this.#room = room;
    this.#any = any;
    this.#lacking = lacking;
    this.#start = start;
  }

  /** Starts up to `count` workers, all `now` if need be. */
  start(count: number, now: boolean): void {
    while (count > 0 && this.#room() > 0) {
      if (!now && this.#any()) {
        this.#undo ??= soon(() => {
          this.#undo = undefined;
          this.#next(false);
        });
        return;
      }
      if (!this.#start()) return;
      count--;
    }
  }

  #next(now: boolean): void {
    if (this.#room() > 0 && this.#lacking() > 0 && this.#start()) this.start(this.#lacking(), now);
  }

  /** This thread is about to block: what was left for later is started now. */
  hurry(): void {
    if (this.#undo === undefined) return;
    this.stop();
    this.#next(true);
  }

  /** Starts no more. */
  stop(): void {
    this.#undo?.();
    this.#undo = undefined;
  }
}
