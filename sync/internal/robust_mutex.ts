/**
 * Mutual exclusion that survives the death of its holder: the base of `Lock`, `RLock` and the critical sections.
 *
 * @module
 */

import { canBlock } from "../../base/platform.ts";
import { CancelledError } from "../../errors.ts";
import { atomics } from "./atomics.ts";
import { ID_MASK } from "./thread_table.ts";
import type { Member } from "./member.ts";
import { spinFor, waitFor, waitForAsync } from "./wait.ts";
import { WAIT_SET, WaitSet } from "./wait_set.ts";

/*
 * RobustMutex, in 32-bit words:
 *
 *   0 HOLDER   0: free; else the ID of the holding thread, with
 *              WAITED     (bit 30): a thread may be waiting, so the release must wake one
 *              RECOVERED  (bit 31): the holder took it over from a thread that had ended
 *   1 …        the wait set
 */
const WAITED = 0x40000000;
const RECOVERED = 0x80000000 | 0;

/** The size of a mutex, in words. */
export const MUTEX: number = 1 + WAIT_SET;

/** A mutex in shared memory. */
export class RobustMutex {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #waiting: WaitSet;
  readonly #robust: boolean;

  /** `robust`: true if the mutex is free as soon as its holder has ended. */
  constructor(words: Int32Array, at: number, member: Member, key: number, robust = true) {
    this.#robust = robust;
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#waiting = new WaitSet(words, at + 1, member, key);
  }

  /** Acquires the mutex if it is free, or its holder has ended. Returns whether it was acquired. */
  tryAcquire(): boolean {
    const words = this.#words;
    const { id } = this.#member;
    for (;;) {
      const old = atomics.compareExchange(words, this.#at, 0, id);
      if (old === 0) return true;
      if (!this.#robust || this.#member.threadTable.alive(old & ID_MASK)) return false;
      if (atomics.compareExchange(words, this.#at, old, id | (old & WAITED) | RECOVERED) === old) return true;
    }
  }

  /** Acquires the mutex. Blocks at most `timeout` milliseconds. Returns whether it was acquired. */
  acquire(timeout: number): boolean {
    if (this.tryAcquire()) return true;
    if (!(timeout > 0)) return false;
    // A mutex that is not robust is held only for a short step.
    if (!this.#robust && !canBlock()) return spinFor(() => this.tryAcquire(), timeout);
    return waitFor(this.#member, this.#waiting, this.#attempt, timeout, "'acquireAsync()'");
  }

  /**
   * Acquires the mutex. Waits in the event loop at most `timeout` milliseconds. The callback `taken` is called as soon
   * as the mutex is acquired, before any other code of this thread runs; the promise reports it only a microtask later.
   */
  acquireAsync(timeout: number, signal: AbortSignal | undefined, taken?: () => void): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.tryAcquire()) {
      taken?.();
      return Promise.resolve(true);
    }
    if (!(timeout > 0)) return Promise.resolve(false);
    const attempt = taken === undefined ? this.#attempt : (): boolean => {
      if (!this.#attempt()) return false;
      taken();
      return true;
    };
    return waitForAsync(this.#member, this.#waiting, attempt, timeout, signal);
  }

  /** Acquires the mutex if possible; otherwise sets WAITED. */
  readonly #attempt = (): boolean => {
    const words = this.#words;
    const { id, threadTable } = this.#member;
    for (;;) {
      const old = atomics.load(words, this.#at);
      if (old !== 0 && (!this.#robust || threadTable.alive(old & ID_MASK))) {
        if ((old & WAITED) !== 0) return false;
        if (atomics.compareExchange(words, this.#at, old, old | WAITED) === old) return false;
      } else {
        // WAITED here as well: other threads may be waiting too, and nothing counts them.
        const taken = id | WAITED | (old === 0 ? 0 : RECOVERED);
        if (atomics.compareExchange(words, this.#at, old, taken) === old) return true;
      }
    }
  };

  /** Releases the mutex, whichever thread holds it. Returns false if none does. */
  release(): boolean {
    const words = this.#words;
    const { id } = this.#member;
    let old = atomics.compareExchange(words, this.#at, id, 0);
    if (old === id) return true;
    for (;;) {
      if (old === 0) return false;
      // Cleaning up after an interrupted wait must not release a mutex that another thread holds by now.
      if ((old & ID_MASK) !== id) this.#refuseIfEnded();
      const seen = atomics.compareExchange(words, this.#at, old, 0);
      if (seen === old) break;
      old = seen;
    }
    if ((old & WAITED) !== 0) this.#waiting.wakeOne();
    return true;
  }

  #refuseIfEnded(): void {
    if (!this.#member.ended) return;
    throw new CancelledError("Cannot release the lock as its worker was terminated, and another holds it");
  }

  /**
   * Takes the mutex over from `owner`, which has ended and is known to run no more inside the section. Returns whether
   * it did.
   */
  seize(owner: number): boolean {
    const words = this.#words;
    const old = atomics.load(words, this.#at);
    if ((old & ID_MASK) !== owner) return false;
    return atomics.compareExchange(words, this.#at, old, this.#member.id | WAITED | RECOVERED) === old;
  }

  /** The ID of the holding thread; 0 for none. */
  get owner(): number {
    return atomics.load(this.#words, this.#at) & ID_MASK;
  }

  /** True if a living thread holds the mutex. */
  get held(): boolean {
    const old = atomics.load(this.#words, this.#at);
    return old !== 0 && this.#member.threadTable.alive(old & ID_MASK);
  }

  /** True if this thread holds the mutex. */
  get mine(): boolean {
    // Read plainly: only this thread writes its ID here.
    return (atomics.peek(this.#words, this.#at) & ID_MASK) === this.#member.id;
  }

  /** True if the holder took the mutex over from a thread that had ended. */
  get recovered(): boolean {
    return (atomics.load(this.#words, this.#at) & RECOVERED) !== 0;
  }
}
