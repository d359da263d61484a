/**
 * The replies of workers: a ring of records for each worker, which the worker writes and the calling thread reads.
 *
 * @module
 */

import type { Source } from "../../codec/decoder.ts";
import { atomics } from "../../sync/internal/atomics.ts";
import { READ, RING_AT, WRITTEN } from "./control_block.ts";
import { growable, growTo, sourceOver, type Writable } from "./growable.ts";

// Taken before any task runs: a task that patches `Math` must not change what is computed here.
const { max } = Math;

/** The size of the ring, in bytes. */
const RING = 2 ** 24;
/** The part of the ring, in bytes, that is used while the caller keeps up. The runtime commits no memory for an unused part. */
const NEAR = 65536;
const RECORD = 16;
const SKIP = -1;

/** The largest payload of a record, in bytes; a larger one goes by message. */
export const LARGEST_RECORD: number = RING / 4;

/** A record that a worker wrote for the caller. The object is valid until the next call of {@linkcode CompletionRing.peek}. */
export class Completion {
  /** The kind of record: see `scheduler/messages.ts` and `workers/shared/messages.ts`. */
  kind = 0;
  /** The number of the task that the record is about. */
  taskId = 0;
  /** A number whose meaning depends on the kind. */
  detail = 0;
  /** The offset of the payload in {@linkcode CompletionRing.source}. */
  at = 0;
}

/** The completions of one worker. */
export class CompletionRing {
  /** The shared memory itself: its first words are the {@linkcode ControlBlock} of the worker. */
  readonly memory: SharedArrayBuffer;
  /** The part of the memory that is in use, to decode payloads from. */
  source: Source;
  #words: Int32Array;
  readonly #record = new Completion();
  /** The number of bytes that the caller has ever read, modulo 2 ** 32. */
  #read = 0;
  /** The last value of READ that the caller has stored for the worker. */
  #readTold = 0;
  /** The last value of WRITTEN that the caller has loaded. */
  #written = 0;

  constructor(memory: SharedArrayBuffer = growable(RING_AT + 2 * NEAR, RING_AT + RING)) {
    this.memory = memory;
    this.source = sourceOver(memory);
    this.#words = new Int32Array(memory, 0, memory.byteLength / 4);
  }

  /** Renews the views of the memory if they do not reach up to `end`, in bytes. */
  #include(end: number): void {
    if (end <= this.source.bytes.length) return;
    this.source = sourceOver(this.memory);
    this.#words = new Int32Array(this.memory, 0, this.memory.byteLength / 4);
  }

  // The caller's side.

  /** Caller: returns the next record, if any. Its payload stays valid until {@linkcode consume}. */
  peek(): Completion | undefined {
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
      this.consume();
    }
    if (this.#read !== this.#readTold) this.#tellRead();
    return undefined;
  }

  /** Caller: frees the space of the record just read. The worker learns of it in batches, or once all records are read. */
  consume(): void {
    const size = this.#words[(RING_AT + (this.#read & (RING - 1))) >> 2]!;
    this.#read = (this.#read + size) | 0;
    if (((this.#read - this.#readTold) | 0) >= RING / 8) this.#tellRead();
  }

  #tellRead(): void {
    atomics.store(this.#words, READ, this.#readTold = this.#read);
  }

  /** Caller: returns whether there is a record to read. */
  hasRecords(): boolean {
    if (this.#read === this.#written) this.#written = atomics.load(this.#words, WRITTEN);
    return this.#read !== this.#written;
  }

  // The worker's side.

  /** Worker: returns whether a record with a payload of `length` bytes can be written now. */
  hasRoomFor(length: number): boolean {
    const size = RECORD + ((length + 7) & ~7);
    const written = this.#words[WRITTEN]! >>> 0;
    const used = (written - atomics.load(this.#words, READ)) >>> 0;
    return used + (RING - (written & (RING - 1))) + size <= RING; // whether or not the end of the ring is skipped
  }

  /** Worker: writes a record. Returns false if the ring has no room for it. */
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
