/**
 * The option `concurrency`: tasks of one worker that await at the same time.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { BrokenProcessPoolError, Pool, ProcessPoolExecutor, TimeoutError } from "../mod.ts";
import { rejection, test, words } from "../testing/counted_workers.ts";

/** Adds 1 to a word, and waits until it is `count`. */
async function meet(flags: Int32Array, count: number): Promise<number> {
  Atomics.add(flags, 0, 1);
  while (Atomics.load(flags, 0) < count) await new Promise((resolve) => setTimeout(resolve, 1));
  return count;
}

/** Waits until word 0 is not 0. */
async function hold(flags: Int32Array): Promise<string> {
  while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  return "held";
}

test("concurrency: tasks of one worker that wait for each other all run, by apply, map and submit", async () => {
  await using pool = new Pool(1, { concurrency: 20 });
  const flags = words(1);
  const calls = Array.from({ length: 20 }, () => pool.apply(meet, [flags, 20]));
  assertEquals(await Promise.all(calls), Array(20).fill(20));
  const again = words(1);
  assertEquals(
    await pool.starmap(meet, Array.from({ length: 20 }, () => [again, 20] as const), { chunksize: 1 }),
    Array(20).fill(20),
  );
  await using executor = new ProcessPoolExecutor(1, { concurrency: 2 });
  const others = words(1);
  const futures = [executor.submit(meet, others, 2), executor.submit(meet, others, 2)];
  assertEquals(await Promise.all(futures.map((future) => future.result())), [2, 2]);
});

test("concurrency: no more tasks are begun than it says, in their order; without it one at a time", async () => {
  for (const [concurrency, expected] of [[undefined, 1], [3, 3]] as const) {
    await using pool = new Pool(1, { ...concurrency !== undefined && { concurrency } });
    const [counts, flags] = [words(2), words(1)];
    const calls = Array.from(
      { length: 10 },
      (_, i) =>
        pool.apply(async (counts: Int32Array, flags: Int32Array, i: number) => {
          const begun = Atomics.add(counts, 1, 1);
          const now = Atomics.add(counts, 0, 1) + 1;
          while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          Atomics.sub(counts, 0, 1);
          return [begun === i, now];
        }, [counts, flags, i]),
    );
    while (Atomics.load(counts, 0) < expected) await new Promise((resolve) => setTimeout(resolve, 1));
    // A task that has just begun to await is counted twice for a moment.
    while (pool.stats().running !== expected) await new Promise((resolve) => setTimeout(resolve, 1));
    assertEquals(pool.stats().queued, 10 - expected);
    Atomics.store(flags, 0, 1);
    const results = await Promise.all(calls);
    assert(results.every(([inOrder]) => inOrder));
    assertEquals(Math.max(...results.map(([, now]) => now as number)), expected);
  }
});

test("concurrency: a task that awaits beyond its limit fails alone", async () => {
  await using pool = new Pool(1, { concurrency: 4 });
  const flags = words(1);
  const others = [pool.apply(hold, [flags]), pool.apply(hold, [flags])];
  const late = pool.apply(() => new Promise(() => {}), [], { taskTimeout: 100 });
  assertInstanceOf(await rejection(late), TimeoutError);
  Atomics.store(flags, 0, 1);
  assertEquals(await Promise.all(others), ["held", "held"]);
  assertEquals(await pool.apply(Math.sqrt, [16]), 4);
});

test("concurrency: a task that loops after an await, beyond its limit, fails with the others of its worker", async () => {
  await using pool = new Pool(1, { concurrency: 4 });
  const flags = words(1);
  const other = pool.apply(hold, [flags]);
  const late = pool.apply(
    async (flags: Int32Array) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      while (Atomics.load(flags, 0) === 0); // until the test has seen that it was given up
    },
    [flags],
    { taskTimeout: 100 },
  );
  const [first, second] = await Promise.all([rejection(late), rejection(other)]);
  Atomics.store(flags, 0, 1);
  assertInstanceOf(first, TimeoutError);
  assertInstanceOf(second, BrokenProcessPoolError);
  assertEquals(await pool.apply(Math.sqrt, [16]), 4);
});

test("concurrency: when a worker dies, all that it has begun fails, and the rest goes on", async () => {
  await using pool = new Pool(1, { concurrency: 3 });
  const flags = words(1);
  const begun = [pool.apply(hold, [flags]), pool.apply(hold, [flags])];
  const end = pool.apply(async (flags: Int32Array) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (flags.length > 0) Deno.exit(3);
  }, [flags]);
  const later = [1, 4, 9].map((n) => pool.apply(Math.sqrt, [n]));
  for (const lost of [...begun, end]) {
    const error = await rejection(lost);
    assertInstanceOf(error, BrokenProcessPoolError);
    assertEquals(error.exitCode, 3);
  }
  assertEquals(await Promise.all(later), [1, 2, 3]);
});

test("concurrency: an error that nothing catches fails all that awaits in its worker", async () => {
  await using pool = new Pool(1, { concurrency: 3 });
  const flags = words(1);
  const lost = [pool.apply(hold, [flags]), pool.apply(hold, [flags])];
  await pool.apply(() =>
    void setTimeout(() => {
      throw new RangeError("stray");
    }, 1)
  );
  for (const one of lost) {
    const error = await rejection(one);
    assertInstanceOf(error, BrokenProcessPoolError);
    assertInstanceOf(error.cause, RangeError);
  }
});

test("concurrency: maxTasksPerChild counts each task, and a worker ends after its last one", async () => {
  await using pool = new Pool(1, { concurrency: 8, maxTasksPerChild: 3 });
  const flags = words(1);
  Atomics.store(flags, 0, 1);
  const names = await Promise.all(Array.from({ length: 9 }, () =>
    pool.apply(async (flags: Int32Array) => {
      while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      return self.name;
    }, [flags])));
  assertEquals(names, [1, 1, 1, 2, 2, 2, 3, 3, 3].map((n) => `PoolWorker-${n}`));
});

test("concurrency: an abandoned call is not waited for; large payloads reach a worker with tasks that await", async () => {
  await using pool = new Pool(1, { concurrency: 3 });
  const flags = words(1);
  const control = new AbortController();
  const held = pool.apply(hold, [flags]);
  const abandoned = pool.apply(hold, [flags], { signal: control.signal });
  control.abort();
  assertEquals((await rejection(abandoned) as Error).name, "AbortError");
  const wide = "ж".repeat(100_000);
  const big = new Uint8Array(1_000_000).fill(7);
  const echo = async (text: string, bytes: Uint8Array) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return [text, bytes.length, bytes[999_999]];
  };
  assertEquals(await pool.apply(echo, [wide, big]), [wide, 1_000_000, 7]);
  Atomics.store(flags, 0, 1);
  assertEquals(await held, "held");
});

test("concurrency: a task that keeps a thread after an await is no reason for the next one to wait", async () => {
  await using pool = new Pool(2, { concurrency: 2 });
  const flags = words(2);
  // The first one computes, and so does not let its worker go on, until the last one has run.
  const first = pool.apply(async (flags: Int32Array) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    Atomics.store(flags, 1, 1);
    Atomics.notify(flags, 1);
    while (Atomics.load(flags, 0) < 3);
    return "first";
  }, [flags]);
  while (Atomics.load(flags, 1) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const rest = Array.from(
    { length: 3 },
    () => pool.apply((flags: Int32Array) => Atomics.add(flags, 0, 1) + 1, [flags]),
  );
  assertEquals(await Promise.all(rest), [1, 2, 3]);
  assertEquals(await first, "first");
});

test("concurrency: a wrong one is refused at once", () => {
  for (const concurrency of [0, -1, 1.5, Infinity]) {
    let error: unknown;
    try {
      new Pool(1, { concurrency });
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, RangeError);
  }
});
