import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  ThreadPool,
  TimeoutError,
} from "../mod.ts";
import { rejection, test } from "../testing/counted_workers.ts";

const square = (n: number): number => n * n;
const add = (a: number, b: number): number => a + b;
const numbers = Array.from({ length: 100 }, (_, i) => i);

// Entry 41: what holds for a pool of workers holds for this one, but for what is about sending.

test("ThreadPool gives what Pool gives", async () => {
  await using pool = new ThreadPool(3);
  assertEquals(await pool.apply(add, [1, 2]), 3);
  assertEquals(await pool.map(square, numbers), numbers.map(square));
  assertEquals(await pool.map(square, numbers, { chunksize: 20 }), numbers.map(square));
  assertEquals(await pool.starmap(add, [[1, 2], [3, 4]]), [3, 7]);
  assertEquals(await pool.applyAsync(add, [1, 2]).get(), 3);
  assertEquals(await pool.mapAsync(square, [1, 2]).get(), [1, 4]);
  assertEquals(await pool.starmapAsync(add, [[1, 2]]).get(), [3]);
  assertEquals(await Array.fromAsync(pool.imap(square, numbers)), numbers.map(square));
  assertEquals((await Array.fromAsync(pool.imapUnordered(square, numbers))).sort((a, b) => a - b), numbers.map(square));
  assertEquals(await Array.fromAsync(pool.istarmap(add, [[1, 2], [3, 4]])), [3, 7]);
  assertEquals(await Array.fromAsync(pool.istarmapUnordered(add, [[1, 2]])), [3]);
  assertEquals(await pool.map(square, []), []);
});

test("ThreadPool runs closures on the caller's heap, and passes errors themselves", async () => {
  await using pool = new ThreadPool(2);
  const seen: unknown[] = [];
  const item = { a: 1 };
  await pool.map((x: unknown) => void seen.push(x), [item]);
  assert(seen[0] === item);
  const error = new RangeError("mine");
  assert(
    await rejection(pool.apply(() => {
      throw error;
    })) === error,
  );
  assertEquals(
    await rejection(pool.apply(() => {
      throw undefined;
    })),
    undefined,
  );
  await assertRejects(() => pool.starmap(add, [1] as unknown as [number, number][]), TypeError, "not iterable");
});

test("ThreadPool has at most so many tasks under way, and begins them in order", async () => {
  await using pool = new ThreadPool(3);
  let now = 0;
  let most = 0;
  const order: number[] = [];
  await pool.map(
    async (n: number) => {
      order.push(n);
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 1));
      now--;
    },
    numbers,
    { chunksize: 1 },
  );
  assertEquals(most, 3);
  assertEquals(order, numbers);
});

test("ThreadPool never calls the function within the caller's own call", async () => {
  await using pool = new ThreadPool(1);
  let called = false;
  const result = pool.applyAsync(() => called = true);
  assertEquals([called, result.ready()], [false, false]);
  await result.wait();
  assertEquals(called, true);
});

test("ThreadPool cannot block for its own work: it says so instead of hanging", async () => {
  await using pool = new ThreadPool(1);
  const result = pool.applyAsync(square, [2]);
  assertThrows(() => result.getSync(), InvalidStateError);
  assertEquals(await result.get(), 4);
  assertEquals(result.getSync(), 4);
});

test("ThreadPool: closing, joining, terminating", async () => {
  const pool = new ThreadPool(1);
  await assertRejects(() => pool.join(), InvalidStateError);
  const result = pool.mapAsync(square, [1, 2, 3]);
  pool.close();
  await assertRejects(() => pool.apply(square, [1]), ClosedError);
  assertThrows(() => pool.imap(square, [1]), ClosedError);
  await pool.join();
  assertEquals(result.getSync(), [1, 4, 9]);
  const ended = new ThreadPool(1);
  const pending = [
    ended.apply(() => new Promise(() => {})),
    ended.apply(square, [1]),
    ended.imap(square, [1]).next(),
    ended.broadcast(square as () => number),
  ].map(rejection);
  ended.terminate();
  for (const error of pending) assertInstanceOf(await error, CancelledError);
  await ended.join();
});

test("ThreadPool: initializer, limits, broadcast, signal, trace", async () => {
  let count = 0;
  await using pool = new ThreadPool(3, { initializer: () => void count++, trace: true });
  assertEquals((await pool.broadcast(() => count)).length, 3);
  assertEquals(count, 3);
  await using broken = new ThreadPool(2, {
    initializer: () => {
      throw new RangeError("no");
    },
  });
  const error = await rejection(broken.map(square, [1, 2]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertInstanceOf(error.cause, RangeError);
  const stuck = (): Promise<void> => new Promise(() => {});
  await assertRejects(() => pool.apply(stuck, [], { taskTimeout: 5 }), TimeoutError, "5 ms");
  const controller = new AbortController();
  const aborted = rejection(pool.map(stuck, [1, 2, 3], { signal: controller.signal, taskTimeout: 50 }));
  controller.abort("why");
  assertEquals(await aborted, "why");
  assertEquals(await pool.apply(square, [3]), 9);
  const { traceEvents } = JSON.parse(pool.trace()) as { traceEvents: { ph: string }[] };
  assert(traceEvents.some((event) => event.ph === "X"));
  for (const wrong of [0, -1, 1.5]) assertThrows(() => new ThreadPool(wrong), RangeError);
});
