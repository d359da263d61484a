/**
 * Decoding bytes into values. `tags.ts` describes the format.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { messageOf, newError, setErrorFields } from "./error_fields.ts";
import { isInert } from "./foreign.ts";
import { compileFunction, type Environment, type FunctionSpec, lazyFunction } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { type Handle, reviveShared } from "./handles.ts";
import { define, TAG, VIEWS } from "./tags.ts";

const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Memory that values are decoded from. One source serves many reads of the same memory. */
export interface Source {
  /** The whole memory, as bytes. */
  readonly bytes: Uint8Array;
  /** The whole memory, for reading numbers. */
  readonly view: DataView;
}

/** Returns a {@linkcode Source} over `bytes`. */
export function sourceOf(bytes: Uint8Array): Source {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

const NOWHERE = sourceOf(new Uint8Array(0));

/** A part of an array that numbers are written to. */
export interface NumberTarget {
  /** The array. */
  readonly array: unknown[];
  /** The index of the first number. */
  readonly at: number;
  /** The number of numbers in the part. */
  readonly count: number;
}

function copyNumbers(
  buffer: ArrayBufferLike,
  at: number,
  length: number,
  ints: boolean,
  target: unknown[],
  to: number,
): void {
  // Two loops, each over one type, are many times as fast as `Array.from`.
  if (ints) {
    const packed = new Int32Array(buffer, at, length);
    for (let i = 0; i < length; i++) target[to + i] = packed[i];
  } else {
    const packed = new Float64Array(buffer, at, length);
    for (let i = 0; i < length; i++) target[to + i] = packed[i];
  }
}

/** Turns bytes back into values. Each decoder belongs to one thread and decodes one value at a time. */
export class Decoder {
  readonly #environment: () => Environment;
  #bytes: Uint8Array = NOWHERE.bytes;
  #view: DataView = NOWHERE.view;
  #start = 0;
  #at = 0;
  readonly #toFunction: (spec: FunctionSpec, environment: Environment) => AnyFunction;
  #refs: readonly unknown[] = [];
  #seen: unknown[] = [];

  /**
   * `environment` returns the surroundings of functions. `compileEagerly`: true only for data from the controlling
   * thread, whose functions are compiled immediately, by `compile`.
   */
  constructor(
    environment: () => Environment,
    compileEagerly: boolean,
    compile: typeof compileFunction = compileFunction,
  ) {
    this.#environment = environment;
    this.#toFunction = compileEagerly ? compile : lazyFunction;
  }

  /**
   * Decodes the value that an {@linkcode Encoder} made and that begins at `start`. The value shares no memory with
   * `source`.
   *
   * @throws {SerializationError} If the bytes are no encoded value, or a function does not compile on this thread.
   */
  decode(source: Source, start: number, refs: readonly unknown[]): unknown {
    this.#bytes = source.bytes;
    this.#view = source.view;
    this.#start = start;
    this.#at = start;
    this.#refs = refs;
    this.#seen = [];
    try {
      return this.#read();
    } catch (error) {
      if (error instanceof SerializationError) throw error;
      throw new SerializationError(`Cannot read a value from another thread: ${messageOf(error)}`, { cause: error });
    } finally {
      this.#seen = [];
      this.#refs = [];
      this.#bytes = NOWHERE.bytes;
      this.#view = NOWHERE.view;
    }
  }

  /**
   * Decodes an array of numbers into `target`, if the encoded value is a pair of `undefined` and an array of as many
   * numbers as `target` takes. Returns false, with nothing written, for any other value.
   */
  decodeNumbersTo(source: Source, start: number, target: NumberTarget): boolean {
    const { bytes, view } = source;
    if (bytes[start] !== TAG.array || view.getUint32(start + 1, true) !== 2 || bytes[start + 5] !== TAG.undefined) {
      return false;
    }
    const tag = bytes[start + 6];
    if (tag !== TAG.ints && tag !== TAG.doubles) return false;
    const at = bytes.byteOffset + start + 16;
    if (at % 8 !== 0) return false;
    if (view.getUint32(start + 7, true) !== target.count) return false;
    copyNumbers(bytes.buffer, at, target.count, tag === TAG.ints, target.array, target.at);
    return true;
  }

  #count(): number {
    const count = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return count;
  }

  #read(): unknown {
    const tag = this.#bytes[this.#at++];
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.true:
        return true;
      case TAG.false:
        return false;
      case TAG.int:
        this.#at += 4;
        return this.#view.getInt32(this.#at - 4, true);
      case TAG.double:
        this.#at += 8;
        return this.#view.getFloat64(this.#at - 8, true);
      case TAG.ascii:
      case TAG.utf8:
      case TAG.utf16:
        return this.#string(tag);
      case TAG.bigint64:
        this.#at += 8;
        return this.#view.getBigInt64(this.#at - 8, true);
      case TAG.bigint: {
        const text = this.#text();
        return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
      }
      case TAG.array:
        return this.#array(false);
      case TAG.arrayWithProperties:
        return this.#array(true);
      case TAG.ints:
      case TAG.doubles:
        return this.#numbers(tag === TAG.ints);
      case TAG.sparse: {
        const array: unknown[] = this.#note([]);
        array.length = this.#count();
        return this.#setEntries(array);
      }
      case TAG.object:
        return this.#properties(this.#note({}));
      case TAG.map: {
        const map = this.#note(new Map<unknown, unknown>());
        for (let n = this.#count(); n > 0; n--) {
          const key = this.#read();
          map.set(key, this.#read());
        }
        return map;
      }
      case TAG.set: {
        const set = this.#note(new Set<unknown>());
        for (let n = this.#count(); n > 0; n--) set.add(this.#read());
        return set;
      }
      case TAG.date:
        this.#at += 8;
        return this.#note(new Date(this.#view.getFloat64(this.#at - 8, true)));
      case TAG.error:
        return this.#error();
      case TAG.back:
        return at(this.#seen, this.#count());
      case TAG.ref:
        return this.#note(at(this.#refs, this.#count()));
      case TAG.function:
        return this.#toFunction(this.#description<FunctionSpec>(), this.#environment());
      case TAG.buffer: {
        const size = this.#count();
        const copy = this.#copy(this.#at, this.#at + size).buffer;
        this.#at += size;
        return this.#note(copy);
      }
      case TAG.view:
        return this.#viewOf();
      case TAG.shared: {
        const place = this.#seen.push(undefined) - 1;
        return this.#seen[place] = reviveShared(this.#description<Handle>());
      }
      default:
        throw new SerializationError(`Cannot read a value from another thread: unknown tag ${tag}`);
    }
  }

  #note<T>(value: T): T {
    this.#seen.push(value);
    return value;
  }

  /** Reads a string. Anything else is refused, as its conversion to a string would call methods of the value. */
  #text(): string {
    const tag = this.#bytes[this.#at++];
    if (tag === TAG.ascii || tag === TAG.utf8 || tag === TAG.utf16) return this.#string(tag);
    throw new SerializationError("Cannot read a value from another thread: a text is missing");
  }

  /** Reads the description of a function or a shared object. It must be plain data, whose conversion calls nothing. */
  #description<T>(): T {
    const description = this.#read();
    if (typeof description === "object" && description !== null && isInert(description)) return description as T;
    throw new SerializationError("Cannot read a value from another thread: a description is not data");
  }

  #string(tag: number): string {
    const length = this.#count();
    const start = this.#at;
    if (tag === TAG.utf16) {
      this.#at += length * 2;
      let text = "";
      for (let i = 0; i < length; i++) text += String.fromCharCode(this.#view.getUint16(start + i * 2, true));
      return text;
    }
    this.#at += length;
    if (tag === TAG.ascii && length < 24) {
      let text = "";
      for (let i = start; i < this.#at; i++) text += String.fromCharCode(this.#bytes[i]!);
      return text;
    }
    return utf8Decoder.decode(this.#copy(start, this.#at)); // `TextDecoder` takes no shared memory
  }

  /** Returns a copy of some bytes. `slice()` would let the class of the bytes make it: see `runner/lockdown.ts`. */
  #copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    this.#check(end);
    const copy = new Uint8Array(end - start);
    copy.set(new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start));
    return copy;
  }

  /** Checks that the bytes reach to `end`, before memory is allocated for them. */
  #check(end: number): void {
    if (end > this.#bytes.length) {
      throw new SerializationError("Cannot read a value from another thread: it is cut off");
    }
  }

  #array(named: boolean): unknown[] {
    const length = this.#count();
    const array: unknown[] = this.#note([]);
    for (let i = 0; i < length; i++) {
      if (this.#bytes[this.#at] === TAG.hole) {
        this.#at++;
        array.length = i + 1;
      } else {
        array[i] = this.#read();
      }
    }
    return named ? this.#setEntries(array) : array;
  }

  /** Reads an object, sets its properties on an array and returns the array. */
  #setEntries(array: unknown[]): unknown[] {
    for (const [key, value] of Object.entries(this.#read() as object)) {
      if (key !== "length") define(array, key, value); // setting `length` would convert its value to a number
    }
    return array;
  }

  #numbers(ints: boolean): number[] {
    const length = this.#count();
    this.#at = this.#start + ((this.#at - this.#start + 7) & ~7);
    const size = length * (ints ? 4 : 8);
    this.#check(this.#at + size);
    const offset = this.#bytes.byteOffset + this.#at;
    // The numbers are aligned within the encoded value; in memory only if that value begins at an aligned address.
    const aligned = offset % 8 === 0;
    const buffer = aligned ? this.#bytes.buffer : this.#copy(this.#at, this.#at + size).buffer;
    this.#at += size;
    const array: number[] = new Array(length);
    copyNumbers(buffer, aligned ? offset : 0, length, ints, array, 0);
    return this.#note(array);
  }

  #properties<T extends object>(target: T): T {
    for (let n = this.#count(); n > 0; n--) {
      const key = this.#text();
      define(target, key, this.#read());
    }
    return target;
  }

  #error(): Error {
    const error = this.#note(newError(this.#text(), this.#text(), this.#text()));
    setErrorFields(error, this.#read() as Record<string, unknown>);
    return error;
  }

  #viewOf(): unknown {
    const name = VIEWS[this.#bytes[this.#at++]!]!;
    const place = this.#seen.push(undefined) - 1;
    const offset = this.#read();
    const length = this.#read();
    const buffer = this.#read();
    if (typeof offset !== "number" || typeof length !== "number" || !isBuffer(buffer)) {
      throw new SerializationError("Cannot read a value from another thread: a view has no buffer");
    }
    const View =
      (globalThis as unknown as Record<string, new (b: ArrayBufferLike, o: number, n: number) => unknown>)[name];
    if (View === undefined) throw new SerializationError(`There is no ${name} on this side`);
    return this.#seen[place] = new View(buffer, offset, length);
  }
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function at(list: readonly unknown[], index: number): unknown {
  if (index >= list.length) throw new SerializationError("Cannot read a value from another thread: a part is missing");
  return list[index];
}
