/** Executor.map() and mapSync(), as CPython's own suites assert them, and inputs that interfere. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ClosedError, Event, ProcessPoolExecutor, ThreadPoolExecutor, TimeoutError, Value } from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { both, collect, failAt3, occupy } from "./executors.ts";
import { add } from "./helpers.ts";

both("map() zips, stops at the shortest, and is empty of nothing", async (make) => {
  await using executor = make();
  assertEquals(await collect(executor.map(add, [1, 2, 3], new Set([10, 20]))), [11, 22]);
  assertEquals(await collect(Reflect.apply(executor.map, executor, [add])), []);
  assertEquals(await collect(executor.map((n: number) => n, new Uint8Array(2))), [0, 0]);
  async function* numbers() {
    for (let i = 0; i < 3; i++) yield await Promise.resolve(i);
  }
  assertEquals(await collect(executor.map(add, numbers(), [5, 6, 7, 8])), [5, 7, 9]);
  assertThrows(() => executor.map(add, [1], 5 as unknown as number[]), TypeError, "iterable 1");
});

both("chunks give the same in the same order; a wrong chunksize throws at once", async (make) => {
  await using executor = make();
  const items = Array.from({ length: 40 }, (_, i) => i);
  for (const chunksize of [1, 3, 6, 40, 50]) {
    assertEquals(await collect(executor.map((n: number) => n * n, items, { chunksize })), items.map((n) => n * n));
  }
  assertThrows(() => executor.map((n: number) => n, items, { chunksize: 0 }), RangeError, "chunksize");
});

both("map() hands its calls over although nobody reads", async (make) => {
  await using executor = make();
  const calls = new Value("i");
  executor.map((calls: Value<"i">) => calls.add(1), [calls, calls, calls]);
  await executor.shutdown();
  assertEquals(calls.value, 3);
});

both("a failed call rejects in its place, and the iteration goes on", async (make) => {
  await using executor = make();
  for (const chunksize of [1, 2]) {
    const results = executor.map(failAt3, [1, 2, 3, 4, 5], { chunksize });
    assertEquals([await results.next(), await results.next()].map(({ value }) => value), [1, 2]);
    await assertRejects(() => results.next(), RangeError, "three");
    assertEquals(await collect(results), [4, 5]);
  }
});

both("the timeout of map() is for all of it", async (make) => {
  await using executor = make(1);
  const go = new Event();
  const waits = async (go: Event, n: number): Promise<number> => {
    if (n === 1) await go.waitAsync();
    return n;
  };
  const results = executor.map(waits, [go, go, go], [0, 1, 2], { timeout: 300 });
  assertEquals((await results.next()).value, 0);
  await assertRejects(() => results.next(), TimeoutError);
  assertEquals((await results.next()).done, true);
  go.set();
  const none = executor.map((n: number) => n, [1], { timeout: 0 });
  await assertRejects(() => none.next(), TimeoutError);
});

test("a TimeoutError of the function is an error of its item", async () => {
  await using executor = new ThreadPoolExecutor();
  const results = executor.map(
    (n: number) => {
      if (n === 1) throw new TimeoutError("mine");
      return n;
    },
    [1, 2],
    { timeout: 10_000 },
  );
  await assertRejects(() => results.next(), TimeoutError, "mine");
  assertEquals((await results.next()).value, 2);
});

test("leaving the loop early drops what has not begun", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const calls = new Value("i");
  const scope = [calls, go] as const;
  const results = executor.map(
    (calls: Value<"i">, go: Event, n: number) => {
      calls.add(1);
      if (n === 1) go.wait();
      return n;
    },
    Array(50).fill(scope[0]),
    Array(50).fill(scope[1]),
    Array.from({ length: 50 }, (_, i) => i),
  );
  for await (const first of results) {
    assertEquals(first, 0);
    break;
  }
  go.set();
  await executor.shutdown();
  assert(calls.value <= 2, `${calls.value} calls`);
  assertEquals((await results.next()).done, true);
});

both("an input that throws makes map() throw, and what was handed over is dropped", async (make) => {
  await using executor = make();
  function* broken() {
    yield 1;
    throw new URIError("broken input");
  }
  assertThrows(() => executor.map((n: number) => n, broken()), URIError, "broken input");
  assertEquals(await executor.submit(add, 1, 1).result(), 2);
});

both("buffersize bounds what is read, also of endless inputs", async (make) => {
  await using executor = make();
  for (const wrong of [0, -1, 1.5]) {
    assertThrows(() => executor.map((n: number) => n, [1], { buffersize: wrong }), RangeError, "buffersize");
  }
  assertThrows(() => executor.map((n: number) => n, [1], { buffersize: "2" as unknown as number }), TypeError);
  const items = Array.from({ length: 10 }, (_, i) => i);
  for (const buffersize of [1, 2, 10, 20]) {
    assertEquals(await collect(executor.map(add, items, items, { buffersize })), items.map((n) => 2 * n));
  }
  assertEquals(await collect(executor.map((n: number) => n, [] as number[], { buffersize: 1 })), []);
  let read = 0;
  function* endless() {
    for (;;) yield read++;
  }
  const results = executor.map((n: number) => n, endless(), { buffersize: 3 });
  assertEquals(read, 3);
  for (let i = 0; i < 100; i++) assertEquals((await results.next()).value, i);
  assertEquals(read, 103);
  await results.return!();
});

both("shutdown in the middle of an endless map() ends it after what was handed over", async (make) => {
  const executor = make();
  function* endless() {
    for (let i = 0;; i++) yield i;
  }
  const results = executor.map((n: number) => n, endless(), { buffersize: 4 });
  assertEquals((await results.next()).value, 0);
  await executor.shutdown();
  const seen: number[] = [];
  await assertRejects(async () => {
    for await (const n of results) seen.push(n);
  }, ClosedError);
  assertEquals(seen, [1, 2, 3, 4]);
});

test("mapSync() blocks, in order, and ends as map() does", () => {
  const executor = new ProcessPoolExecutor(2);
  assertEquals([...executor.mapSync(add, [1, 2, 3], [10, 20, 30], { chunksize: 2 })], [11, 22, 33]);
  const results = executor.mapSync(failAt3, [2, 3, 4]);
  assertEquals(results.next(), { done: false, value: 2 });
  assertThrows(() => results.next(), RangeError);
  assertThrows(() => executor.mapSync(() => 1, { async *[Symbol.asyncIterator]() {} } as never), TypeError, "'map()'");
  assertEquals(executor.submit(add, 1, 2).resultSync(), 3);
  const slow = executor.mapSync(() => new Promise(() => {}), [1], { timeout: 20 });
  assertThrows(() => slow.next(), TimeoutError);
  executor.terminateWorkers();
});

test("mapSync() goes on after a failure, and return() before the first result drops everything", async () => {
  const executor = new ProcessPoolExecutor(1);
  const results = executor.mapSync(failAt3, [2, 3, 4]);
  assertEquals(results.next().value, 2);
  assertThrows(() => results.next(), RangeError);
  assertEquals([...results], [4]);
  const go = new Event();
  await occupy(executor, go);
  executor.mapSync(add, [1, 2], [3, 4]).return!();
  assertEquals(executor.stats().queued, 0);
  go.set();
  await executor.shutdown();
});

test("a signal ends a map()", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const controller = new AbortController();
  const results = executor.map(
    (n: number) => n,
    (function* () {
      for (let i = 0;; i++) yield i;
    })(),
    { buffersize: 2, signal: controller.signal },
  );
  assertEquals((await results.next()).value, 0);
  controller.abort(new URIError("enough"));
  await assertRejects(async () => {
    for await (const _ of results);
  }, URIError);
});

both("an input that ends its own map() is closed, and nothing more of it runs", async (make) => {
  for (const how of ["abort", "return", "shutdown"]) {
    const executor = make(1);
    const controller = new AbortController();
    let closed = false;
    const calls = new Value("i");
    const input = function* () {
      try {
        yield calls;
        if (how === "abort") controller.abort(new URIError("enough"));
        else if (how === "return") void results.return!();
        else void executor.shutdown();
        yield calls;
        yield calls;
      } finally {
        closed = true;
      }
    };
    const { signal } = controller;
    const results = executor.map((calls: Value<"i">) => calls.add(1), input(), { buffersize: 1, signal });
    const ends = [];
    for (let i = 0; i < 4; i++) ends.push(await results.next().then(({ done }) => done, () => "threw"));
    assertEquals(ends, how === "return" ? [false, true, true, true] : [false, "threw", true, true], how);
    assert(closed, how);
    await executor.shutdown();
    assertEquals(calls.value, 1, how);
  }
});

both("leaving a map() whose input is being waited for does not wait for it", async (make) => {
  await using executor = make(1);
  const never = Promise.withResolvers<void>();
  async function* input() {
    yield 1;
    await never.promise;
    yield 2;
  }
  for await (const n of executor.map((n: number) => n, input())) {
    assertEquals(n, 1);
    break;
  }
  never.resolve();
});

both("shutdown() closes the input of a map() that is read no more", async (make) => {
  const executor = make(1);
  let closed = false;
  function* input() {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      closed = true;
    }
  }
  executor.map((n: number) => n, input(), { buffersize: 2 });
  await executor.shutdown();
  assert(closed);
});

both("inputs that break the rules of iteration are an error, and what was opened is closed", async (make) => {
  await using executor = make(1);
  const bad = { [Symbol.iterator]: () => ({ next: () => 5 }) } as unknown as Iterable<number>;
  assertThrows(() => executor.map((n: number) => n, bad), TypeError, "not an object");
  assertThrows(() => executor.map(add, bad, [1]), TypeError, "not an object");
  const closed: string[] = [];
  const iterable = (name: string): Iterable<number> => ({
    [Symbol.iterator]: () => ({
      next: () => ({ done: name === "c", value: 1 }),
      return: () => {
        closed.push(name);
        return { done: true, value: undefined };
      },
    }),
  });
  const broken: Iterable<number> = {
    [Symbol.iterator]: () => {
      throw new URIError("closed");
    },
  };
  assertThrows(() => executor.map(add, iterable("a"), broken), URIError);
  assertEquals(
    await collect(executor.map(
      (a: number, b: number, c: number) => a + b + c,
      iterable("a"),
      iterable("b"),
      iterable("c"),
    )),
    [],
  );
  assertEquals(closed, ["a", "a", "b"]);
  for (const wrong of [Promise.resolve([1]), new Date()]) {
    assertThrows(() => executor.map((n: number) => n, wrong as unknown as number[]), TypeError, "iterable 0");
  }
  assertEquals(await collect(executor.map((n: number) => n, [1, 2], undefined)), [1, 2]);
});
