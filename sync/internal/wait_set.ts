/**
 * Where threads wait for a change of a shared object.
 *
 * @module
 */

import { atomics } from "./atomics.ts";
import { SLOTS } from "./thread_table.ts";
import type { Member, WaitPlace } from "./member.ts";

const CURSOR = 0;
const ENTRIES = 1;

/** How many words a wait set takes: the slot to look at first, then for each slot 0 or the ID of the thread that waits. */
export const WAIT_SET: number = ENTRIES + SLOTS;

const ANY = WAIT_SET;

/** How many words a {@linkcode HintedWaitSet} takes: a wait set, and 0 only if nobody waits there. */
export const RARE_WAIT_SET: number = WAIT_SET + 1;

/**
 * The threads that wait for one thing. Waiting goes: enter, look, sleep; waking: change, wake. Each of the two steps of
 * one side comes before the other side's second look, so that one of them sees the other.
 */
export class WaitSet implements WaitPlace {
  readonly key: number;
  readonly forAll: boolean;
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
    // Those that wait in the event loop of this thread keep the entry. What woke it may be meant for other threads all the
    // same: this one may not come back to its event loop for long.
    const woken = member.groups.has(this.key)
      ? this.rung(member)
      : atomics.compareExchange(this.#words, this.#at + ENTRIES + member.slot, member.id, 0) !== member.id;
    if (woken) this.wakeOne();
  }

  /** Wakes a thread that waits here, each in its turn: whether there was one. */
  wakeOne(): boolean {
    const words = this.#words;
    const { threadTable } = this.#member;
    const { used } = threadTable;
    const first = atomics.load(words, this.#at + CURSOR);
    for (let i = 0, slot = first; i < used; i++, slot++) {
      if (slot >= used) slot = 0;
      const at = this.#at + ENTRIES + slot;
      const id = atomics.load(words, at);
      // Taking the entry takes the thread: each wake-up has another one.
      if (id === 0 || atomics.compareExchange(words, at, id, 0) !== id) continue;
      if (!threadTable.alive(id)) continue; // if it ends after this, everyone is woken
      atomics.store(words, this.#at + CURSOR, slot + 1);
      threadTable.notify(slot);
      return true;
    }
    return false;
  }

  /** Wakes every thread that waits here. */
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

/** One where mostly nobody waits, and each change asks whether somebody does. */
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
    // From here on others rely on it that nobody waits; but somebody may have come meanwhile: whoever has looks again.
    atomics.store(this.#words, this.#any, 0);
    super.wakeAll();
    return false;
  }
}
