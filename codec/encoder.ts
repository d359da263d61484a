/**
 * Encoding values into bytes. `tags.ts` describes the format.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { errorClassOf, errorFields, messageOf, readText } from "./error_fields.ts";
import { describeFunction, type FunctionSpec, refuseClass } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { runtimeClass } from "./runtime_functions.ts";
import { handleOf } from "./handles.ts";
import { define, TAG, VIEWS } from "./tags.ts";
import { transfersHere } from "./transfer.ts";

/** Buffers of up to this many bytes are written into the bytes; larger ones travel beside them. */
const INLINE_BUFFER = 4096;
/** Arrays of at least this many numbers are packed, as 32-bit integers or doubles. */
const PACKED_NUMBERS = 8;

/** From this many bytes on, {@linkcode Encoder.take} returns the encoder's memory instead of a copy. */
const LARGE = 32_768;

const utf8Encoder = new TextEncoder();

const arrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

function getterOf<T>(key: PropertyKey): (this: ArrayBufferView) => T {
  return Object.getOwnPropertyDescriptor(arrayPrototype, key)!.get as (this: ArrayBufferView) => T;
}

const arrayTag = getterOf<string | undefined>(Symbol.toStringTag);
const arrayLength = getterOf<number>("length");
const arrayOffset = getterOf<number>("byteOffset");
const arrayBuffer = getterOf<ArrayBufferLike>("buffer");

/** Returns whether an array holds only numbers. */
export function isNumbers(items: readonly unknown[]): items is readonly number[] {
  const { length } = items;
  for (let i = 0; i < length; i++) if (typeof items[i] !== "number") return false;
  return true;
}

/** Fills `packed` with the numbers from index `start` on. Returns false at one that is no 32-bit integer, or is -0. */
function packInts(numbers: readonly number[], start: number, packed: Int32Array): boolean {
  const { length } = packed;
  for (let i = 0; i < length; i++) {
    const number = numbers[start + i]!;
    if ((number | 0) !== number || (number === 0 && 1 / number < 0)) return false;
    packed[i] = number;
  }
  return true;
}

/**
 * The property that holds why instances of a class cannot be sent. Every copy of this library knows it; a copy that did
 * not would send the fields of the instances.
 */
const REFUSED = Symbol.for("@manycore/parallel/refused");

/** Makes a class and its instances unsendable, as they mean nothing on other threads. Instances fail with `reason`. */
export function refuseInstances(prototype: object, reason: string): void {
  Object.defineProperty(prototype, REFUSED, { value: reason });
  refuseClass(prototype.constructor as AnyFunction);
}

/** An encoded value, valid only until the encoder is used again. */
export class Encoded {
  /** The number of bytes. */
  length = 0;
  /** The values that travel beside the bytes. */
  refs: readonly unknown[] = NONE;
  /** The objects that are moved, not copied. */
  transfers: readonly Transferable[] = NO_TRANSFERS;
  /** The values that `transfer()` marked. Once `transfers` are moved, they go to {@linkcode forgetTransfers}. */
  marked: readonly object[] = NOT_MARKED;
  /** The memory of the encoder, which begins with the bytes. */
  memory: Uint8Array<ArrayBuffer> = EMPTY;

  /** The bytes, in the memory of the encoder. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.memory.subarray(0, this.length);
  }

  /** Copies the bytes into `target`, from index `at` on. */
  writeTo(target: Uint8Array, at: number): void {
    const { length, memory } = this;
    if (length > SHORT) return target.set(this.bytes, at);
    for (let i = 0; i < length; i++) target[at + i] = memory[i]!; // cheaper than a view
  }
}

const NONE: readonly unknown[] = [];
const NO_TRANSFERS: readonly Transferable[] = [];
const NOT_MARKED: readonly object[] = [];
const EMPTY = new Uint8Array(0);
/** Up to this many bytes are copied one by one. */
const SHORT = 100;

/** Up to this many objects are searched one by one; more are in a map. */
const FEW = 8;

/** An encoded value without any bytes. */
export const NOTHING_ENCODED: Encoded = new Encoded();

/** Turns values into bytes. Each encoder belongs to one thread and encodes one value at a time. */
export class Encoder {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #refs: unknown[] | undefined;
  #transfers: Transferable[] | undefined;
  #marked: object[] | undefined;
  readonly #transfersHere = transfersHere();
  readonly #encoded = new Encoded();
  #seen: Map<unknown, number> | undefined;
  #seenCount = 0;
  /** The objects that were met, and their numbers, while there are only a few: most messages have no more. */
  readonly #few: unknown[] = new Array(FEW).fill(undefined);
  readonly #fewNumbers: number[] = new Array(FEW).fill(0);
  #fewCount = 0;
  readonly #inlineLimit: number;
  readonly #describe: (fn: AnyFunction) => FunctionSpec;

  /**
   * `inlineLimit`: the size in bytes up to which buffers are written inline; `Infinity` if nothing can travel beside
   * the bytes. `describe` returns what is sent of a function.
   */
  constructor(inlineLimit: number = INLINE_BUFFER, describe: (fn: AnyFunction) => FunctionSpec = describeFunction) {
    this.#inlineLimit = inlineLimit;
    this.#describe = describe;
  }

  /**
   * Encodes `value`.
   *
   * @throws {SerializationError} If the value, or a part of it, cannot be sent; `cause` is the original error.
   */
  encode(value: unknown): Encoded {
    this.#begin();
    try {
      this.#write(value);
      return this.#done();
    } catch (error) {
      throw failed(error);
    } finally {
      this.#forget();
    }
  }

  /**
   * Encodes a pair: a value, which may be undefined, and an array of arguments.
   *
   * @throws {SerializationError} As {@linkcode Encoder.encode}.
   */
  encodeCall(value: unknown, args: readonly unknown[]): Encoded {
    this.#begin();
    try {
      this.#count(TAG.array, 2);
      this.#seenCount++; // the pair itself, which nothing in it can refer to
      if (value === undefined) this.#tag(TAG.undefined);
      else this.#write(value);
      const { length } = args;
      if (length >= PACKED_NUMBERS) {
        this.#write(args);
      } else {
        this.#met(args);
        if (this.#transfersHere.count !== 0) this.#noteTransfers(args);
        this.#count(TAG.array, length);
        for (let i = 0; i < length; i++) this.#write(args[i]);
      }
      return this.#done();
    } catch (error) {
      throw failed(error);
    } finally {
      this.#forget();
    }
  }

  /**
   * As {@linkcode Encoder.encodeCall}, with the numbers from index `start` up to, but not including, `end` as
   * arguments.
   *
   * @throws {SerializationError} As {@linkcode Encoder.encode}.
   */
  encodeCallOfNumbers(value: unknown, numbers: readonly number[], start: number, end: number): Encoded {
    if (end - start < PACKED_NUMBERS) {
      return this.encodeCall(
        value,
        Array.from({ length: end - start }, (_, i) => numbers[start + i]),
      );
    }
    this.#begin();
    try {
      this.#count(TAG.array, 2);
      this.#seenCount++;
      if (value === undefined) this.#tag(TAG.undefined);
      else this.#write(value);
      this.#seenCount++;
      this.#packNumbers(numbers, start, end);
      return this.#done();
    } catch (error) {
      throw failed(error);
    } finally {
      this.#forget();
    }
  }

  #begin(): void {
    this.#length = 0;
    this.#seenCount = 0;
    this.#refs = undefined;
    this.#transfers = undefined;
    this.#marked = undefined;
  }

  #done(): Encoded {
    const encoded = this.#encoded;
    encoded.length = this.#length;
    encoded.memory = this.#bytes;
    encoded.refs = this.#refs ?? NONE;
    encoded.transfers = this.#transfers ?? NO_TRANSFERS;
    encoded.marked = this.#marked ?? NOT_MARKED;
    return encoded;
  }

  /** Drops the references to objects, so that the encoder keeps none of them alive. */
  #forget(): void {
    this.#seen = undefined;
    for (let i = 0; i < this.#fewCount; i++) this.#few[i] = undefined;
    this.#fewCount = 0;
  }

  /**
   * Returns the bytes of the last {@linkcode Encoder.encode} in a buffer that the caller may keep. Many bytes are not
   * copied: the encoder continues with new memory.
   */
  take(encoded: Encoded): ArrayBuffer {
    if (encoded.length < LARGE || encoded !== this.#encoded) return encoded.bytes.slice().buffer;
    const { buffer } = this.#bytes;
    this.#bytes = new Uint8Array(1024);
    this.#view = new DataView(this.#bytes.buffer);
    return buffer.transfer(encoded.length);
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = tag;
  }

  #count(tag: number, count: number): void {
    this.#reserve(5);
    this.#bytes[this.#length] = tag;
    this.#view.setUint32(this.#length + 1, count, true);
    this.#length += 5;
  }

  #write(value: unknown): void {
    switch (typeof value) {
      case "number":
        return this.#number(value);
      case "string":
        return this.#string(value);
      case "boolean":
        return this.#tag(value ? TAG.true : TAG.false);
      case "undefined":
        return this.#tag(TAG.undefined);
      case "bigint":
        return this.#bigint(value);
      case "function":
        return this.#function(value as AnyFunction);
      case "object":
        return value === null ? this.#tag(TAG.null) : this.#object(value);
      default:
        throw new SerializationError(`Cannot send a symbol to another thread: ${String(value)}`);
    }
  }

  #number(value: number): void {
    this.#reserve(9);
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#bytes[this.#length] = TAG.int;
      this.#view.setInt32(this.#length + 1, value, true);
      this.#length += 5;
    } else {
      this.#bytes[this.#length] = TAG.double;
      this.#view.setFloat64(this.#length + 1, value, true);
      this.#length += 9;
    }
  }

  #string(value: string): void {
    const { length } = value;
    if (length < 48 && this.#ascii(value)) return;
    if (!value.isWellFormed()) {
      this.#count(TAG.utf16, length);
      this.#reserve(length * 2);
      for (let i = 0; i < length; i++) this.#view.setUint16(this.#length + i * 2, value.charCodeAt(i), true);
      this.#length += length * 2;
      return;
    }
    this.#reserve(5 + length * 3);
    const { written } = utf8Encoder.encodeInto(value, this.#bytes.subarray(this.#length + 5));
    this.#count(TAG.utf8, written);
    this.#length += written;
  }

  /** Writes a short string without a call into the runtime. Returns false, with nothing written, if it is not ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    this.#reserve(5 + length);
    const bytes = this.#bytes;
    const start = this.#length + 5;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      bytes[start + i] = code;
    }
    this.#count(TAG.ascii, length);
    this.#length += length;
    return true;
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      this.#reserve(9);
      this.#bytes[this.#length] = TAG.bigint64;
      this.#view.setBigInt64(this.#length + 1, value, true);
      this.#length += 9;
    } else {
      this.#tag(TAG.bigint);
      this.#string(value.toString(16)); // hexadecimal converts in linear time, in both directions
    }
  }

  #function(fn: AnyFunction): void {
    this.#tag(TAG.function);
    this.#write(this.#describe(fn));
  }

  /** Writes a reference and returns true if `value` was met before; else notes it under the next number. */
  #met(value: object): boolean {
    if (this.#seen === undefined) {
      for (let i = 0; i < this.#fewCount; i++) {
        if (this.#few[i] !== value) continue;
        this.#count(TAG.back, this.#fewNumbers[i]!);
        return true;
      }
      if (this.#fewCount < FEW) {
        this.#few[this.#fewCount] = value;
        this.#fewNumbers[this.#fewCount++] = this.#seenCount++;
        return false;
      }
      this.#seen = new Map(this.#few.map((object, i) => [object, this.#fewNumbers[i]!]));
    }
    const number = this.#seen.get(value);
    if (number === undefined) {
      this.#seen.set(value, this.#seenCount++);
      return false;
    }
    this.#count(TAG.back, number);
    return true;
  }

  #object(value: object): void {
    if (this.#met(value)) return;
    if (this.#transfersHere.count !== 0) this.#noteTransfers(value);
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#properties(TAG.object, value);
    if (ArrayBuffer.isView(value)) return this.#viewOf(value);
    if (value instanceof ArrayBuffer) return this.#buffer(value);
    if (value instanceof Map) {
      // The built-in method is used, as a subclass may override iteration.
      const entries: [unknown, unknown][] = [];
      Map.prototype.forEach.call(value, (item, key) => entries.push([key, item]));
      this.#count(TAG.map, entries.length);
      for (const [key, item] of entries) {
        this.#write(key);
        this.#write(item);
      }
      return;
    }
    if (value instanceof Set) {
      const items: unknown[] = [];
      Set.prototype.forEach.call(value, (item) => items.push(item));
      this.#count(TAG.set, items.length);
      for (const item of items) this.#write(item);
      return;
    }
    if (value instanceof Date) {
      this.#reserve(9);
      this.#bytes[this.#length] = TAG.date;
      this.#view.setFloat64(this.#length + 1, Date.prototype.getTime.call(value), true);
      this.#length += 9;
      return;
    }
    if (value instanceof Error) {
      this.#tag(TAG.error);
      this.#string(errorClassOf(value));
      this.#string(readText(value, "message"));
      this.#string(readText(value, "name"));
      return this.#write(errorFields(value));
    }
    const reason = (value as { readonly [REFUSED]?: unknown })[REFUSED];
    if (typeof reason === "string") throw new SerializationError(reason);
    const handle = handleOf(value);
    if (handle !== undefined) {
      this.#tag(TAG.shared);
      return this.#write(handle);
    }
    if (value instanceof SharedArrayBuffer || this.#goesBeside(value)) return this.#ref(value);
    this.#properties(TAG.object, value);
  }

  /** Notes the objects that are to be moved with `value`, before any part of the value is written. */
  #noteTransfers(value: object): void {
    const buffers = this.#transfersHere.buffers.get(value);
    if (buffers === undefined) return;
    (this.#marked ??= []).push(value);
    const transfers = this.#transfers ??= [];
    for (const buffer of buffers) {
      if (buffer instanceof ArrayBuffer && buffer.detached) {
        throw new SerializationError(
          "Cannot transfer a buffer to another thread as it is detached: it was moved before",
        );
      }
      if (!transfers.includes(buffer)) transfers.push(buffer);
    }
  }

  #ref(value: unknown): void {
    const refs = this.#refs ??= [];
    this.#count(TAG.ref, refs.length);
    refs.push(value);
  }

  /** Returns whether the platform can clone or move this object. Instances of a user's class travel as their fields. */
  #goesBeside(value: object): boolean {
    const tag = Object.prototype.toString.call(value);
    if (tag === "[object Object]") {
      const type = runtimeClass(Object.getPrototypeOf(value));
      if (type === undefined) return false;
      throw new SerializationError(`Cannot send a ${type} to another thread as it would lose what it holds`);
    }
    if (this.#transfers?.includes(value as Transferable)) return true;
    const name = tag.slice(8, -1);
    let clone: unknown;
    try {
      clone = structuredClone(value);
    } catch (error) {
      throw new SerializationError(`Cannot send a ${name} to another thread: ${messageOf(error)}`, { cause: error });
    }
    if (Object.prototype.toString.call(clone) === tag) return true;
    const platform = (globalThis as Record<string, unknown>)[name];
    if (typeof platform === "function" && value instanceof platform) {
      throw new SerializationError(`Cannot send a ${name} to another thread as it would lose what it holds`);
    }
    return false;
  }

  #array(value: readonly unknown[]): void {
    const { length } = value;
    if (length >= PACKED_NUMBERS && this.#numbers(value)) return;
    const keys = Object.keys(value);
    if (length > 64 && keys.length < length / 4) {
      this.#count(TAG.sparse, length);
      this.#seenCount++; // the decoder makes an object of the entries, which takes a number there
      return this.#properties(TAG.object, value);
    }
    const named = keys.length > 0 && !isIndex(keys[keys.length - 1]!);
    this.#count(named ? TAG.arrayWithProperties : TAG.array, length);
    for (let i = 0; i < length; i++) {
      const item = value[i];
      if (item === undefined && !(i in value)) this.#tag(TAG.hole);
      else this.#write(item);
    }
    if (!named) return;
    const properties: Record<string, unknown> = {};
    for (const key of keys) {
      if (!isIndex(key)) define(properties, key, (value as unknown as Record<string, unknown>)[key]);
    }
    this.#seenCount++; // the decoder makes this object too, which takes a number there
    this.#properties(TAG.object, properties);
  }

  /** Packs an array of only numbers. Returns false, with nothing written, for any other array. */
  #numbers(value: readonly unknown[]): boolean {
    if (!isNumbers(value)) return false;
    this.#packNumbers(value, 0, value.length);
    return true;
  }

  #packNumbers(numbers: readonly number[], start: number, end: number): void {
    const length = end - start;
    this.#reserve(13 + length * 8);
    const tag = this.#length;
    this.#count(TAG.ints, length);
    this.#length = (this.#length + 7) & ~7;
    const { buffer } = this.#bytes;
    if (packInts(numbers, start, new Int32Array(buffer, this.#length, length))) {
      this.#length += length * 4;
      return;
    }
    this.#bytes[tag] = TAG.doubles;
    const packed = new Float64Array(buffer, this.#length, length);
    for (let i = 0; i < length; i++) packed[i] = numbers[start + i]!;
    this.#length += length * 8;
  }

  #properties(tag: number, value: object): void {
    const keys = Object.keys(value);
    this.#count(tag, keys.length);
    for (const key of keys) {
      this.#string(key);
      this.#write((value as Record<string, unknown>)[key]);
    }
  }

  #buffer(buffer: ArrayBuffer): void {
    const inline = this.#inlineLimit === Infinity ||
      (buffer.byteLength <= this.#inlineLimit && !buffer.resizable && !this.#transfers?.includes(buffer));
    if (!inline) return this.#ref(buffer);
    if (buffer.detached) throw new SerializationError("Cannot send a detached buffer to another thread");
    this.#count(TAG.buffer, buffer.byteLength);
    this.#reserve(buffer.byteLength);
    this.#bytes.set(new Uint8Array(buffer), this.#length);
    this.#length += buffer.byteLength;
  }

  #viewOf(view: ArrayBufferView): void {
    // The platform's own getters are used, as a class may override them.
    const name = arrayTag.call(view) ?? "DataView";
    const kind = VIEWS.indexOf(name as typeof VIEWS[number]);
    if (kind < 0) throw new SerializationError(`Cannot send a ${name} to another thread`);
    this.#tag(TAG.view);
    this.#tag(kind);
    if (name === "DataView") {
      this.#number((view as DataView).byteOffset);
      this.#number((view as DataView).byteLength);
    } else {
      this.#number(arrayOffset.call(view));
      this.#number(arrayLength.call(view));
    }
    this.#write(name === "DataView" ? view.buffer : arrayBuffer.call(view));
  }
}

function isIndex(key: string): boolean {
  return String(Number(key) >>> 0) === key && key !== "4294967295";
}

function failed(error: unknown): SerializationError {
  if (error instanceof SerializationError) return error;
  return new SerializationError(`Cannot send the value to another thread: ${messageOf(error)}`, { cause: error });
}
