/**
 * Encoding values into bytes. `tags.ts` describes the format.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { errorClassOf, errorFields, readText } from "./error_fields.ts";
import { describeFunction, type FunctionSpec } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { handleOf } from "./handles.ts";
import {
  arrayBuffer,
  arrayLength,
  arrayOffset,
  arrayTag,
  cannotSend,
  isIndex,
  isPlatformObject,
  regexpParts,
  unboxed,
  unreachable,
} from "./builtins.ts";
import { ByteWriter } from "./byte_writer.ts";
import {
  commonShape,
  isDates,
  isFlat,
  isNumbers,
  rises,
  writeDates,
  writeFlatColumn,
  writeNumbers,
} from "./columns.ts";
import { Encoded, NO_COPIES, NO_TRANSFERS, NONE, NOT_MARKED, type Reach } from "./encoded.ts";
import { ObjectNumbers } from "./object_numbers.ts";
import { refusedReason } from "./refused.ts";
import { type Properties, type Shape, ShapeTable } from "./shapes.ts";
import { COLUMN, define, REFERS, TAG, VIEWS } from "./tags.ts";
import { hasRawText, rawBigint } from "./engine_bytes.ts";
import { isWide, RunWriter, writeText } from "./text.ts";
import { transfersHere } from "./transfer.ts";

/** Buffers of up to this many bytes are written into the bytes. Larger ones travel beside them. */
const INLINE_BUFFER = 2 ** 18;
/** Buffers to be moved of up to this many bytes are copied into the bytes: that takes less time than a message. */
const INLINE_MOVED = 2 ** 14;
/** Nothing that can travel beside the bytes is written into them any more when they are this many. */
const INLINE_TOTAL = 2 ** 22;
/** Strings of up to this many UTF-16 units are written into the bytes if the engine helps to write them, or they are ASCII. */
const INLINE_TEXT = 2 ** 21;
/** Other strings of up to this many UTF-16 units are. */
const INLINE_WIDE_TEXT = 2 ** 14;
/** BigInts from here on are written by the engine, if it does that, as text takes longer: 2 KB. */
const ENGINE_BIGINT = 1n << 2n ** 14n;
/** BigInts from here on travel beside the bytes: 32 KB with the help of the engine, 4 KB without. */
const BESIDE_BIGINT = 1n << 2n ** 18n;
const BESIDE_BIGINT_TEXT = 1n << 2n ** 15n;
/** Smaller parts are written into the bytes in any case. */
const SMALLEST_REF = 4096;

/** Arrays of at least this many numbers are packed, as 32-bit integers or doubles. */
const PACKED_NUMBERS = 8;
/** Arrays of at least this many values of one kind are written as a column. */
const COLUMN_LENGTH = 4;
/** Strings of up to this many UTF-16 units may be written one by one. */
const SHORT_STRING = 48;
/** The number of short strings in a value that are written one by one; further ones are gathered into runs. */
const SINGLE_STRINGS = 4;
/** Strings of at least this many UTF-16 units are not gathered. */
const LONG_STRING = 1000;

const { getTime } = Date.prototype;
const { slice: arrayBufferSlice } = ArrayBuffer.prototype;

/** Turns values into bytes. Each encoder belongs to one thread and encodes one value at a time. */
export class Encoder {
  readonly #out = new ByteWriter();
  readonly #runs = new RunWriter(this.#out, TAG);
  readonly #shapes = new ShapeTable();
  /** The number of the current value, and the number of shapes that it has so far. */
  #value = 0;
  #known = 0;
  /** The number of strings of the current value that were written one by one. */
  #single = 0;
  #refs: unknown[] | undefined;
  #transfers: Transferable[] | undefined;
  #copies: ArrayBuffer[] | undefined;
  #marked: object[] | undefined;
  readonly #transfersHere = transfersHere();
  readonly #encoded = new Encoded();
  readonly #objects = new ObjectNumbers();
  readonly #inlineLimit: number;
  readonly #describe: (fn: AnyFunction) => FunctionSpec;
  readonly #reach: Reach;
  readonly #writeAny = (value: unknown): void => this.#write(value);

  /**
   * `inlineLimit`: the size in bytes up to which buffers are written inline; `Infinity` if nothing can travel beside
   * the bytes. `describe` returns what is sent of a function. `reach`: where the values go. To another process, all of a value
   * goes in the bytes, or the value is refused.
   */
  constructor(
    inlineLimit: number = INLINE_BUFFER,
    describe: (fn: AnyFunction) => FunctionSpec = describeFunction,
    reach: Reach = "thread",
  ) {
    this.#inlineLimit = reach === "process" ? Infinity : inlineLimit;
    this.#describe = describe;
    this.#reach = reach;
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
      throw cannotSend(error);
    } finally {
      this.#objects.reset();
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
      this.#objects.skip(); // the pair itself, which nothing in it can refer to
      this.#write(value);
      const { length } = args;
      if (length >= PACKED_NUMBERS) {
        this.#write(args);
      } else {
        this.#objects.meet(args);
        if (this.#transfersHere.count !== 0) this.#noteTransfers(args);
        this.#count(TAG.array, length);
        for (let i = 0; i < length; i++) this.#write(args[i]);
      }
      return this.#done();
    } catch (error) {
      throw cannotSend(error);
    } finally {
      this.#objects.reset();
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
      const few = Array.from({ length: end - start }, (_, i) => numbers[start + i]);
      return this.encodeCall(value, few);
    }
    this.#begin();
    try {
      this.#count(TAG.array, 2);
      this.#objects.skip();
      this.#write(value);
      this.#objects.skip();
      this.#packNumbers(numbers, start, end);
      return this.#done();
    } catch (error) {
      throw cannotSend(error);
    } finally {
      this.#objects.reset();
    }
  }

  #begin(): void {
    this.#out.reset();
    this.#out.byte(0); // REFERS if an object occurs again
    this.#runs.reset();
    this.#single = 0;
    this.#value++;
    this.#known = 0;
    this.#refs = undefined;
    this.#transfers = undefined;
    this.#copies = undefined;
    this.#marked = undefined;
  }

  #done(): Encoded {
    this.#runs.end();
    const encoded = this.#encoded;
    encoded.length = this.#out.length;
    encoded.memory = this.#out.bytes;
    encoded.refs = this.#refs ?? NONE;
    encoded.transfers = this.#transfers ?? NO_TRANSFERS;
    encoded.copies = this.#copies ?? NO_COPIES;
    encoded.marked = this.#marked ?? NOT_MARKED;
    return encoded;
  }

  /**
   * Returns the bytes of the last {@linkcode Encoder.encode} in a buffer that the caller may keep. Many bytes are not
   * copied: the encoder continues with new memory.
   */
  take(encoded: Encoded): ArrayBuffer {
    return encoded === this.#encoded ? this.#out.take(encoded.length) : encoded.bytes.slice().buffer;
  }

  #tag(tag: number): void {
    this.#out.byte(tag);
  }

  #count(tag: number, count: number): void {
    this.#out.count(tag, count);
  }

  /** Returns whether a part of `size` units is to travel beside the bytes, if units of which `most` are inline are many. */
  #isLarge(size: number, most: number): boolean {
    return this.#inlineLimit !== Infinity &&
      (size > most || (size > SMALLEST_REF && this.#out.length + size > INLINE_TOTAL));
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
    if ((value | 0) === value && !Object.is(value, -0)) {
      const out = this.#out;
      out.reserve(5);
      out.bytes[out.length] = TAG.int;
      out.view.setInt32(out.length + 1, value, true);
      out.length += 5;
    } else {
      this.#out.double(TAG.double, value);
    }
  }

  #string(value: string): void {
    const { length } = value;
    if (length < SHORT_STRING && this.#single < SINGLE_STRINGS && this.#ascii(value)) {
      this.#single++;
    } else if (length < LONG_STRING) {
      this.#runs.write(value);
    } else if (length > INLINE_WIDE_TEXT && this.#isLarge(length, this.#mostText(value))) {
      this.#beside(value);
    } else {
      this.#tag(TAG.text);
      writeText(value, this.#out);
    }
  }

  #mostText(value: string): number {
    return !isWide(value) || hasRawText() ? INLINE_TEXT : INLINE_WIDE_TEXT;
  }

  /** Writes a short string without a call into the runtime. Returns false, with nothing written, if it is not ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    const out = this.#out;
    out.reserve(5 + length);
    const { bytes } = out;
    const start = out.length + 5;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      bytes[start + i] = code;
    }
    out.count(TAG.ascii, length);
    out.length += length;
    return true;
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value) {
      const out = this.#out;
      out.reserve(9);
      out.bytes[out.length] = TAG.bigint64;
      out.view.setBigInt64(out.length + 1, value, true);
      out.length += 9;
      return;
    }
    const size = value < 0n ? -value : value;
    const canGoBeside = this.#inlineLimit !== Infinity;
    if (size < ENGINE_BIGINT) return this.#bigintText(value);
    if (canGoBeside && size >= BESIDE_BIGINT) return this.#beside(value);
    const raw = rawBigint(value);
    if (raw !== undefined) {
      this.#count(TAG.rawBigint, raw.length);
      this.#out.copy(raw);
    } else if (canGoBeside && size >= BESIDE_BIGINT_TEXT) {
      this.#beside(value);
    } else {
      this.#bigintText(value);
    }
  }

  #bigintText(value: bigint): void {
    this.#tag(TAG.bigint);
    writeText(value.toString(16), this.#out); // hexadecimal converts in linear time, in both directions
  }

  /** Sends a string or BigInt beside the bytes. */
  #beside(value: string | bigint): void {
    const refs = this.#refs ??= [];
    this.#count(TAG.beside, refs.length);
    refs.push(value);
  }

  #function(fn: AnyFunction): void {
    this.#tag(TAG.function);
    this.#write(this.#describe(fn));
  }

  #object(value: object): void {
    if (this.#metBefore(value)) return;
    if (this.#transfersHere.count !== 0) this.#noteTransfers(value);
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#plain(value as Properties);
    if (ArrayBuffer.isView(value)) return this.#viewOf(value);
    if (value instanceof ArrayBuffer) return this.#buffer(value);
    if (value instanceof Map) {
      // The built-in method is used, as a subclass may override iteration.
      const keys: unknown[] = [];
      const items: unknown[] = [];
      Map.prototype.forEach.call(value, (item, key) => {
        keys.push(key);
        items.push(item);
      });
      this.#count(TAG.map, keys.length);
      this.#column(keys);
      return this.#column(items);
    }
    if (value instanceof Set) {
      const items: unknown[] = [];
      Set.prototype.forEach.call(value, (item) => items.push(item));
      this.#count(TAG.set, items.length);
      return this.#column(items);
    }
    if (value instanceof Date) {
      return this.#out.double(TAG.date, getTime.call(value));
    }
    if (value instanceof Error) {
      this.#tag(TAG.error);
      this.#string(errorClassOf(value));
      this.#string(readText(value, "message"));
      this.#string(readText(value, "name"));
      return this.#write(errorFields(value));
    }
    const reason = refusedReason(value);
    if (reason !== undefined) throw new SerializationError(reason);
    const handle = handleOf(value);
    if (handle !== undefined) {
      if (this.#reach === "process") throw unreachable(handle.kind);
      this.#tag(TAG.shared);
      return this.#write(handle);
    }
    if (value instanceof SharedArrayBuffer) return this.#ref(value);
    if (value instanceof RegExp && this.#regexp(value)) return;
    const primitive = unboxed(value);
    if (primitive !== undefined) {
      this.#tag(TAG.boxed);
      return this.#write(primitive);
    }
    if (this.#transfers?.includes(value as Transferable) || isPlatformObject(value)) return this.#ref(value);
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

  /** Writes a regular expression. Returns false, with nothing written, for an object that only inherits from one. */
  #regexp(value: RegExp): boolean {
    const parts = regexpParts(value);
    if (parts === undefined) return false;
    this.#tag(TAG.regexp);
    this.#string(parts.source);
    this.#string(parts.flags);
    return true;
  }

  #ref(value: object): void {
    if (this.#reach === "process") {
      const name = Object.prototype.toString.call(value).slice(8, -1);
      throw unreachable(name === "Object" ? "shared object" : name);
    }
    const refs = this.#refs ??= [];
    this.#count(TAG.ref, refs.length);
    refs.push(value);
  }

  #array(value: readonly unknown[]): void {
    const { length } = value;
    if (length >= PACKED_NUMBERS && this.#numbers(value)) return;
    const keys = Object.keys(value);
    if (length > 64 && keys.length < length / 4) {
      this.#count(TAG.sparse, length);
      this.#objects.skip(); // the decoder makes an object of the entries, which takes a number there
      return this.#properties(TAG.object, value);
    }
    const named = keys.length > 0 && !isIndex(keys[keys.length - 1]!);
    if (!named && length >= COLUMN_LENGTH && keys.length === length) {
      this.#count(TAG.column, length);
      return this.#column(value);
    }
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
    this.#objects.skip(); // the decoder makes this object too, which takes a number there
    this.#properties(TAG.object, properties);
  }

  /** Packs an array of only numbers. Returns false, with nothing written, for any other array. */
  #numbers(value: readonly unknown[]): boolean {
    if (!isNumbers(value)) return false;
    this.#packNumbers(value, 0, value.length);
    return true;
  }

  #packNumbers(numbers: readonly number[], start: number, end: number): void {
    const tag = this.#out.length;
    this.#count(TAG.ints, end - start);
    if (!writeNumbers(this.#out, numbers, start, end)) this.#out.bytes[tag] = TAG.doubles;
  }

  /** Writes values as a column. */
  #column(values: readonly unknown[]): void {
    if (values.length >= COLUMN_LENGTH) {
      if (isFlat(values[0])) {
        if (this.#flatColumn(values)) return;
      } else if (isDates(values)) {
        if (writeDates(this.#out, values, this.#addObjects)) return;
      } else {
        const shape = commonShape(this.#shapes, values);
        if (shape !== undefined) return this.#rows(values as Properties[], shape);
      }
    }
    this.#tag(COLUMN.any);
    for (let i = 0; i < values.length; i++) this.#write(values[i]);
  }

  /** As {@linkcode writeFlatColumn}. Strings that travel beside the bytes are not for columns. */
  #flatColumn(values: readonly unknown[]): boolean {
    return writeFlatColumn(this.#out, values, this.#inlineLimit === Infinity ? Infinity : INLINE_WIDE_TEXT);
  }

  /**
   * Numbers objects as {@linkcode ObjectNumbers.add}, or as `addDistinct` if they are known to be `distinct`. Returns false, with
   * nothing changed, also if some may be marked for `transfer()`.
   */
  readonly #addObjects = (objects: readonly object[], distinct: boolean): boolean =>
    this.#transfersHere.count === 0 && (distinct ? this.#objects.addDistinct(objects) : this.#objects.add(objects));

  /** Writes objects of one shape as a column. */
  #rows(rows: readonly Properties[], shape: Shape): void {
    const columns = shape.gather(rows);
    const out = this.#out;
    if (!this.#addObjects(rows, columns.some(rises))) return this.#separateRows(rows, shape, columns);
    out.byte(COLUMN.objects);
    this.#shape(shape);
    const counted = out.length;
    out.byte(0);
    const rest: number[] = [];
    columns.forEach((column, k) => {
      const at = out.length;
      out.byte(k);
      if (isFlat(column[0]) && this.#flatColumn(column)) return;
      out.length = at;
      rest.push(k);
    });
    out.bytes[counted] = columns.length - rest.length;
    for (const k of rest) {
      out.byte(k);
      this.#column(columns[k]!);
    }
  }

  /** Writes objects of one shape, some of which were written before, or are to be moved. Their values were read already. */
  #separateRows(rows: readonly Properties[], shape: Shape, columns: readonly unknown[][]): void {
    this.#tag(COLUMN.any);
    for (let i = 0; i < rows.length; i++) {
      if (this.#metBefore(rows[i]!)) continue;
      if (this.#transfersHere.count !== 0) this.#noteTransfers(rows[i]!);
      this.#tag(TAG.shaped);
      this.#shape(shape);
      for (const column of columns) this.#write(column[i]);
    }
  }

  /** Numbers an object. If it has a number already, writes that, and returns true. */
  #metBefore(object: object): boolean {
    const number = this.#objects.meet(object);
    if (number < 0) return false;
    this.#out.bytes[0] = REFERS;
    this.#count(TAG.back, number);
    return true;
  }

  /** Writes the number of a shape, and its keys if it is new in this value. */
  #shape(shape: Shape): void {
    if (shape.value === this.#value) return this.#out.word(shape.number);
    shape.value = this.#value;
    shape.number = this.#known++;
    this.#out.word(shape.number);
    this.#out.copy(shape.text);
  }

  #plain(object: Properties): void {
    const keys = Object.keys(object);
    const shape = this.#shapes.ofKeys(keys);
    if (shape === undefined) return this.#entries(TAG.object, object, keys);
    this.#tag(TAG.shaped);
    this.#shape(shape);
    shape.emit(object, this.#writeAny);
  }

  #properties(tag: number, value: object): void {
    this.#entries(tag, value as Properties, Object.keys(value));
  }

  #entries(tag: number, value: Properties, keys: readonly string[]): void {
    this.#count(tag, keys.length);
    for (const key of keys) {
      this.#string(key);
      this.#write(value[key]);
    }
  }

  #buffer(buffer: ArrayBuffer): void {
    if (buffer.detached) throw new SerializationError("Cannot send a detached buffer to another thread");
    const moved = this.#transfers?.includes(buffer) === true;
    const most = moved ? INLINE_MOVED : this.#inlineLimit;
    if (this.#inlineLimit !== Infinity && (buffer.resizable || this.#isLarge(buffer.byteLength, most))) {
      if (buffer.resizable || moved) return this.#ref(buffer);
      // A copy that is moved: the engine would copy the bytes once into the message, and once out of it.
      const copy = arrayBufferSlice.call(buffer, 0);
      (this.#copies ??= []).push(copy);
      return this.#ref(copy);
    }
    this.#count(TAG.buffer, buffer.byteLength);
    this.#out.copy(new Uint8Array(buffer));
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
