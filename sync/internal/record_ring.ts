/**
 * A ring of byte records in shared memory: first in, first out, for any number of threads on both sides.
 *
 * @module
 */

import { type Source, sourceOf } from "../../codec/decoder.ts";
import { atomics } from "./atomics.ts";
import { CRITICAL_SECTION, CriticalSection } from "./critical_section.ts";
import type { Member } from "./member.ts";

/*
 * RecordRing, in 32-bit words:
 *
 *   0 CAPACITY   of the memory for the records, in bytes: a power of two, which only grows
 *   then, LINE words away, the words that change with each put:
 *     WRITTEN      bytes ever written, modulo 2 ** 32
 *     PUTS         records ever written, modulo 2 ** 32
 *     NEXT WRITTEN, NEXT PUTS: the log of the step
 *     the critical section of the producers
 *   then, LINE words away, the words that change with each get: READ, GETS and their log in the same way, and the
 *   critical section of the consumers
 *
 * The distance is more than a cache line, so that producers and consumers do not slow each other down. For the same
 * reason each side caches the progress of the other side, and reads it again only when the cached progress is not
 * enough.
 *
 * Memory for the records, growable: at WRITTEN mod CAPACITY a record of its size and a message ID (32 bits each), and
 * its bytes, padded to a multiple of 8. A record may wrap around the end of the memory.
 *
 * A step becomes visible only by its last words, the commit. A step that is interrupted before has not happened. A step
 * that is interrupted during the commit is completed by the next thread to enter, since the critical section is marked.
 */
const LINE = 32;
const CAPACITY = 0;
const WRITTEN = CAPACITY + LINE;
const PUTS = WRITTEN + 1;
const PUT_COMMIT = WRITTEN + 2;
const PUT_GUARD = WRITTEN + 4;
const READ = PUT_GUARD + CRITICAL_SECTION + LINE;
const GETS = READ + 1;
const GET_COMMIT = READ + 2;
const GET_GUARD = READ + 4;

/** The size of a ring, in words. */
export const RING: number = GET_GUARD + CRITICAL_SECTION + LINE;

const HEADER = 8;
const FIRST_CAPACITY = 4096;
/** The greatest size of the memory of a ring, in bytes. */
const MOST = 2 ** 30;
/** The greatest size of one record, in bytes. */
export const LARGEST_RECORD: number = MOST - HEADER;
/** The size from which a ring is full, in bytes. Below it, one more record of any size can be put. */
const FULL = 2 ** 26;

/** The greatest size of records that are read to the same buffer, in bytes. */
const SCRATCH = 4096;

function newScratch(): Source {
  return sourceOf(new Uint8Array(SCRATCH));
}

/** Creates memory for the records of a ring. */
export function ringMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(FIRST_CAPACITY, { maxByteLength: MOST });
}

/** An item to put into a ring. */
export interface RingItem {
  /** The memory that begins with the bytes of the item. */
  readonly memory: Uint8Array;
  /** The number of bytes. */
  readonly length: number;
  /** The ID under which the values that bytes cannot hold are registered; 0 for none. */
  readonly messageId: number;
}

/** A record from a ring. */
export interface RingRecord {
  /** The bytes, valid until the next record is read. */
  readonly source: Source;
  /** As {@linkcode RingItem.messageId}. */
  readonly messageId: number;
}

/** A queue of records. */
export class RecordRing {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #memory: SharedArrayBuffer;
  /** The memory up to the capacity at the last look. A view that tracks the length of the memory would be slow. */
  #bytes: Uint8Array = new Uint8Array(0);
  /** The same memory as 32-bit words. */
  #slots: Int32Array = new Int32Array(0);
  /** The buffer for short records. */
  #scratch: Source | undefined;
  readonly #putting: CriticalSection;
  readonly #getting: CriticalSection;

  // The cache of the producers on this thread. As long as PUTS equals #putsLeft, no other producer has put a record, so
  // consumers can only have made progress, by less than a full round. (Unless others have put exactly 2 ** 32 records
  // since.)
  #putsLeft: number;
  #getsSeen: number;
  #readSeen: number;
  // The cache of the consumers on this thread, in the same way.
  #getsLeft: number;
  #putsSeen: number;

  /** `key` and `key + 1` are the keys of the two critical sections. */
  constructor(words: Int32Array, at: number, memory: SharedArrayBuffer, member: Member, key: number) {
    this.#words = words;
    this.#at = at;
    this.#member = member;
    this.#memory = memory;
    this.#putting = new CriticalSection(
      words,
      at + PUT_GUARD,
      member,
      key,
      () => this.#redo(PUT_COMMIT, WRITTEN, PUTS),
    );
    this.#getting = new CriticalSection(
      words,
      at + GET_GUARD,
      member,
      key + 1,
      () => this.#redo(GET_COMMIT, READ, GETS),
    );
    if (this.#load(CAPACITY) === 0) this.#store(CAPACITY, FIRST_CAPACITY);
    // Plain reads, not steps of their own, as values from any moment will do.
    this.#putsLeft = words[at + PUTS]!;
    this.#getsLeft = words[at + GETS]!;
    this.#readSeen = words[at + READ]!;
    this.#getsSeen = this.#getsLeft;
    this.#putsSeen = this.#getsLeft;
  }

  #load(word: number): number {
    return atomics.load(this.#words, this.#at + word);
  }

  #store(word: number, value: number): void {
    atomics.store(this.#words, this.#at + word, value);
  }

  #peek(word: number): number {
    return atomics.peek(this.#words, this.#at + word);
  }

  #poke(word: number, value: number): void {
    atomics.poke(this.#words, this.#at + word, value);
  }

  /** The number of records at this moment. */
  get size(): number {
    return this.#between(GETS, PUTS);
  }

  /** Returns how far `to` is ahead of `from`, both read at one moment rather than at two. */
  #between(from: number, to: number): number {
    for (let start = this.#load(from);;) {
      const end = this.#load(to);
      const again = this.#load(from);
      if (again === start) return (end - start) >>> 0;
      start = again;
    }
  }

  /** The number of records ever written, modulo 2 ** 32. */
  get puts(): number {
    return this.#load(PUTS) >>> 0;
  }

  /** Returns whether no record can be put now, with at most `most` records. */
  isFull(most: number): boolean {
    return this.size >= most || this.#between(READ, WRITTEN) >= FULL;
  }

  /**
   * Puts a record. Returns false if the ring is full. The callback `admit` is called first, and may throw.
   *
   * @throws {RangeError} If there is not enough memory for the record.
   */
  put({ memory, length, messageId }: RingItem, most: number, admit: () => void): boolean {
    if (!this.#hasRoom(this.#peek(PUTS), this.#peek(WRITTEN), most) && this.isFull(most)) {
      admit();
      return false;
    }
    this.#putting.enter();
    try {
      admit();
      const puts = this.#peek(PUTS);
      const written = this.#peek(WRITTEN);
      if (!this.#hasRoom(puts, written, most)) {
        this.#lookAtGets(puts);
        if (!this.#hasRoom(puts, written, most)) return false;
      }
      const size = HEADER + ((length + 7) & ~7);
      if (((written - this.#readSeen) >>> 0) + size > this.#peek(CAPACITY)) {
        this.#lookAtGets(puts);
        const used = (written - this.#readSeen) >>> 0;
        if (used > 0 && used + size > MOST) return false; // it fits once the ring is empty
        if (used + size > this.#peek(CAPACITY)) this.#grow(used + size);
      }
      const bytes = this.#bytesNow();
      const slot = (written & (bytes.length - 1)) >> 2;
      atomics.writeWord(this.#slots, slot, length);
      atomics.writeWord(this.#slots, slot + 1, messageId);
      const at = (written + HEADER) & (bytes.length - 1);
      const first = Math.min(length, bytes.length - at);
      atomics.write(bytes, at, memory, 0, first);
      if (first < length) atomics.write(bytes, 0, memory, first, length - first);
      this.#commit(this.#putting, PUT_COMMIT, WRITTEN, written + size, PUTS, puts + 1);
      this.#putsLeft = (puts + 1) | 0;
      return true;
    } finally {
      this.#putting.leave();
    }
  }

  /** Returns whether there is room according to the cache, which can only report too little. */
  #hasRoom(puts: number, written: number, most: number): boolean {
    return puts === this.#putsLeft && ((puts - this.#getsSeen) >>> 0) < most &&
      ((written - this.#readSeen) >>> 0) < FULL;
  }

  #lookAtGets(puts: number): void {
    this.#getsSeen = this.#load(GETS);
    this.#readSeen = this.#load(READ);
    this.#putsLeft = puts;
  }

  /** Runs a step while no producer puts a record. */
  excludingProducers(step: () => void): void {
    this.#putting.enter();
    try {
      step();
    } finally {
      this.#putting.leave();
    }
  }

  /** Removes and returns the oldest record, if any. With `keep` it stays valid after the next record is read. */
  get(keep: boolean): RingRecord | undefined {
    if (!this.#hasRecord(this.#peek(GETS)) && this.size === 0) return undefined;
    this.#getting.enter();
    try {
      const gets = this.#peek(GETS);
      if (!this.#hasRecord(gets)) {
        this.#putsSeen = this.#load(PUTS);
        this.#getsLeft = gets;
        if (!this.#hasRecord(gets)) return undefined;
      }
      const read = this.#peek(READ);
      const bytes = this.#bytesNow();
      const slot = (read & (bytes.length - 1)) >> 2;
      const length = atomics.readWord(this.#slots, slot);
      const messageId = atomics.readWord(this.#slots, slot + 1) >>> 0;
      const source = keep || length > SCRATCH ? sourceOf(new Uint8Array(length)) : this.#scratch ??= newScratch();
      const at = (read + HEADER) & (bytes.length - 1);
      const first = Math.min(length, bytes.length - at);
      atomics.read(bytes, at, source.bytes, 0, first);
      if (first < length) atomics.read(bytes, 0, source.bytes, first, length - first);
      this.#member.check(); // a thread that was terminated meanwhile must not take the record
      this.#commit(this.#getting, GET_COMMIT, READ, read + HEADER + ((length + 7) & ~7), GETS, gets + 1);
      this.#getsLeft = (gets + 1) | 0;
      return { source, messageId };
    } finally {
      this.#getting.leave();
    }
  }

  /** Returns whether there is a record according to the cache, which can only report too few. */
  #hasRecord(gets: number): boolean {
    return gets === this.#getsLeft && gets !== this.#putsSeen;
  }

  #commit(guard: CriticalSection, log: number, position: number, bytes: number, counter: number, count: number): void {
    this.#poke(log, bytes | 0);
    this.#poke(log + 1, count | 0);
    guard.mark(); // from here on the step happens, whichever thread completes it
    this.#redo(log, position, counter);
    guard.unmark();
  }

  #redo(log: number, position: number, counter: number): void {
    this.#poke(position, this.#peek(log));
    this.#store(counter, this.#peek(log + 1)); // last: this store opens the bytes to the other side
  }

  /**
   * Grows the memory, while no consumer reads. A record whose position has the new bit of the capacity moves up into
   * new memory; all others stay. Nothing old is overwritten before the new capacity is stored.
   */
  #grow(needed: number): void {
    let capacity = this.#load(CAPACITY);
    while (capacity < needed) capacity *= 2;
    this.#getting.enter();
    try {
      const old = this.#load(CAPACITY);
      if (this.#memory.byteLength < capacity) this.#memory.grow(capacity);
      const bytes = new Uint8Array(this.#memory, 0, capacity);
      const end = this.#load(WRITTEN) >>> 0;
      const left = (end - this.#load(READ)) >>> 0;
      for (let done = 0; done < left;) {
        const from = (end - left + done) >>> 0;
        const length = Math.min(left - done, old - (from & (old - 1)));
        const target = from & (capacity - 1);
        if (target !== (from & (old - 1))) {
          const piece = new Uint8Array(length);
          atomics.read(bytes, from & (old - 1), piece, 0, length);
          atomics.write(bytes, target, piece, 0, length);
        }
        done += length;
      }
      this.#store(CAPACITY, capacity);
    } finally {
      this.#getting.leave();
    }
  }

  #bytesNow(): Uint8Array {
    const capacity = this.#peek(CAPACITY); // only producers change it, while no consumer reads
    if (this.#bytes.length !== capacity) {
      this.#bytes = new Uint8Array(this.#memory, 0, capacity);
      this.#slots = new Int32Array(this.#memory, 0, capacity >> 2);
    }
    return this.#bytes;
  }
}
