/**
 * Bytes back into values; `tags.ts` says how.
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

/** Memory that messages are read from; made once for memory that is read often. */
export interface Source {
  /** All of it, as bytes. */
  readonly bytes: Uint8Array;
  /** All of it, for reading numbers. */
  readonly view: DataView;
}

/** A {@linkcode Source} over `bytes`. */
export function sourceOf(bytes: Uint8Array): Source {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

const NOWHERE = sourceOf(new Uint8Array(0));

/** Room for numbers. */
export interface NumberTarget {
  /** An array. */
  readonly array: unknown[];
  /** Where in it. */
  readonly at: number;
  /** For how many. */
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
  // Two loops, each over one type: many times as fast as `Array.from`.
  if (ints) {
    const packed = new Int32Array(buffer, at, length);
    for (let i = 0; i < length; i++) target[to + i] = packed[i];
  } else {
    const packed = new Float64Array(buffer, at, length);
    for (let i = 0; i < length; i++) target[to + i] = packed[i];
  }
}

/** Turns bytes back into values. One per thread of use; not re-entrant. */
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
   * `environment` gives what surrounds functions; `compileEagerly`: whether they come from the thread that tells this one what to do, and
   * may be compiled at once, by `compile`.
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
   * Decodes what an {@linkcode Encoder} made and stands at `start`. The value shares no memory with `source`.
   *
   * @throws {SerializationError} If the bytes make no sense, or a function does not compile here.
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
   * Decodes the numbers in an encoded pair of `undefined` and an array of as many numbers as `target` takes: false, and nothing
   * done, if it is anything else.
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

  /** A text, where anything else would be made one by what is its own. */
  #text(): string {
    const tag = this.#bytes[this.#at++];
    if (tag === TAG.ascii || tag === TAG.utf8 || tag === TAG.utf16) return this.#string(tag);
    throw new SerializationError("Cannot read a value from another thread: a text is missing");
  }

  /** What stands for a function or a shared object: data, of which texts and numbers are made. */
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
    return utf8Decoder.decode(this.#copy(start, this.#at)); // a decoder takes no shared memory
  }

  /** A copy of some bytes. Not by `slice()`, which asks the class of the bytes how to make it: see `runner/lockdown.ts`. */
  #copy(start: number, end: number): Uint8Array<ArrayBuffer> {
    this.#check(end);
    const copy = new Uint8Array(end - start);
    copy.set(new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start));
    return copy;
  }

  /** Before memory is taken for so much: that there is as much. */
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

  /** Sets properties of an array. */
  #setEntries(array: unknown[]): unknown[] {
    for (const [key, value] of Object.entries(this.#read() as object)) {
      if (key !== "length") define(array, key, value); // which would be made a number
    }
    return array;
  }

  #numbers(ints: boolean): number[] {
    const length = this.#count();
    this.#at = this.#start + ((this.#at - this.#start + 7) & ~7);
    const size = length * (ints ? 4 : 8);
    this.#check(this.#at + size);
    const offset = this.#bytes.byteOffset + this.#at;
    // Not aligned where the caller's bytes are not.
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
