/**
 * Critical sections: short steps on shared words, made by one thread at a time.
 *
 * @module
 */

import { atomics } from "./atomics.ts";
import { MUTEX, RobustMutex } from "./robust_mutex.ts";
import { GRACE } from "./thread_table.ts";
import type { Member } from "./member.ts";

/*
 * CriticalSection, in 32-bit words: 0 MARK: 1 while a step is in progress that needs repair if interrupted; 1 … a mutex
 */

/** The size of a critical section, in words. */
export const CRITICAL_SECTION: number = 1 + MUTEX;

/**
 * A section that one thread at a time can enter. Unlike a lock, it is not taken over while a holder that was terminated
 * may still run inside it.
 */
export class CriticalSection {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #mutex: RobustMutex;
  readonly #repair: () => void;

  /** `repair`: called inside the section, after a step was interrupted while the section was marked. */
  constructor(words: Int32Array, at: number, member: Member, key: number, repair: () => void) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#mutex = new RobustMutex(words, at + 1, member, key, false);
    this.#repair = repair;
  }

  /**
   * Runs a step inside the section. If the step is interrupted anywhere, the next thread to enter repairs it.
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
   * Enters the section. {@linkcode leave} must follow in any case.
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

  /** Leaves the section. */
  leave(): void {
    this.#mutex.release();
    this.#member.thread.guards.pop();
  }

  /** Marks the section as needing repair if interrupted. */
  mark(): void {
    atomics.poke(this.#words, this.#at, 1);
  }

  /** Clears the mark. */
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

  /** Repairs and leaves the section if this thread was interrupted inside. */
  abandon(): void {
    if (!this.#mutex.mine) return;
    this.#repairIfMarked();
    this.#mutex.release();
  }
}
