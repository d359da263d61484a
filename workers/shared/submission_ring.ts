/**
 * The memory that a pool shares with its workers, and every atomic step on it.
 *
 * `SubmissionRing`: one for each pool. A ring of task slots, filled by the calling thread and claimed by whichever worker is
 * free. `Desk`: one for each worker. Its sleep, stop and work words, and a ring of records it writes for the caller.
 *
 * The protocols, with the reason for each order of steps, are written down in `ARCHITECTURE.md`; the comments here name
 * the race that a step closes.
 *
 * @module
 */

import { type Source, sourceOf } from "../../codec/decoder.ts";
import { refuseWithoutSharedMemory } from "../../base/platform.ts";
import { atomics } from "../../sync/internal/atomics.ts";
import { ARENA } from "../caller/arena.ts";

// Taken before any task runs: a task that patches `Math` must not change what is computed here.
const { ceil, max, min } = Math;

/** How long a worker looks for the next task before it parks, in milliseconds: less than to park and be woken takes. */
const SPIN = 0.01;

/*
 * SubmissionRing, in 32-bit words, then payloads:
 *
 *   0 HEAD     epoch (8 bits) | index of the next slot to claim (24 bits)
 *   1 TAIL     index of the next slot to fill (24 bits); written by the caller alone
 *   2 CALLER   AWAKE | WAITING (on this word, or blocked on its bell) | LISTENING (for a message)
 *   3 MORE     1 while the caller keeps tasks that are not on the submissions
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
/** With fewer tasks on the submissions than this, a claim wakes a caller that keeps more of them. */
const FEW = SLOTS / 4;
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

/** Bytes that are written into shared memory. */
export interface Writable {
  /** How many. */
  readonly length: number;
  /** Writes them. */
  writeTo(target: Uint8Array, at: number): void;
}

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

/**
 * Memory that has an end, but grows up to that only when it is needed. Large memory that has its size from the beginning can come
 * from what was used before, and is then filled with zeros all at once.
 */
function growable(size: number, most: number): SharedArrayBuffer {
  refuseWithoutSharedMemory();
  return new SharedArrayBuffer(size, { maxByteLength: most });
}

/** Sees to it that the memory reaches up to `end` at least. */
function growTo(memory: SharedArrayBuffer, end: number): void {
  memory.grow(min(memory.maxByteLength, ceil(end / GROWTH) * GROWTH));
}

/** In steps of so many bytes. */
const GROWTH = 2 ** 18;

/** Views of fixed length: those that follow the memory would be slow. */
function sourceOver(memory: SharedArrayBuffer): Source {
  return sourceOf(new Uint8Array(memory, 0, memory.byteLength));
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
   * there is little left on the submissions while the caller keeps more.
   */
  callerIsNeeded = false;
  /** The caller's note of the index under which each slot was last filled. */
  readonly #indices = new Int32Array(SLOTS).fill(-1);
  /** The caller's own TAIL. */
  #tail = 0;

  constructor(memory: SharedArrayBuffer = growable(ARENA_AT, ARENA_AT + ARENA)) {
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

  /** Caller: says whether it keeps tasks that are not on the submissions, before a last look at how many are. */
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

/*
 * Desk, in 32-bit words, then the ring:
 *
 *   0 SLEEP     SEARCHING | TURNING | STARTING | BUSY | AWAITING | PARKED (on this word) | IDLE (in its event loop) | LEFT
 *   1 STOP      1 when it is to stop
 *   2 WORK      taskId (30 bits) << 2 | NOTHING | HELD | RUNNING | REVOKED
 *   3 DEADLINE  when the running call must be over, in milliseconds since the pool was made, modulo 2 ** 32; 0: never
 *   4 MAIL      how many messages the caller has posted that are tasks for this worker
 *   5 SENT      how many messages the worker has sent
 *   6 WRITTEN   bytes ever written to the ring; by the worker alone
 *   7 READ      bytes ever read from the ring; by the caller alone
 *   8 LOOKS     how often the worker has begun to look for tasks
 *   9 ARRIVED   1 when the worker has read the message that this memory came with
 *   10 STAGE    NONE | PREPARING (the initializer runs) | IMPORTING (the module) | FETCHING (what it lacks of the task it holds)
 *   16 …        RING bytes of records: size, kind, taskId, detail (32 bits each), payload; 8-byte aligned
 */
const SLEEP = 0;
const STOP = 1;
const WORK = 2;
const DEADLINE = 3;
const MAIL = 4;
const SENT = 5;
const WRITTEN = 6;
const READ = 7;
const LOOKS = 8;
const ARRIVED = 9;
const STAGE = 10;
const RING_AT = 64;
const RING = 2 ** 22;
/** So much of it is used as long as the caller keeps up: the runtime gives no memory to what was never used. */
const NEAR = 65536;
const RECORD = 16;
const SKIP = -1;

/** The largest payload of a record, in bytes; what is larger goes by message. */
export const LARGEST_RECORD: number = RING / 4;

/** It looks at the submissions before it does anything else: the caller counts on it for one task. */
export const SEARCHING = -2;
/** It goes once through its event loop, with a task or before the next look. */
export const TURNING = -1;
/** The worker has not begun to look for tasks. */
export const STARTING = 0;
/** It has claimed a task, or runs one. */
export const BUSY = 1;
/** Its task goes on asynchronously. */
export const AWAITING = 2;
/** It sleeps, and a notification wakes it. */
export const PARKED = 3;
/** It sleeps in its event loop, where a message wakes it. */
export const IDLE = 4;
const LEFT = 5;

const NOTHING = 0;
const HELD = 1;
const RUNNING = 2;
const REVOKED = 3;

/** None of the following. */
export const NONE = 0;
/** The initializer runs, or the scope is made. */
export const PREPARING = 1;
/** The module of the user is imported. */
export const IMPORTING = 2;
/** It waits for what it lacks of the task that it holds. */
export const FETCHING = 3;

/** A task's number fits beside its stage in one word. */
export const TASK_ID_MASK = 0x3fffffff;

/** A record that a worker wrote for the caller, valid until the next one is looked at. */
export class DeskRecord {
  /** What it says: see `task.ts`. */
  kind = 0;
  /** The number of the task it is about. */
  taskId = 0;
  /** More of it, by kind. */
  detail = 0;
  /** Where its payload starts in {@linkcode Desk.source}. */
  at = 0;
}

/** The words and the record ring of one worker. */
export class Desk {
  /** The shared memory itself. */
  readonly memory: SharedArrayBuffer;
  /** All of it that is in use, to decode payloads from. */
  source: Source;
  #words: Int32Array;
  readonly #record = new DeskRecord();
  /** How far the caller has read, and how much of that the worker knows. */
  #read = 0;
  #readTold = 0;
  /** The caller's last look at WRITTEN. */
  #written = 0;

  constructor(memory: SharedArrayBuffer = growable(RING_AT + 2 * NEAR, RING_AT + RING)) {
    this.memory = memory;
    this.source = sourceOver(memory);
    this.#words = new Int32Array(memory, 0, memory.byteLength / 4);
  }

  /** Sees to it that what is seen reaches up to `end`, in bytes. */
  #include(end: number): void {
    if (end <= this.source.bytes.length) return;
    this.source = sourceOver(this.memory);
    this.#words = new Int32Array(this.memory, 0, this.memory.byteLength / 4);
  }

  // The caller's side.

  /**
   * Caller: wakes a sleeping worker. `"message"` when it sleeps in its event loop, so that the caller must post to it;
   * `"awake"` when it did not sleep.
   */
  wake(): "awake" | "notified" | "message" {
    const state = atomics.load(this.#words, SLEEP);
    if (state < PARKED || state === LEFT || atomics.compareExchange(this.#words, SLEEP, state, SEARCHING) !== state) {
      // It went from PARKED to IDLE between the two: ask again.
      return atomics.load(this.#words, SLEEP) === IDLE ? this.wake() : "awake";
    }
    if (state === IDLE) return "message";
    atomics.notify(this.#words, SLEEP);
    return "notified";
  }

  /** Caller: whether no code of it runs: told to stop, it has ended or will run none. */
  get rests(): boolean {
    const state = atomics.load(this.#words, SLEEP);
    return state !== BUSY && state !== SEARCHING && (state === LEFT || this.stage === NONE);
  }

  /** Caller: the sleep word. */
  get sleep(): number {
    return atomics.load(this.#words, SLEEP);
  }

  /** Caller: the number of the task it holds or runs; -1 for none. */
  get current(): number {
    const work = atomics.load(this.#words, WORK);
    return (work & 3) === HELD || (work & 3) === RUNNING ? work >>> 2 : -1;
  }

  /** Caller: when the running call must be over; 0 for never. */
  get deadline(): number {
    return atomics.load(this.#words, DEADLINE);
  }

  /** Caller: how often the worker has begun to look for tasks. */
  get looks(): number {
    return atomics.load(this.#words, LOOKS);
  }

  /** Caller: how many messages the worker has sent, or is about to send. */
  get sent(): number {
    return atomics.load(this.#words, SENT);
  }

  /** Caller: counts a task posted by message. */
  countMail(): void {
    atomics.add(this.#words, MAIL, 1);
  }

  /** Caller: tells the worker to stop and wakes it if it is parked. If it sleeps, nothing of it is going to run. */
  stop(): void {
    const words = this.#words;
    atomics.store(words, STOP, 1);
    for (
      let state = atomics.load(words, SLEEP);
      state === PARKED || state === IDLE;
      state = atomics.load(words, SLEEP)
    ) {
      if (atomics.compareExchange(words, SLEEP, state, LEFT) !== state) continue; // it went from PARKED to IDLE
      if (state === PARKED) atomics.notify(words, SLEEP);
      return;
    }
  }

  /** Caller: what it does before its first task, or between two. */
  get stage(): number {
    return atomics.load(this.#words, STAGE);
  }

  /** Worker: says what it does before its first task, or between two. */
  setStage(stage: number): void {
    atomics.store(this.#words, STAGE, stage);
  }

  /** Caller: blocks until the worker has this memory, at most `timeout` milliseconds. */
  awaitArrival(timeout: number): void {
    atomics.wait(this.#words, ARRIVED, 0, timeout);
  }

  /** Caller: takes back the task it holds unless it has begun: gives its number, or -1. */
  revoke(): number {
    const work = atomics.load(this.#words, WORK);
    if ((work & 3) !== HELD) return -1;
    return atomics.compareExchange(this.#words, WORK, work, (work & ~3) | REVOKED) === work ? work >>> 2 : -1;
  }

  /** Caller: reads the next record, if any. Its payload stays valid until {@linkcode advance}. */
  peek(): DeskRecord | undefined {
    while (this.hasRecords()) {
      const at = RING_AT + (this.#read & (RING - 1));
      const word = at >> 2;
      this.#include(at + RECORD);
      if (this.#words[word + 1] !== SKIP) this.#include(at + this.#words[word]!);
      const words = this.#words;
      const record = this.#record;
      record.kind = words[word + 1]!;
      record.taskId = words[word + 2]!;
      record.detail = words[word + 3]!;
      record.at = at + RECORD;
      if (record.kind !== SKIP) return record;
      this.advance();
    }
    if (this.#read !== this.#readTold) this.#tellRead();
    return undefined;
  }

  /** Caller: gives the space of the record just read back to the worker, together with more or once there is none. */
  advance(): void {
    const size = this.#words[(RING_AT + (this.#read & (RING - 1))) >> 2]!;
    this.#read = (this.#read + size) | 0;
    if (((this.#read - this.#readTold) | 0) >= RING / 8) this.#tellRead();
  }

  #tellRead(): void {
    atomics.store(this.#words, READ, this.#readTold = this.#read);
  }

  /** Caller: whether there is a record to read. */
  hasRecords(): boolean {
    if (this.#read === this.#written) this.#written = atomics.load(this.#words, WRITTEN);
    return this.#read !== this.#written;
  }

  // The worker's side.

  /** Worker: it has this memory. */
  arrive(): void {
    atomics.store(this.#words, ARRIVED, 1);
    atomics.notify(this.#words, ARRIVED);
  }

  /** Worker: whether it is to stop. */
  get stopped(): boolean {
    return atomics.load(this.#words, STOP) !== 0;
  }

  /** Worker: how many tasks were posted by message so far. */
  get mail(): number {
    return atomics.load(this.#words, MAIL);
  }

  /** Worker: counts a message. */
  countSent(): void {
    atomics.add(this.#words, SENT, 1);
  }

  /** Worker: it looks at the submissions after this, before it does anything else. */
  setSearching(): void {
    // While it does not sleep, nobody else writes the word: a plain look saves a step.
    if (atomics.peek(this.#words, SLEEP) !== SEARCHING) atomics.store(this.#words, SLEEP, SEARCHING);
  }

  /** Worker: it runs something. */
  setBusy(): void {
    atomics.store(this.#words, SLEEP, BUSY);
  }

  /** Worker: it goes once through its event loop. */
  setTurning(): void {
    atomics.store(this.#words, SLEEP, TURNING);
  }

  /** Worker: begins to look for tasks. */
  countLook(): void {
    atomics.add(this.#words, LOOKS, 1);
  }

  /** Worker: its task goes on asynchronously. */
  setAwaiting(): void {
    atomics.store(this.#words, SLEEP, AWAITING);
  }

  /** Worker: told to stop, it has nothing more to do. */
  leave(): void {
    atomics.store(this.#words, SLEEP, LEFT);
  }

  /**
   * Worker: sleeps until it is woken, at most `linger` milliseconds; then it is IDLE and must go to its event loop.
   * `anything` looks once more, after the sleep is announced, so that no wake-up is lost. If it is `patient`, it looks for a while
   * before that.
   *
   * @returns Whether there may be something to do.
   */
  park(linger: number, anything: () => boolean, patient: boolean): boolean {
    const words = this.#words;
    this.setSearching();
    for (const end = patient && atomics.patience ? atomics.now() + SPIN : 0; end > 0 && atomics.now() < end;) {
      for (let i = 0; i < 100; i++) if (anything()) return true;
    }
    atomics.store(words, SLEEP, PARKED);
    if (anything()) {
      atomics.store(words, SLEEP, SEARCHING);
      return true;
    }
    atomics.wait(words, SLEEP, PARKED, linger);
    return atomics.compareExchange(words, SLEEP, PARKED, IDLE) !== PARKED;
  }

  /** Worker: it has read task `taskId`, and not begun it. */
  hold(taskId: number): void {
    atomics.store(this.#words, WORK, (taskId << 2) | HELD);
  }

  /** Worker: begins task `taskId`; false when the caller has taken it back. */
  begin(taskId: number): boolean {
    const held = (taskId << 2) | HELD;
    return atomics.compareExchange(this.#words, WORK, held, (taskId << 2) | RUNNING) === held;
  }

  /** Worker: it is done with its task; only after the reply is written, or a death in between would lose both. */
  finish(): void {
    atomics.store(this.#words, WORK, NOTHING);
    this.clearDeadline();
  }

  /** Worker: what had a limit is over. */
  clearDeadline(): void {
    if (atomics.peek(this.#words, DEADLINE) !== 0) atomics.store(this.#words, DEADLINE, 0); // written by this thread alone
  }

  /** Worker: says when the running call must be over. */
  setDeadline(time: number): void {
    atomics.store(this.#words, DEADLINE, (time | 0) || 1);
  }

  /** Worker: writes a record; false when the ring has no room for it. */
  write(kind: number, taskId: number, detail: number, payload: Writable): boolean {
    let words = this.#words;
    const size = RECORD + ((payload.length + 7) & ~7);
    const written = words[WRITTEN]! >>> 0;
    const place = written & (RING - 1);
    const toEnd = RING - place;
    const used = (written - atomics.load(words, READ)) >>> 0;
    const back = used === 0 && place >= NEAR && size <= place;
    const skipped = back || size > toEnd ? toEnd : 0;
    if (used + skipped + size > RING) return false;
    const at = skipped > 0 ? 0 : place;
    const end = RING_AT + max(at + size, skipped > 0 ? place + RECORD : 0);
    if (end > this.memory.byteLength) growTo(this.memory, end);
    this.#include(end);
    words = this.#words;
    if (skipped > 0) this.#head(place, skipped, SKIP, 0, 0);
    this.#head(at, size, kind, taskId, detail);
    payload.writeTo(this.source.bytes, RING_AT + at + RECORD);
    // Publishes the plain writes above.
    atomics.store(words, WRITTEN, (written + skipped + size) | 0);
    return true;
  }

  #head(place: number, size: number, kind: number, taskId: number, detail: number): void {
    const at = (RING_AT + place) / 4;
    this.#words[at] = size;
    this.#words[at + 1] = kind;
    this.#words[at + 2] = taskId;
    this.#words[at + 3] = detail;
  }
}
