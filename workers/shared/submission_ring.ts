/**
 * The tasks that wait for a worker: a ring of slots that the calling thread fills, and whichever worker is free claims from.
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
 *   2 CALLER   AWAKE | WAITING (on this word, or blocked on its bell) | LISTENING (for a message)
 *   3 MORE     1 while the caller keeps tasks that are not on the submission ring
 *   16 …       SLOTS × 8 words: STATE, TASK_ID, FN, MODE, LIMIT, LENGTH, PLACE (of the payload, in bytes), -
 *   then       SLOTS × PAYLOAD bytes
 *   then       ARENA bytes, for larger payloads: see `arena.ts`
 */
const HEAD = 0;
const TAIL = 1;
/** The place of what the calling thread says of its sleep. */
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

/** How many tasks wait in shared memory, ready for the workers while the caller does something else. */
export const SLOTS = 256;
/** With fewer tasks on the submission ring than this, a claim wakes a caller that keeps more of them. */
const FEW = SLOTS / 4;
/** How many bytes there are for larger payloads: see `arena.ts`. The runtime gives no memory to what was never used. */
export const ARENA_BYTES: number = 2 ** 24;
/** The largest payload that a slot has room for, in bytes; what is larger goes to the arena. */
export const PAYLOAD = 4096;

const SLOT_MASK = SLOTS - 1;
const INDEX_MASK = 0xffffff;
const EPOCH_ONE = 0x1000000;
const PAYLOADS = (SLOT_TABLE + SLOTS * SLOT_WORDS) * 4;
const ARENA_AT = PAYLOADS + SLOTS * PAYLOAD;

const FREE = 0;
const READY = 1;
const CANCELLED = 2;
/** The state of a slot that worker `number` reads: above all others. */
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
  /** Whether it is to stop. */
  readonly stopped: boolean;
  /** From here on the caller does not count on it for another task. */
  setBusy(): void;
}

/** What a slot holds beside its payload. */
export interface SlotHeader {
  /** The number of the task. */
  readonly taskId: number;
  /** The number of its function. */
  readonly fn: number;
  /** How the arguments are meant, and where they are: see `task.ts`. */
  readonly mode: number;
  /** The limit of one call in milliseconds; 0 for none. */
  readonly limit: number;
}

/** The task slots of a pool. */
export class SubmissionRing {
  /** The shared memory itself. */
  readonly memory: SharedArrayBuffer;
  /** All of it that is in use, to decode payloads from. */
  source: Source;
  readonly #words: Int32Array;
  /**
   * Worker: whether the caller should hear of the last claim, as it hears of nothing else: cancelled slots were given back, or
   * there is little left on the submission ring while the caller keeps more.
   */
  callerIsNeeded = false;
  /** The caller's note of the index under which each slot was last filled. */
  readonly #indices = new Int32Array(SLOTS).fill(-1);
  /** The caller's own TAIL. */
  #tail = 0;

  constructor(memory: SharedArrayBuffer = growable(ARENA_AT, ARENA_AT + ARENA_BYTES)) {
    this.memory = memory;
    this.source = sourceOver(memory);
    this.#words = new Int32Array(memory, 0, PAYLOADS / 4);
  }

  // The caller's side.

  /** Caller: whether the next slot can be filled. */
  hasRoom(): boolean {
    const at = SLOT_TABLE + (this.#tail & SLOT_MASK) * SLOT_WORDS + STATE;
    return atomics.peek(this.#words, at) === FREE && atomics.load(this.#words, at) === FREE; // the second comes after what the worker read there
  }

  /**
   * Caller: fills the next slot and gives its place. Only after {@linkcode hasRoom}. A payload larger than a slot goes to `block`
   * of the arena.
   */
  push(taskId: number, fn: number, mode: number, limit: number, payload: Writable, block = -1): number {
    const words = this.#words;
    const tail = this.#tail;
    const slot = tail & SLOT_MASK;
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    words[at + TASK_ID] = taskId;
    words[at + FN] = fn;
    words[at + MODE] = mode;
    words[at + LIMIT] = limit;
    words[at + LENGTH] = payload.length;
    const place = block < 0 ? PAYLOADS + slot * PAYLOAD : ARENA_AT + block;
    words[at + PLACE] = place;
    const end = place + payload.length;
    if (end > this.memory.byteLength) growTo(this.memory, end);
    this.#include(end);
    payload.writeTo(this.source.bytes, place);
    this.#indices[slot] = tail;
    atomics.poke(words, at + STATE, READY);
    // Publishes the plain writes above: whoever sees the new TAIL sees them.
    atomics.store(words, TAIL, this.#tail = (tail + 1) & INDEX_MASK);
    return slot;
  }

  /** Caller: takes back a task that no worker has begun to read; false when one has. */
  cancel(slot: number): boolean {
    // CANCELLED, not FREE: the slot stays until its turn to be claimed, which keeps the ring in order.
    return atomics.compareExchange(this.#words, SLOT_TABLE + slot * SLOT_WORDS + STATE, READY, CANCELLED) === READY;
  }

  /** Caller: whether no worker has begun to read the task in a slot. */
  isWaiting(slot: number): boolean {
    return atomics.load(this.#words, SLOT_TABLE + slot * SLOT_WORDS + STATE) === READY;
  }

  /** Caller: how many filled slots no worker has claimed yet. */
  unclaimed(): number {
    // An atomic load, as what workers say of themselves is looked at after it: see `callWorkers()`.
    return (this.#tail - atomics.load(this.#words, HEAD)) & INDEX_MASK;
  }

  /** Caller: says whether it keeps tasks that are not on the submission ring, before a last look at how many are. */
  setMore(more: boolean): void {
    atomics.store(this.#words, MORE, more ? 1 : 0);
  }

  /**
   * Caller: takes back what worker `number`, told to stop, had claimed but not begun, and gives the places; `reading` is told
   * the places that it was reading, or about to.
   *
   * A stopped worker may still run on for a while. The new epoch makes its claim fail if it looked at HEAD before; if
   * it looks after, it sees its stop word, which was stored before the epoch. So after this scan it claims nothing more.
   */
  repossess(number: number, reading: (slot: number) => void = () => {}): number[] {
    const words = this.#words;
    const head = this.raiseEpoch();
    const places: number[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = SLOT_TABLE + slot * SLOT_WORDS + STATE;
      const state = atomics.load(words, at);
      // READY behind HEAD: claimed by someone who has not marked it yet, perhaps this worker. Whoever it is, one of
      // the two exchanges wins; a living worker that loses merely claims the next one.
      const behind = (head - this.#indices[slot]! - 1 & INDEX_MASK) < SLOTS;
      const orphan = state === taken(number) || (state === READY && behind);
      if (!orphan || atomics.compareExchange(words, at, state, FREE) !== state) continue;
      places.push(slot);
      if (state !== READY) reading(slot);
    }
    return places;
  }

  /** Caller: makes the claims fail that workers, told to stop before, have begun. Gives the last value of HEAD. */
  raiseEpoch(): number {
    let head = atomics.load(this.#words, HEAD);
    for (;;) {
      const seen = atomics.compareExchange(this.#words, HEAD, head, (head + EPOCH_ONE) | 0);
      if (seen === head) return head;
      head = seen;
    }
  }

  /** Caller: says how it is going to sleep, before a last look at the rings. */
  setCaller(state: typeof AWAKE | typeof WAITING | typeof LISTENING): void {
    atomics.store(this.#words, CALLER, state);
  }

  /** Caller: waits, without blocking, until a worker has something to say; undefined when there is something already. */
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

  /** Worker: claims the oldest task for worker `number`; -1 when there is none, or the worker is to stop. */
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

  /** Worker: whether there is something to claim. */
  hasTasks(): boolean {
    return (atomics.load(this.#words, HEAD) & INDEX_MASK) !== atomics.load(this.#words, TAIL);
  }

  /** Worker: what stands in a slot it has claimed. */
  header(slot: number): SlotHeader {
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    const words = this.#words;
    return { taskId: words[at + TASK_ID]!, fn: words[at + FN]!, mode: words[at + MODE]!, limit: words[at + LIMIT]! };
  }

  /** Where the payload of a slot starts in {@linkcode source}, as that is after this. */
  payloadAt(slot: number): number {
    const at = SLOT_TABLE + slot * SLOT_WORDS;
    const place = this.#words[at + PLACE]!;
    this.#include(place + this.#words[at + LENGTH]!);
    return place;
  }

  /** Sees to it that the source reaches up to `end`. */
  #include(end: number): void {
    if (end > this.source.bytes.length) this.source = sourceOver(this.memory);
  }

  /** Caller: a copy of the payload in a slot that it has filled. */
  payloadOf(slot: number): ArrayBuffer {
    const place = this.payloadAt(slot);
    const copy = new Uint8Array(this.#words[SLOT_TABLE + slot * SLOT_WORDS + LENGTH]!);
    copy.set(this.source.bytes.subarray(place, place + copy.length));
    return copy.buffer;
  }

  /** Worker: gives a slot back once it is read; false when the caller has taken it back before. */
  release(slot: number, number: number): boolean {
    const at = SLOT_TABLE + slot * SLOT_WORDS + STATE;
    return atomics.compareExchange(this.#words, at, taken(number), FREE) === taken(number);
  }

  /** Worker: wakes the caller if it sleeps, and gives how it slept; if it listens for a message, that is left to do. */
  wakeCaller(claimant: Pick<Claimant, "stopped">): number {
    const state = atomics.load(this.#words, CALLER);
    // A worker that was told to stop before the caller went to sleep may end before it has notified: it leaves that to others.
    if (state === AWAKE || claimant.stopped) return AWAKE;
    // Only the worker that changes the word wakes: the others find the caller awake, and it will look at their rings.
    if (atomics.compareExchange(this.#words, CALLER, state, AWAKE) !== state) return AWAKE;
    atomics.notify(this.#words, CALLER);
    return state;
  }
}
