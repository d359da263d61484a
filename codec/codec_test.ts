import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { SerializationError, TimeoutError } from "../errors.ts";
import { Barrier, Condition, JoinableQueue, Lock, Pipe, SharedArray, Value } from "../sync/mod.ts";
import { Decoder, sourceOf } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { EMPTY_ENVIRONMENT } from "./functions.ts";

const encoder = new Encoder();
const decoder = new Decoder(() => EMPTY_ENVIRONMENT, true);

function roundTrip(value: unknown): unknown {
  const { bytes, refs } = encoder.encode(value);
  return decoder.decode(sourceOf(bytes.slice()), 0, structuredClone(refs) as unknown[]);
}

/** As `roundTrip`, from the middle of shared memory, as in the submission ring. */
function roundTripShared(value: unknown): unknown {
  const { bytes, refs } = encoder.encode(value);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 24));
  shared.set(bytes, 16);
  return decoder.decode(sourceOf(shared), 16, refs);
}

/** Returns a small generator of random numbers from a seed, so that a failure can be replayed. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function anything(next: () => number, depth: number, met: object[]): unknown {
  const pick = Math.floor(next() * (depth > 0 ? 22 : 13));
  const size = Math.floor(next() * 12);
  const keep = <T extends object>(value: T): T => {
    met.push(value);
    return value;
  };
  const inner = (): unknown => anything(next, depth - 1, met);
  switch (pick) {
    case 0:
      return undefined;
    case 1:
      return null;
    case 2:
      return next() < 0.5;
    case 3:
      return Math.floor(next() * 2 ** 32) - 2 ** 31;
    case 4:
      return [0, -0, NaN, Infinity, -Infinity, Number.MAX_VALUE, 5e-324, 2 ** 31, -(2 ** 31)][size % 9];
    case 5:
      return "aé漢🎉\u0000\ud800".repeat(size);
    case 6:
      return "plain ".repeat(size * 10);
    case 7:
      return BigInt(Math.floor(next() * 1e9)) ** BigInt(size) * (next() < 0.5 ? -1n : 1n);
    case 8:
      return keep(new Date(size === 0 ? NaN : next() * 1e13));
    case 9:
      return keep(new Float64Array(size).map(() => next()));
    case 10:
      return keep(new Uint8Array(size * 1000));
    case 11:
      return keep(new DataView(new ArrayBuffer(size + 4), 1, 2));
    case 12:
      return keep(/x+/g);
    case 13:
    case 14: {
      const list: unknown[] = keep([]);
      for (let i = 0; i < size; i++) list[i] = inner();
      if (size === 7) delete list[2];
      return list;
    }
    case 15:
      return keep(Array.from({ length: size * 3 }, () => next() < 0.5 ? next() : size));
    case 16:
    case 17: {
      const object: Record<string, unknown> = keep({});
      for (let i = 0; i < size; i++) object[`key ${i}`] = inner();
      if (size === 3) Object.defineProperty(object, "__proto__", { value: inner(), enumerable: true });
      return object;
    }
    case 18: {
      const map = keep(new Map<unknown, unknown>());
      for (let i = 0; i < size; i++) map.set(inner(), inner());
      return map;
    }
    case 19:
      return keep(new Set(Array.from({ length: size }, inner)));
    case 20:
      return keep(new RangeError("range", { cause: inner() }));
    default:
      return met.length > 0 ? met[Math.floor(next() * met.length)] : null; // a shared object or a cycle
  }
}

Deno.test("Encoder and Decoder give what structured clone gives, for 3000 random values", () => {
  for (let seed = 0; seed < 3000; seed++) {
    const value = anything(random(seed), 4, []);
    // Values are compared as text, which works best for errors and cycles.
    const show = (value: unknown): string =>
      Deno.inspect(value, { depth: 20, iterableLimit: 100, strAbbreviateSize: 10_000 });
    const expected = show(structuredClone(value));
    assertEquals(show(roundTrip(value)), expected, `seed ${seed}`);
    assertEquals(show(roundTripShared(value)), expected, `seed ${seed}, shared`);
  }
});

Deno.test("Encoder keeps what is shared shared", () => {
  const part = { a: 1 };
  const buffer = new ArrayBuffer(16);
  const large = new ArrayBuffer(100_000);
  const [a, b, c, d, e, f] = roundTrip([
    part,
    [part],
    new Uint8Array(buffer),
    new Uint16Array(buffer, 4, 2),
    new Uint8Array(large),
    new Uint8Array(large, 5),
  ]) as [object, object[], Uint8Array, Uint16Array, Uint8Array, Uint8Array];
  assert(a === b[0]);
  assert(c.buffer === d.buffer);
  assertEquals([d.byteOffset, d.length], [4, 2]);
  assert(e.buffer === f.buffer);
});

Deno.test("Encoder keeps the class and the fields of errors", () => {
  const own = Object.assign(new TimeoutError("late", { cause: new AggregateError([1, new SyntaxError("s")], "agg") }), {
    code: 5,
  });
  const back = roundTrip(own);
  assertInstanceOf(back, TimeoutError);
  assertEquals([back.name, back.message, (back as unknown as { code: number }).code], ["TimeoutError", "late", 5]);
  assertEquals(back.stack, own.stack);
  assertInstanceOf(back.cause, AggregateError);
  assertInstanceOf(back.cause.errors[1], SyntaxError);
  class Custom extends TypeError {
    override name = "Custom";
  }
  const custom = roundTrip(new Custom("c"));
  assertInstanceOf(custom, TypeError);
  assertEquals([custom.name, custom.message], ["Custom", "c"]);
  const dom = roundTrip(new DOMException("d", "AbortError"));
  assertInstanceOf(dom, DOMException);
  assertEquals(dom.name, "AbortError");
  assertInstanceOf(roundTrip(new Deno.errors.PermissionDenied("p")), Deno.errors.PermissionDenied);
});

Deno.test("Encoder sends functions by source and built-ins by path", () => {
  const { f, g } = roundTrip({ f: (n: number) => n + 1, g: Math.max }) as Record<string, (...n: number[]) => number>;
  assertEquals([f!(1), g!(1, 3)], [2, 3]);
});

Deno.test("Encoder turns instances of classes into their fields, and keeps extra properties of arrays", () => {
  class Point {
    x = 1;
    #hidden = 2;
    get both(): number {
      return this.x + this.#hidden;
    }
  }
  assertEquals(roundTrip(new Point()), { x: 1 });
  const scope = globalThis as { PointOfTest?: unknown };
  scope.PointOfTest = Object.defineProperty(Point, "name", { value: "PointOfTest" });
  assertEquals(roundTrip(new class extends Point {}()), { x: 1 });
  delete scope.PointOfTest;
  const match = /b(c)/.exec("abcd")!;
  const back = roundTrip(match) as RegExpExecArray;
  assertEquals([back[1], back.index, back.input], ["c", 1, "abcd"]);
});

Deno.test("Encoder takes sparse arrays by their entries, and collections by what they hold", () => {
  const sparse: number[] = [];
  sparse[1e9] = 1;
  const back = roundTrip([sparse, sparse, "tail"]) as [number[], number[], string];
  assertEquals([back[0].length, back[0][1e9], Object.keys(back[0]).length, back[2]], [1e9 + 1, 1, 1, "tail"]);
  assert(back[0] === back[1]);
  class Odd extends Map<number, number> {
    override get size(): number {
      return 7;
    }
    override *[Symbol.iterator](): MapIterator<[number, number]> {
      yield [5, 5];
    }
  }
  assertEquals(roundTrip([new Odd([[1, 2]]), "tail"]), [new Map([[1, 2]]), "tail"]);
});

Deno.test("Decoder sets own properties whatever stands on Object.prototype", () => {
  let called = false;
  Object.defineProperty(Object.prototype, "trap", { configurable: true, set: () => called = true });
  try {
    const back = roundTrip({ trap: 1, toString: 2, constructor: 3 }) as Record<string, number>;
    assertEquals(Object.keys(back), ["trap", "toString", "constructor"]);
    assertEquals(called, false);
  } finally {
    Reflect.deleteProperty(Object.prototype, "trap");
  }
});

Deno.test("Encoder refuses what would lose what it holds", () => {
  for (
    const value of [
      Symbol("s"),
      new WeakMap(),
      Promise.resolve(),
      new Headers(),
      new ReadableStream(),
      new AbortController().signal,
      function* () {}(),
      new WeakRef({}),
      navigator,
      new Deno.Command("none"),
      new DatabaseSync(":memory:"),
      "OffscreenCanvas" in globalThis ? new OffscreenCanvas(1, 1) : navigator,
      { deep: [Symbol("s")] },
      [1, 2, 3, 4, 5, 6, 7, 8, Symbol("s")],
    ]
  ) assertThrows(() => encoder.encode(value), SerializationError);
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
  assertThrows(() => encoder.encode(detached), SerializationError);
  assertEquals(roundTrip([1, "works afterwards"]), [1, "works afterwards"]);
});

Deno.test("Decoder refuses bytes that make no sense", () => {
  for (const bytes of [[200], [11, 5, 0, 0, 0, 1], [21, 9, 9, 9, 9, 9], [], [12, 255, 255, 255, 255]]) {
    assertThrows(() => decoder.decode(sourceOf(new Uint8Array(bytes)), 0, []), SerializationError);
  }
});

Deno.test("Decoder calls nothing of what it reads, whatever stands in the place of what it expects", () => {
  const scope = globalThis as { ran?: string };
  const called = ["then", "toString", "valueOf", "toJSON", "every", "map", "startsWith", "slice", "constructor"];
  const read = ["length", "name", "message", "stack", "cause", "errors", "kind", "path", "source", "memory", "data"];
  const traps: Record<string, unknown> = {};
  for (const key of [...called, ...read]) traps[key] = new Function(`globalThis.ran = "${key}"`);
  const { length: _, ...methods } = traps;
  const hostile = [traps, traps.toString, Object.assign([], methods)].map((value) =>
    encoder.encode(value).bytes.slice()
  );
  const sparse: number[] = [];
  sparse[500] = 1;
  const values = [
    { a: 1 },
    12345678901234567890n,
    Object.assign([1], { k: 2 }),
    sparse,
    new Map([[1, new Set([2])]]),
    Object.assign(new TypeError("m", { cause: 1 }), { code: 5 }),
    new AggregateError([1], "m"),
    new DOMException("m", "n"),
    new Uint8Array(3),
    new DataView(new ArrayBuffer(3)),
    (n: number) => n,
    Math.max,
    Lock,
    new Condition(),
    new Value("i", 1),
    new Value("z", "a"),
    new SharedArray("d", 3),
    new Barrier(2),
    new JoinableQueue(),
    Pipe()[0],
  ];
  const decoder = new Decoder(() => EMPTY_ENVIRONMENT, false);
  for (const value of values) {
    const { bytes, refs } = encoder.encode(value);
    const whole = bytes.slice();
    for (let from = 0; from < whole.length; from++) {
      for (let to = from + 1; to <= Math.min(whole.length, from + 12); to++) {
        for (const piece of hostile) {
          const spoilt = new Uint8Array(whole.length - (to - from) + piece.length);
          spoilt.set(whole.subarray(0, from));
          spoilt.set(piece, from);
          spoilt.set(whole.subarray(to), from + piece.length);
          try {
            const back = decoder.decode(sourceOf(spoilt), 0, refs);
            if (back instanceof Error) {
              assert(`${back.name}: ${back.message}, ${back.stack}`.length + Deno.inspect(back).length);
            }
          } catch (error) {
            assertInstanceOf(error, SerializationError);
          }
          if (scope.ran !== undefined) {
            throw new Error(`Bytes ${from} to ${to} of ${Deno.inspect(value)}: ${scope.ran}`);
          }
        }
      }
    }
  }
});

Deno.test("Encoder and Decoder keep what occurs twice beside boxes, regular expressions, and after values without repeats", () => {
  const both = (value: unknown): unknown => decoder.decode(sourceOf(encoder.encode(value).bytes.slice()), 0, []);
  const object = { a: 1 };
  for (const other of [Object(1n), Object("s"), Object(false), /a/dgimsuy, new Date(1), new Uint8Array(2)]) {
    assertEquals(both([other]), [other]);
    const [first, again, one, two] = both([other, other, object, object]) as unknown[];
    assert(first === again && one === two && first !== one);
    assertEquals([first, one], [other, object]);
  }
});
