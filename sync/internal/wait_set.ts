/**
 * Wait sets: the threads that wait for a change of a shared object.
 *
 * @module
 */

import { atomics } from "./atomics.ts";
import { Patience } from "./patience.ts";
import { SLOTS } from "./thread_table.ts";
import type { Member, WaitPlace } from "./member.ts";

const CURSOR = 0;
const ENTRIES = 1;

/**
 * The size of a wait set, in words: the slot to look at first, then for each slot 0 or the ID of the waiting thread.
 */
export const WAIT_SET: number = ENTRIES + SLOTS;

const ANY = WAIT_SET;

/** The size of a {@linkcode HintedWaitSet}, in words: a wait set, and a word that is 0 only if no thread waits. */
export const HINTED_WAIT_SET: number = WAIT_SET + 1;

/**
 * The threads that wait for one thing. A waiter enters, checks the state, and sleeps; a waker changes the state, and
 * wakes. Each side makes its first step before it looks at what the other side wrote, so that at least one of the two
 * sees the other.
 */
export class WaitSet implements WaitPlace {
  readonly key: number;
  readonly forAll: boolean;
  readonly patience: Patience = new Patience();
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;

  constructor(words: Int32Array, at: number, member: Member, key: number, forAll = false) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.key = key;
    this.forAll = forAll;
  }

  enter(member: Member): void {
    atomics.store(this.#words, this.#at + ENTRIES + member.slot, member.id);
  }

  rung(member: Member): boolean {
    return atomics.load(this.#words, this.#at + ENTRIES + member.slot) !== member.id;
  }

  leave(member: Member): void {
    // The waits in the event loop of this thread keep the entry. A wake-up that this thread got is passed on all the
    // same: it may be meant for other threads, and this one may not return to its event loop for long.
    const woken = member.groups.has(this.key)
      ? this.rung(member)
      : atomics.compareExchange(this.#words, this.#at + ENTRIES + member.slot, member.id, 0) !== member.id;
    if (woken) this.wakeOne();
  }

  /** Wakes one waiting thread, in turn. Returns whether there was one. */
  wakeOne(): boolean {
    const words = this.#words;
    const { threadTable } = this.#member;
    const { used } = threadTable;
    const first = atomics.peek(words, this.#at + CURSOR); // plainly: every slot is right, if not fair
    for (let i = 0, slot = first; i < used; i++, slot++) {
      if (slot >= used) slot = 0;
      const at = this.#at + ENTRIES + slot;
      const id = atomics.load(words, at);
      // The exchange claims the thread along with its entry, so each wake-up is for a different thread.
      if (id === 0 || atomics.compareExchange(words, at, id, 0) !== id) continue;
      if (!threadTable.alive(id)) continue; // if it ends after this check, every thread is woken
      if (slot + 1 !== first) atomics.poke(words, this.#at + CURSOR, slot + 1);
      threadTable.notify(slot);
      return true;
    }
    return false;
  }

  /** Wakes every waiting thread. */
  wakeAll(): void {
    const words = this.#words;
    const { threadTable } = this.#member;
    const { used } = threadTable;
    for (let slot = 0; slot < used; slot++) {
      const at = this.#at + ENTRIES + slot;
      const id = atomics.load(words, at);
      if (id !== 0 && atomics.compareExchange(words, at, id, 0) === id) threadTable.notify(slot);
    }
  }
}

/** A wait set for a place where mostly no thread waits, and each change checks whether one does. */
export class HintedWaitSet extends WaitSet {
  readonly #words: Int32Array;
  readonly #any: number;

  constructor(words: Int32Array, at: number, member: Member, key: number) {
    super(words, at, member, key);
    this.#words = words;
    this.#any = at + ANY;
  }

  override enter(member: Member): void {
    super.enter(member);
    atomics.store(this.#words, this.#any, 1);
  }

  override wakeOne(): boolean {
    if (atomics.load(this.#words, this.#any) === 0) return false;
    if (super.wakeOne()) return true;
    // After this store wakers skip the scan, so wake anyone who entered before it.
    atomics.store(this.#words, this.#any, 0);
    super.wakeAll();
    return false;
  }
}
