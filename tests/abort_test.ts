/** Giving up calls that run: `signal`, `abortGrace`, `Future.abort()` and `currentTask()`. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { type CurrentTask, currentTask, Pool, ProcessPoolExecutor, ThreadPool } from "../mod.ts";
import { processes } from "../processes/mod.ts";
import { arriveAndBlock, reaches, rejection, release, test, words } from "../testing/counted_workers.ts";

const square = (n: number): number => n * n;
const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** Resolves with the reason of the abort, as the task sees it. */
function untilAborted(): Promise<unknown> {
  const { signal } = currentTask()!;
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason)));
}

/** Waits until a pool has so many running tasks. */
async function runs(pool: Pool | ThreadPool, count = 1): Promise<void> {
  while (pool.stats().running < count) await wait(1);
}

test("a loop sees at once that its call was aborted, and its worker stays", async () => {
  await using pool = new Pool(1, { scope: { currentTask } });
  const worker = await pool.apply(() => self.name);
  const seen = words(2);
  const controller = new AbortController();
  const aborted = rejection(pool.apply(
    (seen: Int32Array) => {
      const { signal } = currentTask()!;
      Atomics.store(seen, 0, 1);
      while (!signal.aborted);
      Atomics.store(seen, 1, signal.reason === "enough" ? 2 : 1);
    },
    [seen],
    { signal: controller.signal, abortGrace: Infinity },
  ));
  await reaches(seen, 0, 1);
  controller.abort("enough");
  assertEquals(await aborted, "enough");
  await reaches(seen, 1, 2);
  assertEquals(await pool.apply(() => self.name), worker);
});

test("a task that awaits gets the event and the reason", async () => {
  await using pool = new Pool(1, { scope: { currentTask, untilAborted } });
  const seen = words(2);
  const controller = new AbortController();
  const aborted = rejection(pool.apply(
    async (seen: Int32Array) => {
      const told = untilAborted();
      Atomics.store(seen, 1, 1);
      Atomics.store(seen, 0, (await told as Error).message === "enough" ? 1 : 2);
    },
    [seen],
    { signal: controller.signal },
  ));
  await reaches(seen, 1, 1); // it has begun: before, it would never run
  controller.abort(new RangeError("enough"));
  assertInstanceOf(await aborted, RangeError);
  await reaches(seen, 0, 1);
  assertEquals(await pool.apply(square, [3]), 9);
});

test("after abortGrace the worker is replaced, whether the task loops or awaits", async () => {
  await using pool = new Pool(1);
  for (
    const task of [() => new Promise(() => {}), () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)]
  ) {
    const worker = await pool.apply(() => self.name);
    const controller = new AbortController();
    const aborted = rejection(pool.apply(task as () => unknown, [], { signal: controller.signal, abortGrace: 20 }));
    const next = pool.apply(() => self.name);
    await runs(pool);
    controller.abort();
    assertEquals((await aborted as Error).name, "AbortError");
    assert(await next !== worker);
  }
});

test("abortGrace of 0 ends the worker at once", async () => {
  await using pool = new Pool(1);
  const controller = new AbortController();
  const aborted = rejection(pool.apply(() => new Promise(() => {}), [], { signal: controller.signal, abortGrace: 0 }));
  const next = pool.apply(square, [4]);
  await runs(pool);
  const start = performance.now();
  controller.abort(1);
  assertEquals(await aborted, 1);
  assertEquals(await next, 16);
  assert(performance.now() - start < 900);
});

test("a map, a stream and a broadcast give up the tasks that run", async () => {
  await using pool = new Pool(2, { scope: { currentTask, untilAborted } });
  const stuck = (): Promise<unknown> => untilAborted();
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => pool.map(stuck, [1, 2, 3, 4], { chunksize: 1, signal }),
    (signal) => Array.fromAsync(pool.imap(stuck, [1, 2, 3, 4], { signal })),
    (signal) => pool.broadcast(stuck, [], { signal }),
  ];
  for (const call of calls) {
    const controller = new AbortController();
    const aborted = rejection(call(controller.signal));
    await runs(pool, 2);
    controller.abort("enough");
    assertEquals(await aborted, "enough");
    assertEquals(await pool.map(square, [1, 2], { chunksize: 1 }), [1, 4]);
  }
});

test("an aborted broadcast ends no worker that runs another call, and never runs there", async () => {
  await using pool = new Pool(1);
  const flags = words(3);
  const other = pool.apply((flags: Int32Array) => {
    Atomics.add(flags, 0, 1);
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
    return "done";
  }, [flags]);
  await reaches(flags, 0, 1);
  const controller = new AbortController();
  const { signal } = controller;
  const broadcast = rejection(
    pool.broadcast((flags: Int32Array) => Atomics.add(flags, 2, 1), [flags], { signal, abortGrace: 0 }),
  );
  controller.abort("enough");
  assertEquals(await broadcast, "enough");
  release(flags);
  assertEquals(await other, "done");
  assertEquals(await pool.apply(square, [3]), 9);
  assertEquals(flags[2], 0);
});

test("Future.abort() gives up what runs and what waits; cancel() stays as it was", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const flags = words(2);
  const running = executor.submit(arriveAndBlock, flags);
  const waiting = executor.submit(square, 2);
  await reaches(flags, 0, 1);
  assertEquals(running.cancel(), false);
  assertEquals(waiting.abort("not needed"), true);
  assertEquals(await rejection(waiting.result()), "not needed");
  assertEquals(running.abort(undefined, { abortGrace: 50_000 }), true);
  assertEquals([running.abort(), running.done(), running.cancelled()], [false, true, false]);
  assertEquals((await rejection(running.result()) as Error).name, "AbortError");
  release(flags); // it ends by itself, so that its worker stays
  assertEquals(await executor.submit(square, 5).result(), 25);
});

test("currentTask() tells the index of the item, and is undefined outside of tasks", async () => {
  assertEquals(currentTask(), undefined);
  const ask = (): Omit<CurrentTask, "signal"> => {
    const { id, index, attempt, signal } = currentTask()!;
    if (signal.aborted) throw signal.reason;
    return { id, index, attempt };
  };
  for (
    const pool of [
      new Pool(2, { scope: { currentTask } }),
      new Pool(2, { scope: { currentTask }, backend: processes() }),
      new ThreadPool(2),
    ]
  ) {
    const seen = await pool.map(ask, [0, 0, 0, 0, 0], { chunksize: 2 });
    assertEquals(seen.map(({ index }) => index), [0, 1, 2, 3, 4]);
    assertEquals(new Set(seen.map(({ id }) => id)).size, 3);
    assert(seen.every(({ attempt }) => attempt === 1));
    assertEquals((await pool.apply(ask)).index, 0);
    pool.close();
    await pool.join();
  }
});

test("with concurrency, another task's signal stays as it is", async () => {
  await using pool = new Pool(1, { concurrency: 2, scope: { currentTask, untilAborted } });
  const controllers = [new AbortController(), new AbortController()];
  const aborted = controllers.map(({ signal }) => rejection(pool.apply(untilAborted, [], { signal })));
  await runs(pool, 2);
  controllers[1]!.abort("second");
  assertEquals(await aborted[1], "second");
  assertEquals(await pool.apply(square, [3]), 9);
  controllers[0]!.abort("first");
  assertEquals(await aborted[0], "first");
});

test("a ThreadPool's task learns of an abort", async () => {
  const pool = new ThreadPool(1);
  const controller = new AbortController();
  let reason: unknown;
  const aborted = rejection(pool.apply(
    async () => {
      reason = await untilAborted();
    },
    [],
    { signal: controller.signal },
  ));
  await runs(pool);
  controller.abort("enough");
  assertEquals(await aborted, "enough");
  pool.close();
  await pool.join();
  assertEquals(reason, "enough");
});

test("processes: a task that awaits learns of an abort, one that loops is ended", async () => {
  const pool = new Pool(1, { backend: processes(), scope: { currentTask, untilAborted } });
  const pid = await pool.apply(() => Deno.pid);
  const first = new AbortController();
  const told = rejection(pool.apply(untilAborted, [], { signal: first.signal }));
  await runs(pool);
  first.abort("enough");
  assertEquals(await told, "enough");
  assertEquals(await pool.apply(() => Deno.pid), pid);
  const second = new AbortController();
  const looping = rejection(
    pool.apply(
      () => {
        for (;;);
      },
      [],
      { signal: second.signal, abortGrace: 0 },
    ),
  );
  const next = pool.apply(() => Deno.pid);
  await runs(pool);
  second.abort("now");
  assertEquals(await looping, "now");
  assert(await next !== pid);
  assertEquals(pool.stats().zombies, 0);
  pool.close();
  await pool.join();
});

test("while the thread is blocked for another call, an aborted one is ended as well", async () => {
  await using pool = new Pool(2);
  const controller = new AbortController();
  const aborted = rejection(
    pool.apply(() => new Promise(() => {}), [], { signal: controller.signal, abortGrace: 10 }),
  );
  await runs(pool);
  controller.abort("enough");
  assertEquals(pool.mapSync(square, [1, 2, 3, 4], { chunksize: 1 }), [1, 4, 9, 16]);
  assertEquals(await aborted, "enough");
});

test("abortGrace is checked", async () => {
  await using pool = new Pool(1);
  for (const abortGrace of [-1, NaN]) assertThrows(() => pool.apply(square, [1], { abortGrace }), RangeError);
  assertThrows(() => pool.apply(square, [1], { abortGrace: "1" as never }), TypeError);
  await assertRejects(() => pool.apply(square, [1], { signal: AbortSignal.abort("gone"), abortGrace: 0 }));
});
