/**
 * How the calling thread sleeps until a worker has something to say.
 *
 * @module
 */

import { AWAKE, LISTENING, type SubmissionRing, WAITING } from "../shared/submission_ring.ts";
import { soon, turnsAreShort, waitAsyncWakes } from "../../base/platform.ts";
import { memberOf } from "../../sync/internal/current_thread.ts";
import type { Member } from "../../sync/internal/member.ts";

/**
 * How long it looks for the next record before it really sleeps, in milliseconds: no longer than it takes to sleep and be woken,
 * so that at most half of the time is lost, and none when tasks are short.
 */
const PATIENCE_MS = 0.05;

/** The sleep of one scheduler: in its event loop, or blocking. */
export class CallerParker {
  readonly #submissions: SubmissionRing;
  readonly #hasRecords: () => boolean;
  readonly #awake: () => void;
  readonly #byMessage = !waitAsyncWakes();
  #member: Member | undefined;
  #waiting = false;
  /** Until when the event loop goes round instead of sleeping. */
  #patience = 0;
  /** Takes back the turn of the event loop that is due. */
  #turn: (() => void) | undefined;
  /** What is to be done in the next turn, if nothing is awaited then. */
  #idle: (() => void) | undefined;

  /** `hasRecords` looks at the rings; `awake` is called, from the event loop, when there may be something in them. */
  constructor(submissions: SubmissionRing, hasRecords: () => boolean, awake: () => void) {
    this.#submissions = submissions;
    this.#hasRecords = hasRecords;
    this.#awake = awake;
  }

  /**
   * Before this thread goes back to its event loop: sees to it that the next record is heard of. With `soon`, one is expected
   * right away: then the event loop goes round for a moment first, since to sleep and be woken takes much longer than a short
   * task does.
   */
  parkAsync(soonExpected: boolean): void {
    this.#idle = undefined;
    if (!soonExpected || !turnsAreShort()) return this.#sleep();
    this.#patience = performance.now() + PATIENCE_MS;
    if (this.#turn !== undefined) return;
    this.#submissions.setCaller(AWAKE); // no worker has to wake it
    this.#turn = soon(this.#look);
  }

  /**
   * Nothing is awaited. As the next task often comes before the event loop has its turn, that is to be heard of then only: `idle` is
   * called in that turn, unless {@linkcode parkAsync} is called before.
   */
  settleDown(idle: () => void): void {
    this.#idle = idle;
    this.#turn ??= soon(this.#look);
  }

  readonly #look = (): void => {
    this.#turn = undefined;
    const idle = this.#idle;
    this.#idle = undefined;
    if (idle !== undefined) {
      idle();
      this.#sleep();
    } else if (this.#hasRecords()) this.#awake();
    else if (performance.now() < this.#patience) this.#turn = soon(this.#look);
    else this.#sleep();
  };

  /**
   * This thread is about to block elsewhere: from now on it has to be woken. False when there is something to read before that.
   */
  prepareToBlock(): boolean {
    this.#turn?.();
    this.#turn = undefined;
    this.#idle?.();
    this.#idle = undefined;
    this.#sleep();
    return this.#turn === undefined;
  }

  #sleep(): void {
    // The word first, then the look at the rings: a worker that writes after the look finds the word set.
    this.#submissions.setCaller(this.#byMessage ? LISTENING : WAITING);
    if (this.#hasRecords()) return this.#takeTurn();
    if (this.#byMessage || this.#waiting) return;
    const woken = this.#submissions.waitForWorkersAsync();
    if (woken === undefined) return this.#takeTurn();
    this.#waiting = true;
    woken.then(() => {
      this.#waiting = false;
      this.#awake();
    });
  }

  /** There is more to read already: after a turn of the event loop, which must not starve. */
  #takeTurn(): void {
    this.#submissions.setCaller(AWAKE);
    this.#turn ??= soon(() => {
      this.#turn = undefined;
      this.#awake();
    });
  }

  /**
   * Blocks this thread until a worker has something to say, at most `timeout` milliseconds. `look` reads what there is,
   * after the sleep is announced; if it found something, there is no sleep. It sleeps on the bell of the thread, which whoever
   * changes the word rings, and not on the word: so messages of any worker, and of the thread that has started this one, wake
   * it as well.
   */
  block(look: () => boolean, timeout: () => number): boolean {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
      for (let i = 0; i < 50; i++) if (this.#hasRecords()) return look();
    }
    const { threadTable, slot } = this.#member ??= memberOf();
    const heard = threadTable.prepareWait(slot); // before the word is set: who changes that rings after it
    this.#submissions.setCaller(WAITING); // before the look, as in parkAsync()
    if (look()) return true;
    const limit = timeout();
    if (limit > 0) threadTable.wait(slot, heard, limit);
    return false;
  }

  /** There are no workers any more. */
  stop(): void {
    this.#turn?.();
    this.#turn = undefined;
    this.#idle = undefined;
    this.#submissions.stopWaiting();
  }
}
