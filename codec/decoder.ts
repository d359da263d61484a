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
import { type Properties, type Shape, ShapeTable } from "./shapes.ts";
import { COLUMN, define, REFERS, TAG, VIEWS } from "./tags.ts";
import { fromRawBigint } from "./engine_bytes.ts";
import { copyOf, readAscii, readText, StringReader, textSize } from "./text.ts";

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

/** The third byte of a BigInt as the engine writes it. */
const RAW_BIGINT = 0x5a;

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
  /** The objects so far, in the order of their numbers, if the value refers to some of them again. */
  #seen: unknown[] = [];
  #noting = false;
  readonly #shapes = new ShapeTable();
  /** The shapes of the current value, by number. */
  #known: Shape[] = [];
  readonly #strings = new StringReader();
  /** The text of the current run of strings, and the part of it that was read. */
  #run = "";
  #runAt = 0;
  readonly #noteObject = (object: object): void => {
    if (this.#noting) this.#seen.push(object);
  };
  readonly #readAny = (): unknown => this.#read();

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
    this.#at = start + 1;
    this.#refs = refs;
    this.#noting = source.bytes[start] === REFERS;
    this.#run = "";
    try {
      return this.#read();
    } catch (error) {
      if (error instanceof SerializationError) throw error;
      throw new SerializationError(`Cannot read a value from another thread: ${messageOf(error)}`, { cause: error });
    } finally {
      if (this.#noting) this.#seen = [];
      this.#refs = [];
      this.#run = "";
      if (this.#known.length > 0) this.#known = [];
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
    if (bytes[start + 1] !== TAG.array || view.getUint32(start + 2, true) !== 2 || bytes[start + 6] !== TAG.undefined) {
      return false;
    }
    const tag = bytes[start + 7];
    if (tag !== TAG.ints && tag !== TAG.doubles) return false;
    const at = bytes.byteOffset + start + 16;
    if (at % 8 !== 0) return false;
    if (view.getUint32(start + 8, true) !== target.count) return false;
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
      case TAG.first:
      case TAG.next:
      case TAG.nextLong:
      case TAG.text:
        return this.#string(tag);
      case TAG.run:
        this.#at += textSize(this.#view, this.#at);
        return this.#read();
      case TAG.bigint64:
        this.#at += 8;
        return this.#view.getBigInt64(this.#at - 8, true);
      case TAG.bigint: {
        const text = this.#longText();
        return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
      }
      case TAG.rawBigint: {
        const size = this.#count();
        const start = this.#at;
        this.#check(this.#at += size);
        // Other values are refused unseen, so bytes from another thread can only make a BigInt or an error.
        const value = this.#bytes[start + 2] === RAW_BIGINT
          ? fromRawBigint(copyOf(this.#bytes, start, this.#at))
          : undefined;
        if (typeof value === "bigint") return value;
        throw new SerializationError("Cannot read a value from another thread: it is of another kind");
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
      case TAG.column: {
        const count = this.#count();
        const kind = this.#view.getUint8(this.#at);
        // The array has its number before what it holds. Packed numbers are no array so far.
        return kind === COLUMN.strings || (!this.#noting && kind !== COLUMN.ints && kind !== COLUMN.doubles)
          ? this.#note(this.#column(count))
          : this.#fill(this.#note([]), count);
      }
      case TAG.object:
        return this.#properties(this.#note({}));
      case TAG.shaped:
        return this.#shape().read(this.#noteObject, this.#readAny);
      case TAG.beside: {
        const value = at(this.#refs, this.#count());
        if (typeof value === "string" || typeof value === "bigint") return value;
        throw new SerializationError("Cannot read a value from another thread: it is of another kind");
      }
      case TAG.map: {
        const map = this.#note(new Map<unknown, unknown>());
        const count = this.#count();
        const keys = this.#column(count);
        const values = this.#column(count);
        for (let i = 0; i < count; i++) map.set(keys[i], values[i]);
        return map;
      }
      case TAG.set: {
        const set = this.#note(new Set<unknown>());
        const count = this.#count();
        const values = this.#column(count);
        for (let i = 0; i < count; i++) set.add(values[i]);
        return set;
      }
      case TAG.date:
        this.#at += 8;
        return this.#note(new Date(this.#view.getFloat64(this.#at - 8, true)));
      case TAG.regexp:
        return this.#note(new RegExp(this.#text(), this.#text()));
      case TAG.boxed: {
        const place = this.#takePlace();
        return this.#fillPlace(place, boxed(this.#read()));
      }
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
        this.#check(this.#at + size);
        const copy = copyOf(this.#bytes, this.#at, this.#at + size).buffer;
        this.#at += size;
        return this.#note(copy);
      }
      case TAG.view:
        return this.#viewOf();
      case TAG.shared: {
        const place = this.#takePlace();
        return this.#fillPlace(place, reviveShared(this.#description<Handle>()));
      }
      default:
        throw new SerializationError(`Cannot read a value from another thread: unknown tag ${tag}`);
    }
  }

  #note<T>(value: T): T {
    if (this.#noting) this.#seen.push(value);
    return value;
  }

  /** Takes the next number for an object that is made after its parts. {@linkcode Decoder.#fillPlace} notes it. */
  #takePlace(): number {
    return this.#noting ? this.#seen.push(undefined) - 1 : -1;
  }

  #fillPlace<T>(place: number, value: T): T {
    if (place >= 0) this.#seen[place] = value;
    return value;
  }

  /** Reads a string. Anything else is refused, as its conversion to a string would call methods of the value. */
  #text(): string {
    const text = this.#read();
    if (typeof text === "string") return text;
    throw new SerializationError("Cannot read a value from another thread: a text is missing");
  }

  /** Reads the description of a function or a shared object. It must be plain data, whose conversion calls nothing. */
  #description<T>(): T {
    const description = this.#read();
    if (typeof description === "object" && description !== null && isInert(description)) return description as T;
    throw new SerializationError("Cannot read a value from another thread: a description is not data");
  }

  #string(tag: number): string {
    switch (tag) {
      case TAG.ascii: {
        const length = this.#count();
        const start = this.#at;
        this.#check(this.#at += length);
        return readAscii(this.#bytes, start, this.#at);
      }
      case TAG.first:
        this.#run = readText(this.#bytes, this.#view, this.#start + this.#count());
        this.#runAt = 0;
        return this.#slice(this.#count());
      case TAG.next:
        return this.#slice(this.#view.getUint8(this.#at++));
      case TAG.nextLong:
        return this.#slice(this.#count());
      default:
        return this.#longText();
    }
  }

  /** Returns the next string of the run. */
  #slice(length: number): string {
    return this.#run.slice(this.#runAt, this.#runAt += length);
  }

  #longText(): string {
    const start = this.#at;
    this.#at += textSize(this.#view, start);
    return readText(this.#bytes, this.#view, start);
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
    const { buffer, at } = this.#packed(length, ints ? 4 : 8);
    const array: number[] = new Array(length);
    copyNumbers(buffer, at, length, ints, array, 0);
    return this.#note(array);
  }

  /** Returns where packed numbers are. They are aligned within the encoded value; in memory only if that is aligned. */
  #packed(length: number, each: number): { buffer: ArrayBufferLike; at: number } {
    const start = this.#start + ((this.#at - this.#start + 7) & ~7);
    const end = start + length * each;
    this.#check(end);
    this.#at = end;
    const at = this.#bytes.byteOffset + start;
    return at % 8 === 0
      ? { buffer: this.#bytes.buffer, at }
      : { buffer: copyOf(this.#bytes, start, end).buffer, at: 0 };
  }

  /** Reads a column into an array that is noted already: values in it may refer to it. */
  #fill(array: unknown[], count: number): unknown[] {
    if (this.#view.getUint8(this.#at) === COLUMN.any) {
      this.#at++;
      for (let i = 0; i < count; i++) array.push(this.#read());
      return array;
    }
    const values = this.#column(count);
    for (let i = 0; i < count; i++) array.push(values[i]);
    return array;
  }

  /** Reads a column. Numbers may be in the memory that they are read from: the result is for immediate use only. */
  #column(count: number): ArrayLike<unknown> {
    const kind = this.#view.getUint8(this.#at++);
    if (kind === COLUMN.ints || kind === COLUMN.doubles) {
      const { buffer, at } = this.#packed(count, kind === COLUMN.ints ? 4 : 8);
      return kind === COLUMN.ints ? new Int32Array(buffer, at, count) : new Float64Array(buffer, at, count);
    }
    if (kind === COLUMN.dates) {
      const { buffer, at } = this.#packed(count, 8);
      const times = new Float64Array(buffer, at, count);
      const dates: Date[] = [];
      for (let i = 0; i < count; i++) dates.push(this.#note(new Date(times[i]!)));
      return dates;
    }
    this.#check(this.#at + count); // each value takes a byte at least
    switch (kind) {
      case COLUMN.any: {
        const values: unknown[] = [];
        for (let i = 0; i < count; i++) values.push(this.#read());
        return values;
      }
      case COLUMN.strings: {
        const strings = this.#strings.read(this.#bytes, this.#view, this.#at, count);
        this.#at = this.#strings.end;
        return strings;
      }
      case COLUMN.booleans: {
        const values: boolean[] = [];
        for (let i = 0; i < count; i++) values.push(this.#bytes[this.#at++] === 1);
        return values;
      }
      case COLUMN.objects:
        return this.#objects(count);
      default:
        throw new SerializationError(`Cannot read a value from another thread: unknown kind of column ${kind}`);
    }
  }

  /** Reads objects of one shape. */
  #objects(count: number): Properties[] {
    const shape = this.#shape();
    const columns: (ArrayLike<unknown> | undefined)[] = shape.keys.map(() => undefined);
    let flat = this.#view.getUint8(this.#at++);
    let rest = columns.length - flat;
    if (rest < 0) throw new SerializationError("Cannot read a value from another thread: a shape has fewer keys");
    for (; flat > 0; flat--) {
      const k = this.#index(columns.length);
      columns[k] = this.#column(count);
    }
    const rows = shape.build(count, columns);
    if (this.#noting) { for (let i = 0; i < count; i++) this.#seen.push(rows[i]); }
    for (; rest > 0; rest--) shape.assign(rows, this.#index(columns.length), this.#column(count));
    return rows;
  }

  /** Reads the index of a key. */
  #index(count: number): number {
    const index = this.#view.getUint8(this.#at++);
    if (index < count) return index;
    throw new SerializationError("Cannot read a value from another thread: there is no such key");
  }

  /** Reads the number of a shape, and its keys if it is new. */
  #shape(): Shape {
    const number = this.#count();
    const known = this.#known[number];
    if (known !== undefined) return known;
    const shape = this.#shapes.ofJoined(this.#longText());
    if (shape === undefined || number !== this.#known.length) {
      throw new SerializationError("Cannot read a value from another thread: there is no such shape");
    }
    this.#known.push(shape);
    return shape;
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
    const place = this.#takePlace();
    const offset = this.#read();
    const length = this.#read();
    const buffer = this.#read();
    if (typeof offset !== "number" || typeof length !== "number" || !isBuffer(buffer)) {
      throw new SerializationError("Cannot read a value from another thread: a view has no buffer");
    }
    const View =
      (globalThis as unknown as Record<string, new (b: ArrayBufferLike, o: number, n: number) => unknown>)[name];
    if (View === undefined) throw new SerializationError(`There is no ${name} on this side`);
    return this.#fillPlace(place, new View(buffer, offset, length));
  }
}

/** Returns an object that wraps a primitive value. */
function boxed(value: unknown): object {
  if (
    typeof value === "number" || typeof value === "string" || typeof value === "boolean" || typeof value === "bigint"
  ) {
    return Object(value) as object;
  }
  throw new SerializationError("Cannot read a value from another thread: it is of another kind");
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function at(list: readonly unknown[], index: number): unknown {
  if (index >= list.length) throw new SerializationError("Cannot read a value from another thread: a part is missing");
  return list[index];
}
