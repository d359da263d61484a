import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type AsyncResult,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  Pool,
  SerializationError,
  TimeoutError,
  transfer,
} from "../../mod.ts";
import {
  arriveAndBlock,
  liveWorkers,
  reaches,
  rejection,
  release,
  test,
  words,
} from "../../testing/counted_workers.ts";

const square = (n: number): number => n * n;
const add = (a: number, b: number): number => a + b;

async function range(n: number): Promise<number[]> {
  return await Array.fromAsync({ length: n }, (_, i) => i);
}

// The behaviours that CPython's suites assert, section A; the number is that of the catalogue.

test("A1: Pool.apply() gives what the function returns for these arguments", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.apply(add, [1, 2]), 3);
  assertEquals(await pool.apply(() => "none"), "none");
});

test("A2: Pool.map() keeps the order of the input, whatever the chunks", async () => {
  await using pool = new Pool(2);
  const input = await range(100);
  assertEquals(await pool.map(square, input), input.map(square));
  assertEquals(await pool.map(square, input, { chunksize: 20 }), input.map(square));
});

test("A3: Pool.starmap() spreads each tuple, and survives what is not iterable", async () => {
  await using pool = new Pool(2);
  const tuples = (await range(100)).map((i): [number, number] => [i, i + 1]);
  const sums = tuples.map(([a, b]) => a + b);
  assertEquals(await pool.starmap(add, tuples), sums);
  assertEquals(await pool.starmap(add, tuples, { chunksize: 3 }), sums);
  const wrong = [1, 2] as unknown as [number, number][];
  await assertRejects(() => pool.starmap(add, wrong), TypeError, "not iterable");
  assertEquals(await pool.starmap(add, tuples), sums);
});

test("A4: the *Async methods give a result at once, whose get() is what the waiting form gives", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.applyAsync(add, [1, 2]).get(), 3);
  assertEquals(await pool.mapAsync(square, [1, 2, 3]).get(), [1, 4, 9]);
  assertEquals(await pool.starmapAsync(add, [[1, 2], [3, 4]]).get(), [3, 7]);
});

test("A5: empty input gives an empty result", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.map(square, []), []);
  assertEquals(await pool.map(square, [], { chunksize: 5 }), []);
  assertEquals(await pool.mapAsync(square, []).get(), []);
  assertEquals(await pool.starmap(add, []), []);
  assertEquals(await pool.imap(square, []).next(), { done: true, value: undefined });
  assertEquals(await pool.imapUnordered(square, []).next(), { done: true, value: undefined });
  assertEquals(pool.mapSync(square, []), []);
});

test("A6: for empty input the callback is called with []", () => {
  using pool = new Pool(1);
  let told: number[] | undefined;
  assertEquals(pool.mapAsync(square, [], { callback: (value) => told = value }).ready(), true);
  assertEquals(told, []);
});

test("A7: Pool.map() takes any iterable, and refuses anything else at once", async () => {
  await using pool = new Pool(2);
  const generate = function* (): Generator<number> {
    yield* [1, 2, 3];
  };
  const generateLater = async function* (): AsyncGenerator<number> {
    yield* [1, 2, 3];
  };
  assertEquals(await pool.map(square, generate()), [1, 4, 9]);
  assertEquals(await pool.map(square, generateLater()), [1, 4, 9]);
  assertEquals(await pool.map(square, new Float64Array([1, 2, 3])), [1, 4, 9]);
  assertEquals(await pool.map(square, new Set([1, 2, 3])), [1, 4, 9]);
  assertEquals(await pool.map((c: string) => c.toUpperCase(), "abc"), ["A", "B", "C"]);
  for (const wrong of [1, undefined, null, {}]) {
    assertThrows(() => pool.map(square, wrong as unknown as number[]), TypeError, "'items'");
    assertThrows(() => pool.imap(square, wrong as unknown as number[]), TypeError, "'items'");
  }
});

test("A8: Pool.imap() gives single results in order, whatever the chunks, and stays exhausted", async () => {
  await using pool = new Pool(2);
  const input = await range(1000);
  assertEquals(await Array.fromAsync(pool.imap(square, input)), input.map(square));
  const results = pool.imap(square, input, { chunksize: 100 });
  for (const n of input) assertEquals(await results.next(), { done: false, value: square(n) });
  assertEquals(await results.next(), { done: true, value: undefined });
  assertEquals(await results.next(), { done: true, value: undefined });
});

test("A8: Pool.imap() gives a result while later ones are still to come", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const wait = (n: number, flags: Int32Array): number => {
    if (n === 1) { while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0); }
    return n;
  };
  const results = pool.istarmap(wait, [[0, flags], [1, flags]]);
  assertEquals(await results.next(), { done: false, value: 0 });
  release(flags);
  assertEquals(await results.next(), { done: false, value: 1 });
});

test("A9: Pool.imapUnordered() gives the results of map() as they come", async () => {
  await using pool = new Pool(2);
  const input = await range(300);
  for (const chunksize of [1, 53]) {
    const results = await Array.fromAsync(pool.imapUnordered(square, input, { chunksize }));
    assertEquals(results.sort((a, b) => a - b), input.map(square));
  }
  const flags = words(2);
  const wait = (n: number, flags: Int32Array): number => {
    if (n === 0) { while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0); }
    return n;
  };
  const results = pool.istarmapUnordered(wait, [[0, flags], [1, flags]]);
  assertEquals((await results.next()).value, 1);
  release(flags);
  assertEquals((await results.next()).value, 0);
});

test("A10: next(timeout) gives up, and a later next() gets that item", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const wait = (flags: Int32Array): string => {
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
    return "there";
  };
  const results = pool.imap(wait, [flags]);
  await assertRejects(() => results.next(5), TimeoutError);
  await assertRejects(() => results.next(0), TimeoutError);
  await assertRejects(() => results.next(-1), TimeoutError);
  release(flags);
  assertEquals(await results.next(), { done: false, value: "there" });
  assertEquals((await results.next()).done, true);
});

test("A11: a chunk may be larger than the input; a chunksize below 1 or not whole is refused at once", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.map(square, [1, 2, 3], { chunksize: 100 }), [1, 4, 9]);
  for (const chunksize of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => pool.map(square, [1], { chunksize }), RangeError, "'chunksize'");
    assertThrows(() => pool.mapAsync(square, [1], { chunksize }), RangeError, "'chunksize'");
    assertThrows(() => pool.imap(square, [1], { chunksize }), RangeError, "'chunksize'");
    assertThrows(() => pool.imapUnordered(square, [1], { chunksize }), RangeError, "'chunksize'");
  }
  assertThrows(() => pool.map(square, [1], { chunksize: "3" as unknown as number }), TypeError, "'chunksize'");
});

test("A12: Pool.imap() reads endless input only as far ahead as allowed", async () => {
  await using pool = new Pool(2);
  let read = 0;
  const endless = function* (): Generator<number> {
    for (;;) yield read++;
  };
  const results = pool.imap(square, endless(), { buffersize: 10 });
  assertEquals(read, 10);
  for (let i = 0; i < 100; i++) assertEquals((await results.next()).value, i * i);
  assert(read <= 110, `read ${read}`);
  await results.return();
  assertEquals(await results.next(), { done: true, value: undefined });
});

test("A13: an error keeps its class, message, properties and cause, and the worker's stack", async () => {
  await using pool = new Pool(1);
  const error = await rejection(pool.apply(function thrower() {
    throw Object.assign(new RangeError("bad", { cause: new TypeError("deeper") }), { code: 42, list: [1, { a: 2 }] });
  }));
  assertInstanceOf(error, RangeError);
  assertEquals(error.message, "bad");
  assertEquals((error as unknown as { code: number; list: unknown }).code, 42);
  assertEquals((error as unknown as { code: number; list: unknown }).list, [1, { a: 2 }]);
  assertInstanceOf(error.cause, TypeError);
  assertMatch(error.stack!, /at thrower \(file:.*\/pool_test\.ts:\d+:\d+\)/);
  assert(!error.stack!.includes("data:"), error.stack);
});

test("A14: of several failed items the first in the order of the input counts", async () => {
  await using pool = new Pool(2);
  const fail = (n: number): never => {
    if (n === 3) { for (const end = Date.now() + 30; Date.now() < end;); }
    throw new Error(String(n));
  };
  await assertRejects(() => pool.map(fail, [3, 1, 2], { chunksize: 1 }), Error, "3");
});

test("A15, A16: an early failure stops neither the other chunks nor the rest of its own", async () => {
  await using pool = new Pool(2);
  const flags = words(2);
  const count = (n: number, flags: Int32Array): void => {
    Atomics.add(flags, 0, 1);
    if (n === 0) throw new Error("early");
  };
  const tuples = (await range(20)).map((n): [number, Int32Array] => [n, flags]);
  await assertRejects(() => pool.starmap(count, tuples, { chunksize: 3 }), Error, "early");
  assertEquals(flags[0], 20);
});

test("A17: Pool.imap() throws at the place of a failed item and goes on, whatever the chunks", async () => {
  await using pool = new Pool(2);
  const odd = (n: number): number => {
    if (n % 2 === 0) throw new RangeError(String(n));
    return n;
  };
  for (const chunksize of [1, 3]) {
    const results = pool.imap(odd, [1, 2, 3, 4, 5], { chunksize });
    assertEquals((await results.next()).value, 1);
    await assertRejects(() => results.next(), RangeError, "2");
    assertEquals((await results.next()).value, 3);
    await assertRejects(() => results.next(), RangeError, "4");
    assertEquals((await results.next()).value, 5);
    assertEquals((await results.next()).done, true);
  }
});

class Odd extends Error {}

function* breaking(after: number): Generator<number> {
  for (let i = 0; i < after; i++) yield i;
  throw new Odd("the iterable broke");
}

async function* breakingLater(after: number): AsyncGenerator<number> {
  yield* breaking(after);
}

test("A18: an iterable that throws fails the map with that very error, and the pool goes on", async () => {
  await using pool = new Pool(2);
  for (let round = 0; round < 2; round++) {
    for (const after of [0, 3]) {
      await assertRejects(() => pool.map(square, breaking(after)), Odd);
      await assertRejects(() => pool.map(square, breakingLater(after)), Odd);
      await assertRejects(() => pool.mapAsync(square, breaking(after)).get(), Odd);
    }
  }
  const liar = { length: 1e9, [Symbol.iterator]: () => [1, 2][Symbol.iterator]() };
  assertEquals(await pool.map(square, liar), [1, 4]);
  const thrower = {
    [Symbol.iterator](): Iterator<number> {
      throw new Odd("no iterator");
    },
  };
  await assertRejects(() => pool.map(square, thrower), Odd);
  await assertRejects(() => pool.imap(square, thrower).next(), Odd);
  assertEquals(await pool.map(square, [2]), [4]);
});

test("A19: Pool.imap() over an iterable that throws gives all items before it, then the error, then the end", async () => {
  await using pool = new Pool(2);
  for (const input of [breaking, breakingLater]) {
    for (const chunksize of [1, 2, 4]) {
      const results = pool.imap(square, input(7), { chunksize });
      for (let i = 0; i < 7; i++) assertEquals((await results.next()).value, i * i);
      await assertRejects(() => results.next(), Odd);
      assertEquals((await results.next()).done, true);
      const unordered = pool.imapUnordered(square, input(7), { chunksize });
      const seen: number[] = [];
      assertInstanceOf(
        await rejection((async () => {
          for await (const n of unordered) seen.push(n);
        })()),
        Odd,
      );
      assertEquals(seen.sort((a, b) => a - b), [0, 1, 4, 9, 16, 25, 36]);
    }
  }
});

test("A20, A21: what cannot be sent fails its own call, and the next one works", async () => {
  await using pool = new Pool(2);
  const identity = (x: unknown): unknown => x;
  const unsendable: unknown[] = [
    Symbol("s"),
    Promise.resolve(),
    new WeakMap(),
    function* () {}(),
    { deep: [new WeakRef({})] },
    pool,
    new Request("http://localhost"),
  ];
  for (const item of unsendable) {
    await assertRejects(() => pool.map(identity, [item]), SerializationError);
    await assertRejects(() => pool.apply(identity, [item]), SerializationError);
    await assertRejects(() => pool.applyAsync(identity, [item]).get(), SerializationError);
  }
  await assertRejects(() => pool.map(identity, Array.from({ length: 10 }, () => Symbol())), SerializationError);
  const bound = square.bind(null);
  class Secret {
    #hidden(n: number): number {
      return n;
    }
    get hidden(): (n: number) => number {
      return this.#hidden;
    }
  }
  for (const fn of [bound, new Secret().hidden, Function.prototype.call]) {
    await assertRejects(() => pool.apply(fn as typeof square, [1]), SerializationError);
  }
  assertEquals(await pool.map(square, [1, 2]), [1, 4]);
});

test("A22: a result that cannot be sent fails its own call, and costs no worker", async () => {
  await using pool = new Pool(2);
  const workers = words(1);
  for (let i = 0; i < 20; i++) {
    await assertRejects(() => pool.apply(() => Symbol("s")), SerializationError);
    await assertRejects(() => pool.apply(() => new WeakSet()), SerializationError);
  }
  const mixed = (n: number): unknown => n === 1 ? Symbol("s") : n;
  const results = await pool.map(mixed, [0, 1, 2], { chunksize: 3, returnExceptions: true });
  assertEquals(results[0], 0);
  assertInstanceOf(results[1], SerializationError);
  assertEquals(results[2], 2);
  await pool.apply((w: Int32Array) => Atomics.add(w, 0, 1), [workers]);
  assert(pool.stats().workers <= 2);
  assert(liveWorkers() <= 2);
});

test("A23: an error whose constructor wants more arrives", async () => {
  await using pool = new Pool(1);
  const error = await rejection(pool.apply(() => {
    class Picky extends RangeError {
      readonly detail: string;
      constructor(a: string, b: { text: string }) {
        super(a + b.text);
        this.name = "Picky";
        this.detail = b.text;
      }
    }
    throw new Picky("a", { text: "b" });
  }));
  assertInstanceOf(error, RangeError);
  assertEquals([error.name, error.message, (error as unknown as { detail: string }).detail], ["Picky", "ab", "b"]);
});

test("A24: exactly one callback is called, once, before the result is ready", async () => {
  await using pool = new Pool(2);
  const calls: unknown[] = [];
  let result: AsyncResult<unknown>;
  const callback = (value: unknown): void => void calls.push("value", value, result.ready());
  const errorCallback = (error: unknown): void => void calls.push("error", String(error), result.ready());
  result = pool.mapAsync(square, [1, 2], { callback, errorCallback });
  await result.wait();
  assertEquals(calls.splice(0), ["value", [1, 4], false]);
  result = pool.applyAsync(
    () => {
      throw new Error("no");
    },
    [],
    { callback, errorCallback },
  );
  await result.wait();
  assertEquals(calls.splice(0), ["error", "Error: no", false]);
});

test("A25: a callback that throws gives the result its error", async () => {
  await using pool = new Pool(2);
  const callback = (): never => {
    throw new Odd("in the callback");
  };
  await assertRejects(() => pool.applyAsync(square, [2], { callback }).get(), Odd);
  const failing = pool.applyAsync(
    () => {
      throw new Error("no");
    },
    [],
    { errorCallback: callback },
  );
  await assertRejects(() => failing.get(), Odd);
  await assertRejects(() => pool.map(square, [1, 2, 3], { chunksize: 1, onProgress: callback }), Odd);
  assertEquals(await pool.apply(square, [3]), 9);
});

test("A26: a closed pool takes no work, finishes what it has, and can be joined; an open one cannot", async () => {
  const pool = new Pool(2);
  await assertRejects(() => pool.join(), InvalidStateError);
  const result = pool.mapAsync(square, [1, 2, 3]);
  pool.close();
  pool.close();
  await assertRejects(() => pool.apply(square, [1]), ClosedError);
  await assertRejects(() => pool.map(square, [1]), ClosedError);
  await assertRejects(() => pool.broadcast(() => 1), ClosedError);
  assertThrows(() => pool.applySync(square, [1]), ClosedError);
  assertThrows(() => pool.applyAsync(square, [1]), ClosedError);
  assertThrows(() => pool.mapAsync(square, [1]), ClosedError);
  assertThrows(() => pool.imap(square, [1]), ClosedError);
  await pool.join();
  await pool.join();
  assertEquals(result.ready(), true);
  assertEquals(await result.get(), [1, 4, 9]);
  pool.terminate();
  await pool.join();
  await assertRejects(() => pool.apply(square, [1]), ClosedError, "terminated");
});

test("A26: an imap() accepted before close() is read to its end by join(), read or not", async () => {
  const pool = new Pool(2);
  const results = pool.imap(square, await range(500), { buffersize: 3 });
  const unread = pool.imap(square, await range(500), { buffersize: 3 });
  pool.close();
  await pool.join();
  assertEquals((await Array.fromAsync(results)).length, 500);
  assertEquals((await unread.next()).value, 0);
});

test("A27: terminate() drops 10,000 queued tasks, which never run", async () => {
  const pool = new Pool(3);
  const flags = words(2);
  const run = (flags: Int32Array): void => {
    Atomics.add(flags, 0, 1);
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
  };
  const results = Array.from({ length: 10_000 }, () => pool.applyAsync(run, [flags]));
  await reaches(flags, 0, 3);
  pool.terminate();
  await pool.join();
  for (const result of results) {
    assertEquals(result.ready(), true);
    assertEquals(result.successful(), false);
  }
  await assertRejects(() => results[9_999]!.get(), CancelledError);
  release(flags); // the three that run cannot be stopped on every release
  assertEquals(flags[0], 3);
});

test("A28: terminate() settles what is pending with CancelledError", async () => {
  const pool = new Pool(1);
  const later = new Promise<never>(() => {});
  const forever = (): Promise<void> => new Promise(() => {});
  const never = async function* (): AsyncGenerator<number> {
    await later;
    yield 1;
  };
  const pending = [
    pool.apply(forever),
    pool.applyAsync(forever).get(),
    pool.map(square, [1, 2, 3]),
    pool.map(square, never()),
    pool.imap(square, [1, 2]).next(),
    pool.imapUnordered(square, never()).next(),
    pool.broadcast(forever),
  ].map(rejection);
  pool.terminate();
  for (const error of pending) assertInstanceOf(await error, CancelledError);
  await pool.join();
});

test("A29: leaving 'await using' waits for the work, leaving 'using' gives it up", async () => {
  let result: AsyncResult<number>;
  {
    await using pool = new Pool(1);
    result = pool.applyAsync(square, [3]);
  }
  assertEquals(await result.get(), 9);
  {
    using pool = new Pool(1);
    result = pool.applyAsync(square, [3]);
  }
  await assertRejects(() => result.get(), CancelledError);
});

test("A30: the number of workers must be a positive integer; they start on demand", async () => {
  for (const wrong of [0, -1, 1.5, NaN]) assertThrows(() => new Pool(wrong), RangeError, "'processes'");
  for (const wrong of ["3", true, null, [2], 3n]) {
    assertThrows(() => new Pool(wrong as unknown as number), TypeError);
  }
  assertThrows(() => new Pool(1, null as unknown as undefined), TypeError);
  await using pool = new Pool(3);
  assertEquals([pool.size, pool.stats().workers, liveWorkers()], [3, 0, 0]);
  for (let i = 0; i < 20; i++) await pool.apply(square, [i]);
  assertEquals(pool.stats().workers, 1);
  await pool.broadcast(() => 1);
  assertEquals(pool.stats().workers, 3);
});

test("A31: the initializer runs once in each worker, before its first task", async () => {
  const flags = words(1);
  const initializer = (flags: Int32Array, text: string): void => {
    Atomics.add(flags, 0, 1);
    (globalThis as unknown as { text: string }).text = text;
  };
  await using pool = new Pool(2, { initializer, initargs: [flags, "set"] });
  const read = (): string => (globalThis as unknown as { text: string }).text;
  assertEquals(await pool.broadcast(read), ["set", "set"]);
  assertEquals(await pool.map(read, await range(50), { chunksize: 1 }), Array(50).fill("set"));
  assertEquals(flags[0], 2);
  assertThrows(() => new Pool(1, { initializer: 3 as unknown as () => void }), TypeError, "'initializer'");
  assertThrows(() => new Pool(1, { initargs: 3 as unknown as [] }), TypeError, "'initargs'");
});

test("A32: an initializer that throws breaks the pool, with its error as the cause", async () => {
  const initializers = [
    () => {
      throw new RangeError("no start");
    },
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      throw new RangeError("no start");
    },
  ];
  for (const initializer of initializers) {
    await using pool = new Pool(2, { initializer });
    const pending = [pool.apply(square, [1]), pool.map(square, [1, 2]), pool.imap(square, [1]).next()].map(rejection);
    for (const error of pending) {
      const broken = await error;
      assertInstanceOf(broken, BrokenProcessPoolError);
      assertStringIncludes(broken.message, "no start");
      assertInstanceOf(broken.cause, RangeError);
    }
    await assertRejects(() => pool.apply(square, [1]), BrokenProcessPoolError);
    assertThrows(() => pool.applyAsync(square, [1]), BrokenProcessPoolError);
    assertEquals(pool.stats().workers, 0);
  }
  using sync = new Pool(1, { initializer: initializers[1]! });
  assertThrows(() => sync.applySync(square, [1]), BrokenProcessPoolError);
});

test("A33: a worker is replaced after so many tasks, and no answer is lost", async () => {
  await using pool = new Pool(2, { maxTasksPerChild: 3 });
  const name = (): string => self.name;
  const names: string[] = [];
  for (let i = 0; i < 9; i++) names.push(await pool.apply(name));
  assertEquals(new Set(names).size, 3);
  assertEquals(await pool.map(square, await range(100), { chunksize: 1 }), (await range(100)).map(square));
  for (const wrong of [0, -1, 0.5]) assertThrows(() => new Pool(1, { maxTasksPerChild: wrong }), RangeError);
  assertThrows(() => new Pool(1, { maxTasksPerChild: "12" as unknown as number }), TypeError);
  const early = new Pool(3, { maxTasksPerChild: 1 });
  const results = Array.from({ length: 6 }, (_, i) => early.applyAsync(square, [i]));
  early.close();
  await early.join();
  for (const [i, result] of results.entries()) assertEquals(await result.get(), i * i);
});

test("A34: a worker that dies fails the task it ran, and only that", async () => {
  await using pool = new Pool(2);
  const die = (n: number): number => {
    if (n === 5) Deno.exit(3);
    return n;
  };
  const results = (await range(50)).map((n) => pool.applyAsync(die, [n]));
  for (const [n, result] of results.entries()) {
    if (n !== 5) {
      assertEquals(await result.get(), n);
    } else {
      const error = await rejection(result.get());
      assertInstanceOf(error, BrokenProcessPoolError);
      assertMatch(error.message, /Worker 'PoolWorker-\d' ended with code 3 while it ran the task 'die'/);
    }
  }
  assertEquals(await pool.map(square, [1, 2]), [1, 4]);
});

test("A35: when no worker can be created, every pending call fails, and later ones throw", async () => {
  const { Worker } = globalThis;
  let left = 1;
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      if (left-- <= 0) throw new RangeError("no more threads");
      super(url, options);
    }
  };
  try {
    using pool = new Pool(1, { maxTasksPerChild: 1 });
    assertEquals(await pool.apply(() => 1), 1); // with the only worker that there will be
    const calls = [pool.map((x: number) => x, [1, 2])];
    for (const call of await Promise.allSettled(calls)) {
      assert(call.status === "rejected");
      assertInstanceOf(call.reason, BrokenProcessPoolError);
      assertStringIncludes(call.reason.message, "no more threads");
      assertInstanceOf(call.reason.cause, RangeError);
    }
    assertThrows(() => pool.applyAsync(() => 1), BrokenProcessPoolError);
    assertEquals(pool.stats().workers, 0);
  } finally {
    globalThis.Worker = Worker;
  }
});

test("A36: 32 workers map 1000 items", async () => {
  await using pool = new Pool(32);
  const results = await pool.map(square, await range(1000));
  assertEquals(results.reduce((a, b) => a + b), 332833500);
});

test("A39: a pool cannot be sent", async () => {
  await using pool = new Pool(1);
  await assertRejects(() => pool.apply((x: unknown) => x, [{ pool }]), SerializationError, "Cannot send a pool");
});

// AsyncResult: section B.

test("B42, B44: get() gives the same again and again, a value or an error", async () => {
  await using pool = new Pool(1);
  const value = pool.applyAsync(() => ({ a: 1 }));
  assert(await value.get() === await value.get());
  const failed = pool.applyAsync(() => {
    throw new RangeError("no");
  });
  assert(await rejection(failed.get()) === await rejection(failed.get()));
  assertThrows(() => failed.getSync(), RangeError, "no");
});

test("B43: get(timeout) gives up, the work goes on; 0 and less do not wait at all", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const result = pool.applyAsync((flags: Int32Array) => {
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
    return "done";
  }, [flags]);
  for (const timeout of [5, 0, -1]) {
    await assertRejects(() => result.get(timeout), TimeoutError);
    assertThrows(() => result.getSync(timeout), TimeoutError);
    assertEquals(await result.wait(timeout), false);
    assertEquals(result.waitSync(timeout), false);
  }
  assertThrows(() => result.get("5" as unknown as number), TypeError);
  assertThrows(() => result.get(NaN), TypeError);
  release(flags);
  assertEquals(await result.get(20_000), "done");
  assertEquals(result.getSync(0), "done");
});

test("B45, B46: ready(), successful() and wait() tell without throwing the work's error", async () => {
  await using pool = new Pool(1);
  const good = pool.applyAsync(square, [1]);
  const bad = pool.applyAsync(() => {
    throw new Error("no");
  });
  assertEquals([good.ready(), bad.ready()], [false, false]);
  assertThrows(() => good.successful(), InvalidStateError);
  assertEquals([await good.wait(), await bad.wait()], [true, true]);
  assertEquals([good.ready(), bad.ready()], [true, true]);
  assertEquals([good.successful(), bad.successful()], [true, false]);
});

test("AsyncResult is no thenable", async () => {
  await using pool = new Pool(1);
  const result = pool.applyAsync(square, [2]);
  assert(await result === result);
});

// What Python has no word for.

test("the *Sync methods block the thread and give what the others give", () => {
  using pool = new Pool(2);
  assertEquals(pool.applySync(add, [1, 2]), 3);
  assertEquals(pool.mapSync(square, [1, 2, 3]), [1, 4, 9]);
  assertEquals(pool.starmapSync(add, [[1, 2], [3, 4]]), [3, 7]);
  assertEquals(pool.applySync(async (n: number) => await Promise.resolve(n), [1]), 1);
  assertEquals(pool.applySync((a: Float64Array) => a, [new Float64Array(100_000).fill(1)]).length, 100_000);
  assertThrows(() => pool.applySync(() => Deno.exit(1)), BrokenProcessPoolError);
  assertThrows(
    () =>
      pool.mapSync(() => {
        throw new RangeError("no");
      }, [1, 2]),
    RangeError,
  );
  for (let i = 0; i < 300; i++) assertEquals(pool.applySync(square, [i]), i * i);
});

test("a blocking call gives nobody else's result away", async () => {
  await using pool = new Pool(2);
  const others = pool.mapAsync(square, await range(1000), { chunksize: 1 });
  const text = pool.applyAsync(() => "x".repeat(100_000));
  assertEquals(pool.applySync(add, [1, 2]), 3);
  assertEquals(await others.get(), (await range(1000)).map(square));
  assertEquals((await text.get()).length, 100_000);
});

test("blocking for a map whose async input is still read is refused, not hung", async () => {
  await using pool = new Pool(1);
  const gate = Promise.withResolvers<void>();
  const input = async function* (): AsyncGenerator<number> {
    await gate.promise;
    yield 3;
  };
  const result = pool.mapAsync(square, input());
  assertThrows(() => result.getSync(), InvalidStateError);
  gate.resolve();
  assertEquals(await result.get(), [9]);
  assertEquals(result.getSync(), [9]);
});

test("tasks that are given run while the caller's thread does something else", () => {
  const flags = words(1);
  const initializer = (flags: Int32Array): void => {
    (globalThis as unknown as { flags: Int32Array }).flags = flags;
  };
  using pool = new Pool(2, { initializer, initargs: [flags] });
  const count = (): void => {
    const { flags } = globalThis as unknown as { flags: Int32Array };
    Atomics.add(flags, 0, 1);
    Atomics.notify(flags, 0);
  };
  for (let i = 0; i < 200; i++) pool.applyAsync(count);
  // No turn of the event loop, and nothing of the pool, from here on.
  for (let seen = 0; seen < 200; seen = Atomics.load(flags, 0)) {
    assert(Atomics.wait(flags, 0, seen, 20_000) !== "timed-out");
  }
});

test("functions: recursion, arrows, async, methods, closures over scope, built-ins", async () => {
  const double = (n: number): number => n * two;
  const two = 2;
  const quadruple = (n: number): number => double(double(n));
  await using pool = new Pool(2, { scope: { double, two, quadruple } });
  const fact = (n: number): number => n <= 1 ? 1 : n * fact(n - 1);
  function fib(n: number): number {
    return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
  }
  const object = {
    method(n: number): number {
      return n + 1;
    },
    async later(n: number): Promise<number> {
      return await Promise.resolve(n + 1);
    },
    "odd name"(n: number): number {
      return n;
    },
  };
  class Static {
    static twice(n: number): number {
      return n * 2;
    }
  }
  assertEquals(await pool.apply(fact, [5]), 120);
  assertEquals(await pool.apply(fib, [10]), 89);
  assertEquals(await pool.apply(object.method, [1]), 2);
  assertEquals(await pool.apply(object.later, [1]), 2);
  assertEquals(await pool.apply(object["odd name"], [1]), 1);
  assertEquals(await pool.apply(Static.twice, [2]), 4);
  assertEquals(
    await pool.apply(async function (n: number) {
      return await Promise.resolve(n);
    }, [7]),
    7,
  );
  assertEquals(await pool.map(Math.sqrt, [1, 4, 9]), [1, 2, 3]);
  assertEquals(await pool.map(parseInt, ["10", "11"]), [10, 11]);
  assertEquals(await pool.apply(JSON.stringify, [{ a: 1 }]), '{"a":1}');
  assertEquals(await pool.apply(btoa, ["hi"]), "aGk=");
  assertEquals(await pool.apply(quadruple, [3]), 12);
  assertEquals(await pool.apply((f: (n: number) => number, n: number) => f(n), [double, 4]), 8);
  const made = await pool.apply(() => (n: number) => n + 1);
  assertEquals(made(1), 2);
});

test("a name that a function does not carry is named, with the two ways to provide it", async () => {
  await using pool = new Pool(1);
  const outside = 3;
  const error = await rejection(pool.apply(function uses(): number {
    return outside;
  }));
  assertInstanceOf(error, ReferenceError);
  assertStringIncludes(error.message, "outside is not defined");
  assertStringIncludes(error.message, "'scope: { outside }'");
  assertStringIncludes(error.message, "'module'");
  await using broken = new Pool(1, { initializer: () => void outside });
  const cause = (await rejection(broken.apply(square, [1])) as Error).cause as Error;
  assertStringIncludes(cause.message, "'scope: { outside }'");
});

test("scope: names that cannot be variables and values that cannot be sent are refused at once", () => {
  assertThrows(() => new Pool(1, { scope: { "a b": 1 } }), RangeError, "'scope'");
  assertThrows(() => new Pool(1, { scope: { class: 1 } }), RangeError, "'scope'");
  assertThrows(() => new Pool(1, { scope: { a: Symbol() } }), SerializationError);
  assertThrows(() => new Pool(1, { scope: { a: square.bind(null) } }), SerializationError);
  assertThrows(() => new Pool(1, { initializer: square.bind(null), initargs: [1] }), SerializationError);
});

test("values arrive as structured clone would give them", async () => {
  await using pool = new Pool(1);
  const echo = (value: unknown): unknown => value;
  const cyclic: { self?: unknown; list: number[] } = { list: [1, 2] };
  cyclic.self = cyclic;
  const shared = new Uint8Array([1, 2, 3]);
  const values: unknown[] = [
    undefined,
    null,
    true,
    -0,
    NaN,
    1e300,
    2 ** 31,
    "text",
    "żółć 🎉",
    "lone \ud800 surrogate",
    "x".repeat(10_000),
    10n ** 100n,
    -(2n ** 63n),
    [1, , 3],
    Array.from({ length: 1000 }, (_, i) => i / 3),
    { a: { b: [{}] } },
    new Map<unknown, unknown>([[{ k: 1 }, new Set([1, "a"])]]),
    new Date(0),
    /a+/gi,
    new Float32Array([1.5, -0]),
    new BigInt64Array([1n]),
    new DataView(new ArrayBuffer(4), 1, 2),
    new Uint8Array(100_000).fill(7),
    new RangeError("r", { cause: "c" }),
    [shared, shared.subarray(1)],
    Object(1n),
  ];
  for (const value of values) assertEquals(await pool.apply(echo, [value]), value);
  const back = await pool.apply(echo, [cyclic]) as typeof cyclic;
  assert(back.self === back);
  const [a, b] = await pool.apply(echo, [[shared, shared.subarray(1)]]) as Uint8Array[];
  assert(a!.buffer === b!.buffer);
  const proto = JSON.parse('{"__proto__": 1}');
  assertEquals(Object.keys(await pool.apply(echo, [proto]) as object), ["__proto__"]);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

test("transfer() moves what it names, both ways, and leaves nothing here", async () => {
  await using pool = new Pool(1, { scope: { transfer } });
  const data = new Float64Array(1000).fill(2);
  const twice = (a: Float64Array): Float64Array => transfer(a.map((n) => n * 2), [a.buffer]);
  const result = pool.apply(twice, [transfer(data, [data.buffer])]);
  assertEquals(data.length, 0);
  assertEquals(await result, new Float64Array(1000).fill(4));
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => port1.onmessage = (event) => resolve(event.data));
  await pool.apply((port: MessagePort) => {
    port.postMessage("from the worker");
    port.close();
  }, [transfer(port2, [port2])]);
  assertEquals(await answer, "from the worker");
  port1.close();
  const gone = new Uint8Array(8);
  await pool.apply((a: Uint8Array) => a.length, [transfer(gone, [gone.buffer])]);
  await assertRejects(() => pool.apply((a: Uint8Array) => a.length, [transfer(gone, [gone.buffer])]), Error);
  await assertRejects(() => pool.apply((p: MessagePort) => p, [port1]), SerializationError);
  assertThrows(() => transfer(1, 5 as unknown as []), TypeError, "'buffers'");
  assertEquals(await pool.apply(square, [3]), 9);
});

test("A37: neither arguments nor results are kept once a task is done", async () => {
  await using pool = new Pool(1);
  await pool.apply(square, [1]);
  const before = Deno.memoryUsage().rss;
  for (let i = 0; i < 60; i++) await pool.apply((a: Uint8Array) => a, [new Uint8Array(10_000_000)]);
  assert(Deno.memoryUsage().rss - before < 400_000_000); // of 1.2 GB that went through
});

test("taskTimeout ends a loop, a wait and a promise, and the worker or its successor serves on", async () => {
  await using pool = new Pool(1, { taskTimeout: 60 });
  const name = await pool.apply(() => self.name);
  for (
    const run of [
      () => {
        for (;;);
      },
      () => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      },
      () => {
        /(a+)+$/.test("a".repeat(40) + "b");
      },
    ]
  ) {
    await assertRejects(() => pool.apply(run), TimeoutError, "60 ms");
    assertEquals(await pool.apply(() => self.name), name);
  }
  await assertRejects(() => pool.apply(() => new Promise(() => {})), TimeoutError);
  assertEquals(await pool.apply(square, [3]), 9);
  assert(await pool.apply(() => self.name) !== name); // what the promise stands for might have gone on
});

test("taskTimeout counts for each call, and the option of a call overrides that of the pool", async () => {
  await using pool = new Pool(1, { taskTimeout: 1 });
  const spin = (ms: number): number => {
    for (const end = performance.now() + ms; performance.now() < end;);
    return ms;
  };
  assertEquals(await pool.apply(spin, [20], { taskTimeout: 5000 }), 20);
  const results = await pool.map(spin, [1, 400, 2], { chunksize: 3, taskTimeout: 150, returnExceptions: true });
  assertEquals([results[0], results[2]], [1, 2]);
  assertInstanceOf(results[1], TimeoutError);
  assertEquals(await pool.map(spin, [60, 60, 60], { chunksize: 3, taskTimeout: 150 }), [60, 60, 60]);
  assertThrows(() =>
    pool.applySync(
      () => {
        for (;;);
      },
      [],
      { taskTimeout: 30 },
    ), TimeoutError);
  for (const wrong of [0, -1, NaN]) assertThrows(() => pool.apply(spin, [1], { taskTimeout: wrong }), RangeError);
  assertThrows(() => new Pool(1, { taskTimeout: "1" as unknown as number }), TypeError);
});

test("a signal: aborted before, during and after", async () => {
  await using pool = new Pool(1);
  const reason = new Odd("stop");
  const aborted = AbortSignal.abort(reason);
  const flags = words(2);
  for (
    const promise of [
      pool.apply(square, [1], { signal: aborted }),
      pool.map(square, [1], { signal: aborted }),
      pool.imap(square, [1], { signal: aborted }).next(),
      pool.applyAsync(square, [1], { signal: aborted }).get(),
    ]
  ) {
    assert(await rejection(promise) === reason);
  }
  const controller = new AbortController();
  const { signal } = controller;
  const running = rejection(pool.apply(arriveAndBlock, [flags], { signal }));
  const queued = rejection(pool.apply(arriveAndBlock, [flags], { signal }));
  const mapped = rejection(pool.map(arriveAndBlock, [flags, flags, flags], { signal, chunksize: 1 }));
  const results = pool.imap(arriveAndBlock, [flags, flags], { signal });
  const streamed = rejection(results.next());
  await reaches(flags, 0, 1);
  controller.abort(reason);
  for (const error of [running, queued, mapped, streamed]) assert(await error === reason);
  assertEquals((await results.next()).done, true);
  release(flags);
  assertEquals(await pool.apply(square, [2]), 4);
  assertEquals(flags[0], 1); // what had not begun never ran
  const late = new AbortController();
  assertEquals(await pool.apply(square, [2], { signal: late.signal }), 4);
  late.abort();
  assertEquals(await pool.apply(square, [3]), 9);
  assertThrows(() => pool.apply(square, [1], { signal: {} as AbortSignal }), TypeError, "'signal'");
});

test("onProgress counts items, and returnExceptions puts errors in their places", async () => {
  await using pool = new Pool(2);
  const seen: [number, number | undefined][] = [];
  await pool.map(square, await range(10), { chunksize: 4, onProgress: (done, total) => seen.push([done, total]) });
  assertEquals(seen.length, 3);
  assertEquals(seen.at(-1), [10, 10]);
  assert(seen.every(([done], i) => i === 0 || done > seen[i - 1]![0]));
  const odd = (n: number): number => {
    if (n % 2 === 0) throw new RangeError(String(n));
    return n;
  };
  const mixed = await pool.map(odd, [1, 2, 3], { returnExceptions: true }) as unknown[];
  assertEquals([mixed[0], mixed[2]], [1, 3]);
  assertInstanceOf(mixed[1], RangeError);
  const streamed = await Array.fromAsync(pool.imap(odd, [1, 2], { returnExceptions: true })) as unknown[];
  assertInstanceOf(streamed[1], RangeError);
});

test("leaving an imap() loop early closes the input and drops what has not begun", async () => {
  await using pool = new Pool(1);
  let closed = 0;
  const input = function* (): Generator<number> {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      closed++;
    }
  };
  for await (const n of pool.imap(square, input())) if (n === 9) break;
  assertEquals(closed, 1);
  for await (const n of pool.imapUnordered(square, input())) if (n === 9) break;
  assertEquals(closed, 2);
  assertEquals(await pool.apply(square, [2]), 4);
});

test("broadcast() runs once on every worker, and fails with the first error", async () => {
  await using pool = new Pool(3);
  const names = await pool.broadcast(() => self.name);
  assertEquals(new Set(names).size, 3);
  await assertRejects(
    () =>
      pool.broadcast((n: number) => {
        throw new RangeError(String(n));
      }, [7]),
    RangeError,
    "7",
  );
  assertEquals(await pool.broadcast((a: Uint8Array) => a.length, [new Uint8Array(50_000)]), [50_000, 50_000, 50_000]);
});

test("broadcast() is given up by its signal", async () => {
  await using pool = new Pool(2);
  assertEquals(await rejection(pool.broadcast(() => 1, [], { signal: AbortSignal.abort("stop") })), "stop");
  const controller = new AbortController();
  const waiting = rejection(pool.broadcast(() => new Promise(() => {}), [], { signal: controller.signal }));
  await pool.stats();
  controller.abort("stop");
  assertEquals(await waiting, "stop");
  pool.terminate();
});

test("stats() does not count what was cancelled", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const busy = pool.apply(arriveAndBlock, [flags]);
  await reaches(flags, 0, 1);
  const controller = new AbortController();
  const calls = Array.from({ length: 1000 }, (_, i) => rejection(pool.apply(square, [i], controller)));
  assertEquals(pool.stats().queued, 1000);
  controller.abort("stop");
  await Promise.all(calls);
  assertEquals(pool.stats().queued, 0);
  release(flags);
  await busy;
  assertEquals(await pool.apply(square, [2]), 4);
  assertEquals(pool.stats().queued, 0);
});

test("broadcast() reaches busy workers after their tasks", async () => {
  await using pool = new Pool(2);
  const flags = words(2);
  const busy = pool.map(arriveAndBlock, [flags, flags], { chunksize: 1 });
  await reaches(flags, 0, 2);
  const names = pool.broadcast(() => self.name);
  release(flags);
  await busy;
  assertEquals(new Set(await names).size, 2);
});

test("idleTimeout lets the workers go, and they come back on demand", async () => {
  await using pool = new Pool(2, { idleTimeout: 20 });
  for (let round = 0; round < 3; round++) {
    assertEquals(await pool.map(square, [1, 2, 3]), [1, 4, 9]);
    assert(liveWorkers() > 0);
    while (liveWorkers() > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(pool.stats().workers, 0);
  }
  assertThrows(() => new Pool(1, { idleTimeout: 0 }), RangeError, "'idleTimeout'");
});

test("trace() tells who ran what, as Chrome Trace Events", async () => {
  await using pool = new Pool(2, { trace: true, name: "W" });
  await pool.map(square, await range(10), { chunksize: 5 });
  await pool.apply(square, [1]);
  await rejection(pool.apply(() => {
    throw new Odd("x");
  }));
  const { traceEvents } = JSON.parse(pool.trace()) as { traceEvents: Record<string, unknown>[] };
  const tasks = traceEvents.filter((event) => event.ph === "X");
  assertEquals(tasks.length, 4);
  assertEquals(tasks.filter((t) => t.name === "square").map((t) => (t.args as { calls: number }).calls), [5, 5, 1]);
  for (const task of tasks) assert((task.dur as number) >= 0 && (task.ts as number) >= 0);
});

test("a traced pool breaks and fails as any other", async () => {
  await using broken = new Pool(1, {
    trace: true,
    initializer: () => {
      throw new RangeError("no start");
    },
  });
  const error = await rejection(broken.apply(square, [1]));
  assertInstanceOf((error as Error).cause, RangeError);
  await using pool = new Pool(1, { trace: true });
  await assertRejects(() => pool.apply(() => Symbol("s")), SerializationError);
  assertEquals(await pool.imap(square, [3]).next(), { done: false, value: 9 });
});

test("A40: pools work inside workers", async () => {
  await using pool = new Pool(1, { module: new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url) });
  const { nestedMap } = await import("../../testing/fixtures/nested_tasks.ts");
  assertEquals(await pool.apply(nestedMap, [[1, 2, 3]]), [1, 4, 9]);
});

test("a worker starts other workers one after the other, whatever for", async () => {
  await using pool = new Pool(4, { module: new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url) });
  const { startSuccessors, successors } = await import("../../testing/fixtures/nested_tasks.ts");
  assertEquals(await pool.map(startSuccessors, Object.keys(successors), { chunksize: 1 }), [
    [2, 3],
    ["BrokenProcessPoolError", 3],
    [2, 3],
    [0, 0],
  ]);
});

test("module: exported functions are taken from there, others go by source", async () => {
  const url = new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url);
  const { usesHelper } = await import("../../testing/fixtures/nested_tasks.ts");
  await using pool = new Pool(1, { module: url });
  assertEquals(await pool.apply(usesHelper, [2]), 20);
  assertEquals(await pool.apply((n: number) => n + 1, [2]), 3);
  await using missing = new Pool(1, { module: new URL("./no_such_module.ts", import.meta.url).href });
  await assertRejects(() => missing.apply(square, [1]), BrokenProcessPoolError);
  assertThrows(() => new Pool(1, { module: "./relative.ts" }), TypeError, "'module'");
  assertThrows(() => new Pool(1, { module: 1 as unknown as string }), TypeError, "'module'");
});

test("A129: a main program without its guard breaks the pool instead of starting workers for ever", async () => {
  await using pool = new Pool(1, { module: new URL("../../testing/fixtures/unguarded.ts", import.meta.url) });
  const error = await rejection(pool.apply(square, [1]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "import.meta.main");
});

test("100,000 tasks queued at once on 64 workers, each with its own result", async () => {
  const pool = new Pool(64);
  const results = (await range(100_000)).map((n) => pool.apply(square, [n]));
  const sum = (await Promise.all(results)).reduce((a, b) => a + b);
  assertEquals(sum, 333_328_333_350_000);
  assertEquals(pool.stats().queued, 0);
  pool.terminate();
});

// Large arguments and results.

test("large chunks of numbers are taken when map() is called, and arrive as they were", async () => {
  await using pool = new Pool(2);
  const kinds: Record<string, number[]> = {
    integers: Array.from({ length: 300_000 }, (_, i) => i - 150_000),
    fractions: Array.from({ length: 100_000 }, (_, i) => i / 3),
    odd: Array.from({ length: 50_000 }, (_, i) => [-0, NaN, Infinity, 2 ** 31, -(2 ** 31), i][i % 6]!),
  };
  for (const [kind, numbers] of Object.entries(kinds)) {
    for (const chunksize of [undefined, 2048, 30_001]) {
      const given = [...numbers];
      const mapped = pool.map((n: number) => n, given, { chunksize });
      given.fill(7);
      const results = await mapped;
      assertEquals(results.length, numbers.length, kind);
      const wrong = results.findIndex((n, i) => !Object.is(n, numbers[i]));
      assertEquals(wrong, -1, `${kind}: ${results[wrong]} at ${wrong}`);
    }
  }
});

test("large chunks of numbers keep the errors and the results that are no numbers in their places", async () => {
  await using pool = new Pool(2);
  const numbers = await range(20_000);
  const odd = (n: number): unknown => {
    if (n % 5000 === 1) throw new RangeError(`${n}`);
    return n % 5000 === 2 ? `${n}` : n;
  };
  const results = await pool.map(odd, numbers, { chunksize: 4000, returnExceptions: true });
  results.forEach((result, n) => {
    if (n % 5000 === 1) assertInstanceOf(result, RangeError, `${n}`);
    else assertEquals(result, n % 5000 === 2 ? `${n}` : n);
  });
  const thrown = await rejection(pool.map(
    () => {
      throw [undefined, [1, 2, 3, 4, 5, 6, 7, 8]];
    },
    numbers,
    { chunksize: 20_000 },
  ));
  assertEquals(thrown, [undefined, [1, 2, 3, 4, 5, 6, 7, 8]]);
});

test("large arguments and results go on while the caller's thread is busy", async () => {
  const flags = words();
  await using pool = new Pool(1, { scope: { flags } });
  await pool.apply(square, [1]);
  const text = "x".repeat(100_000);
  const call = (text: string): string => {
    Atomics.add(flags, 0, 1);
    Atomics.notify(flags, 0);
    return text;
  };
  const calls = Array.from({ length: 8 }, () => pool.apply(call, [text]));
  for (let seen = 0; seen < 8; seen = Atomics.load(flags, 0)) {
    assert(Atomics.wait(flags, 0, seen, 10_000) !== "timed-out", `only ${seen} of 8 ran`);
  }
  assertEquals(await Promise.all(calls), new Array(8).fill(text));
});

test("large chunks that a dead worker had not begun go to the next one, as they were", async () => {
  await using pool = new Pool(1);
  const numbers = await range(100_000);
  const given = [...numbers];
  const mapped = pool.map((n: number) => n === 0 ? Deno.exit(3) : n, given, {
    chunksize: 5000,
    returnExceptions: true,
  });
  given.fill(-1);
  const results = await mapped as unknown[];
  for (let n = 0; n < 5000; n++) assertInstanceOf(results[n], BrokenProcessPoolError);
  assertEquals(results.slice(5000), numbers.slice(5000));
});
