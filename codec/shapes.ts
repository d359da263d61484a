/**
 * Shapes: the lists of keys that plain objects have in common. An object of a known shape is written without its keys,
 * and an array of objects of one shape as columns, one for each key.
 *
 * Where code may be generated, each shape that occurs often gets functions of its own. Their text holds keys, as string
 * literals, and nothing else of the values. The number of shapes and of functions is limited, so a sender that invents
 * shapes costs no more than one whose objects have none.
 *
 * @module
 */

import { ByteWriter } from "./byte_writer.ts";
import { define } from "./tags.ts";
import { writeText } from "./text.ts";

/** An object with any keys. */
export type Properties = Record<string, unknown>;

/** The largest number of keys of a shape. */
const MOST_KEYS = 64;
/** The largest length of the keys of a shape, joined. */
const LONGEST = 2000;
/** The number of shapes that a table has at most. */
const MOST_SHAPES = 1024;
/** The number of shapes of a table that get generated functions. */
const MOST_GENERATED = 256;
/** The number of objects of a shape after which its functions are generated: that takes as long as to read some hundred. */
const OFTEN = 100;
/** The shapes with the same first key that are compared with an object. */
const MOST_ALIKE = 8;
/** Separates keys. Keys that contain it have no shape. */
const SEPARATOR = "\0";

// Captured before any task runs, which may replace them.
const { Function } = globalThis;
const { stringify } = JSON;

/** Calls `write` with each value of an object. */
type Emit = (object: Properties, write: (value: unknown) => void) => void;
/** Fills columns with the values of objects. */
type Gather = (rows: readonly Properties[], columns: readonly unknown[][]) => void;
/** Returns objects made from columns; a property whose column is undefined is undefined. */
type Build = (count: number, columns: readonly (ArrayLike<unknown> | undefined)[]) => Properties[];
/** Sets one property of objects. */
type Assign = (rows: readonly Properties[], column: ArrayLike<unknown>) => void;
/** Returns an object; calls `note` with it while its properties are undefined, then `read` for each of them. */
type Read = (note: (object: object) => void, read: () => unknown) => Properties;

/** A list of keys, and functions for objects that have exactly these keys in this order. */
export class Shape {
  readonly keys: readonly string[];
  /** The keys, joined, as an encoded text. */
  readonly text: Uint8Array;
  /** The number of the shape in the value that `value` counts. */
  number = 0;
  /** The value that has a number for the shape. */
  value = 0;
  readonly #mayGenerate: () => boolean;
  #uses = 0;
  /** True if functions are generated, false if not; undefined while the shape is rare. */
  #generates: boolean | undefined;
  #gather: Gather | undefined;
  #emit: Emit | undefined;
  #read: Read | undefined;
  readonly #builds = new Map<string, Build>();
  readonly #assigns: Assign[] = [];

  /** `mayGenerate` is called once, when the shape has occurred often; it returns whether its table has room for functions. */
  constructor(keys: readonly string[], joined: string, mayGenerate: () => boolean) {
    this.keys = keys;
    const out = new ByteWriter();
    writeText(joined, out);
    this.text = out.bytes.slice(0, out.length);
    this.#mayGenerate = mayGenerate;
  }

  /** Counts objects. Returns whether functions are generated. */
  #use(count: number): boolean {
    if (this.#generates === undefined && (this.#uses += count) >= OFTEN) this.#generates = this.#mayGenerate();
    return this.#generates === true;
  }

  /** Returns whether `keys` are the keys of this shape. */
  matches(keys: readonly string[]): boolean {
    const own = this.keys;
    const { length } = own;
    if (keys.length !== length) return false;
    for (let i = 0; i < length; i++) if (keys[i] !== own[i]) return false;
    return true;
  }

  /** Returns whether the keys of a plain object are those of this shape. It allocates nothing, as `Object.keys()` would. */
  fits(object: object): boolean {
    const own = this.keys;
    let count = 0;
    for (const key in object) if (own[count++] !== key) return false; // inherited keys come last, and so do not fit
    return count === own.length;
  }

  /** Calls `write` with each value of an object of this shape. */
  emit(object: Properties, write: (value: unknown) => void): void {
    if (this.#use(1)) return (this.#emit ??= generate<Emit>(emitText(this.keys)))(object, write);
    for (const key of this.keys) write(object[key]);
  }

  /** Reads the properties of objects of this shape, object by object, into one array for each key. */
  gather(rows: readonly Properties[]): unknown[][] {
    const { keys } = this;
    const columns = keys.map(() => new Array<unknown>(rows.length));
    if (this.#use(rows.length)) {
      (this.#gather ??= generate<Gather>(gatherText(keys)))(rows, columns);
    } else {
      for (let i = 0; i < rows.length; i++) {
        for (let k = 0; k < keys.length; k++) columns[k]![i] = rows[i]![keys[k]!];
      }
    }
    return columns;
  }

  /** Returns `count` objects. `columns` has the values of each key, or undefined for one whose values are set later. */
  build(count: number, columns: readonly (ArrayLike<unknown> | undefined)[]): Properties[] {
    if (this.#use(count)) {
      const which = columns.map((column) => column === undefined ? "-" : "+").join("");
      let build = this.#builds.get(which);
      if (build === undefined && this.#builds.size < MOST_ALIKE) {
        this.#builds.set(which, build = generate<Build>(buildText(this.keys, which)));
      }
      if (build !== undefined) return build(count, columns);
    }
    const rows: Properties[] = [];
    for (let i = 0; i < count; i++) {
      const row: Properties = {};
      for (let k = 0; k < columns.length; k++) define(row, this.keys[k]!, columns[k]?.[i]);
      rows.push(row);
    }
    return rows;
  }

  /** Sets the property with the index `k` of objects of this shape. */
  assign(rows: readonly Properties[], k: number, column: ArrayLike<unknown>): void {
    const key = this.keys[k]!;
    if (this.#generates === true) {
      return (this.#assigns[k] ??= generate<Assign>(assignText(key)))(rows, column);
    }
    for (let i = 0; i < rows.length; i++) rows[i]![key] = column[i];
  }

  /** Returns an object of this shape. See {@linkcode Read}. */
  read(note: (object: object) => void, read: () => unknown): Properties {
    if (this.#use(1)) return (this.#read ??= generate<Read>(readText(this.keys)))(note, read);
    const object: Properties = {};
    note(object);
    for (const key of this.keys) define(object, key, read());
    return object;
  }
}

/** Compiles an expression. Its text consists of constant parts and of literals of checked keys. */
function generate<F>(text: string): F {
  return new Function(`"use strict"; return ${text};`)() as F;
}

/** Returns whether code can be generated on this thread. A page may forbid it. */
const generates = ((): boolean => {
  try {
    return generate<number>("1") === 1;
  } catch {
    return false;
  }
})();

function emitText(keys: readonly string[]): string {
  const body = keys.map((key) => `write(object[${stringify(key)}]);`).join(" ");
  return `(object, write) => { ${body} }`;
}

function gatherText(keys: readonly string[]): string {
  const names = keys.map((_, k) => `c${k}`);
  const body = keys.map((key, k) => `c${k}[i] = row[${stringify(key)}];`).join(" ");
  return `(rows, [${names}]) => { for (let i = 0; i < rows.length; i++) { const row = rows[i]; ${body} } }`;
}

function buildText(keys: readonly string[], which: string): string {
  const names = keys.map((_, k) => `c${k}`);
  const body = keys.map((key, k) => `${stringify(key)}: ${which[k] === "+" ? `c${k}[i]` : "undefined"}`).join(", ");
  return `(count, [${names}]) => { const rows = []; for (let i = 0; i < count; i++) rows.push({ ${body} }); return rows; }`;
}

function assignText(key: string): string {
  return `(rows, column) => { for (let i = 0; i < rows.length; i++) rows[i][${stringify(key)}] = column[i]; }`;
}

function readText(keys: readonly string[]): string {
  const fields = keys.map((key) => `${stringify(key)}: undefined`).join(", ");
  const body = keys.map((key) => `object[${stringify(key)}] = read();`).join(" ");
  return `(note, read) => { const object = { ${fields} }; note(object); ${body} return object; }`;
}

/** Returns whether objects with this key can have a shape. An index would change its place among the keys. */
function isPlainKey(key: string): boolean {
  if (key === "__proto__" || key.includes(SEPARATOR)) return false;
  const code = key.charCodeAt(0);
  return !(code >= 48 && code <= 57);
}

/** The shapes that one thread has written or read. */
export class ShapeTable {
  readonly #byJoined = new Map<string, Shape>();
  readonly #byFirst = new Map<string, Shape[]>();
  #generated = 0;

  readonly #mayGenerate = (): boolean => generates && this.#generated++ < MOST_GENERATED;

  /** Returns the shape of an object with these keys; undefined if it has none. */
  ofKeys(keys: readonly string[]): Shape | undefined {
    const first = keys[0];
    if (first === undefined || keys.length > MOST_KEYS) return undefined;
    const alike = this.#byFirst.get(first);
    if (alike !== undefined) {
      for (const shape of alike) if (shape.matches(keys)) return shape;
      if (alike.length >= MOST_ALIKE) return undefined;
    }
    if (this.#byJoined.size >= MOST_SHAPES || !keys.every(isPlainKey)) return undefined;
    const joined = keys.join(SEPARATOR);
    if (joined.length > LONGEST) return undefined;
    const shape = new Shape(keys, joined, this.#mayGenerate);
    this.#byJoined.set(joined, shape);
    if (alike === undefined) this.#byFirst.set(first, [shape]);
    else alike.push(shape);
    return shape;
  }

  /** Returns the shape whose joined keys were read; undefined if they are not the keys of a shape. */
  ofJoined(joined: string): Shape | undefined {
    const known = this.#byJoined.get(joined);
    if (known !== undefined) return known;
    const keys = joined.split(SEPARATOR);
    if (keys.length > MOST_KEYS || joined.length > LONGEST || !keys.every(isPlainKey)) return undefined;
    if (new Set(keys).size < keys.length) return undefined;
    const shape = new Shape(keys, joined, this.#mayGenerate);
    if (this.#byJoined.size < MOST_SHAPES) this.#byJoined.set(joined, shape);
    return shape;
  }
}
