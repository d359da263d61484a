/**
 * The types of shared values, and the values that fit each of them.
 *
 * @module
 */

import { show } from "../../base/checks.ts";

/** The types of numbers that fit into a JavaScript number: Python's codes, and Deno's names for the same types. */
export type NumberType =
  | "b"
  | "i8"
  | "B"
  | "u8"
  | "h"
  | "i16"
  | "H"
  | "u16"
  | "i"
  | "l"
  | "i32"
  | "I"
  | "L"
  | "u32"
  | "f"
  | "f32"
  | "d"
  | "f64";
/** The types of 64-bit integers, which are bigints. */
export type BigIntType = "q" | "i64" | "Q" | "u64";
/** The type of strings: UTF-8 in a slot of fixed size. */
export type StringType = "z";
/** The types of integers, which have atomic operations. */
export type IntegerType = Exclude<NumberType, "f" | "f32" | "d" | "f64"> | BigIntType;
/** The types of shared values. */
export type SharedType = NumberType | BigIntType | StringType;
/** The JavaScript type of a value of type `T`. */
export type ValueOf<T extends SharedType> = T extends StringType ? string : T extends BigIntType ? bigint : number;

/** The typed array of a `SharedArray` of type `T`; `never` for strings. */
export type ViewOf<T extends SharedType> = T extends "b" | "i8" ? Int8Array<SharedArrayBuffer>
  : T extends "B" | "u8" ? Uint8Array<SharedArrayBuffer>
  : T extends "h" | "i16" ? Int16Array<SharedArrayBuffer>
  : T extends "H" | "u16" ? Uint16Array<SharedArrayBuffer>
  : T extends "i" | "l" | "i32" ? Int32Array<SharedArrayBuffer>
  : T extends "I" | "L" | "u32" ? Uint32Array<SharedArrayBuffer>
  : T extends "q" | "i64" ? BigInt64Array<SharedArrayBuffer>
  : T extends "Q" | "u64" ? BigUint64Array<SharedArrayBuffer>
  : T extends "f" | "f32" ? Float32Array<SharedArrayBuffer>
  : T extends "d" | "f64" ? Float64Array<SharedArrayBuffer>
  : never;

/** Any of the typed arrays. */
export type AnyView = ViewOf<NumberType> | ViewOf<BigIntType>;
/** The typed arrays that have atomic operations. */
export type IntegerView = Exclude<AnyView, Float32Array<SharedArrayBuffer> | Float64Array<SharedArrayBuffer>>;

type ViewClass = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: SharedArrayBuffer, offset: number, length: number): AnyView;
};

/** The description of a numeric type. */
export interface NumericType {
  /** The typed array of the type. */
  readonly View: ViewClass;
  /** The least value; undefined if the type is not an integer type. */
  readonly least?: number | bigint;
  /** The greatest value; undefined if the type is not an integer type. */
  readonly most?: number | bigint;
}

const TYPES: Readonly<Record<string, NumericType>> = {
  b: { View: Int8Array, least: -0x80, most: 0x7f },
  B: { View: Uint8Array, least: 0, most: 0xff },
  h: { View: Int16Array, least: -0x8000, most: 0x7fff },
  H: { View: Uint16Array, least: 0, most: 0xffff },
  i: { View: Int32Array, least: -0x80000000, most: 0x7fffffff },
  I: { View: Uint32Array, least: 0, most: 0xffffffff },
  q: { View: BigInt64Array, least: -(2n ** 63n), most: 2n ** 63n - 1n },
  Q: { View: BigUint64Array, least: 0n, most: 2n ** 64n - 1n },
  f: { View: Float32Array },
  d: { View: Float64Array },
};
const NAMES: Readonly<Record<string, string>> = {
  i8: "b",
  u8: "B",
  i16: "h",
  u16: "H",
  i32: "i",
  l: "i",
  u32: "I",
  L: "I",
  i64: "q",
  u64: "Q",
  f32: "f",
  f64: "d",
};

/**
 * Returns the numeric type named `type`; undefined for strings.
 *
 * @throws {TypeError} If `type` is not a string.
 * @throws {RangeError} If there is no such type.
 */
export function numericType(type: unknown): NumericType | undefined {
  if (typeof type !== "string") {
    throw new TypeError(`Cannot share a value as its 'type' must be a string: current value is ${show(type)}`);
  }
  if (type === "z") return undefined;
  const code = Object.hasOwn(NAMES, type) ? NAMES[type]! : type;
  if (!Object.hasOwn(TYPES, code)) {
    throw new RangeError(
      `Cannot share a value as there is no type ${show(type)}: the types are b B h H i I l L q Q f d z`,
    );
  }
  return TYPES[code];
}

/**
 * Returns `value` if it fits a type.
 *
 * @throws {TypeError} If `value` is of the wrong kind.
 * @throws {RangeError} If `value` is out of range.
 */
export function checkNumber(type: NumericType, name: string, value: unknown): number | bigint {
  const { least, most } = type;
  const kind = typeof least === "bigint" ? "bigint" : "number";
  if (typeof value !== kind || (typeof least === "number" && !Number.isInteger(value))) {
    const what = kind === "bigint" ? "a bigint" : least === undefined ? "a number" : "a whole number";
    throw new TypeError(
      `Cannot store in a value of type '${name}' as it holds ${what}: current value is ${show(value)}`,
    );
  }
  const number = value as number | bigint;
  const fits = least === undefined
    ? type.View !== Float32Array || !Number.isFinite(number as number) || Number.isFinite(Math.fround(number as number))
    : number >= least && number <= most!;
  if (!fits) {
    throw new RangeError(`Cannot store ${show(number)} in a value of type '${name}' as it is out of range`);
  }
  return number;
}

/** The default of the greatest size of a string, in bytes. */
export const MAX_BYTES = 256;

/**
 * Returns the option `maxBytes`, or its default.
 *
 * @throws {TypeError} If `maxBytes` is not a number.
 * @throws {RangeError} If `maxBytes` is not a whole number from 1 to 1073741823.
 */
export function checkMaxBytes(maxBytes: unknown): number {
  if (maxBytes === undefined) return MAX_BYTES;
  if (typeof maxBytes !== "number") {
    throw new TypeError(`Cannot use 'maxBytes' as it must be a number: current value is ${show(maxBytes)}`);
  }
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > 0x3fffffff) {
    throw new RangeError(`Cannot use 'maxBytes' as it must be a positive integer: current value is ${show(maxBytes)}`);
  }
  return maxBytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Returns the UTF-8 bytes of a string.
 *
 * @throws {TypeError} If `value` is not a string, or holds a lone surrogate.
 * @throws {RangeError} If the string takes more than `maxBytes`.
 */
export function stringBytes(value: unknown, maxBytes: number): Uint8Array<ArrayBuffer> {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot store in a value of type 'z' as it holds a string: current value is ${show(value)}`);
  }
  if (!value.isWellFormed()) {
    throw new TypeError(`Cannot store ${show(value)} in a value of type 'z' as it holds half a character`);
  }
  const bytes = encoder.encode(value);
  if (bytes.length > maxBytes) {
    throw new RangeError(`Cannot store a string of ${bytes.length} bytes in a value of type 'z' of ${maxBytes}`);
  }
  return bytes;
}

/** Returns the string in a part of shared memory. */
export function stringOf(bytes: Uint8Array, start: number, length: number): string {
  return decoder.decode(bytes.slice(start, start + length)); // a copy: a decoder does not accept shared memory
}
