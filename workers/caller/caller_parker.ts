/**
 * The sleep of the calling thread until a worker has written a record or sent a message.
 *
 * @module
 */

import { AWAKE, LISTENING, type SubmissionRing, WAITING } from "../shared/submission_ring.ts";
import { soon, turnsAreShort, waitAsyncWakes } from "../../base/platform.ts";
import { memberOf } from "../../sync/internal/current_thread.ts";
import type { Member } from "../../sync/internal/member.ts";

/**
 * The time for which the thread looks for the next record before it sleeps, in milliseconds. It is no longer than sleeping and
 * being woken takes, so at most half of the time is lost, and none when tasks are short.
 */
const PATIENCE_MS = 0.05;

/** Puts the thread of one scheduler to sleep, in its event loop or by blocking. */
export class CallerParker {
  readonly #submissions: SubmissionRing;
  readonly #hasRecords: () => boolean;
  readonly #awake: () => void;
  readonly #byMessage = !waitAsyncWakes();
  #member: Member | undefined;
  #waiting = false;
  /** The time until which the event loop polls instead of sleeping, on the clock of `performance.now()`. */
  #patience = 0;
  /** Cancels the turn of the event loop that was requested. */
  #turn: (() => void) | undefined;
  /** The callback of the next turn, if nothing is awaited then. */
  #idle: (() => void) | undefined;

  /** `hasRecords` looks at the rings. `awake` is called from the event loop when the rings may have records. */
  constructor(submissions: SubmissionRing, hasRecords: () => boolean, awake: () => void) {
    this.#submissions = submissions;
    this.#hasRecords = hasRecords;
    this.#awake = awake;
  }

  /**
   * Called before this thread goes back to its event loop. Makes sure that the thread notices the next record. With
   * `soonExpected`, a record is expected right away: the event loop polls for a moment first, since sleeping and being woken
   * takes much longer than a short task.
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
   * Called when nothing is awaited. `idle` is called in the next turn of the event loop, unless {@linkcode parkAsync} is called
   * before. It is not called at once, as the next task often comes before that turn.
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
   * Called before this thread blocks elsewhere: from then on the workers have to wake it. Returns false if there are records to
   * read first.
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
    // The word is set before the rings are checked: a worker that writes after the check finds the word set.
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

  /** Called when there are more records already. Reads them after a turn of the event loop, which must not starve. */
  #takeTurn(): void {
    this.#submissions.setCaller(AWAKE);
    this.#turn ??= soon(() => {
      this.#turn = undefined;
      this.#awake();
    });
  }

  /**
   * Blocks this thread until a worker has written a record or sent a message, at most `timeout()` milliseconds. `look` reads the
   * records after the sleep is announced; if it finds any, there is no sleep. Returns whether it found any.
   *
   * The thread sleeps on its event count, not on the word; the worker that changes the word notifies the event count. So messages
   * of any worker, and of the thread that has started this one, wake this thread as well.
   */
  block(look: () => boolean, timeout: () => number): boolean {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
      for (let i = 0; i < 50; i++) if (this.#hasRecords()) return look();
    }
    const { threadTable, slot } = this.#member ??= memberOf();
    const heard = threadTable.prepareWait(slot); // before the word is set: the worker that changes the word notifies after it
    this.#submissions.setCaller(WAITING); // before the check, as in #sleep()
    if (look()) return true;
    const limit = timeout();
    if (limit > 0) threadTable.wait(slot, heard, limit);
    return false;
  }

  /** Called when there are no workers any more. */
  stop(): void {
    this.#turn?.();
    this.#turn = undefined;
    this.#idle = undefined;
    this.#submissions.stopWaiting();
  }
}
