/**
 * Strings as bytes.
 *
 * A text has a byte that tells its encoding, the number of its bytes (32 bits), and the bytes.
 *
 * @module
 */

import { hasNodeModules, isDeno } from "../base/platform.ts";
import { SerializationError } from "../errors.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { rawText } from "./engine_bytes.ts";

/** The encodings of texts. */
const ASCII = 0;
const UTF8 = 1;
/** For strings with halves of surrogate pairs, which UTF-8 cannot hold, and where it takes less time than UTF-8. */
const UTF16 = 2;
/** One byte for each character. */
const LATIN1 = 3;
/** Strings of other than ASCII characters that have at least this many UTF-16 units are written by the engine, if it does that. */
const ENGINE = 2048;

/** Up to this many bytes are turned into a string one by one. */
const SHORT = 7;
/** The same, where each call into the runtime is slow. */
const SHORT_SLOW = 24;
/** The number of UTF-16 units that are turned into a string by one call. */
const UNITS = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
// Captured before any task runs, which may replace them.
const { fromCharCode } = String;
const { apply } = Reflect;
/** Calls `fromCharCode` with as many arguments as there are units. */
const unitsToText: (target: CallableFunction, receiver: undefined, units: ArrayLike<number>) => string = apply;

/** Returns the string that a range of bytes holds. It reads shared memory without a copy. */
type Slice = (this: Uint8Array, start: number, end: number) => string;

/** Read one-byte characters and UTF-16. Undefined where the runtime has no native code for them, and before that pays. */
let latin1Slice: Slice | undefined;
let utf16Slice: Slice | undefined;
let loaded = false;
/** The number of UTF-16 units for which the functions would have been of use so far. */
let unserved = 0;
/** To load the functions takes 20 to 40 ms: it pays from so many units on. */
const WORTH_LOADING = 2 ** 18;
/** Memory that texts are copied to before they are read; undefined if they are read where they are. */
let scratch: Uint8Array<ArrayBuffer> | undefined;
/** A larger text gets memory of its own. */
const SCRATCH = 2 ** 20;

/**
 * Makes this thread read copies of texts. A worker does so, as its tasks can replace the functions that read texts: a replacement
 * would get the memory that all workers of a pool share.
 */
export function readCopies(): void {
  scratch ??= new Uint8Array(0);
}

/** Returns whether the functions are loaded, or loads them as there was enough text. `length`: the number of units to read or write. */
function ready(length: number): boolean {
  if (loaded) return true;
  unserved += length;
  if (unserved < WORTH_LOADING) return false;
  loaded = true;
  [latin1Slice, utf16Slice] = nativeSlices();
  return true;
}

/** Returns the string that a function makes of a range of bytes. */
function sliceOf(slice: Slice, bytes: Uint8Array, start: number, end: number): string {
  if (scratch === undefined) return apply(slice, bytes, [start, end]);
  const size = end - start;
  if (size > SCRATCH) return apply(slice, copyOf(bytes, start, end), [0, size]);
  if (size > scratch.length) scratch = new Uint8Array(Math.min(SCRATCH, 2 * size));
  scratch.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, size));
  return apply(slice, scratch, [0, size]);
}

function nativeSlices(): [latin1: Slice | undefined, utf16: Slice | undefined] {
  if (!hasNodeModules()) return [undefined, undefined];
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const module = process?.getBuiltinModule?.("node:buffer") as { Buffer?: { prototype: unknown } } | undefined;
  const { latin1Slice, ucs2Slice } = (module?.Buffer?.prototype ?? {}) as Record<string, Slice | undefined>;
  // Older releases of Deno have them in JavaScript, one character at a time.
  if (isDeno() && !`${latin1Slice}`.includes("decodeLatin1(this")) return [undefined, undefined];
  return [latin1Slice, ucs2Slice];
}

/** Writes a text. */
export function writeText(text: string, out: ByteWriter): void {
  const { length } = text;
  ready(length);
  if (utf16Slice !== undefined && isWide(text)) return writeUtf16(text, out);
  out.reserve(5 + length);
  let encoding = ASCII;
  let { read, written } = encoder.encodeInto(text, new Uint8Array(out.bytes.buffer, out.length + 5));
  if (written !== length || read !== length) {
    if (utf16Slice !== undefined || !text.isWellFormed()) return writeUtf16(text, out);
    encoding = UTF8;
    if (read < length) {
      out.reserve(5 + length * 3);
      ({ read, written } = encoder.encodeInto(text, new Uint8Array(out.bytes.buffer, out.length + 5)));
    }
  }
  out.count(encoding, written);
  out.length += written;
}

function writeUtf16(text: string, out: ByteWriter): void {
  const { length } = text;
  const raw = length < ENGINE ? undefined : rawText(text);
  if (raw !== undefined && (raw.wide || latin1Slice !== undefined)) {
    out.count(raw.wide ? UTF16 : LATIN1, raw.bytes.length);
    return out.copy(raw.bytes);
  }
  out.count(UTF16, length * 2);
  out.reserve(length * 2);
  const { bytes } = out;
  let at = out.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    bytes[at++] = unit;
    bytes[at++] = unit >> 8;
  }
  out.length = at;
}

/** The number of UTF-16 units at the beginning of a string that are taken for a sample of the rest. */
const SAMPLE = 32;

/** Returns whether a string begins with other than ASCII characters. Then most of the rest is likely to be such, too. */
export function isWide(text: string): boolean {
  const length = text.length < SAMPLE ? text.length : SAMPLE;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) > 127) return true;
  return false;
}

/** Returns the number of bytes that a text takes which begins at `at`. */
export function textSize(view: DataView, at: number): number {
  return 5 + view.getUint32(at + 1, true);
}

/**
 * Reads the text that begins at `at`. The string shares no memory with the bytes.
 *
 * @throws {SerializationError} If it is cut off, or no text.
 */
export function readText(bytes: Uint8Array, view: DataView, at: number): string {
  const length = view.getUint32(at + 1, true);
  const start = at + 5;
  const end = start + length;
  if (end > bytes.length) throw new SerializationError("Cannot read a value from another thread: a text is cut off");
  ready(length);
  switch (view.getUint8(at)) {
    case ASCII:
      return readAscii(bytes, start, end);
    case UTF8:
      return decoder.decode(copyOf(bytes, start, end)); // `TextDecoder` takes no shared memory
    case LATIN1:
      return latin1Slice === undefined ? readLatin1(bytes, start, end) : sliceOf(latin1Slice, bytes, start, end);
    case UTF16:
      return utf16Slice === undefined ? readUtf16(copyOf(bytes, start, end)) : sliceOf(utf16Slice, bytes, start, end);
    default:
      throw new SerializationError("Cannot read a value from another thread: a text is missing");
  }
}

/** Returns the string of the ASCII characters in a range of bytes. */
export function readAscii(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= (latin1Slice === undefined ? SHORT_SLOW : SHORT)) {
    let text = "";
    for (let i = start; i < end; i++) text += fromCharCode(bytes[i]!);
    return text;
  }
  if (latin1Slice !== undefined) return sliceOf(latin1Slice, bytes, start, end);
  return decoder.decode(copyOf(bytes, start, end));
}

/** Returns a copy of some bytes. `slice()` would let the class of the bytes make it: see `runner/lockdown.ts`. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - start);
  copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
  return copy;
}

function readLatin1(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += UNITS) {
    const units = copyOf(bytes, at, Math.min(end, at + UNITS));
    text += unitsToText(fromCharCode, undefined, units);
  }
  return text;
}

function readUtf16({ buffer, length }: Uint8Array<ArrayBuffer>): string {
  let text = "";
  for (let at = 0; at < length; at += UNITS * 2) {
    const units = new Uint16Array(buffer, at, Math.min(UNITS, (length - at) >> 1));
    text += unitsToText(fromCharCode, undefined, units);
  }
  return text;
}

/**
 * The number of UTF-16 units after which a run of strings ends. Strings of a run are slices of one text, which they keep
 * in memory: the shorter the run, the less can one string keep, and the more calls it takes to read all of them.
 */
const RUN = 1000;

/** Writes an array of strings: their lengths, then runs of them. A run ends with the string that makes it long enough. */
export function writeStrings(strings: readonly string[], out: ByteWriter): void {
  const { length } = strings;
  let longest = 0;
  for (let i = 0; i < length; i++) longest |= strings[i]!.length;
  const wide = longest > 255;
  out.byte(wide ? 1 : 0);
  if (wide) {
    out.reserve(length * 4);
    const { view } = out;
    for (let i = 0; i < length; i++) view.setUint32(out.length + i * 4, strings[i]!.length, true);
    out.length += length * 4;
  } else {
    out.reserve(length);
    const { bytes } = out;
    for (let i = 0; i < length; i++) bytes[out.length + i] = strings[i]!.length;
    out.length += length;
  }
  let run = "";
  for (let i = 0; i < length; i++) {
    run += strings[i]!;
    if (run.length < RUN) continue;
    writeText(run, out);
    run = "";
  }
  if (run !== "") writeText(run, out);
}

/** Reads strings that {@linkcode writeStrings} wrote. */
export class StringReader {
  /** The position after the strings that were read last. */
  end = 0;

  /**
   * Reads `count` strings from `at` on.
   *
   * @throws {SerializationError} If they are cut off.
   */
  read(bytes: Uint8Array, view: DataView, at: number, count: number): string[] {
    const wide = view.getUint8(at++) === 1;
    let next = at + count * (wide ? 4 : 1);
    if (next > bytes.length) throw new SerializationError("Cannot read a value from another thread: it is cut off");
    const strings: string[] = new Array(count);
    let begin = 0;
    while (begin < count) {
      // The strings of a run, whose text follows.
      let length = 0;
      let end = begin;
      while (end < count && length < RUN) {
        length += wide ? view.getUint32(at + end * 4, true) : bytes[at + end]!;
        end++;
      }
      let text = "";
      if (length > 0) {
        text = readText(bytes, view, next);
        next += textSize(view, next);
        if (text.length !== length) {
          throw new SerializationError("Cannot read a value from another thread: a text has another length");
        }
      }
      let from = 0;
      for (let i = begin; i < end; i++) {
        const size = wide ? view.getUint32(at + i * 4, true) : bytes[at + i]!;
        strings[i] = text.slice(from, from += size);
      }
      begin = end;
    }
    this.end = next;
    return strings;
  }
}

/** The tags of strings in runs: see `tags.ts`. */
export interface RunTags {
  /** Before the first string of a run. */
  readonly first: number;
  /** Before each other string of up to 255 UTF-16 units. */
  readonly next: number;
  /** Before each other string of more units. */
  readonly nextLong: number;
  /** Before the text of a run. */
  readonly run: number;
}

/** Gathers strings that are scattered over a value into runs. The text of a run stands behind its strings. */
export class RunWriter {
  readonly #out: ByteWriter;
  readonly #tags: RunTags;
  #text = "";
  /** Where the position of the text of the run has to be written; -1 while there is no run. */
  #patch = -1;

  constructor(out: ByteWriter, tags: RunTags) {
    this.#out = out;
    this.#tags = tags;
  }

  /** Begins anew. */
  reset(): void {
    this.#text = "";
    this.#patch = -1;
  }

  /** Writes a string. */
  write(value: string): void {
    const out = this.#out;
    const { length } = value;
    if (this.#text.length >= RUN) this.end();
    if (this.#patch < 0) {
      out.count(this.#tags.first, 0);
      this.#patch = out.length - 4;
      out.word(length);
    } else if (length < 256) {
      out.byte(this.#tags.next);
      out.byte(length);
    } else {
      out.count(this.#tags.nextLong, length);
    }
    this.#text += value;
  }

  /** Ends the run, if any. */
  end(): void {
    if (this.#patch < 0) return;
    this.#out.byte(this.#tags.run);
    this.#out.view.setUint32(this.#patch, this.#out.length, true);
    writeText(this.#text, this.#out);
    this.reset();
  }
}
