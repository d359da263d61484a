/**
 * The tasks that wait for a worker: a ring of slots that the calling thread fills and free workers claim from.
 *
 * The protocols, with the reason for each order of steps, are in `workers/README.md`; the comments here name the race that a step
 * closes.
 *
 * @module
 */

import type { Source } from "../../codec/decoder.ts";
import { atomics } from "../../sync/internal/atomics.ts";
import { growable, growTo, sourceOver, type Writable } from "./growable.ts";

/*
 * SubmissionRing, in 32-bit words, then payloads:
 *
 *   0 HEAD     epoch (8 bits) | index of the next slot to claim (24 bits)
 *   1 TAIL     index of the next slot to fill (24 bits); written by the caller alone
 *   2 CALLER   AWAKE | WAITING (on this word, or blocked on its event count) | LISTENING (for a message)
 *   3 MORE     1 while the caller has tasks that are not on the submission ring
 *   16 …       SLOTS × 8 words: STATE, TASK_ID, FN, MODE, LIMIT, LENGTH, PLACE (of the payload, in bytes), FIRST
 *   then       SLOTS × PAYLOAD bytes
 *   then       ARENA bytes, for larger payloads: see `arena.ts`
 */
const HEAD = 0;
const TAIL = 1;
/** The index of the word that tells how the calling thread sleeps. */
export const CALLER = 2;
const MORE = 3;
const SLOT_TABLE = 16;
const SLOT_WORDS = 8;
const STATE = 0;
const TASK_ID = 1;
const FN = 2;
const MODE = 3;
const LIMIT = 4;
const LENGTH = 5;
const PLACE = 6;
const FIRST = 7;

/** The number of tasks that can wait in shared memory, ready for the workers while the caller does something else. */
export const SLOTS = 256;
/** The number of tasks on the submission ring up to which a claim wakes a caller that has more of them. */
const FEW = SLOTS / 4;
/** The size of the arena for larger payloads, in bytes: see `arena.ts`. The runtime commits no memory for an unused part. */
export const ARENA_BYTES: number = 2 ** 24;
/** The largest payload that a slot has room for, in bytes; a larger one goes to the arena. */
export const PAYLOAD = 4096;

const SLOT_MASK = SLOTS - 1;
const INDEX_MASK = 0xffffff;
const EPOCH_ONE = 0x1000000;
const PAYLOADS = (SLOT_TABLE + SLOTS * SLOT_WORDS) * 4;
const ARENA_AT = PAYLOADS + SLOTS * PAYLOAD;

const FREE = 0;
const READY = 1;
const CANCELLED = 2;
/** Returns the state of a slot that worker `number` reads. It is greater than all other states. */
function taken(number: number): number {
  return 16 + number;
}

/** The calling thread runs, or will look at the rings before it sleeps. */
export const AWAKE = 0;
/** The calling thread sleeps on the word, in `Atomics.wait` or `waitAsync`. */
export const WAITING = 1;
/** The calling thread sleeps in its event loop, where only a message wakes it. */
export const LISTENING = 2;

/** A worker that claims tasks. */
export interface Claimant {
  /** True if the worker must stop. */
  readonly stopped: boolean;
  /** Called before a claim can be seen: from then on the caller does not count on this worker for another task. */
  setBusy(): void;
}

/** The words of a slot beside its payload. */
export interface SlotHeader {
  /** The number of the task. */
  readonly taskId: number;
  /** The number of its function. */
  readonly fn: number;
  /** The mode of the task, and where its arguments are: see `task.ts` and `messages.ts`. */
  readonly mode: number;
  /** The time limit of one call, in milliseconds; 0 for none. */
  readonly limit: number;
  /** The index of the first item of the task in the input of its map. */
  readonly first: number;
}

/** The task slots of a pool. */
export class SubmissionRing {
  /** The shared memory itself. */
  readonly memory: SharedArrayBuffer;
  /** The part of the memory that is in use, to decode payloads from. */
  source: Source;
  readonly #words: Int32Array;
  /**
   * Worker: true if the caller must be woken after the last claim, because nothing else wakes it: cancelled slots were freed, or
   * few tasks are left on the submission ring while the caller has more.
   */
  callerIsNeeded = false;
  /** Caller: for each slot, the index under which it was filled last. */
  readonly #indices = new Int32Array(SLOTS).fill(-1);
  /** Caller: its copy of TAIL. */
  #tail = 0;

  constructor(memory: SharedArrayBuffer = growable(ARENA_AT, ARENA_AT + ARENA_BYTES)) {
    this.memory = memory;
    this.source = sourceOver(memory);
    this.#words = new Int32Array(memory, 0, PAYLOADS / 4);
  }

  // The caller's side.

  /** Caller: returns whether the next slot can be filled. */
  hasRoom(): boolean {
    const at = SLOT_TABLE + (this.#tail & SLOT_MASK) * SLOT_WORDS + STATE;
    // The atomic load orders this after the reads of the worker that has freed the slot; the plain one only saves a step.
    return atomics.peek(this.#words, at) === FREE && atomics.load(this.#words, at) === FREE;
  }

  /**
   * Caller: fills the next slot. Returns its index. Allowed only after {@linkcode hasRoom} has returned true. A payload larger
   * than a slot goes to the arena block that begins at the offset `block`.
   */
  push(taskId: number, fn: number, mode: number, limit: number, payload: Writable, block = -1, first = 0): number {
    const words = this.#words;
    const tail = this.#tail;
    const slot = tail & SLOT_MASK;
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    words[at + TASK_ID] = taskId;
    words[at + FN] = fn;
    words[at + MODE] = mode;
    words[at + LIMIT] = limit;
    words[at + LENGTH] = payload.length;
    words[at + FIRST] = first;
    const place = block < 0 ? PAYLOADS + slot * PAYLOAD : ARENA_AT + block;
    words[at + PLACE] = place;
    const end = place + payload.length;
    if (end > this.memory.byteLength) growTo(this.memory, end);
    this.#include(end);
    payload.writeTo(this.source.bytes, place);
    this.#indices[slot] = tail;
    atomics.poke(words, at + STATE, READY);
    // Publishes the plain writes above: a worker that sees the new TAIL sees them.
    atomics.store(words, TAIL, this.#tail = (tail + 1) & INDEX_MASK);
    return slot;
  }

  /** Caller: takes back a task that no worker has begun to read. Returns false if one has. */
  cancel(slot: number): boolean {
    // CANCELLED, not FREE: the slot stays until its turn to be claimed, which keeps the ring in order.
    return atomics.compareExchange(this.#words, SLOT_TABLE + slot * SLOT_WORDS + STATE, READY, CANCELLED) === READY;
  }

  /** Caller: returns whether no worker has begun to read the task in a slot. */
  isWaiting(slot: number): boolean {
    return atomics.load(this.#words, SLOT_TABLE + slot * SLOT_WORDS + STATE) === READY;
  }

  /** Caller: returns the number of filled slots that no worker has claimed yet. */
  unclaimed(): number {
    // An atomic load, as the sleep words of the workers are read after it: see `callWorkers()`.
    return (this.#tail - atomics.load(this.#words, HEAD)) & INDEX_MASK;
  }

  /** Caller: sets whether it has tasks that are not on the ring, before it checks a last time how many are on the ring. */
  setMore(more: boolean): void {
    atomics.store(this.#words, MORE, more ? 1 : 0);
  }

  /**
   * Caller: takes back the tasks that worker `number`, told to stop, had claimed but not begun. Returns their slots. `reading` is
   * called with each slot that the worker was reading or about to read.
   *
   * A stopped worker may still run on for a while. The new epoch makes its claim fail if it read HEAD before. If it reads
   * HEAD after, it sees its stop word, which was stored before the epoch. So after this scan it claims nothing more.
   */
  repossess(number: number, reading: (slot: number) => void = () => {}): number[] {
    const words = this.#words;
    const head = this.raiseEpoch();
    const places: number[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = SLOT_TABLE + slot * SLOT_WORDS + STATE;
      const state = atomics.load(words, at);
      // READY behind HEAD: claimed by a worker that has not marked it yet, perhaps this one. Exactly one of the two
      // exchanges wins; a living worker that loses merely claims the next slot.
      const behind = (head - this.#indices[slot]! - 1 & INDEX_MASK) < SLOTS;
      const orphan = state === taken(number) || (state === READY && behind);
      if (!orphan || atomics.compareExchange(words, at, state, FREE) !== state) continue;
      places.push(slot);
      if (state !== READY) reading(slot);
    }
    return places;
  }

  /** Caller: makes the claims fail that workers, told to stop before, have begun. Returns the value of HEAD before that. */
  raiseEpoch(): number {
    let head = atomics.load(this.#words, HEAD);
    for (;;) {
      const seen = atomics.compareExchange(this.#words, HEAD, head, (head + EPOCH_ONE) | 0);
      if (seen === head) return head;
      head = seen;
    }
  }

  /** Caller: announces how it is going to sleep, before it checks the rings a last time. */
  setCaller(state: typeof AWAKE | typeof WAITING | typeof LISTENING): void {
    atomics.store(this.#words, CALLER, state);
  }

  /** Caller: waits, without blocking, until a worker wakes it. Returns undefined if one already has. */
  waitForWorkersAsync(): PromiseLike<unknown> | undefined {
    const result = atomics.waitAsync(this.#words, CALLER, WAITING);
    return result.async ? result.value : undefined;
  }

  /** Caller: ends its own asynchronous wait. */
  stopWaiting(): void {
    atomics.store(this.#words, CALLER, AWAKE);
    atomics.notify(this.#words, CALLER);
  }

  // The worker's side.

  /** Worker: claims the oldest task for worker `number`. Returns its slot, or -1 if there is none or the worker must stop. */
  claim(number: number, claimant: Claimant): number {
    const words = this.#words;
    this.callerIsNeeded = false;
    for (;;) {
      const head = atomics.load(words, HEAD);
      if (claimant.stopped) return -1; // after HEAD was read: see repossess()
      const index = head & INDEX_MASK;
      const left = (atomics.load(words, TAIL) - index) & INDEX_MASK;
      if (left === 0) return -1;
      claimant.setBusy(); // before HEAD: a caller that sees the task claimed must not count on this worker for the next one
      const next = (head & ~INDEX_MASK) | ((index + 1) & INDEX_MASK);
      if (atomics.compareExchange(words, HEAD, head, next) !== head) continue;
      if (left <= FEW && atomics.load(words, MORE) === 1) this.callerIsNeeded = true;
      const slot = index & SLOT_MASK;
      const at = SLOT_TABLE + slot * SLOT_WORDS + STATE;
      if (atomics.compareExchange(words, at, READY, taken(number)) === READY) return slot;
      if (atomics.compareExchange(words, at, CANCELLED, FREE) === CANCELLED) this.callerIsNeeded = true;
    }
  }

  /** Worker: returns whether there is a task to claim. */
  hasTasks(): boolean {
    return (atomics.load(this.#words, HEAD) & INDEX_MASK) !== atomics.load(this.#words, TAIL);
  }

  /** Worker: returns the header of a slot that it has claimed. */
  header(slot: number): SlotHeader {
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    const words = this.#words;
    return {
      taskId: words[at + TASK_ID]!,
      fn: words[at + FN]!,
      mode: words[at + MODE]!,
      limit: words[at + LIMIT]!,
      first: words[at + FIRST]!,
    };
  }

  /** Returns the offset of the payload of a slot in {@linkcode source}. This may renew the source. */
  payloadAt(slot: number): number {
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    const place = this.#words[at + PLACE]!;
    this.#include(place + this.#words[at + LENGTH]!);
    return place;
  }

  /** Renews the source if it does not reach up to `end`, in bytes. */
  #include(end: number): void {
    if (end > this.source.bytes.length) this.source = sourceOver(this.memory);
  }

  /** Caller: returns a copy of the payload in a slot that it has filled. */
  payloadOf(slot: number): ArrayBuffer {
    const place = this.payloadAt(slot);
    const copy = new Uint8Array(this.#words[SLOT_TABLE + slot * SLOT_WORDS + LENGTH]!);
    copy.set(this.source.bytes.subarray(place, place + copy.length));
    return copy.buffer;
  }

  /** Worker: frees a slot once it is read. Returns false if the caller has taken it back before. */
  release(slot: number, number: number): boolean {
    const at = SLOT_TABLE + slot * SLOT_WORDS + STATE;
    return atomics.compareExchange(this.#words, at, taken(number), FREE) === taken(number);
  }

  /** Worker: wakes the caller if it sleeps. Returns how it slept; after `LISTENING` the worker still has to post a message. */
  wakeCaller(claimant: Pick<Claimant, "stopped">): number {
    const state = atomics.load(this.#words, CALLER);
    // A worker that was told to stop before the caller went to sleep may end before it has notified: others have to wake the caller.
    if (state === AWAKE || claimant.stopped) return AWAKE;
    // Only the worker that changes the word wakes the caller. The others find the caller awake, and it will check their rings.
    if (atomics.compareExchange(this.#words, CALLER, state, AWAKE) !== state) return AWAKE;
    atomics.notify(this.#words, CALLER);
    return state;
  }
}
