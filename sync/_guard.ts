/**
 * Short steps on shared words that one thread at a time makes.
 *
 * @module
 */

import { atomics } from "./_atomics.ts";
import { MUTEX, Mutex } from "./_mutex.ts";
import { GRACE } from "./_registry.ts";
import type { Member } from "./_thread.ts";

/*
 * Guard, in 32-bit words: 0 BROKEN OFF: 1 while somebody is inside; 1 … a mutex
 */

/** How many words a guard takes. */
export const GUARD: number = 1 + MUTEX;

/** Lets one thread at a time make a step. Unlike a lock it is not taken over while its holder may still be at it. */
export class Guard {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #mutex: Mutex;
  readonly #repair: () => void;

  /** `repair` is called, inside, when a step before was broken off at any point. */
  constructor(words: Int32Array, at: number, member: Member, key: number, repair: () => void) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#mutex = new Mutex(words, at + 1, member, key, false);
    this.#repair = repair;
  }

  /**
   * Makes a step.
   *
   * @throws {CancelledError} If this worker was terminated.
   */
  run<T>(step: () => T): T {
    const { guards } = this.#member.thread;
    this.#member.check();
    guards.push(this);
    try {
      this.#enter();
      try {
        if (atomics.load(this.#words, this.#at) !== 0) this.#repair();
        atomics.store(this.#words, this.#at, 1);
        const result = step();
        atomics.store(this.#words, this.#at, 0);
        return result;
      } finally {
        this.#mutex.release();
      }
    } finally {
      guards.pop();
    }
  }

  #enter(): void {
    for (;;) {
      const owner = this.#mutex.owner;
      if (this.#mutex.acquire(GRACE)) return;
      if (owner !== 0 && !this.#member.registry.alive(owner) && this.#mutex.seize(owner)) return;
    }
  }

  /** This thread was cut short, perhaps inside. */
  abandon(): void {
    if (!this.#mutex.mine) return;
    if (atomics.load(this.#words, this.#at) !== 0) this.#repair();
    atomics.store(this.#words, this.#at, 0);
    this.#mutex.release();
  }
}
