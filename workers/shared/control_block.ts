/**
 * The words that a worker and the calling thread share: whether the worker sleeps, whether it must stop, and its task.
 *
 * @module
 */

import { FETCHING, NONE } from "../../scheduler/messages.ts";
import { atomics } from "../../sync/internal/atomics.ts";

/** The time for which a worker looks for the next task before it parks, in milliseconds. Parking and being woken takes longer. */
const SPIN_MS = 0.01;

/*
 * The memory of one worker, in 32-bit words, then its ring of completions (`completion_ring.ts`, which also has WRITTEN and READ):
 *
 *   0 SLEEP     SPINNING | SEARCHING | TURNING | STARTING | BUSY | AWAITING | PARKED (on this word) | IDLE (in its event loop) | LEFT
 *   1 STOP      1 when the worker must stop
 *   2 WORK      taskId (30 bits) << 2 | NOTHING | HELD | RUNNING | REVOKED
 *   3 DEADLINE  time when the running call must be over, in milliseconds since the pool was made, modulo 2 ** 32; 0: never
 *   4 MAIL      number of tasks that the caller has posted to this worker by message
 *   5 SENT      number of messages that the worker has sent
 *   6 WRITTEN   bytes ever written to the ring; by the worker alone
 *   7 READ      bytes ever read from the ring; by the caller alone
 *   8 LOOKS     number of times that the worker has begun to look for tasks
 *   9 ARRIVED   1 when the worker has read the message that this memory came with
 *   10 STAGE    NONE | PREPARING (the initializer runs) | IMPORTING (the module) | FETCHING (missing parts of the task it holds)
 *   11 ASIDE    number of tasks that await while the worker may begin others
 *   12 ABORTED  number of the task that was aborted last; 0 before any was
 *   16 …        RING bytes of records: size, kind, taskId, detail (32 bits each), payload; 8-byte aligned
 */
const SLEEP = 0;
const STOP = 1;
const WORK = 2;
const DEADLINE = 3;
const MAIL = 4;
const SENT = 5;
export const WRITTEN = 6;
export const READ = 7;
const LOOKS = 8;
const ARRIVED = 9;
const STAGE = 10;
const ASIDE = 11;
const ABORTED = 12;
/** The offset of the ring of completions, in bytes. */
export const RING_AT = 64;

/** As {@linkcode SEARCHING}, and the worker has found nothing so far: the caller may also take it for a task by message. */
export const SPINNING = -3;
/** The worker checks the submission ring before it does anything else: the caller counts on it for one task. */
export const SEARCHING = -2;
/** The worker goes once through its event loop, with a task or before it looks for the next one. */
export const TURNING = -1;
/** The worker has not begun to look for tasks. */
export const STARTING = 0;
/** The worker has claimed a task, or runs one. */
export const BUSY = 1;
/** The task of the worker goes on asynchronously. */
export const AWAITING = 2;
/** The worker sleeps on the word, and a notification wakes it. */
export const PARKED = 3;
/** The worker sleeps in its event loop, where a message wakes it. */
export const IDLE = 4;
const LEFT = 5;

const NOTHING = 0;
const HELD = 1;
const RUNNING = 2;
const REVOKED = 3;

/** The bits of a task's number, which shares one word with the state of the task. */
export const TASK_ID_MASK = 0x3fffffff;

/** The control block of one worker. */
export class ControlBlock {
  /** The shared memory itself, at whose beginning the control block is. The ring of completions follows. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(RING_AT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, RING_AT / 4);
  }

  // The caller's side.

  /**
   * Caller: wakes a sleeping worker. Returns `"message"` if the worker sleeps in its event loop, so that the caller must post a
   * message to it, `"notified"` if it was parked, and `"awake"` if it did not sleep.
   */
  wake(): "awake" | "notified" | "message" {
    const state = atomics.load(this.#words, SLEEP);
    if (state < PARKED || state === LEFT || atomics.compareExchange(this.#words, SLEEP, state, SEARCHING) !== state) {
      // If it went from PARKED to IDLE between the two steps, try again.
      return atomics.load(this.#words, SLEEP) === IDLE ? this.wake() : "awake";
    }
    if (state === IDLE) return "message";
    atomics.notify(this.#words, SLEEP);
    return "notified";
  }

  /** Caller: true if the worker may be taken by {@linkcode reserve}. */
  get isFree(): boolean {
    const { sleep } = this;
    return sleep === PARKED || sleep === SPINNING;
  }

  /**
   * Caller: takes a worker that has nothing to do for a task that will be posted to it alone. Returns false if it has something to
   * do meanwhile. From then on, until {@linkcode turn} is called, it may only look at the submission ring, and sleep again.
   */
  reserve(): boolean {
    const { sleep } = this;
    return (sleep === PARKED || sleep === SPINNING) &&
      atomics.compareExchange(this.#words, SLEEP, sleep, TURNING) === sleep;
  }

  /**
   * Caller: wakes a worker to a task that was posted to it and counted. The worker takes this task before any on the submission
   * ring, which {@linkcode wake} would have it look at first.
   */
  turn(): void {
    atomics.notify(this.#words, SLEEP);
    for (
      let state = atomics.load(this.#words, SLEEP);
      state === PARKED || state === IDLE || state === SPINNING;
      state = atomics.load(this.#words, SLEEP)
    ) {
      // In its event loop, the posted message wakes it.
      if (atomics.compareExchange(this.#words, SLEEP, state, TURNING) === state) atomics.notify(this.#words, SLEEP);
    }
  }

  /** Caller: true if the worker, told to stop, runs no code and will run none. */
  get rests(): boolean {
    const state = atomics.load(this.#words, SLEEP);
    if (state === BUSY || state === SEARCHING || state === SPINNING) return false;
    const { stage } = this; // while it waits for a payload, no code of it runs; its module or initializer may run at any time
    return state === LEFT || stage === NONE || stage === FETCHING;
  }

  /** Caller: the sleep word. */
  get sleep(): number {
    return atomics.load(this.#words, SLEEP);
  }

  /** Caller: the number of the task that the worker holds or runs; -1 for none. */
  get current(): number {
    const work = atomics.load(this.#words, WORK);
    return (work & 3) === HELD || (work & 3) === RUNNING ? work >>> 2 : -1;
  }

  /** Caller: the time when the running call must be over, in milliseconds as in the layout above; 0 for never. */
  get deadline(): number {
    return atomics.load(this.#words, DEADLINE);
  }

  /** Caller: the number of times that the worker has begun to look for tasks. */
  get looks(): number {
    return atomics.load(this.#words, LOOKS);
  }

  /** Caller: the number of tasks that await while the worker may begin others. */
  get aside(): number {
    return atomics.load(this.#words, ASIDE);
  }

  /** Worker: sets the number of tasks that await while it may begin others. */
  setAside(count: number): void {
    atomics.store(this.#words, ASIDE, count);
  }

  /** Caller: the number of messages that the worker has sent. */
  get sent(): number {
    return atomics.load(this.#words, SENT);
  }

  /** Caller: counts a task posted by message. */
  countMail(): void {
    atomics.add(this.#words, MAIL, 1);
  }

  /** Caller: tells the worker to stop and wakes it if it is parked. A worker that sleeps will run no more code. */
  stop(): void {
    const words = this.#words;
    atomics.store(words, STOP, 1);
    for (
      let state = atomics.load(words, SLEEP);
      state === PARKED || state === IDLE;
      state = atomics.load(words, SLEEP)
    ) {
      if (atomics.compareExchange(words, SLEEP, state, LEFT) !== state) continue; // it went from PARKED to IDLE
      if (state === PARKED) atomics.notify(words, SLEEP);
      return;
    }
  }

  /** Caller: the stage of the worker before its first task, or between two tasks. */
  get stage(): number {
    return atomics.load(this.#words, STAGE);
  }

  /** Worker: sets its stage before its first task, or between two tasks. */
  setStage(stage: number): void {
    atomics.store(this.#words, STAGE, stage);
  }

  /** Caller: blocks until the worker has received this memory, at most `timeout` milliseconds. */
  awaitArrival(timeout: number): void {
    atomics.wait(this.#words, ARRIVED, 0, timeout);
  }

  /** Caller: takes back the task that the worker holds, unless it has begun. Returns the number of the task, or -1. */
  revoke(): number {
    const work = atomics.load(this.#words, WORK);
    if ((work & 3) !== HELD) return -1;
    return atomics.compareExchange(this.#words, WORK, work, (work & ~3) | REVOKED) === work ? work >>> 2 : -1;
  }

  // The worker's side.

  /** Worker: reports that it has received this memory. */
  arrive(): void {
    atomics.store(this.#words, ARRIVED, 1);
    atomics.notify(this.#words, ARRIVED);
  }

  /** Worker: true if it must stop. */
  get stopped(): boolean {
    return atomics.load(this.#words, STOP) !== 0;
  }

  /** Worker: the number of tasks that were posted to it by message so far. */
  get mail(): number {
    return atomics.load(this.#words, MAIL);
  }

  /** Worker: counts a message that it has sent. */
  countSent(): void {
    atomics.add(this.#words, SENT, 1);
  }

  /** Worker: announces that it checks the submission ring after this, before it does anything else. */
  setSearching(): void {
    // While the worker does not sleep, no other thread writes the word: a plain read saves a step.
    if (atomics.peek(this.#words, SLEEP) !== SEARCHING) atomics.store(this.#words, SLEEP, SEARCHING);
  }

  /** Worker: true if the caller counts on it for a task on the submission ring. */
  get isSearching(): boolean {
    return atomics.peek(this.#words, SLEEP) === SEARCHING; // once awake, only the worker writes the word
  }

  /** Worker: announces that it has claimed a task or runs code. */
  setBusy(): void {
    atomics.store(this.#words, SLEEP, BUSY);
  }

  /** Worker: as {@linkcode setBusy}, from its event loop. Returns whether the caller has counted on it for a task on the ring. */
  becomeBusy(): boolean {
    for (let state = atomics.load(this.#words, SLEEP);; state = atomics.load(this.#words, SLEEP)) {
      if (atomics.compareExchange(this.#words, SLEEP, state, BUSY) === state) return state === SEARCHING;
    }
  }

  /** Worker: announces that it goes once through its event loop. */
  setTurning(): void {
    atomics.store(this.#words, SLEEP, TURNING);
  }

  /** Worker: counts that it begins to look for tasks. */
  countLook(): void {
    atomics.add(this.#words, LOOKS, 1);
  }

  /** Worker: announces that its task goes on asynchronously. */
  setAwaiting(): void {
    atomics.store(this.#words, SLEEP, AWAITING);
  }

  /** Worker: announces that it, told to stop, has nothing more to do. */
  leave(): void {
    atomics.store(this.#words, SLEEP, LEFT);
  }

  /**
   * Worker: sleeps until it is woken, at most `linger` milliseconds; then it is IDLE and must go to its event loop.
   * `anything` is called once more after the sleep is announced, so that no wake-up is lost. With `patient`, the worker calls it
   * for a while before that. `hasMail` returns whether a task was posted to it: then it does not look at the submission ring first.
   *
   * @returns Whether there may be something to do.
   */
  park(linger: number, anything: () => boolean, hasMail: () => boolean, patient: boolean): boolean {
    const words = this.#words;
    /** Wakes up by itself, unless the caller has just woken or taken the worker. */
    const rise = (from: number): true => {
      atomics.compareExchange(words, SLEEP, from, hasMail() ? TURNING : SEARCHING);
      return true;
    };
    if (patient) {
      atomics.store(words, SLEEP, SPINNING);
      for (const end = atomics.patience > 0 ? atomics.now() + SPIN_MS : 0; end > 0 && atomics.now() < end;) {
        for (let i = 0; i < 100; i++) if (anything()) return rise(SPINNING);
      }
      if (atomics.compareExchange(words, SLEEP, SPINNING, PARKED) !== SPINNING) return true;
    } else {
      this.setSearching();
      atomics.store(words, SLEEP, PARKED);
    }
    if (anything()) return rise(PARKED);
    atomics.wait(words, SLEEP, PARKED, linger);
    return atomics.compareExchange(words, SLEEP, PARKED, IDLE) !== PARKED;
  }

  /** Worker: announces that it has read task `taskId`, and not begun it. */
  hold(taskId: number): void {
    atomics.store(this.#words, WORK, (taskId << 2) | HELD);
  }

  /** Worker: begins task `taskId`. Returns false if the caller has taken it back. */
  begin(taskId: number): boolean {
    const held = (taskId << 2) | HELD;
    return atomics.compareExchange(this.#words, WORK, held, (taskId << 2) | RUNNING) === held;
  }

  /** Worker: ends its task. Called only after the reply is written, since a death in between would lose both. */
  finish(): void {
    atomics.store(this.#words, WORK, NOTHING);
    this.clearDeadline();
  }

  /** Worker: clears the deadline of a call that is over. */
  clearDeadline(): void {
    if (atomics.peek(this.#words, DEADLINE) !== 0) atomics.store(this.#words, DEADLINE, 0); // written by this thread alone
  }

  /** Caller: notes that a task was aborted, before the message about it is posted. */
  setAborted(taskId: number): void {
    atomics.store(this.#words, ABORTED, taskId);
  }

  /** Worker: true if a task was aborted, as far as this thread knows. */
  get anyAborted(): boolean {
    return atomics.peek(this.#words, ABORTED) !== 0;
  }

  /** Worker: the number of the task that was aborted last. */
  get aborted(): number {
    return atomics.load(this.#words, ABORTED);
  }

  /** Worker: sets the time when the running call must be over. */
  setDeadline(time: number): void {
    atomics.store(this.#words, DEADLINE, (time | 0) || 1);
  }
}
