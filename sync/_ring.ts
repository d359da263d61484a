/**
 * Records of bytes in shared memory, first in, first out, for any number of threads on both sides.
 *
 * @module
 */

import { type Source, sourceOf } from "../codec/decoder.ts";
import { atomics } from "./_atomics.ts";
import { GUARD, Guard } from "./_guard.ts";
import type { Member } from "./_thread.ts";

/*
 * Ring, in 32-bit words:
 *
 *   0 CAPACITY   of the memory for the records: a power of two, which only grows
 *   then, LINE words away, those that change with each put:
 *     WRITTEN      bytes ever written, modulo 2 ** 32
 *     PUTS         records ever written
 *     NEXT WRITTEN, NEXT PUTS, and 1 while the two are being taken over
 *     the guard of those who put
 *   then, LINE words away, those that change with each get: READ and GETS in the same way, and the guard of those who get
 *
 * Apart by more than a line of the cache, so that those who put and those who get do not slow each other down.
 *
 * Memory for the records, growable: at WRITTEN mod CAPACITY a record of its size and a ticket (32 bits each), and its
 * bytes, padded to 8; it may go round the end.
 *
 * Nothing of a step is seen before its last words: one that is broken off before has not happened, and the rest of one
 * that is broken off in them is made up for by the next (the word after NEXT PUTS, or NEXT GETS, says so).
 */
const LINE = 32;
const CAPACITY = 0;
const WRITTEN = CAPACITY + LINE;
const PUTS = WRITTEN + 1;
const PUT_COMMIT = WRITTEN + 2;
const PUT_GUARD = WRITTEN + 5;
const READ = PUT_GUARD + GUARD + LINE;
const GETS = READ + 1;
const GET_COMMIT = READ + 2;
const GET_GUARD = READ + 5;

/** How many words a ring takes. */
export const RING: number = GET_GUARD + GUARD + LINE;

const HEADER = 8;
const FIRST_CAPACITY = 4096;
/** The most memory a ring takes, in bytes. */
const MOST = 2 ** 30;
/** The most bytes of one record. */
export const LARGEST_RECORD: number = MOST - HEADER;
/** From this many bytes on, a ring is full: below it, one more record of any size goes in. */
const FULL = 2 ** 26;

/** Records of up to this many bytes are read to the same place. */
const SCRATCH = 4096;

function newScratch(): Source {
  return sourceOf(new Uint8Array(SCRATCH));
}

/** Memory for the records of a ring. */
export function ringMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(FIRST_CAPACITY, { maxByteLength: MOST });
}

/** What is put into a ring. */
export interface RingItem {
  /** Memory that begins with its bytes. */
  readonly memory: Uint8Array;
  /** How many they are. */
  readonly length: number;
  /** Where what bytes cannot hold was left; 0 for nowhere. */
  readonly ticket: number;
}

/** A record. */
export interface RingRecord {
  /** Its bytes, valid until the next record is got. */
  readonly source: Source;
  /** Where what bytes cannot hold was left; 0 for nowhere. */
  readonly ticket: number;
}

/** A queue of records. */
export class Ring {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #memory: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #header = new Int32Array(HEADER / 4);
  readonly #headerBytes = new Uint8Array(this.#header.buffer);
  /** Where short records are read to. */
  #scratch: Source | undefined;
  readonly #putting: Guard;
  readonly #getting: Guard;

  /** `key` and the next one are the numbers of its guards. */
  constructor(words: Int32Array, at: number, memory: SharedArrayBuffer, member: Member, key: number) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory); // its length follows that of the memory
    this.#putting = new Guard(words, at + PUT_GUARD, member, key, () => this.#redo(PUT_COMMIT, WRITTEN, PUTS));
    this.#getting = new Guard(words, at + GET_GUARD, member, key + 1, () => this.#redo(GET_COMMIT, READ, GETS));
    if (this.#load(CAPACITY) === 0) this.#store(CAPACITY, FIRST_CAPACITY);
  }

  #load(word: number): number {
    return atomics.load(this.#words, this.#at + word);
  }

  #store(word: number, value: number): void {
    atomics.store(this.#words, this.#at + word, value);
  }

  /** How many records there are at this moment. */
  get size(): number {
    return this.#between(GETS, PUTS);
  }

  /** How far `to` is ahead of `from`: at one moment, not between two. */
  #between(from: number, to: number): number {
    for (let start = this.#load(from);;) {
      const end = this.#load(to);
      const again = this.#load(from);
      if (again === start) return (end - start) >>> 0;
      start = again;
    }
  }

  /** How many records were ever written, modulo 2 ** 32. */
  get puts(): number {
    return this.#load(PUTS) >>> 0;
  }

  /** Whether no record goes in now, with at most `most` records. */
  isFull(most: number): boolean {
    return this.size >= most || this.#between(READ, WRITTEN) >= FULL;
  }

  /**
   * Puts a record: false when it is full. `admit` is called before, and may throw.
   *
   * @throws {RangeError} If there is no memory for it.
   */
  put({ memory, length, ticket }: RingItem, most: number, admit: () => void): boolean {
    if (this.isFull(most)) {
      admit();
      return false;
    }
    return this.#putting.run(() => {
      admit();
      if (this.isFull(most)) return false;
      const written = this.#load(WRITTEN);
      const size = HEADER + ((length + 7) & ~7);
      const used = (written - this.#load(READ)) >>> 0;
      if (used > 0 && used + size > MOST) return false; // when it is empty, it will fit
      if (used + size > this.#load(CAPACITY)) this.#grow(used + size);
      this.#header[0] = length;
      this.#header[1] = ticket;
      this.#write(written, this.#headerBytes, HEADER);
      this.#write(written + HEADER, memory, length);
      this.#commit(PUT_COMMIT, WRITTEN, written + size, PUTS, this.#load(PUTS) + 1);
      return true;
    });
  }

  /** Makes a step while nobody puts. */
  withoutPuts(step: () => void): void {
    this.#putting.run(step);
  }

  /** Takes the oldest record, if any; to `keep` it is valid for longer than to the next one. */
  get(keep: boolean): RingRecord | undefined {
    if (this.size === 0) return undefined;
    return this.#getting.run(() => {
      if (this.size === 0) return undefined;
      const read = this.#load(READ);
      this.#read(read, this.#headerBytes, HEADER);
      const length = this.#header[0]!;
      const ticket = this.#header[1]!;
      const source = keep || length > SCRATCH ? sourceOf(new Uint8Array(length)) : this.#scratch ??= newScratch();
      this.#read(read + HEADER, source.bytes as Uint8Array, length);
      this.#member.check(); // one that was terminated meanwhile takes nothing with it
      this.#commit(GET_COMMIT, READ, read + HEADER + ((length + 7) & ~7), GETS, this.#load(GETS) + 1);
      return { source, ticket: ticket >>> 0 };
    });
  }

  #commit(log: number, position: number, bytes: number, counter: number, count: number): void {
    this.#store(log, bytes | 0);
    this.#store(log + 1, count | 0);
    this.#store(log + 2, 1); // from here on it happens, whoever completes it
    this.#redo(log, position, counter);
  }

  #redo(log: number, position: number, counter: number): void {
    if (this.#load(log + 2) === 0) return;
    this.#store(position, this.#load(log));
    this.#store(counter, this.#load(log + 1)); // last: it lets the other side at the bytes
    this.#store(log + 2, 0);
  }

  /**
   * Makes room. Those who get must stand still: a record whose place has the new bit of the capacity moves up into new
   * memory, all others stay, and nothing old is overwritten before the new capacity holds.
   */
  #grow(needed: number): void {
    let capacity = this.#load(CAPACITY);
    while (capacity < needed) capacity *= 2;
    this.#getting.run(() => {
      const old = this.#load(CAPACITY);
      if (this.#memory.byteLength < capacity) this.#memory.grow(capacity);
      const end = this.#load(WRITTEN) >>> 0;
      const left = (end - this.#load(READ)) >>> 0;
      for (let done = 0; done < left;) {
        const from = (end - left + done) >>> 0;
        const length = Math.min(left - done, old - (from & (old - 1)));
        const target = from & (capacity - 1);
        if (target !== (from & (old - 1))) {
          const piece = new Uint8Array(length);
          atomics.read(this.#bytes, from & (old - 1), piece, 0, length);
          atomics.write(this.#bytes, target, piece, 0, length);
        }
        done += length;
      }
      this.#store(CAPACITY, capacity);
    });
  }

  #write(position: number, source: Uint8Array, length: number): void {
    const capacity = this.#load(CAPACITY);
    const at = position & (capacity - 1);
    const first = Math.min(length, capacity - at);
    atomics.write(this.#bytes, at, source, 0, first);
    if (first < length) atomics.write(this.#bytes, 0, source, first, length - first);
  }

  #read(position: number, target: Uint8Array, length: number): void {
    const capacity = this.#load(CAPACITY);
    const at = position & (capacity - 1);
    const first = Math.min(length, capacity - at);
    atomics.read(this.#bytes, at, target, 0, first);
    if (first < length) atomics.read(this.#bytes, 0, target, first, length - first);
  }
}
