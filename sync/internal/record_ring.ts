/**
 * Records of bytes in shared memory, first in, first out, for any number of threads on both sides.
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
 *   0 CAPACITY   of the memory for the records: a power of two, which only grows
 *   then, LINE words away, those that change with each put:
 *     WRITTEN      bytes ever written, modulo 2 ** 32
 *     PUTS         records ever written
 *     NEXT WRITTEN, NEXT PUTS
 *     the guard of those who put
 *   then, LINE words away, those that change with each get: READ and GETS in the same way, and the guard of those who get
 *
 * Apart by more than a line of the cache, so that those who put and those who get do not slow each other down. For the same
 * reason each side remembers how far the other one was when it last looked, and looks again only when that is not enough.
 *
 * Memory for the records, growable: at WRITTEN mod CAPACITY a record of its size and a messageId (32 bits each), and its
 * bytes, padded to 8; it may go round the end.
 *
 * Nothing of a step is seen before its last words: one that is broken off before has not happened, and the rest of one
 * that is broken off in them is made up for by the next, as the mark of the guard says.
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

/** How many words a ring takes. */
export const RING: number = GET_GUARD + CRITICAL_SECTION + LINE;

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
  readonly messageId: number;
}

/** A record. */
export interface RingRecord {
  /** Its bytes, valid until the next record is got. */
  readonly source: Source;
  /** Where what bytes cannot hold was left; 0 for nowhere. */
  readonly messageId: number;
}

/** A queue of records. */
export class RecordRing {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #member: Member;
  readonly #memory: SharedArrayBuffer;
  /** The memory up to the capacity at the last look. Not one that follows its length: that would be slow. */
  #bytes: Uint8Array = new Uint8Array(0);
  /** The same as words. */
  #slots: Int32Array = new Int32Array(0);
  /** Where short records are read to. */
  #scratch: Source | undefined;
  readonly #putting: CriticalSection;
  readonly #getting: CriticalSection;

  // What those who put here remember: as long as PUTS is as they left it, nobody else has put, and those who get can have
  // come further, but not all around. (Unless exactly 2 ** 32 others have put since.)
  #putsLeft: number;
  #getsSeen: number;
  #readSeen: number;
  // The same for those who get.
  #getsLeft: number;
  #putsSeen: number;

  /** `key` and the next one are the numbers of its guards. */
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
    // Not read as a step of its own, since any moment will do.
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
        if (used > 0 && used + size > MOST) return false; // when it is empty, it will fit
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

  /** Whether there is room by what is remembered, which can only be too little. */
  #hasRoom(puts: number, written: number, most: number): boolean {
    return puts === this.#putsLeft && ((puts - this.#getsSeen) >>> 0) < most &&
      ((written - this.#readSeen) >>> 0) < FULL;
  }

  #lookAtGets(puts: number): void {
    this.#getsSeen = this.#load(GETS);
    this.#readSeen = this.#load(READ);
    this.#putsLeft = puts;
  }

  /** Makes a step while nobody puts. */
  excludingProducers(step: () => void): void {
    this.#putting.enter();
    try {
      step();
    } finally {
      this.#putting.leave();
    }
  }

  /** Takes the oldest record, if any; to `keep` it is valid for longer than to the next one. */
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
      this.#member.check(); // one that was terminated meanwhile takes nothing with it
      this.#commit(this.#getting, GET_COMMIT, READ, read + HEADER + ((length + 7) & ~7), GETS, gets + 1);
      this.#getsLeft = (gets + 1) | 0;
      return { source, messageId };
    } finally {
      this.#getting.leave();
    }
  }

  /** Whether there is a record by what is remembered, which can only be too few. */
  #hasRecord(gets: number): boolean {
    return gets === this.#getsLeft && gets !== this.#putsSeen;
  }

  #commit(guard: CriticalSection, log: number, position: number, bytes: number, counter: number, count: number): void {
    this.#poke(log, bytes | 0);
    this.#poke(log + 1, count | 0);
    guard.mark(); // from here on it happens, whoever completes it
    this.#redo(log, position, counter);
    guard.unmark();
  }

  #redo(log: number, position: number, counter: number): void {
    this.#poke(position, this.#peek(log));
    this.#store(counter, this.#peek(log + 1)); // last: it lets the other side at the bytes
  }

  /**
   * Makes room. Those who get must stand still: a record whose place has the new bit of the capacity moves up into new
   * memory, all others stay, and nothing old is overwritten before the new capacity holds.
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
    const capacity = this.#peek(CAPACITY); // changed by none but those who put, while nobody gets
    if (this.#bytes.length !== capacity) {
      this.#bytes = new Uint8Array(this.#memory, 0, capacity);
      this.#slots = new Int32Array(this.#memory, 0, capacity >> 2);
    }
    return this.#bytes;
  }
}
