import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { Pipe, Pool, Queue, QueueFullError, SerializationError, ThreadPool, transfer } from "../mod.ts";
import { rejection, test } from "../testing/counted_workers.ts";
import { transfersHere } from "./transfer.ts";

const same = <T>(value: T): T => value;

function full(n: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(n).fill(7);
}

test("transfer() gives the value itself, whatever it is", async () => {
  const bytes = full(3);
  for (const value of [bytes, bytes.buffer, Object.freeze({ bytes }), [bytes], new Proxy({ bytes }, {})]) {
    assertStrictEquals(transfer(value, Object.freeze([bytes.buffer])), value);
  }
  for (const value of [5, "text", undefined, null, Symbol.iterator, full]) {
    assertStrictEquals(transfer(value, []), value); // there is nothing to move
    assertStrictEquals(transfer(value, [new SharedArrayBuffer(8)]), value);
    assertThrows(() => transfer(value, [bytes.buffer]), TypeError, "'value' must be an object");
  }
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  for (const buffers of [5, null, undefined, "ab", [1], [null], {}, bytes, proxy]) {
    assertThrows(() => transfer({}, buffers as unknown as []), TypeError, "'buffers' must be an array");
  }
  await using pool = new ThreadPool(1);
  assertStrictEquals(await pool.apply(() => transfer(bytes, [bytes.buffer])), bytes);
  assertEquals(bytes.length, 3); // nothing was sent
});

test("transfer() holds for the next time the value is sent, at any depth, and once", async () => {
  await using pool = new Pool(1);
  const isRemembered = (value: object): boolean => transfersHere().buffers.has(value);
  for (const n of [10, 100_000]) {
    const inner = { bytes: full(n) };
    transfer(inner, [inner.bytes.buffer]);
    assert(isRemembered(inner) && transfersHere().count > 0);
    const [{ deep }] = await pool.apply(same, [[{ deep: new Map([["inner", inner]]) }]]);
    assertEquals(deep.get("inner"), { bytes: full(n) });
    assertEquals([inner.bytes.length, isRemembered(inner)], [0, false]);
    inner.bytes = full(n); // the new buffer is copied
    assertEquals(await pool.apply(same, [inner]), { bytes: full(n) });
    assertEquals(inner.bytes.length, n);
    transfer(inner, [inner.bytes.buffer]);
    await pool.apply(same, [inner]);
    assertEquals(inner.bytes.length, 0);
  }
  const args: [Uint8Array] = [full(5)];
  await pool.apply(same, transfer(args, [args[0].buffer as ArrayBuffer]));
  assertEquals(args[0].length, 0);
});

test("transfer() called again for a value adds its buffers; a buffer may come several times", async () => {
  await using pool = new Pool(1);
  const pair = { a: full(3), b: full(4), c: full(5) };
  transfer(transfer(pair, [pair.a.buffer]), [pair.b.buffer, pair.a.buffer, pair.b.buffer]);
  const twice = [pair, transfer(pair.b, [pair.b.buffer])];
  assertEquals(await pool.apply((pair, b) => [pair, b] as unknown, twice as [typeof pair, Uint8Array]), [
    { a: full(3), b: full(4), c: full(5) },
    full(4),
  ]);
  assertEquals([pair.a.length, pair.b.length, pair.c.length], [0, 0, 5]);
});

test("transfer() moves the buffers of each item of a map", async () => {
  await using pool = new Pool(2);
  const items = Array.from({ length: 20 }, () => full(1000)).map((bytes) => transfer(bytes, [bytes.buffer]));
  const sizes = await pool.map((bytes: Uint8Array) => bytes.length, items);
  assertEquals(sizes, Array(20).fill(1000));
  assertEquals(items.map((bytes) => bytes.length), Array(20).fill(0));
  const tuples = [full(3), full(4)].map((bytes): [Uint8Array] => transfer([bytes], [bytes.buffer]));
  assertEquals(await pool.starmap((bytes: Uint8Array) => bytes.length, tuples), [3, 4]);
  assertEquals(tuples.map(([bytes]) => bytes.length), [0, 0]);
});

test("transfer() of a buffer that is gone, or cannot be moved, is a SerializationError; the wish stays", async () => {
  await using pool = new Pool(1);
  const buffer = new ArrayBuffer(8);
  const [one, other] = [new Uint8Array(buffer), new Uint8Array(buffer)];
  transfer(one, [buffer]);
  transfer(other, [buffer]);
  await pool.apply(same, [one]);
  for (let i = 0; i < 2; i++) assertInstanceOf(await rejection(pool.apply(same, [other])), SerializationError);
  const queue = new Queue<unknown>();
  assertThrows(() => queue.put(other), SerializationError, "detached");
  assertThrows(() => queue.put(transfer({}, [new Date() as unknown as ArrayBuffer, buffer])), SerializationError);

  const bytes = full(9);
  const unsendable: { bytes: Uint8Array; rest?: unknown } = transfer({ bytes, rest: Symbol("s") }, [bytes.buffer]);
  assertInstanceOf(await rejection(pool.apply(same, [unsendable])), SerializationError);
  assertThrows(() => queue.put(unsendable), SerializationError);
  assertEquals(bytes.length, 9);
  delete unsendable.rest;
  assertEquals(await pool.apply(same, [unsendable]), { bytes: full(9) });
  assertEquals(bytes.length, 0);
});

test("a result that cannot be sent keeps its buffers, and so do the others of its chunk", async () => {
  await using pool = new Pool(1, { scope: { transfer } });
  const sizes = (n: number) => {
    const kept = (globalThis as { kept?: { bytes: Uint8Array; rest?: symbol }[] }).kept ??= [];
    const bytes = new Uint8Array(10).fill(7);
    kept.push(transfer(n === 1 ? { bytes, rest: Symbol("s") } : { bytes }, [bytes.buffer]));
    return kept[n]!;
  };
  const results = await pool.map(sizes, [0, 1, 2], { chunksize: 3, returnExceptions: true });
  assertEquals([results[0], results[2]], Array(2).fill({ bytes: full(10) }));
  assertInstanceOf(results[1], SerializationError);
  const left = () => (globalThis as { kept?: { bytes: Uint8Array }[] }).kept!.map(({ bytes }) => bytes.length);
  assertEquals(await pool.apply(left), [0, 10, 0]);
  const again = () => {
    const [, one] = (globalThis as { kept?: { bytes: Uint8Array; rest?: symbol }[] }).kept!;
    delete one!.rest;
    return one!;
  };
  assertEquals(await pool.apply(again), { bytes: full(10) });
  assertEquals(await pool.apply(left), [0, 0, 0]);
});

test("transfer() to a queue or a pipe: an item that found no room keeps its buffers", async () => {
  const queue = new Queue<Uint8Array>(1);
  const [first, second] = [full(10), full(100_000)];
  queue.put(transfer(first, [first.buffer]));
  transfer(second, [second.buffer]);
  assertThrows(() => queue.put(second, { block: false }), QueueFullError);
  assertInstanceOf(await rejection(queue.putAsync(second, { timeout: 1 })), QueueFullError);
  assertEquals([first.length, second.length], [0, 100_000]);
  const waiting = queue.putAsync(second);
  assertEquals(queue.get(), full(10));
  await waiting;
  assertEquals([second.length, queue.get().length], [0, 100_000]);
  const [here, there] = Pipe();
  const third = full(10);
  there.send({ third: transfer(third, [third.buffer]) });
  assertEquals([third.length, here.recv()], [0, { third: full(10) }]);
});

test("what is to be moved is remembered where no loop over the global object comes by", () => {
  transfersHere();
  const key = Symbol.for("@manycore/parallel/transfers");
  const { enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(globalThis, key)!;
  assertEquals([enumerable, writable, configurable], [false, false, false]);
  assert(transfersHere().buffers instanceof WeakMap);
});
