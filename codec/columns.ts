/**
 * Columns: values of one kind that stand together, packed. `tags.ts` describes the format.
 *
 * @module
 */

import type { ByteWriter } from "./byte_writer.ts";
import type { Shape, ShapeTable } from "./shapes.ts";
import { COLUMN } from "./tags.ts";
import { writeStrings } from "./text.ts";

const { getTime } = Date.prototype;

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
 * Writes the numbers from index `start` up to, but not including, `end`, aligned. Returns whether they are 32-bit integers;
 * otherwise they are doubles.
 */
export function writeNumbers(out: ByteWriter, numbers: readonly number[], start: number, end: number): boolean {
  const length = end - start;
  out.align(length * 8);
  const { buffer } = out.bytes;
  if (packInts(numbers, start, new Int32Array(buffer, out.length, length))) {
    out.length += length * 4;
    return true;
  }
  const packed = new Float64Array(buffer, out.length, length);
  for (let i = 0; i < length; i++) packed[i] = numbers[start + i]!;
  out.length += length * 8;
  return false;
}

/** Returns whether a value may begin a column that {@linkcode writeFlatColumn} writes. */
export function isFlat(value: unknown): boolean {
  const type = typeof value;
  return type === "number" || type === "string" || type === "boolean";
}

/**
 * Writes a column of only numbers, strings or booleans. Returns false, with nothing written, for other values, and if a
 * string has more than `mostText` UTF-16 units.
 */
export function writeFlatColumn(out: ByteWriter, values: readonly unknown[], mostText: number): boolean {
  switch (typeof values[0]) {
    case "number": {
      if (!isNumbers(values)) return false;
      const at = out.length;
      out.byte(COLUMN.ints);
      if (!writeNumbers(out, values, 0, values.length)) out.bytes[at] = COLUMN.doubles;
      return true;
    }
    case "string":
      if (!isStrings(values, mostText)) return false;
      out.byte(COLUMN.strings);
      writeStrings(values, out);
      return true;
    case "boolean":
      if (!isBooleans(values)) return false;
      out.byte(COLUMN.booleans);
      out.reserve(values.length);
      for (let i = 0; i < values.length; i++) out.bytes[out.length + i] = values[i] ? 1 : 0;
      out.length += values.length;
      return true;
    default:
      return false;
  }
}

function isStrings(values: readonly unknown[], most: number): values is readonly string[] {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== "string" || value.length > most) return false;
  }
  return true;
}

function isBooleans(values: readonly unknown[]): values is readonly boolean[] {
  for (let i = 0; i < values.length; i++) if (typeof values[i] !== "boolean") return false;
  return true;
}

/** Returns whether all values are dates, and not of a subclass. */
export function isDates(values: readonly unknown[]): values is readonly Date[] {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!(value instanceof Date) || Object.getPrototypeOf(value) !== Date.prototype) return false;
  }
  return true;
}

/**
 * Writes a column of dates. `add` numbers them; it is told whether they are known to be distinct. Returns false, with nothing
 * written, if it does.
 */
export function writeDates(
  out: ByteWriter,
  dates: readonly Date[],
  add: (dates: readonly Date[], distinct: boolean) => boolean,
): boolean {
  const start = out.length;
  out.byte(COLUMN.dates);
  out.align(dates.length * 8);
  const times = new Float64Array(out.bytes.buffer, out.length, dates.length);
  for (let i = 0; i < dates.length; i++) times[i] = getTime.call(dates[i]);
  if (!add(dates, rises(times))) {
    out.length = start;
    return false;
  }
  out.length += times.byteLength;
  return true;
}

/** Returns whether each value is a number above the one before: then what they belong to are distinct objects. */
export function rises(values: ArrayLike<unknown>): boolean {
  const { length } = values;
  let last = -Infinity;
  for (let i = 0; i < length; i++) {
    const value = values[i];
    if (typeof value !== "number" || !(value > last)) return false;
    last = value;
  }
  return true;
}

/** Returns the shape of values that are all plain objects with the same keys. */
export function commonShape(shapes: ShapeTable, values: readonly unknown[]): Shape | undefined {
  let shape: Shape | undefined;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return undefined;
    if (shape === undefined) {
      shape = shapes.ofKeys(Object.keys(value));
      if (shape === undefined) return undefined;
    } else if (!shape.fits(value)) return undefined;
  }
  return shape;
}
