/**
 * Waiting, with a lock, for something that another thread says.
 *
 * Memory, in words: 0 the number of the object; 1 the slot to look at first; then for each slot the ID of the thread that
 * waits, and `waiting << 16 | notified`: how many waits it has under way, and how many of them may go on. The lock is an
 * object of its own.
 *
 * ```
 *                 wait: waiting + 1, release the lock            notify: notified + 1, ring
 *   holds the lock ──────────────────────────────────▶ waits ─────────────────────────────────▶ notified
 *        ▲                                               │ timeout                                │
 *        └────────── acquire the lock ◀── waiting - 1 ───┘◀── waiting - 1, notified - 1 ──────────┘
 * ```
 *
 * Both `waiting + 1` and `notified + 1` happen while the lock is held, so a notification never falls between the release
 * of the lock and the wait.
 *
 * @module
 */

import { refuseToBlock } from "../base/platform.ts";
import { InvalidStateError } from "../errors.ts";
import { checkFunction, checkSignal, checkTimeout, show } from "../base/checks.ts";
import { reviveShared } from "../codec/handles.ts";
import { atomics } from "./internal/atomics.ts";
import {
  checkHandle,
  dataOf,
  FIRST,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { type AsyncHeld, coreOf, type Held, type LockCore } from "./internal/hold.ts";
import type { Lock } from "./lock.ts";
import { ownLock } from "./internal/own_lock.ts";
import { SLOTS } from "./internal/thread_table.ts";
import { RLock } from "./rlock.ts";
import type { Member, WaitPlace } from "./internal/member.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  type AsyncWaitOptions,
  waitFor,
  waitForAsync,
  waitOptions,
} from "./internal/wait.ts";

/** What awaits in place of `wait()`. */
const INSTEAD = "'waitAsync()'";

const CURSOR = FIRST;
const IDS = FIRST + 1;
const COUNTS = IDS + SLOTS;
const SIZE = 1 + 2 * SLOTS;

const WAITING_ONE = 0x10000;
const NOTIFIED_ONE = 1;
const NOTIFIED_MASK = 0xffff;
const MOST_WAITS = 0x7fff;

/**
 * Lets threads that hold a lock wait until another says that something has changed.
 *
 * Blocking forms may be used on every thread. Whoever was notified goes on once it has the lock again, as it had it before;
 * there are no wake-ups without a notification, and a notification that nobody waits for is not copyOf. Several asynchronous
 * functions of one thread can wait here like several threads; whether the one that waits or notifies is the one that holds
 * the lock is checked for the thread only.
 *
 * Source: `multiprocessing.Condition`.
 *
 * Differs from Python: `notify()` without the lock is an {@linkcode InvalidStateError}; the lock comes back even when
 * `waitAsync()` is aborted.
 *
 * @example A worker waits until there is something to do
 * ```ts
 * import { Condition, Pool, Value } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const scope = { condition: new Condition(), stock: new Value("i", 0) };
 * const { condition, stock } = scope;
 * await using pool = new Pool(1, { scope });
 * const taken = pool.apply(() => {
 *   using _ = condition.hold();
 *   condition.waitFor(() => stock.value > 0);
 *   return stock.value--;
 * });
 * {
 *   await using _ = await condition.holdAsync();
 *   stock.value = 3;
 *   condition.notify();
 * }
 * assertEquals(await taken, 3);
 * ```
 */
export class Condition {
  readonly #object: SharedObject;
  readonly #lock: Lock | RLock;
  readonly #core: LockCore;
  readonly #place: WaitPlace;

  /**
   * A new condition.
   *
   * @param lock The lock it goes with, an {@linkcode RLock} of its own if none is given; or the handle of a condition, to
   * get that one instead.
   * @throws {TypeError} If `lock` is neither.
   */
  constructor(lock?: Lock | RLock | Handle) {
    const handle = handleIn("Condition", lock);
    if (handle !== undefined) this.#lock = reviveShared(dataOf<Handle>("Condition", handle)) as RLock;
    else this.#lock = lock === undefined ? new RLock() : ownLock(lock) as RLock;
    const core = coreOf(this.#lock);
    if (core === undefined) {
      throw new TypeError(`Cannot make a Condition as 'lock' must be a Lock or RLock: current value is ${show(lock)}`);
    }
    this.#core = core;
    this.#object = new SharedObject("Condition", handle, SIZE, () => ({ data: this.#lock.handle }));
    const { words } = this.#object;
    const key = this.#object.place(0);
    this.#place = {
      key,
      forAll: false,
      enter: (member) => enlist(words, member, key),
      leave: () => {},
      rung: (member) => (atomics.load(words, COUNTS + member.slot) & NOTIFIED_MASK) !== 0,
    };
  }

  /**
   * The condition that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of a condition.
   */
  static fromHandle(handle: Handle): Condition {
    return new Condition(checkHandle("Condition", handle));
  }

  /** Acquires the lock, as {@linkcode Lock.acquire} or {@linkcode RLock.acquire} does. */
  acquire(options?: AcquireOptions): boolean {
    return this.#lock.acquire(options);
  }

  /** Acquires the lock, as {@linkcode Lock.acquireAsync} or {@linkcode RLock.acquireAsync} does. */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    return this.#lock.acquireAsync(options);
  }

  /** Releases the lock once, after `acquire()` or `acquireAsync()`; a guard of `holdAsync()` has a `release()` of its own. */
  release(): void {
    this.#lock.release();
  }

  /** Acquires the lock until the end of the block: `using _ = condition.hold()`. */
  hold(): Held {
    return this.#lock.hold();
  }

  /** The same without blocking: `await using _ = await condition.holdAsync()`. */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return this.#lock.holdAsync(options);
  }

  #refuseUnlessHeld(what: string): void {
    if (this.#core.mine) return;
    throw new InvalidStateError(`Cannot ${what} as this thread does not hold the lock of the condition`);
  }

  /** Counts a wait, and releases the lock. Gives what makes it held as before. */
  #begin(): () => void {
    const { words, member } = this.#object;
    enlist(words, member, this.#place.key);
    const at = COUNTS + member.slot;
    if (atomics.load(words, at) >>> 16 >= MOST_WAITS) {
      throw new RangeError(`Cannot wait as ${MOST_WAITS} waits of this thread are under way`);
    }
    atomics.add(words, at, WAITING_ONE);
    return this.#core.releaseAll();
  }

  readonly #attempt = (): boolean => {
    const { words, member } = this.#object;
    const at = COUNTS + member.slot;
    for (;;) {
      const counts = atomics.load(words, at);
      if ((counts & NOTIFIED_MASK) === 0) return false;
      const less = counts - WAITING_ONE - NOTIFIED_ONE;
      if (atomics.compareExchange(words, at, counts, less) === counts) return true;
    }
  };

  /** A wait is over without a notification: unless one has come for each that waits here, this one included. */
  #giveUp(): boolean {
    const { words, member } = this.#object;
    const at = COUNTS + member.slot;
    for (;;) {
      const counts = atomics.load(words, at);
      const notified = counts >>> 16 === (counts & NOTIFIED_MASK);
      const less = counts - WAITING_ONE - (notified ? NOTIFIED_ONE : 0);
      if (atomics.compareExchange(words, at, counts, less) === counts) return notified;
    }
  }

  /**
   * Releases the lock, blocks this thread until it is notified, and acquires the lock again.
   *
   * @param timeout How long to wait for the notification at most, in milliseconds; 0 and less: not at all.
   * @returns Whether it was notified: false only after `timeout`. The lock is held in both cases.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} On the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile; the lock is not held then.
   */
  wait(timeout?: number): boolean {
    const time = checkTimeout(timeout);
    this.#refuseUnlessHeld("wait");
    refuseToBlock(INSTEAD);
    const restore = this.#begin();
    let notified = waitFor(this.#object.member, this.#place, this.#attempt, time, INSTEAD);
    this.#core.reacquire(restore);
    if (!notified) notified = this.#giveUp();
    return notified;
  }

  /**
   * The same in the event loop.
   *
   * @param options How long to wait for the notification at most, in milliseconds, and a signal that gives up: the promise
   * then rejects with its reason, once the lock is held again.
   * @returns Whether it was notified: false only after `timeout`. The lock is held in both cases.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {TypeError} If an option is of the wrong type.
   */
  async waitAsync(options?: number | AsyncWaitOptions): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    this.#refuseUnlessHeld("wait");
    const restore = this.#begin();
    let notified = false;
    let aborted = false;
    try {
      notified = await waitForAsync(this.#object.member, this.#place, this.#attempt, time, signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
      aborted = true;
    }
    await this.#core.reacquireAsync(restore);
    if (!notified) notified = this.#giveUp();
    if (!aborted) return notified;
    if (notified) this.notify(); // it was for this one, who does not want it any more
    throw signal!.reason;
  }

  /**
   * Waits until `predicate` gives something truthy: looks at once, and again after each notification.
   *
   * @typeParam T What the predicate gives.
   * @param predicate Called with the lock held.
   * @param timeout How long to wait at most in all, in milliseconds; 0 and less: not at all.
   * @returns What the predicate gave last: falsy only after `timeout`.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {TypeError} If `predicate` is not a function or `timeout` not a number.
   * @throws {InvalidStateError} On the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile; the lock is not held then.
   */
  waitFor<T>(predicate: () => T, timeout?: number): T {
    checkFunction("predicate", predicate);
    const deadline = atomics.now() + checkTimeout(timeout);
    this.#refuseUnlessHeld("wait");
    for (;;) {
      const value = predicate();
      const left = deadline - atomics.now();
      if (value || !(left > 0)) return value;
      this.wait(left);
    }
  }

  /**
   * The same in the event loop; `predicate` may be asynchronous.
   *
   * @typeParam T What the predicate gives.
   * @param predicate Called with the lock held.
   * @param options How long to wait at most in all, in milliseconds, and a signal that gives up.
   * @returns What the predicate gave last: falsy only after `timeout`.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {TypeError} If `predicate` is not a function or an option is of the wrong type.
   */
  async waitForAsync<T>(predicate: () => T | Promise<T>, options?: number | AsyncWaitOptions): Promise<T> {
    checkFunction("predicate", predicate);
    const { timeout, signal } = waitOptions(options);
    const deadline = atomics.now() + checkTimeout(timeout);
    this.#refuseUnlessHeld("wait");
    for (;;) {
      const value = await predicate();
      const left = deadline - atomics.now();
      if (value || !(left > 0)) return value;
      await this.waitAsync({ timeout: left, ...(signal && { signal }) });
    }
  }

  /**
   * Lets `n` of the threads that wait go on, once the lock is released.
   *
   * @param n How many, a whole number of at least 1.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {RangeError} If `n` is less than 1.
   */
  notify(n: number = 1): void {
    if (typeof n !== "number") {
      throw new TypeError(`Cannot use 'n' as it must be a number: current value is ${show(n)}`);
    }
    if (!Number.isInteger(n) || n < 1) {
      throw new RangeError(`Cannot use 'n' as it must be a positive integer: current value is ${show(n)}`);
    }
    this.#notify(n);
  }

  /**
   * Lets every thread that waits go on, once the lock is released.
   *
   * @throws {InvalidStateError} If this thread does not hold the lock.
   */
  notifyAll(): void {
    this.#notify(Infinity);
  }

  #notify(n: number): void {
    this.#refuseUnlessHeld("notify");
    const { words, member: { threadTable } } = this.#object;
    const { used } = threadTable;
    const first = atomics.load(words, CURSOR);
    let left = n;
    for (let i = 0; i < used && left > 0; i++) {
      const slot = (first + i) % used;
      const id = atomics.load(words, IDS + slot);
      if (id === 0 || !threadTable.alive(id)) continue;
      const given = this.#notifyThread(slot, left);
      if (given === 0) continue;
      left -= given;
      atomics.store(words, CURSOR, slot + 1);
      threadTable.notify(slot);
    }
  }

  /** Lets up to `n` waits of one thread go on: how many. */
  #notifyThread(slot: number, n: number): number {
    const { words } = this.#object;
    for (;;) {
      const counts = atomics.load(words, COUNTS + slot);
      const given = Math.min(n, (counts >>> 16) - (counts & NOTIFIED_MASK));
      if (given <= 0) return 0;
      if (atomics.compareExchange(words, COUNTS + slot, counts, counts + given) === counts) return given;
    }
  }

  /** What stands for the condition and its lock in a message to a Worker of your own. */
  get handle(): Handle {
    return this.#object.handle;
  }
}

/** Makes the counts of this thread's slot its own: those of a thread that had it before, or before a rename, are void. */
function enlist(words: Int32Array, member: Member, key: number): void {
  if (atomics.load(words, IDS + member.slot) === member.id) return;
  const waits = member.groups.get(key)?.waiters.size ?? 0;
  atomics.store(words, COUNTS + member.slot, waits * WAITING_ONE);
  atomics.store(words, IDS + member.slot, member.id);
}

registerSharedClass("Condition", Condition);
