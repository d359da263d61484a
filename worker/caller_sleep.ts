/**
 * How the calling thread sleeps until a worker has something to say.
 *
 * @module
 */

import { AWAKE, type Board, LISTENING, WAITING } from "./board.ts";
import { soon, waitAsyncWakes } from "../_platform.ts";

/** The sleep of one scheduler: in its event loop, or blocking. */
export class CallerSleep {
  readonly #board: Board;
  readonly #hasRecords: () => boolean;
  readonly #awake: () => void;
  readonly #byMessage = !waitAsyncWakes();
  #waiting = false;
  /** Takes back the turn of the event loop that is due. */
  #turn: (() => void) | undefined;

  /** `hasRecords` looks at the rings; `awake` is called, from the event loop, when there may be something in them. */
  constructor(board: Board, hasRecords: () => boolean, awake: () => void) {
    this.#board = board;
    this.#hasRecords = hasRecords;
    this.#awake = awake;
  }

  /** Before this thread goes back to its event loop: sees to it that the next record is heard of. */
  listen(): void {
    // The word first, then the look at the rings: a worker that writes after the look finds the word set.
    this.#board.setCaller(this.#byMessage ? LISTENING : WAITING);
    if (this.#hasRecords()) return this.#takeTurn();
    if (this.#byMessage || this.#waiting) return;
    const woken = this.#board.waitForWorkersAsync();
    if (woken === undefined) return this.#takeTurn();
    this.#waiting = true;
    woken.then(() => {
      this.#waiting = false;
      this.#awake();
    });
  }

  /** There is more to read already: after a turn of the event loop, which must not starve. */
  #takeTurn(): void {
    this.#board.setCaller(AWAKE);
    this.#turn ??= soon(() => {
      this.#turn = undefined;
      this.#awake();
    });
  }

  /**
   * Blocks this thread until a worker has something to say, at most `timeout` milliseconds. `look` reads what there is,
   * after the sleep is announced; if it found something, there is no sleep.
   */
  block(look: () => boolean, timeout: () => number): boolean {
    this.#board.setCaller(WAITING); // before the look, as in listen()
    if (look()) return true;
    const limit = timeout();
    if (limit > 0) this.#board.waitForWorkers(limit);
    return false;
  }

  /** There are no workers any more. */
  stop(): void {
    this.#turn?.();
    this.#turn = undefined;
    this.#board.stopWaiting();
  }
}
