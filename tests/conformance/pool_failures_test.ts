/** Errors of tasks, of inputs and of callbacks, limits and signals: each fails its own call, and the pool goes on. */

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { BrokenProcessPoolError, Pool, SerializationError, TimeoutError } from "../../mod.ts";
import {
  arriveAndBlock,
  liveWorkers,
  reaches,
  rejection,
  release,
  test,
  words,
} from "../../testing/counted_workers.ts";
import { breaking, breakingLater, Odd, range, square } from "./helpers.ts";

test("an error keeps its class, message, properties and cause, and the worker's stack", async () => {
  await using pool = new Pool(1);
  const error = await rejection(pool.apply(function thrower() {
    throw Object.assign(new RangeError("bad", { cause: new TypeError("deeper") }), { code: 42, list: [1, { a: 2 }] });
  }));
  assertInstanceOf(error, RangeError);
  assertEquals(error.message, "bad");
  assertEquals((error as unknown as { code: number; list: unknown }).code, 42);
  assertEquals((error as unknown as { code: number; list: unknown }).list, [1, { a: 2 }]);
  assertInstanceOf(error.cause, TypeError);
  assertMatch(error.stack!, /at thrower \(file:.*\/pool_failures_test\.ts:\d+:\d+\)/);
  assert(!error.stack!.includes("data:"), error.stack);
});

test("of several failed items the first in the order of the input counts", async () => {
  await using pool = new Pool(2);
  const fail = (n: number): never => {
    if (n === 3) { for (const end = Date.now() + 30; Date.now() < end;); }
    throw new Error(String(n));
  };
  await assertRejects(() => pool.map(fail, [3, 1, 2], { chunksize: 1 }), Error, "3");
});

test("an early failure stops neither the other chunks nor the rest of its own", async () => {
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

test("an iterable that throws fails the map with that very error, and the pool goes on", async () => {
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

test("what cannot be sent fails its own call, and the next one works", async () => {
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

test("a result that cannot be sent fails its own call, and costs no worker", async () => {
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

test("an error whose constructor wants more arrives", async () => {
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

test("a callback that throws gives the result its error", async () => {
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

test("a worker that dies fails the task it ran, and only that", async () => {
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

test("a pool cannot be sent", async () => {
  await using pool = new Pool(1);
  await assertRejects(() => pool.apply((x: unknown) => x, [{ pool }]), SerializationError, "Cannot send a pool");
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
  await using pool = new Pool(1, { taskTimeout: 100 });
  const spin = (ms: number): number => {
    for (const end = performance.now() + ms; performance.now() < end;);
    return ms;
  };
  assertEquals(await pool.apply(spin, [200], { taskTimeout: 5000 }), 200);
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
