/**
 * Mutual exclusion that survives the death of its holder: what `Lock`, `RLock` and the inner workings of the other
 * objects have in common.
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
 *   0 HOLDER   0: free; else the ID of the thread that holds it, with
 *              WAITED     (bit 30): someone may wait, so whoever releases it must wake
 *              RECOVERED  (bit 31): its holder took it over from a thread that had ended
 *   1 …        the wait set
 */
const WAITED = 0x40000000;
const RECOVERED = 0x80000000 | 0;

/** How many words a mutex takes. */
export const MUTEX: number = 1 + WAIT_SET;

/** A lock in shared memory. */
export class RobustMutex {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #waiting: WaitSet;
  readonly #robust: boolean;

  /** `robust`: whether it is free as soon as its holder has ended. */
  constructor(words: Int32Array, at: number, member: Member, key: number, robust = true) {
    this.#robust = robust;
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#waiting = new WaitSet(words, at + 1, member, key);
  }

  /** Takes it if it is free, or its holder has ended. */
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

  /** Takes it, waiting at most `timeout` milliseconds for it: whether it has. */
  acquire(timeout: number): boolean {
    if (this.tryAcquire()) return true;
    if (!(timeout > 0)) return false;
    // Whose holder must not be overtaken holds it for a short step only.
    if (!this.#robust && !canBlock()) return spinFor(() => this.tryAcquire(), timeout);
    return waitFor(this.#member, this.#waiting, this.#attempt, timeout, "'acquireAsync()'");
  }

  /**
   * The same, waiting in the event loop. `taken` is called as soon as it is taken: before anything else of this thread runs,
   * whereas the promise tells of it a microtask later.
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

  /** One that waits takes it if it can, or leaves word that it waits. */
  readonly #attempt = (): boolean => {
    const words = this.#words;
    const { id, threadTable } = this.#member;
    for (;;) {
      const old = atomics.load(words, this.#at);
      if (old !== 0 && (!this.#robust || threadTable.alive(old & ID_MASK))) {
        if ((old & WAITED) !== 0) return false;
        if (atomics.compareExchange(words, this.#at, old, old | WAITED) === old) return false;
      } else {
        // WAITED here as well: others may wait too, and nobody keeps count.
        const taken = id | WAITED | (old === 0 ? 0 : RECOVERED);
        if (atomics.compareExchange(words, this.#at, old, taken) === old) return true;
      }
    }
  };

  /** Gives it back, whoever holds it: false if nobody does. */
  release(): boolean {
    const words = this.#words;
    const { id } = this.#member;
    let old = atomics.compareExchange(words, this.#at, id, 0);
    if (old === id) return true;
    for (;;) {
      if (old === 0) return false;
      // Cleaning up after a wait that was cut short must not free what is another's by now.
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

  /** Takes it over from `owner`, who has ended, and is known to do nothing more with what it guards. */
  seize(owner: number): boolean {
    const words = this.#words;
    const old = atomics.load(words, this.#at);
    if ((old & ID_MASK) !== owner) return false;
    return atomics.compareExchange(words, this.#at, old, this.#member.id | WAITED | RECOVERED) === old;
  }

  /** The ID of the thread that holds it; 0 for none. */
  get owner(): number {
    return atomics.load(this.#words, this.#at) & ID_MASK;
  }

  /** Whether a living thread holds it. */
  get held(): boolean {
    const old = atomics.load(this.#words, this.#at);
    return old !== 0 && this.#member.threadTable.alive(old & ID_MASK);
  }

  /** Whether this thread holds it. */
  get mine(): boolean {
    return (atomics.load(this.#words, this.#at) & ID_MASK) === this.#member.id;
  }

  /** Whether its holder took it over from a thread that had ended. */
  get recovered(): boolean {
    return (atomics.load(this.#words, this.#at) & RECOVERED) !== 0;
  }
}
