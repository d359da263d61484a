import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { SerializationError } from "../errors.ts";
import { random } from "../testing/random.ts";
import { Decoder, sourceOf } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { EMPTY_ENVIRONMENT } from "./functions.ts";
import { ShapeTable } from "./shapes.ts";

const encoder = new Encoder();
const decoder = new Decoder(() => EMPTY_ENVIRONMENT, false);

function roundTrip(value: unknown): unknown {
  const { bytes, refs } = encoder.encode(value);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 16));
  shared.set(bytes, 8);
  return decoder.decode(sourceOf(shared), 8, structuredClone(refs) as unknown[]);
}

const show = (value: unknown): string =>
  Deno.inspect(value, { depth: 20, iterableLimit: 1000, strAbbreviateSize: 10_000 });

const TEXTS = ["", "a", "é", "ж", "\ud83d", "\ude00", "🎉", "\0", "x".repeat(300), "ж".repeat(2000)];

Deno.test("Encoder and Decoder give what structured clone gives, for 150 arrays of objects with shapes", () => {
  for (let seed = 0; seed < 150; seed++) {
    const pick = random(seed);
    const next = (): number => pick(1000) / 1000;
    const keys = Array.from({ length: 1 + pick(6) }, (_, i) => ["id", "ключ", "a b", "toString", "\ud800", ""][i]!);
    const kinds = keys.map(() => pick(9));
    const rows: Record<string, unknown>[] = [];
    const value = (kind: number, i: number): unknown => {
      if (next() < 0.01) return [undefined, null, NaN, -0, "odd"][pick(5)];
      switch (kind) {
        case 0:
          return i;
        case 1:
          return i / 3;
        case 2:
          return TEXTS[pick(TEXTS.length)];
        case 3:
          return next() < 0.5;
        case 4:
          return new Date(i * 1e9);
        case 5:
          return { x: i, y: TEXTS[pick(5)] };
        case 6:
          return Array.from({ length: pick(6) }, (_, k) => ({ k }));
        case 7:
          return rows[pick(rows.length)] ?? null; // a row that was there before, or is this one
        default:
          return BigInt(i) ** 9n;
      }
    };
    const count = pick(130);
    for (let i = 0; i < count; i++) {
      const row: Record<string, unknown> = {};
      rows.push(row);
      keys.forEach((key, k) => row[key] = value(kinds[k]!, i));
      if (next() < 0.002) delete row[keys[0]!];
      if (next() < 0.002) Object.defineProperty(row, "__proto__", { value: i, enumerable: true });
    }
    if (next() < 0.1 && count > 0) rows.push(rows[0]!); // twice
    if (next() < 0.1) delete rows[pick(count)];
    if (next() < 0.1) (rows as unknown as Record<string, unknown>).extra = rows[0];
    assertEquals(show(roundTrip(rows)), show(structuredClone(rows)), `seed ${seed}`);
  }
});

Deno.test("Encoder reads getters once, object by object", () => {
  const order: string[] = [];
  const rows = Array.from({ length: 200 }, (_, i) => ({
    get a() {
      order.push(`a${i}`);
      return i;
    },
    get b() {
      order.push(`b${i}`);
      return `${i}`;
    },
  }));
  assertEquals(roundTrip(rows), Array.from({ length: 200 }, (_, i) => ({ a: i, b: `${i}` })));
  assertEquals(order, Array.from({ length: 200 }, (_, i) => [`a${i}`, `b${i}`]).flat());
});

Deno.test("Encoder and Decoder keep what occurs twice, and cycles through rows", () => {
  const rows: { id: number; next?: unknown; all?: unknown }[] = Array.from(
    { length: 300 },
    (_, id) => ({ id, next: null, all: null }),
  );
  rows.forEach((row, i) => {
    row.next = rows[(i + 1) % rows.length];
    row.all = rows;
  });
  const back = roundTrip(rows) as typeof rows;
  assertStrictEquals(back[299]!.next, back[0]);
  assertStrictEquals(back[7]!.all, back);
  const twin = { id: 1 };
  const twins = roundTrip([twin, { id: 2 }, { id: 3 }, { id: 4 }, twin]) as unknown[];
  assertStrictEquals(twins[0], twins[4]);
});

Deno.test("keys with quotes and code are only keys", () => {
  const keys = ['"]; throw 1; //', "`${1}`", "\\", "\u2028", "constructor"];
  const rows = Array.from({ length: 300 }, (_, i) => Object.fromEntries(keys.map((key) => [key, i])));
  assertEquals(roundTrip(rows), rows);
  const prototype = roundTrip(Array.from({ length: 300 }, () => JSON.parse('{"__proto__": 1, "a": 2}'))) as object[];
  assertStrictEquals(Object.getPrototypeOf(prototype[0]), Object.prototype);
  assertEquals(Object.keys(prototype[299]!), ["__proto__", "a"]);
});

Deno.test("a table has a limited number of shapes, whoever invents them", () => {
  const table = new ShapeTable();
  let shapes = 0;
  for (let i = 0; i < 5000; i++) if (table.ofKeys([`key${i}`]) !== undefined) shapes++;
  assertEquals(shapes, 1024);
  const many = Array.from({ length: 3000 }, (_, i) => ({ [`k${i}`]: i }));
  assertEquals(roundTrip(many), many);
});

Deno.test("Decoder refuses columns that promise more than there is", () => {
  const { bytes } = encoder.encode(Array.from({ length: 100 }, (_, id) => ({ id, name: "x" })));
  for (let cut = 1; cut < bytes.length; cut += 7) {
    const part = bytes.slice(0, cut);
    assertThrows(() => decoder.decode(sourceOf(part), 0, []), SerializationError);
  }
  const huge = bytes.slice();
  new DataView(huge.buffer).setUint32(1, 0xffffffff, true);
  assertThrows(() => decoder.decode(sourceOf(huge), 0, []), SerializationError);
});
