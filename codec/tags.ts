/**
 * The format of encoded values: a byte that says whether the value refers to some of its objects again, then the value. Each value
 * begins with a tag.
 *
 * Values that structured clone takes become a flat sequence of tagged bytes, so that a small message fits into shared
 * memory and needs no turn of the event loop. Values of one kind that stand together are packed into columns, and objects
 * of one shape are written without their keys (`shapes.ts`). Values that bytes cannot hold (large or transferred buffers, shared
 * memory, ports, blobs) go into `refs`, which travel beside the bytes by `postMessage`.
 *
 * In addition to structured clone, functions travel by source at any depth, errors keep their class, own properties,
 * `cause` and `errors`, and objects in shared memory travel as handles (`handles.ts`).
 *
 * @module
 */

/** The first byte of an encoded value in which objects occur again, so that the decoder has to number them. */
export const REFERS = 1;

/** The tags, with which values begin. */
export const TAG = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  int: 4,
  double: 5,
  ascii: 6,
  bigint64: 9,
  bigint: 10,
  array: 11,
  doubles: 12,
  arrayWithProperties: 13,
  hole: 14,
  object: 15,
  map: 16,
  set: 17,
  date: 18,
  error: 19,
  back: 20,
  ref: 21,
  function: 22,
  buffer: 23,
  view: 24,
  sparse: 25,
  shared: 26,
  ints: 27,
  /** An array as a column. */
  column: 28,
  /** The first string of a run: the position of the run's text, and the length of the string. */
  first: 29,
  /** Another string of the run: its length in one byte. */
  next: 30,
  /** Another string of the run: its length in four bytes. */
  nextLong: 31,
  /** The text of a run, which is passed over here. */
  run: 32,
  /** A text of its own. */
  text: 33,
  /** An object of a shape: the shape, and its values. */
  shaped: 34,
  /** A string or BigInt beside the bytes. */
  beside: 35,
  /** A BigInt as the engine writes it: the number of bytes, and the bytes. */
  rawBigint: 38,
  /** A regular expression: its source and its flags. */
  regexp: 36,
  /** An object that wraps a primitive value: the value. */
  boxed: 37,
} as const;

/**
 * The kinds of columns. A column holds a known number of values: those of an array, those of a map or set, or those
 * that the objects of an array have under one key.
 */
export const COLUMN = {
  /** Values of any kind, each with its tag. */
  any: 0,
  /** Packed 32-bit integers, aligned to 8 bytes. */
  ints: 1,
  /** Packed doubles, aligned to 8 bytes. */
  doubles: 2,
  /** Strings: see `text.ts`. */
  strings: 3,
  /** One byte for each value, 1 for true. */
  booleans: 4,
  /** Dates, as packed doubles. */
  dates: 5,
  /**
   * Objects of one shape: the shape; the number of flat columns, each with the index of its key; then the other
   * columns, likewise. The objects take their numbers between the two.
   */
  objects: 6,
} as const;

/** The classes of views. A view is encoded with its class's index in this list. */
export const VIEWS = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "DataView",
  "Float16Array",
] as const;

/** Sets an own property of any name: `__proto__` is treated like any other name. */
export function define(target: object, key: string, value: unknown): void {
  if (key in target) { // an inherited name, such as `__proto__` or `toString`: assigning might call a setter
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (target as Record<string, unknown>)[key] = value;
  }
}
