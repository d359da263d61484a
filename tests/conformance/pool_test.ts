/** Calls of a pool, as CPython's own suites assert them, and the calls that Python does not have. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type AsyncResult, BrokenProcessPoolError, InvalidStateError, Pool } from "../../mod.ts";
import { arriveAndBlock, reaches, rejection, release, test, words } from "../../testing/counted_workers.ts";
import { add, range, square } from "./helpers.ts";

test("Pool.apply() gives what the function returns for these arguments", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.apply(add, [1, 2]), 3);
  assertEquals(await pool.apply(() => "none"), "none");
});

test("Pool.map() keeps the order of the input, whatever the chunks", async () => {
  await using pool = new Pool(2);
  const input = await range(100);
  assertEquals(await pool.map(square, input), input.map(square));
  assertEquals(await pool.map(square, input, { chunksize: 20 }), input.map(square));
});

test("Pool.starmap() spreads each tuple, and survives what is not iterable", async () => {
  await using pool = new Pool(2);
  const tuples = (await range(100)).map((i): [number, number] => [i, i + 1]);
  const sums = tuples.map(([a, b]) => a + b);
  assertEquals(await pool.starmap(add, tuples), sums);
  assertEquals(await pool.starmap(add, tuples, { chunksize: 3 }), sums);
  const wrong = [1, 2] as unknown as [number, number][];
  await assertRejects(() => pool.starmap(add, wrong), TypeError, "not iterable");
  assertEquals(await pool.starmap(add, tuples), sums);
});

test("the *Async methods give a result at once, whose get() is what the waiting form gives", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.applyAsync(add, [1, 2]).get(), 3);
  assertEquals(await pool.mapAsync(square, [1, 2, 3]).get(), [1, 4, 9]);
  assertEquals(await pool.starmapAsync(add, [[1, 2], [3, 4]]).get(), [3, 7]);
});

test("empty input gives an empty result", async () => {
  await using pool = new Pool(2);
  assertEquals(await pool.map(square, []), []);
  assertEquals(await pool.map(square, [], { chunksize: 5 }), []);
  assertEquals(await pool.mapAsync(square, []).get(), []);
  assertEquals(await pool.starmap(add, []), []);
  assertEquals(await pool.imap(square, []).next(), { done: true, value: undefined });
  assertEquals(await pool.imapUnordered(square, []).next(), { done: true, value: undefined });
  assertEquals(pool.mapSync(square, []), []);
});

test("for empty input the callback is called with []", () => {
  using pool = new Pool(1);
  let told: number[] | undefined;
  assertEquals(pool.mapAsync(square, [], { callback: (value) => told = value }).ready(), true);
  assertEquals(told, []);
});

test("Pool.map() takes any iterable, and refuses anything else at once", async () => {
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

test("a chunk may be larger than the input; a chunksize below 1 or not whole is refused at once", async () => {
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

test("exactly one callback is called, once, before the result is ready", async () => {
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

test("32 workers map 1000 items", async () => {
  await using pool = new Pool(32);
  const results = await pool.map(square, await range(1000));
  assertEquals(results.reduce((a, b) => a + b), 332833500);
});

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

test("100,000 tasks queued at once on 64 workers, each with its own result", async () => {
  const pool = new Pool(64);
  const results = (await range(100_000)).map((n) => pool.apply(square, [n]));
  const sum = (await Promise.all(results)).reduce((a, b) => a + b);
  assertEquals(sum, 333_328_333_350_000);
  assertEquals(pool.stats().queued, 0);
  pool.terminate();
});
