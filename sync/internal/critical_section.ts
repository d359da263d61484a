/**
 * Short steps on shared words that one thread at a time makes.
 *
 * @module
 */

import { atomics } from "./atomics.ts";
import { MUTEX, RobustMutex } from "./robust_mutex.ts";
import { GRACE } from "./thread_table.ts";
import type { Member } from "./member.ts";

/*
 * CriticalSection, in 32-bit words: 0 MARK: 1 while somebody is in what must be repaired if it is broken off; 1 … a mutex
 */

/** How many words a guard takes. */
export const CRITICAL_SECTION: number = 1 + MUTEX;

/** Lets one thread at a time make a step. Unlike a lock it is not taken over while its holder may still be at it. */
export class CriticalSection {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #mutex: RobustMutex;
  readonly #repair: () => void;

  /** `repair` is called, inside, when a step before was broken off while it was marked. */
  constructor(words: Int32Array, at: number, member: Member, key: number, repair: () => void) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#mutex = new RobustMutex(words, at + 1, member, key, false);
    this.#repair = repair;
  }

  /**
   * Makes a step; one that is broken off anywhere is repaired by the next.
   *
   * @throws {CancelledError} If this worker was terminated.
   */
  run<T>(step: () => T): T {
    this.enter();
    try {
      this.mark();
      const result = step();
      this.unmark();
      return result;
    } finally {
      this.leave();
    }
  }

  /**
   * Begins a step, to be ended by {@linkcode leave} whatever happens.
   *
   * @throws {CancelledError} If this worker was terminated.
   */
  enter(): void {
    const { guards } = this.#member.thread;
    this.#member.check();
    guards.push(this);
    let acquired = false;
    let entered = false;
    try {
      this.#acquire();
      acquired = true;
      this.#repairIfMarked();
      entered = true;
    } finally {
      if (!entered) {
        if (acquired) this.#mutex.release();
        guards.pop();
      }
    }
  }

  /** Ends a step. */
  leave(): void {
    this.#mutex.release();
    this.#member.thread.guards.pop();
  }

  /** From here on a step that is broken off must be repaired. */
  mark(): void {
    atomics.poke(this.#words, this.#at, 1);
  }

  /** It must be no more. */
  unmark(): void {
    atomics.poke(this.#words, this.#at, 0);
  }

  #repairIfMarked(): void {
    if (atomics.peek(this.#words, this.#at) === 0) return;
    this.#repair();
    this.unmark();
  }

  #acquire(): void {
    for (;;) {
      const owner = this.#mutex.owner;
      if (this.#mutex.acquire(GRACE)) return;
      if (owner !== 0 && !this.#member.threadTable.alive(owner) && this.#mutex.seize(owner)) return;
    }
  }

  /** This thread was cut short, perhaps inside. */
  abandon(): void {
    if (!this.#mutex.mine) return;
    this.#repairIfMarked();
    this.#mutex.release();
  }
}
