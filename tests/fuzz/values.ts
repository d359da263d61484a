/** Values: simple ones, those that structured clone takes, and hostile ones. */

import { Future, Lock, Pool, ThreadPool } from "../../mod.ts";
import { Own, throwOwn } from "./errors.ts";
import { type Fuzz, known, label, wrong } from "./fuzz.ts";

/** A value by name. `clone` is what has to arrive on the other side, if that is certain. */
export interface Sample {
  readonly name: string;
  readonly value: unknown;
  readonly clone?: { readonly value: unknown };
}

export const PRIMITIVES: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  NaN,
  0,
  -0,
  1,
  -1,
  0.5,
  -1.5,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 32,
  2 ** 53,
  1e308,
  5e-324,
  Infinity,
  -Infinity,
  0n,
  -1n,
  2n ** 64n,
  -(2n ** 200n),
  "",
  "1",
  "own name",
  "__proto__",
  "\u0000",
  "a\ud800",
  "\udc00é漢🎉",
  "long ".repeat(9000),
];

export class Point {
  x = 1;
  #hidden = 2;
  get sum(): number {
    return this.x + this.#hidden;
  }
}

class OddMap extends Map<unknown, unknown> {
  override get size(): number {
    return 7;
  }
  override *[Symbol.iterator](): MapIterator<[unknown, unknown]> {
    yield [5, 5];
  }
}

class OddSet extends Set<unknown> {
  override has(): boolean {
    throw new Own();
  }
  override *[Symbol.iterator](): SetIterator<unknown> {
    yield 5;
  }
}

class MyDate extends Date {
  extra = 1;
}

class OddDate extends Date {
  override getTime(): number {
    return 5;
  }
}

class OddBytes extends Uint8Array {
  override get length(): number {
    return 1;
  }
}

class OddTag extends Uint8Array {
  override get [Symbol.toStringTag](): "Uint8Array" {
    return wrong("Odd");
  }
}

class MyRegExp extends RegExp {
  override get flags(): string {
    return "g";
  }
}

class Tagged {
  a = 1;
  get [Symbol.toStringTag](): string {
    return "Map";
  }
}

export class MyArray extends Array<unknown> {}

function deep(levels: number): unknown {
  let value: unknown = "end";
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? { value } : [value];
  return value;
}

function cyclic(): unknown {
  const object: Record<string, unknown> = { list: [1], map: new Map() };
  object.self = object;
  (object.list as unknown[]).push(object.list, object);
  (object.map as Map<unknown, unknown>).set(object, object.map);
  return object;
}

export function sparse(length: number, ...at: number[]): unknown[] {
  const list: unknown[] = [];
  list.length = length;
  for (const index of at) list[index] = index;
  return list;
}

export function resizable(): ArrayBuffer {
  return new ArrayBuffer(8, { maxByteLength: 64 });
}

export function swapped(value: object, prototype: object | null): object {
  return Object.setPrototypeOf(value, prototype);
}

/** What structured clone takes. */
const CLONEABLE: readonly (readonly [name: string, make: () => unknown])[] = [
  ["an object", () => ({ a: 1, b: [2, { c: 3 }], 7: "seven" })],
  ["an object without a prototype", () => Object.assign(Object.create(null), { a: 1, hasOwnProperty: 2 })],
  ["keys of Object.prototype", () => JSON.parse('{"__proto__": {"x": 1}, "constructor": 2, "then": 3, "toString": 4}')],
  ["inherited properties", () => Object.assign(Object.create({ inherited: 1 }), { own: 2 })],
  ["a symbol as a key", () => ({ a: 1, [Symbol("s")]: 2 })],
  ["a frozen object", () => Object.freeze({ a: Object.freeze([1]) })],
  ["a getter", () => ({
    get a() {
      return 1;
    },
  })],
  ["hidden properties", () => Object.defineProperty({ a: 1 }, "b", { value: 2 })],
  ["cycles", cyclic],
  ["500 levels", () => deep(500)],
  ["numbers", () => [1, 2, 3, 4, 5, 6, 7, 8, -0, NaN]],
  ["small integers", () => Array.from({ length: 5000 }, (_, i) => i)],
  ["holes", () => sparse(5, 1, 3)],
  ["few in many", () => sparse(1_000_000, 7, 999_999)],
  ["named elements", () => Object.assign([1, 2], { name: "n", "01": 3 })],
  ["a match", () => /b(?<c>c)/.exec("abcd")],
  ["a subclass of Array", () => MyArray.from([1, 2, 3])],
  ["arguments", () =>
    (function (..._: unknown[]): unknown {
      return arguments;
    })(1, 2)],
  ["a date", () => new Date(1e12)],
  ["no date", () => new Date(NaN)],
  ["a subclass of Date", () => new MyDate(1e12)],
  ["a map", () => new Map<unknown, unknown>([[{ a: 1 }, NaN], [NaN, new Map()], [-0, 1]])],
  ["a set", () => new Set<unknown>([{ a: 1 }, NaN, "x", undefined])],
  ["an odd map", () => new OddMap([[1, 2]])],
  ["an odd set", () => new OddSet()],
  ["a regular expression", () => /a+\/[/]/gu],
  ["a subclass of RegExp", () => new MyRegExp("a", "i")],
  ["a private field", () => new Point()],
  ["a liar about its class", () => new Tagged()],
  ["a liar without a class", () => ({ [Symbol.toStringTag]: "Date", a: 1 })],
  ["a boxed number", () => Object(-0)],
  ["a boxed string", () => Object("text")],
  ["a boxed bigint", () => Object(5n)],
  ["a boxed boolean", () => Object(false)],
  ["bytes", () => new Uint8Array([1, 2, 3])],
  ["many bytes", () => new Uint8Array(100_000).fill(7)],
  ["a part of a buffer", () => new Float32Array(new ArrayBuffer(32), 8, 2)],
  ["two views of a buffer", () => {
    const buffer = new ArrayBuffer(16);
    return [new Uint8Array(buffer), new DataView(buffer, 3, 4), buffer];
  }],
  ["bigints", () => new BigInt64Array([1n, -1n])],
  ["a resizable buffer", resizable],
  ["a view of fixed length", () => new Uint8Array(resizable(), 2, 3)],
  ["shared memory", () => new Int32Array(new SharedArrayBuffer(8))],
  ["growable shared memory", () => new SharedArrayBuffer(8, { maxByteLength: 16 })],
  ["an error", () => new RangeError("range", { cause: [1] })],
  ["a DOMException", () => new DOMException("dom", "DataError")],
  ["a BigInt in an object", () => ({ n: 2n ** 70n })],
  // Found once: a Date whose class overrides getTime() arrives with another time.
  ...known("overrides", ["an odd date", () => new OddDate(1e12)] as const),
  // Found once: a typed array whose class overrides `length` or its tag arrives short, or is refused.
  ...known("overrides", ["odd bytes", () => new OddBytes(3)] as const, ["odd tag", () => new OddTag(3)] as const),
  // Found once: a Map, Date … whose prototype is null or Object.prototype arrives as an empty object.
  ...known(
    "swapped",
    ["a map without a prototype", () => swapped(new Map([[1, 2]]), null)] as const,
    ["a date as an object", () => swapped(new Date(5), Object.prototype)] as const,
  ),
];

export function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

export function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy each of whose traps throws. */
export function throwing(target: object): unknown {
  return new Proxy(target, new Proxy({}, { get: () => throwOwn }));
}

/** A proxy that answers what it is asked, until it has been asked `count` times. */
export function tiring(target: object, count: number): unknown {
  const tire = (): void => {
    if (count-- <= 0) throw new Own();
  };
  return new Proxy(target, {
    get(target, key, receiver) {
      tire();
      return Reflect.get(target, key, receiver);
    },
    ownKeys(target) {
      tire();
      return Reflect.ownKeys(target);
    },
  });
}

/** What fails, or arrives in one way or another. */
const HOSTILE: readonly (readonly [name: string, make: () => unknown])[] = [
  ["a symbol", () => Symbol("s")],
  ["a well-known symbol", () => Symbol.iterator],
  ["a boxed symbol", () => Object(Symbol("s"))],
  ["a function", () => (x: unknown) => x],
  ["a bound function", () => ((x: unknown) => x).bind(null)],
  ["a class", () => Point],
  ["a class of this library", () => Pool],
  ["a promise", () => Promise.resolve(1)],
  ["a weak map", () => new WeakMap()],
  ["a weak reference", () => new WeakRef({})],
  ["a generator", () => (function* () {})()],
  ["an async generator", () => (async function* () {})()],
  ["a signal", () => new AbortController().signal],
  ["an aborted signal", () => AbortSignal.abort(new Own())],
  ["headers", () => new Headers([["a", "b"]])],
  ["a stream", () => new ReadableStream()],
  ["a blob", () => new Blob(["blob"])],
  ["a URL", () => new URL("https://example.com/")],
  ["a proxy", () => new Proxy({ a: 1 }, {})],
  ["a proxy of an array", () => new Proxy([1, 2, 3], {})],
  ["a proxy of a date", () => new Proxy(new Date(1), {})],
  ["a proxy of a map", () => new Proxy(new Map([[1, 2]]), {})],
  ["a proxy of bytes", () => new Proxy(new Uint8Array(3), {})],
  ["a proxy of a lock", () => new Proxy(new Lock(), {})],
  ["a proxy of a function", () => new Proxy((x: unknown) => x, {})],
  ["a revoked proxy", () => revoked({})],
  ["a revoked proxy of an array", () => revoked([])],
  ["a revoked proxy of a function", () => revoked(() => {})],
  ["a throwing proxy", () => throwing({})],
  ["a throwing proxy of an array", () => throwing([])],
  ["a throwing proxy of a function", () => throwing(() => {})],
  ["a tiring proxy", () => tiring({ a: 1, b: 2 }, 3)],
  ["a tiring array", () => tiring([1, 2, 3], 4)],
  ["a proxy with odd keys", () => new Proxy({}, { ownKeys: () => wrong([1]) })],
  [
    "a proxy with an odd length",
    () => new Proxy([1, 2, 3], { get: (t, k, r) => k === "length" ? 2.5 : Reflect.get(t, k, r) }),
  ],
  ["a getter that throws", () => ({
    a: 1,
    get b() {
      return throwOwn();
    },
  })],
  ["a getter that throws a string", () => ({
    get a() {
      throw "own";
    },
  })],
  ["an element that throws", () => Object.defineProperty([1, 2, 3], 1, { get: throwOwn, enumerable: true })],
  ["an object that grows", () => {
    const object: Record<string, unknown> = Object.defineProperty({}, "a", {
      get: () => object[`x${Object.keys(object).length}`] = 1,
      enumerable: true,
    });
    return object;
  }],
  ["an array that shrinks", () => {
    const list: unknown[] = Array.from({ length: 20 }, (_, i) => `${i}`);
    return Object.defineProperty(list, 2, { get: () => list.length = 3, enumerable: true });
  }],
  ["a thenable", () => ({ then: (resolve: (value: unknown) => void) => resolve(1) })],
  ["a thenable that throws", () => ({ then: throwOwn })],
  ["a getter as then", () => Object.defineProperty({}, "then", { get: throwOwn, enumerable: true })],
  [
    "conversions that throw",
    () => ({ toString: throwOwn, valueOf: throwOwn, toJSON: throwOwn, [Symbol.toPrimitive]: throwOwn }),
  ],
  ["a tag that throws", () =>
    new (class {
      get [Symbol.toStringTag](): string {
        throw new Own();
      }
    })()],
  ["5000 levels", () => deep(5000)],
  ["a detached buffer", detached],
  ["a view of a detached buffer", () => {
    const view = new Uint8Array(8);
    structuredClone(view, { transfer: [view.buffer] });
    return view;
  }],
  ["a fake map", () => Object.create(Map.prototype)],
  ["a fake set", () => Object.create(Set.prototype)],
  ["a fake date", () => Object.create(Date.prototype)],
  ["a fake error", () => Object.create(Error.prototype)],
  ["a fake buffer", () => Object.create(ArrayBuffer.prototype)],
  ["a fake lock", () => ({ [Symbol.for("@manycore/parallel/handle")]: throwOwn })],
  ["an odd handle", () => ({ kind: "Lock", threadTable: 1, memory: {} })],
  [
    "an odd error",
    () => Object.defineProperty(Object.assign(new TypeError("t"), { f: () => 1 }), "stack", { get: throwOwn }),
  ],
  ["an error with itself as cause", () => {
    const error = new Error("e");
    error.cause = { error };
    return error;
  }],
  ["an aggregate", () => new AggregateError([Symbol("s")], "agg")],
  ["a future", () => new Future()],
  ["a pool", () => new ThreadPool(1)],
  ["a number as a class", () => new Proxy(class {}, {})],
  // Found once: what only has the prototype of a signal is taken for one; a map with it is never over for join().
  ...known("signals", ["a fake signal", () => Object.create(AbortSignal.prototype)] as const),
];

/** What has to arrive; of some things a runtime knows no clone. */
function cloneOf(value: unknown): Pick<Sample, "clone"> {
  try {
    return { clone: { value: structuredClone(value) } };
  } catch {
    return {};
  }
}

/** Returns a value of any kind, now and then inside of another one. */
export function sample(fuzz: Fuzz): Sample {
  const kind = fuzz.next(10);
  if (kind < 3) {
    const value = fuzz.pick(PRIMITIVES);
    return { name: label(value), value, clone: { value } };
  }
  if (kind < 6) {
    const [name, make] = fuzz.pick(CLONEABLE);
    const value = make();
    return { name, value, ...cloneOf(value) };
  }
  const [name, make] = fuzz.pick(HOSTILE);
  const inner = make();
  if (!fuzz.chance(4)) return { name, value: inner };
  const holders: readonly (() => unknown)[] = [
    () => [1, inner],
    () => ({ a: inner }),
    () => new Map([[inner, 1]]),
    () => new Map([[1, inner]]),
    () => new Set([inner]),
    () => new Error("e", { cause: inner }),
    () => [1, 2, 3, 4, 5, 6, 7, 8, inner],
  ];
  return { name: `${name}, inside`, value: fuzz.pick(holders)() };
}
