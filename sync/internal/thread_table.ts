/**
 * The table of all threads of a program, in the memory that they share: which threads live, and how to wake one.
 *
 * @module
 */

import { refuseWithoutSharedMemory } from "../../base/platform.ts";
import { atomics } from "./atomics.ts";

/*
 * ThreadTable, in 32-bit words:
 *
 *   0 KEY, 1 KEY   a random number that identifies the table
 *   2 USED         number of slots that have ever been used
 *   3 DEATHS       number of threads that are known to have ended
 *   4 NUMBERS      last number of a process or worker
 *   5 PLACES       last number of a shared object
 *   6 MESSAGE_IDS  last ID of a registered message, see internal/resource_sharer.ts
 *   7 LAST DEATH   time of the last death, in milliseconds, modulo 2 ** 32
 *   8 WARNED       1 if a worker has warned of objects that each worker makes anew
 *   16 …           SLOTS × 8 words: ID, EVENT_COUNT, GENERATION, PARENT, MESSAGES, -, -, -
 *
 * ID is 0, or generation << 9 | slot. No ID is ever used twice, so a word that holds an ID identifies its thread at any
 * later time: that thread lives as long as its slot still holds the ID.
 */
const KEY = 0;
const USED = 2;
const DEATHS = 3;
const NUMBERS = 4;
const PLACES = 5;
const MESSAGE_IDS = 6;
const LAST_DEATH = 7;
const WARNED = 8;
const TABLE = 16;
const WORDS = 8;
const ID = 0;
const EVENT_COUNT = 1;
const GENERATION = 2;
const PARENT = 3;
const MESSAGES = 4;

const SLOT_BITS = 9;
const GENERATIONS = (1 << 21) - 1;

/** The number of threads that can use the shared objects of a program at the same time. */
export const SLOTS: number = 1 << SLOT_BITS;
/** The bits of a word that an ID takes. */
export const ID_MASK = 0x3fffffff;

/**
 * The time for which a terminated worker may still run, in milliseconds. Where running code cannot be stopped, it
 * leaves the code of this library by itself, in much less time; where it can, it is stopped after 2 seconds.
 */
export const GRACE = 3000;

/** The size of a thread table, in bytes. */
export const THREAD_TABLE_BYTES: number = (TABLE + SLOTS * WORDS) * 4;

/** The threads of a program. */
export class ThreadTable {
  /** The shared memory of the table. */
  readonly memory: SharedArrayBuffer;
  /** The number that identifies the table. */
  readonly key: number;
  readonly #words: Int32Array;

  constructor(memory?: SharedArrayBuffer) {
    refuseWithoutSharedMemory();
    this.memory = memory ?? new SharedArrayBuffer(THREAD_TABLE_BYTES);
    this.#words = new Int32Array(this.memory);
    // Copied from memory that is not shared, as older runtimes require for random values.
    if (memory === undefined) this.#words.set(crypto.getRandomValues(new Int32Array(2)), KEY);
    this.key = (this.#words[KEY]! >>> 0) * 0x100000 + (this.#words[KEY + 1]! & 0xfffff);
  }

  /**
   * Claims a slot for a thread that `parent` has started. Returns its ID.
   *
   * @throws {RangeError} If there are too many threads.
   */
  join(parent: number): number {
    const words = this.#words;
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = TABLE + slot * WORDS;
      if (atomics.load(words, at + ID) !== 0) continue;
      const id = this.#newId(slot);
      if (atomics.compareExchange(words, at + ID, 0, id) !== 0) continue;
      atomics.store(words, at + PARENT, parent);
      this.#use(slot + 1);
      // The parent may have died before this thread could be found as its child.
      if (parent !== 0 && !this.alive(parent)) this.markDead(id);
      return id;
    }
    throw new RangeError(`Cannot share memory with this thread as ${SLOTS} threads do already`);
  }

  /** Counts the generation up rather than setting it, so that no ID is used again even if two threads want the slot. */
  #newId(slot: number): number {
    const generation = atomics.add(this.#words, TABLE + slot * WORDS + GENERATION, 1) >>> 0;
    return ((generation % GENERATIONS) + 1) << SLOT_BITS | slot;
  }

  #use(slots: number): void {
    for (;;) {
      const used = atomics.load(this.#words, USED);
      if (used >= slots || atomics.compareExchange(this.#words, USED, used, slots) === used) return;
    }
  }

  /** The number of slots to look at. A thread that joins later checks the awaited state by itself. */
  get used(): number {
    return atomics.load(this.#words, USED);
  }

  /** The number of deaths so far. */
  get deathCount(): number {
    return atomics.load(this.#words, DEATHS);
  }

  /** The time for which a thread that has ended may still run on, in milliseconds; 0 if there is none. */
  get graceLeft(): number {
    if (this.deathCount === 0) return 0;
    const since = (atomics.clock() - atomics.load(this.#words, LAST_DEATH)) >>> 0;
    return since < GRACE ? GRACE - since : 0;
  }

  /** Returns whether the thread with this ID lives. */
  alive(id: number): boolean {
    return atomics.load(this.#words, TABLE + (id & (SLOTS - 1)) * WORDS + ID) === id;
  }

  /**
   * Marks a thread as dead, when it has ended or must end: its locks are free; its waits, and those of the threads that
   * it started, are over.
   */
  markDead(id: number): void {
    const words = this.#words;
    if (atomics.compareExchange(words, TABLE + (id & (SLOTS - 1)) * WORDS + ID, id, 0) !== id) return;
    for (let slot = 0; slot < this.used; slot++) {
      const at = TABLE + slot * WORDS;
      const child = atomics.load(words, at + ID);
      if (child !== 0 && atomics.load(words, at + PARENT) === id) this.markDead(child);
    }
    this.#wakeAll();
  }

  /**
   * Assigns a new ID to a thread, as if it had ended and another had begun. Returns that ID, or the same ID if the thread
   * has been marked dead.
   */
  rename(id: number): number {
    const words = this.#words;
    const at = TABLE + (id & (SLOTS - 1)) * WORDS;
    const renamed = this.#newId(id & (SLOTS - 1));
    if (atomics.compareExchange(words, at + ID, id, renamed) !== id) return id;
    this.#wakeAll();
    return renamed;
  }

  /**
   * Wakes all threads after a death: it can fulfil any wait, and can have swallowed a wake-up, so every thread looks
   * again.
   */
  #wakeAll(): void {
    atomics.store(this.#words, LAST_DEATH, atomics.clock() | 0);
    atomics.add(this.#words, DEATHS, 1);
    for (let slot = 0; slot < this.used; slot++) this.notify(slot);
  }

  /** Wakes the thread in a slot, blocked or in its event loop, by its event count. */
  notify(slot: number): void {
    const eventCount = TABLE + (slot & (SLOTS - 1)) * WORDS + EVENT_COUNT;
    atomics.add(this.#words, eventCount, 1);
    atomics.notify(this.#words, eventCount);
  }

  /** Counts a message to the thread in a slot, and wakes that thread. */
  countMessage(slot: number): void {
    atomics.add(this.#words, TABLE + slot * WORDS + MESSAGES, 1);
    this.notify(slot);
  }

  /** Returns the number of messages ever sent to the thread in a slot. */
  messages(slot: number): number {
    return atomics.load(this.#words, TABLE + slot * WORDS + MESSAGES);
  }

  /**
   * Returns the event count for {@linkcode ThreadTable.wait}. Read it first, then check whether there is a reason to
   * sleep.
   */
  prepareWait(slot: number): number {
    return atomics.load(this.#words, TABLE + slot * WORDS + EVENT_COUNT);
  }

  /**
   * Blocks the thread in a slot until it is notified, at most `timeout` milliseconds; not if its event count is not
   * `seen`.
   */
  wait(slot: number, seen: number, timeout: number): void {
    atomics.wait(this.#words, TABLE + slot * WORDS + EVENT_COUNT, seen, timeout);
  }

  /** As {@linkcode ThreadTable.wait}, but does not block. Returns undefined if the event count is not `seen`. */
  waitAsync(slot: number, seen: number): PromiseLike<unknown> | undefined {
    const result = atomics.waitAsync(this.#words, TABLE + slot * WORDS + EVENT_COUNT, seen);
    return result.async ? result.value : undefined;
  }

  /** Returns a new number for a process or worker. */
  nextNumber(): number {
    return atomics.add(this.#words, NUMBERS, 1) + 1;
  }

  /** Returns a new number for a shared object. */
  nextPlace(): number {
    return (atomics.add(this.#words, PLACES, 1) + 1) >>> 0;
  }

  /** Returns whether this is the first call in the program. */
  warnsFirst(): boolean {
    return atomics.compareExchange(this.#words, WARNED, 0, 1) === 0;
  }

  /** Returns a new ID for a registered message. */
  nextMessageId(): number {
    return (atomics.add(this.#words, MESSAGE_IDS, 1) + 1) >>> 0 || this.nextMessageId();
  }
}
