/**
 * Memory that grows while values are written to it.
 *
 * @module
 */

/** The size of new memory, in bytes. */
const SMALL = 1024;
/** Memory of more bytes than this is kept for the next value only if at least a quarter of it was used. */
const KEPT = 2 ** 20;
/** From this many bytes on, {@linkcode ByteWriter.take} returns the memory itself instead of a copy. */
const LARGE = 32_768;

/** Up to this many bytes are copied one by one, which costs less than a call. */
const SHORT = 100;

/** Writes bytes and numbers. Numbers are little-endian. */
export class ByteWriter {
  /** The memory. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(SMALL);
  /** The memory, to write numbers to. */
  view: DataView<ArrayBuffer> = new DataView(this.bytes.buffer);
  /** The number of bytes that were written. */
  length = 0;

  /** Begins anew. */
  reset(): void {
    if (this.bytes.length > KEPT && this.length < this.bytes.length / 4) this.#use(new Uint8Array(SMALL));
    this.length = 0;
  }

  #use(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  /** Makes sure that there is room for `size` more bytes. */
  reserve(size: number): void {
    if (this.length + size > this.bytes.length) this.#grow(size);
  }

  #grow(size: number): void {
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + size));
    grown.set(new Uint8Array(this.bytes.buffer, 0, this.length));
    this.#use(grown);
  }

  /** Writes one byte. */
  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Writes an unsigned 32-bit number. */
  word(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
  }

  /** Writes a byte and an unsigned 32-bit number. */
  count(tag: number, count: number): void {
    this.reserve(5);
    this.bytes[this.length] = tag;
    this.view.setUint32(this.length + 1, count, true);
    this.length += 5;
  }

  /** Writes a byte and a double. */
  double(tag: number, value: number): void {
    this.reserve(9);
    this.bytes[this.length] = tag;
    this.view.setFloat64(this.length + 1, value, true);
    this.length += 9;
  }

  /** Writes a copy of some bytes. */
  copy(bytes: Uint8Array): void {
    const { length } = bytes;
    this.reserve(length);
    if (length > SHORT) this.bytes.set(bytes, this.length);
    else for (let i = 0; i < length; i++) this.bytes[this.length + i] = bytes[i]!;
    this.length += length;
  }

  /** Continues at the next multiple of 8 bytes, with room for `size` bytes there. */
  align(size: number): void {
    this.reserve(8 + size);
    this.length = (this.length + 7) & ~7;
  }

  /** Returns the first `length` bytes in a buffer that the caller may keep. Many bytes are not copied: new memory follows. */
  take(length: number): ArrayBuffer {
    if (length < LARGE) return this.bytes.slice(0, length).buffer;
    const { buffer } = this.bytes;
    this.#use(new Uint8Array(SMALL));
    return buffer.transfer(length);
  }
}
