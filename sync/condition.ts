/**
 * A condition variable: a thread releases a lock and waits until another thread notifies it.
 *
 * Memory, in 32-bit words: 0 the object number; 1 CURSOR: the slot to look at first; then for each slot the ID of the
 * waiting thread; then for each slot `waiting << 16 | notified`: the number of waits in progress, and the number of
 * those that may continue. The lock is a separate shared object.
 *
 * ```
 *                 wait: waiting + 1, release the lock            notify: notified + 1, ring
 *   holds the lock ──────────────────────────────────▶ waits ─────────────────────────────────▶ notified
 *        ▲                                               │ timeout                                │
 *        └────────── acquire the lock ◀── waiting - 1 ───┘◀── waiting - 1, notified - 1 ──────────┘
 * ```
 *
 * Both `waiting + 1` and `notified + 1` happen while the lock is held, so a notification never falls between the
 * release of the lock and the wait.
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
import { Patience } from "./internal/patience.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  type AsyncWaitOptions,
  waitFor,
  waitForAsync,
  waitOptions,
} from "./internal/wait.ts";

/** The method that an error suggests in place of `wait()`. */
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
 * A condition variable: threads that hold a lock wait until another thread reports a change.
 *
 * - **No spurious wake-ups**: a wait returns only after a notification or its timeout. A notification that no thread
 *   waits for is lost.
 * - **The lock** is held again, in the same way as before, when a wait returns.
 * - **Asynchronous functions** of one thread can wait like separate threads. Waiting and notifying check only that the
 *   thread holds the lock, not which of its functions does.
 * Blocking methods may be used on the same threads as those of a {@linkcode Lock}.
 *
 * Source: `multiprocessing.Condition`.
 *
 * Differs from Python: `notify()` without the lock throws an {@linkcode InvalidStateError}; the lock is held again even
 * after `waitAsync()` is aborted.
 *
 * @example Let a worker wait until there is something to do
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
   * Creates a condition.
   *
   * @param lock The lock of the condition, a new {@linkcode RLock} by default; or the handle of an existing condition.
   * @throws {TypeError} If `lock` is neither a lock nor the handle of a condition.
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
      patience: new Patience(),
      enter: (member) => enlist(words, member, key),
      leave: () => {},
      rung: (member) => (atomics.load(words, COUNTS + member.slot) & NOTIFIED_MASK) !== 0,
    };
  }

  /** Returns the condition of a handle; see {@linkcode Lock.fromHandle}. The condition comes with its lock. */
  static fromHandle(handle: Handle): Condition {
    return new Condition(checkHandle("Condition", handle));
  }

  /** Acquires the lock, as {@linkcode Lock.acquire} or {@linkcode RLock.acquire}. */
  acquire(options?: AcquireOptions): boolean {
    return this.#lock.acquire(options);
  }

  /** Acquires the lock, as {@linkcode Lock.acquireAsync} or {@linkcode RLock.acquireAsync}. */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    return this.#lock.acquireAsync(options);
  }

  /** Releases the lock once, as {@linkcode Lock.release} or {@linkcode RLock.release}. */
  release(): void {
    this.#lock.release();
  }

  /** Acquires the lock until the end of the block, as {@linkcode Lock.hold} or {@linkcode RLock.hold}. */
  hold(): Held {
    return this.#lock.hold();
  }

  /** Acquires the lock until the end of the block, as {@linkcode Lock.holdAsync} or {@linkcode RLock.holdAsync}. */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return this.#lock.holdAsync(options);
  }

  #refuseUnlessHeld(what: string): void {
    if (this.#core.mine) return;
    throw new InvalidStateError(`Cannot ${what} as this thread does not hold the lock of the condition`);
  }

  /**
   * Counts a wait and releases the lock. Returns the callback for `reacquire()`, which restores the ownership as it
   * was.
   */
  #begin(): () => void {
    const { words, member } = this.#object;
    enlist(words, member, this.#place.key);
    const at = COUNTS + member.slot;
    if (atomics.peek(words, at) >>> 16 >= MOST_WAITS) { // only this thread changes this half
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

  /**
   * Ends a wait without a notification, unless each wait of this thread, this one included, was notified meanwhile.
   * Returns whether this wait was notified.
   */
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
   * Releases the lock, blocks this thread until it is notified, and acquires the lock again; otherwise throws as
   * {@linkcode Event.wait}.
   *
   * @param timeout The longest time to wait for the notification, in milliseconds; 0 or less does not wait.
   * @returns True if the wait was notified. False only after `timeout`. The lock is held in both cases.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {InvalidStateError} On the main thread of a web page, even with a `timeout` of 0.
   * @throws {RangeError} If 32767 waits of this thread on the condition are in progress.
   * @throws {CancelledError} If this worker is terminated while it waits: the lock is then not held.
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
   * Releases the lock, waits in the event loop until it is notified, and acquires the lock again; otherwise as
   * {@linkcode Condition.wait}.
   *
   * @param options The longest time to wait for the notification, in milliseconds; or that and a signal that cancels
   * the wait. The promise then rejects with the reason of the signal, after the lock is acquired again.
   * @returns True if the wait was notified.
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
    if (notified) this.notify(); // this wait consumed a notification that its caller no longer wants
    throw signal!.reason;
  }

  /**
   * Waits until `predicate` returns a truthy value: calls it at once, and again after each notification. Throws as
   * {@linkcode Condition.wait}, and whatever `predicate` throws.
   *
   * @typeParam T The type of the result of `predicate`.
   * @param predicate The condition. It is called with the lock held.
   * @param timeout The longest time to wait in total, in milliseconds; 0 or less does not wait.
   * @returns The last result of `predicate`. It is falsy only after `timeout`.
   * @throws {TypeError} If `predicate` is not a function, or `timeout` not a number.
   */
  waitFor<T>(predicate: () => T, timeout?: number): T {
    checkFunction("predicate", predicate);
    const deadline = deadlineOf(checkTimeout(timeout));
    this.#refuseUnlessHeld("wait");
    for (;;) {
      const value = predicate();
      const left = timeLeft(deadline);
      if (value || !(left > 0)) return value;
      this.wait(left);
    }
  }

  /**
   * Waits in the event loop until `predicate` returns a truthy value; otherwise as {@linkcode Condition.waitFor}.
   *
   * @typeParam T The type of the result of `predicate`.
   * @param predicate The condition, which may be asynchronous. It is called with the lock held.
   * @param options The longest time to wait in total, in milliseconds; or that and a signal that cancels the wait, as
   * for {@linkcode Condition.waitAsync}.
   * @returns The last result of `predicate`.
   */
  async waitForAsync<T>(predicate: () => T | Promise<T>, options?: number | AsyncWaitOptions): Promise<T> {
    checkFunction("predicate", predicate);
    const { timeout, signal } = waitOptions(options);
    const deadline = deadlineOf(checkTimeout(timeout));
    this.#refuseUnlessHeld("wait");
    for (;;) {
      const value = await predicate();
      const left = timeLeft(deadline);
      if (value || !(left > 0)) return value;
      await this.waitAsync({ timeout: left, ...(signal && { signal }) });
    }
  }

  /**
   * Notifies up to `n` waits. Each of them returns after this thread has released the lock.
   *
   * @param n The number of waits, a positive integer.
   * @throws {InvalidStateError} If this thread does not hold the lock.
   * @throws {TypeError} If `n` is not a number.
   * @throws {RangeError} If `n` is not a positive integer.
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

  /** Notifies every wait; see {@linkcode Condition.notify}. */
  notifyAll(): void {
    this.#notify(Infinity);
  }

  #notify(n: number): void {
    this.#refuseUnlessHeld("notify");
    const { words, member: { threadTable } } = this.#object;
    const { used } = threadTable;
    // CURSOR and the IDs are read plainly: the waits that count have entered their ID before they released the lock.
    const first = atomics.peek(words, CURSOR);
    let left = n;
    for (let i = 0; i < used && left > 0; i++) {
      const slot = (first + i) % used;
      const id = atomics.peek(words, IDS + slot);
      if (id === 0 || !threadTable.alive(id)) continue;
      const given = this.#notifyThread(slot, left);
      if (given === 0) continue;
      left -= given;
      if (slot + 1 !== first) atomics.poke(words, CURSOR, slot + 1);
      this.#core.wakeOnRelease(slot);
    }
  }

  /** Notifies up to `n` waits of the thread in a slot. Returns how many it notified. */
  #notifyThread(slot: number, n: number): number {
    const { words } = this.#object;
    for (;;) {
      const counts = atomics.load(words, COUNTS + slot);
      const given = Math.min(n, (counts >>> 16) - (counts & NOTIFIED_MASK));
      if (given <= 0) return 0;
      if (atomics.compareExchange(words, COUNTS + slot, counts, counts + given) === counts) return given;
    }
  }

  /** The handle of the condition; see {@linkcode Lock.handle}. The handle includes that of the lock. */
  get handle(): Handle {
    return this.#object.handle;
  }
}

/** Returns the time of this thread at which `timeout` is over. A wait without a time limit reads no clock. */
function deadlineOf(timeout: number): number {
  return timeout < Infinity ? atomics.now() + timeout : Infinity;
}

/** Returns the time until a deadline, in milliseconds. */
function timeLeft(deadline: number): number {
  return deadline < Infinity ? deadline - atomics.now() : Infinity;
}

/**
 * Claims the counts of this thread's slot: the counts of an earlier thread there, or from before a rename, are void.
 */
function enlist(words: Int32Array, member: Member, key: number): void {
  if (atomics.peek(words, IDS + member.slot) === member.id) return; // only this thread writes its ID here
  const waits = member.groups.get(key)?.waiters.size ?? 0;
  atomics.store(words, COUNTS + member.slot, waits * WAITING_ONE);
  atomics.store(words, IDS + member.slot, member.id);
}

registerSharedClass("Condition", Condition);
