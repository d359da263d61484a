/** The streams that block the thread at each result, in every state of their pool. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  Event,
  InvalidStateError,
  Pool,
  TimeoutError,
} from "../mod.ts";
import { test } from "../testing/counted_workers.ts";
import { BROKEN, failAt2, square, waits } from "./blocking.ts";

const add = (a: number, b: number): number => a + b;

test("the blocking streams give what the others give", () => {
  using pool = new Pool(2);
  const items = Array.from({ length: 100 }, (_, i) => i);
  const tuples = items.map((i): [number, number] => [i, i + 1]);
  for (const chunksize of [1, 7, 200]) {
    assertEquals([...pool.imapSync(square, items, { chunksize })], items.map(square));
    assertEquals([...pool.istarmapSync(add, tuples, { chunksize })], tuples.map(([a, b]) => a + b));
    const some = [...pool.imapUnorderedSync(square, items, { chunksize })];
    assertEquals(some.sort((a, b) => a - b), items.map(square));
    const sums = [...pool.istarmapUnorderedSync(add, tuples, { chunksize })];
    assertEquals(sums.sort((a, b) => a - b), tuples.map(([a, b]) => a + b));
  }
  assertEquals([...pool.imapSync(square, [])], []);
});

test("imapSync() reads endless input only as far ahead as it may, and closes it when the loop is left", () => {
  using pool = new Pool(2);
  let read = 0;
  let closed = false;
  function* numbers(): Generator<number> {
    try {
      for (;;) yield read++;
    } finally {
      closed = true;
    }
  }
  const seen: number[] = [];
  for (const value of pool.imapSync(square, numbers(), { buffersize: 4 })) {
    assert(read <= seen.length + 5);
    seen.push(value);
    if (seen.length === 10) break;
  }
  assertEquals(seen, Array.from({ length: 10 }, (_, i) => i * i));
  assert(closed);
  assertEquals(pool.applySync(square, [5]), 25);
});

test("leaving a loop over imapSync() throws what closing the input throws", () => {
  using pool = new Pool(1);
  function* numbers(): Generator<number> {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      // deno-lint-ignore no-unsafe-finally -- the fault that is tested
      throw new RangeError("not closed");
    }
  }
  assertThrows(
    () => {
      for (const _ of pool.imapSync(square, numbers())) break;
    },
    RangeError,
    "not closed",
  );
  const results = pool.imapSync(square, [1, 2]);
  assertEquals(results.return(), { done: true, value: undefined });
  assertEquals(results.return(), { done: true, value: undefined });
  assertEquals(results.next(), { done: true, value: undefined });
});

test("a failed item throws in its place, and the iteration goes on", () => {
  using pool = new Pool(1);
  const results = pool.imapSync(failAt2, [1, 2, 3]);
  assertEquals(results.next().value, 1);
  assertThrows(() => results.next(), RangeError, "two");
  assertEquals([...results], [3]);
  const mixed = [...pool.imapSync(failAt2, [1, 2], { returnExceptions: true })];
  assertInstanceOf(mixed[1], RangeError);
});

test("next() of imapSync() times out, and loses nothing", () => {
  using pool = new Pool(1);
  const go = new Event();
  const results = pool.imapSync(waits, [go]);
  assertThrows(() => results.next(20), TimeoutError, "20 ms");
  assertThrows(() => results.next(0), TimeoutError);
  assertThrows(() => results.next("1" as unknown as number), TypeError, "'timeout'");
  go.set();
  assertEquals(results.next(), { done: false, value: true });
  assertEquals(results.next(10), { done: true, value: undefined });
});

test("imapSync() on a pool that is closed, terminated or broken", async () => {
  const closed = new Pool(1);
  const given = closed.imapSync(square, [1, 2, 3], { buffersize: 1 });
  closed.close();
  assertThrows(() => closed.imapSync(square, [1]), ClosedError);
  assertEquals([...given], [1, 4, 9]);
  await closed.join();
  const terminated = new Pool(1);
  const pending = terminated.imapSync((): Promise<void> => new Promise(() => {}), [1]);
  terminated.terminate();
  assertThrows(() => pending.next(), CancelledError, "its pool was terminated");
  assertEquals(pending.next().done, true);
  assertThrows(() => terminated.imapSync(square, [1]), ClosedError);
  const broken = new Pool(1, BROKEN);
  const lost = broken.imapSync(square, [1]);
  assertThrows(() => lost.next(), BrokenProcessPoolError, "The pool is broken");
  assertEquals(lost.next().done, true);
  assertThrows(() => broken.imapSync(square, [1]), BrokenProcessPoolError);
});

test("imapSync() refuses asynchronous input, and input that asks for its own results", () => {
  using pool = new Pool(1);
  async function* later(): AsyncGenerator<number> {
    yield await Promise.resolve(1);
  }
  const input = later() as unknown as Iterable<number>;
  assertThrows(() => pool.imapSync(square, input), TypeError, "use 'imap()'");
  assertThrows(() => pool.istarmapUnorderedSync(square, input as never), TypeError, "use 'istarmapUnordered()'");
  function* circular(): Generator<number> {
    yield 1;
    yield 2;
    yield results.next().value;
  }
  const results: Iterator<number> = pool.imapSync(square, circular(), { buffersize: 1 });
  assertEquals(results.next().value, 1);
  assertEquals(results.next().value, 4);
  assertThrows(() => results.next(), InvalidStateError, "while the input of the call is read");
});

test("what a stream shows is its public methods", () => {
  using pool = new Pool(1);
  const names = (value: object): PropertyKey[] =>
    Reflect.ownKeys(Object.getPrototypeOf(value)).filter((key) => key !== Symbol.for("@manycore/parallel/refused"));
  const rest = ["constructor", "next", "return", Symbol.toStringTag];
  const awaiting = pool.imap(square, [1]);
  assertEquals(new Set(names(awaiting)), new Set([...rest, Symbol.asyncIterator]));
  assertEquals([Reflect.ownKeys(awaiting), Deno.inspect(awaiting)], [[], "ResultIterator {}"]);
  const blocking = pool.imapSync(square, [1]);
  assertEquals(new Set(names(blocking)), new Set([...rest, Symbol.iterator]));
  assertEquals([Reflect.ownKeys(blocking), Deno.inspect(blocking)], [[], "ResultIteratorSync {}"]);
});
