/**
 * Which threads there are, and how to wake one: the memory that all threads of a program share.
 *
 * @module
 */

import { refuseWithoutSharedMemory } from "../../base/platform.ts";
import { atomics } from "./atomics.ts";

/*
 * ThreadTable, in 32-bit words:
 *
 *   0 KEY, 1 KEY   a random number that tells it from others
 *   2 USED         how many slots have ever been used
 *   3 DEATHS       how many threads are known to have ended
 *   4 NUMBERS      the last number given to a process or worker
 *   5 PLACES       the last number given to a shared object
 *   6 MESSAGE_IDS      the last number given to a registered message, see internal/resource_sharer.ts
 *   7 LAST DEATH   when the last of them ended, in milliseconds, modulo 2 ** 32
 *   8 WARNED       whether a worker has warned of objects that each worker makes anew
 *   16 …           SLOTS × 8 words: ID, EVENT_COUNT, GENERATION, PARENT, MESSAGES, -, -, -
 *
 * ID is 0, or generation << 9 | slot. It never comes twice, so that a word that holds an ID tells for ever whether that
 * thread lives: ID in its slot is still the same.
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

/** How many threads can use the shared objects of a program at the same time. */
export const SLOTS: number = 1 << SLOT_BITS;
/** The bits of a word that an ID takes. */
export const ID_MASK = 0x3fffffff;

/**
 * How long a terminated worker may still run, in milliseconds. Where code that runs cannot be stopped it leaves the code of
 * this library by itself, in much less than this; where it can, it is stopped after 2 seconds.
 */
export const GRACE = 3000;

/** How many bytes a thread table takes. */
export const THREAD_TABLE_BYTES: number = (TABLE + SLOTS * WORDS) * 4;

/** The threads of a program. */
export class ThreadTable {
  /** The shared memory itself. */
  readonly memory: SharedArrayBuffer;
  /** The number that tells it from other registries. */
  readonly key: number;
  readonly #words: Int32Array;

  constructor(memory?: SharedArrayBuffer) {
    refuseWithoutSharedMemory();
    this.memory = memory ?? new SharedArrayBuffer(THREAD_TABLE_BYTES);
    this.#words = new Int32Array(this.memory);
    // By way of memory that is not shared, as older runtimes want it.
    if (memory === undefined) this.#words.set(crypto.getRandomValues(new Int32Array(2)), KEY);
    this.key = (this.#words[KEY]! >>> 0) * 0x100000 + (this.#words[KEY + 1]! & 0xfffff);
  }

  /**
   * Takes a slot for a thread that `parent` has started, and gives its ID.
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
      // Its death may have come before this thread could be found as its child.
      if (parent !== 0 && !this.alive(parent)) this.markDead(id);
      return id;
    }
    throw new RangeError(`Cannot share memory with this thread as ${SLOTS} threads do already`);
  }

  /** Counted up, not set, so that no ID comes again even when two threads want the slot. */
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

  /** How many slots have to be looked at. A thread that comes later looks by itself at what it waits for. */
  get used(): number {
    return atomics.load(this.#words, USED);
  }

  /** How often a thread has ended. */
  get deathCount(): number {
    return atomics.load(this.#words, DEATHS);
  }

  /** For how long a thread that has ended may still run on, in milliseconds; 0 if there is none. */
  get graceLeft(): number {
    if (this.deathCount === 0) return 0;
    const since = (atomics.clock() - atomics.load(this.#words, LAST_DEATH)) >>> 0;
    return since < GRACE ? GRACE - since : 0;
  }

  /** Whether the thread with this ID lives. */
  alive(id: number): boolean {
    return atomics.load(this.#words, TABLE + (id & (SLOTS - 1)) * WORDS + ID) === id;
  }

  /** The thread has ended, or must end: what it holds is free, its waits and those of the threads it started are over. */
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

  /** The thread goes on under a new ID, as if it had ended and another had begun; the same ID if it has been marked dead. */
  rename(id: number): number {
    const words = this.#words;
    const at = TABLE + (id & (SLOTS - 1)) * WORDS;
    const renamed = this.#newId(id & (SLOTS - 1));
    if (atomics.compareExchange(words, at + ID, id, renamed) !== id) return id;
    this.#wakeAll();
    return renamed;
  }

  /** A death can make true what anyone waits for, and can have taken a wake-up with it: everyone looks again. */
  #wakeAll(): void {
    atomics.store(this.#words, LAST_DEATH, atomics.clock() | 0);
    atomics.add(this.#words, DEATHS, 1);
    for (let slot = 0; slot < this.used; slot++) this.notify(slot);
  }

  /** Wakes the thread in a slot, blocked or in its event loop. */
  notify(slot: number): void {
    const eventCount = TABLE + (slot & (SLOTS - 1)) * WORDS + EVENT_COUNT;
    atomics.add(this.#words, eventCount, 1);
    atomics.notify(this.#words, eventCount);
  }

  /** Counts a message to the thread in a slot, and wakes it. */
  countMessage(slot: number): void {
    atomics.add(this.#words, TABLE + slot * WORDS + MESSAGES, 1);
    this.notify(slot);
  }

  /** How many messages the thread in a slot was ever sent. */
  messages(slot: number): number {
    return atomics.load(this.#words, TABLE + slot * WORDS + MESSAGES);
  }

  /** What to pass to {@linkcode wait}: read it first, then look whether there is something to sleep for. */
  prepareWait(slot: number): number {
    return atomics.load(this.#words, TABLE + slot * WORDS + EVENT_COUNT);
  }

  /** Blocks the thread in a slot until it is rung, at most `timeout` milliseconds; not if it was since `seen`. */
  wait(slot: number, seen: number, timeout: number): void {
    atomics.wait(this.#words, TABLE + slot * WORDS + EVENT_COUNT, seen, timeout);
  }

  /** The same without blocking; undefined when it was rung since. */
  waitAsync(slot: number, seen: number): PromiseLike<unknown> | undefined {
    const result = atomics.waitAsync(this.#words, TABLE + slot * WORDS + EVENT_COUNT, seen);
    return result.async ? result.value : undefined;
  }

  /** A number for a process or worker. */
  nextNumber(): number {
    return atomics.add(this.#words, NUMBERS, 1) + 1;
  }

  /** A number for a shared object. */
  nextPlace(): number {
    return (atomics.add(this.#words, PLACES, 1) + 1) >>> 0;
  }

  /** Whether nobody has asked this before. */
  warnsFirst(): boolean {
    return atomics.compareExchange(this.#words, WARNED, 0, 1) === 0;
  }

  /** A number for a registered message. */
  nextMessageId(): number {
    return (atomics.add(this.#words, MESSAGE_IDS, 1) + 1) >>> 0 || this.nextMessageId();
  }
}
