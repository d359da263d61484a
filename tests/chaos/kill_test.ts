/**
 * Workers that die all the time, in every way they can, beside real work: only what they ran fails, and the pool is as
 * good as new afterwards. `KILLS=500` for more of them, `KILL_SEED=n` for another order.
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async";
import { BrokenProcessPoolError, Pool, type PoolStats, ProcessPoolExecutor } from "../../mod.ts";
import { random } from "../../testing/random.ts";
import { rejection, test } from "../../testing/counted_workers.ts";

const KILLS = Number(Deno.env.get("KILLS") ?? 60);
const SEED = Number(Deno.env.get("KILL_SEED") ?? 1);
/** The most deaths of one test, which has to end within the limit of `test`. */
const PART = 60;
const SIZE = 3;
/** How long all may take to settle, in milliseconds. */
const SETTLING = 12_000;

const WAYS = [
  "exit",
  "close",
  "process.exit",
  "exit after an await",
  "close after an await",
  "exit in a timer",
  "process.exit in a timer",
  "exit in a microtask",
  "exit in a listener of a port",
  "exit in a getter of the result",
  "exit in a getter of the error",
  "exit of what 'Deno.exitCode' says",
  "exit after the task",
  "exit while the next one is fetched",
] as const;

/** Whether a worker keeps what is put into `Deno.exitCode`, by which `process.exit()` goes. */
const KEEPS_CODE = !Deno.version.deno.startsWith("2.5.");

type Way = typeof WAYS[number];

/** Ends its worker, with exit code `n`, or 0 by `close`. The last two give `n` first. */
function kill(way: Way, n: number): unknown {
  const { process } = globalThis as unknown as { process: typeof Deno };
  switch (way) {
    case "exit":
      return Deno.exit(n);
    case "close":
      return self.close();
    case "process.exit":
      return process.exit(n);
    case "exit after an await":
      return Promise.resolve().then(() => Deno.exit(n));
    case "close after an await":
      return Promise.resolve().then(() => self.close());
    case "exit in a timer":
      return new Promise(() => setTimeout(() => Deno.exit(n), 1));
    case "process.exit in a timer":
      return new Promise(() => setTimeout(() => process.exit(n), 0));
    case "exit in a microtask":
      queueMicrotask(() => Deno.exit(n));
      return new Promise(() => {});
    case "exit in a listener of a port": {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => Deno.exit(n);
      port2.postMessage(null);
      return new Promise(() => {});
    }
    case "exit in a getter of the result":
      return {
        get value() {
          return Deno.exit(n);
        },
      };
    case "exit in a getter of the error":
      throw Object.defineProperty(new Error("dying"), "value", { enumerable: true, get: () => Deno.exit(n) });
    case "exit of what 'Deno.exitCode' says":
      Deno.exitCode = n;
      return Deno.exit();
    case "exit after the task":
      setTimeout(() => Deno.exit(n), n % 3);
      return n;
    case "exit while the next one is fetched": {
      // In turns of the event loop, of which the fetching of arguments takes some.
      const { port1, port2 } = new MessageChannel();
      let turns = n % 5;
      port1.onmessage = () => turns-- > 0 ? port2.postMessage(null) : Deno.exit(n);
      port2.postMessage(null);
      return n;
    }
  }
}

const isLate = (way: Way): boolean => way === "exit after the task" || way === "exit while the next one is fetched";
const waits = (way: Way): boolean => way.endsWith("timer") || way.endsWith("port");
const square = (n: number): number => n * n;
const add = (n: number, words: Int32Array): number => n + words.length;
const fill = (n: number): Uint8Array => new Uint8Array(20_000).fill(n & 255);
const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => a + b, 0);
const one = (): number => 1;

/** Checks one outcome; whatever is wrong says when it was. */
async function expect(when: string, promise: Promise<unknown>, expected: unknown): Promise<void> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    throw new Error(`${when}: failed`, { cause: error });
  }
  assertEquals(value, expected, `${when}`);
}

/** Checks that a task died with its worker, and no other error took its place. */
async function expectDeath(when: string, way: Way, n: number, promise: Promise<unknown>): Promise<void> {
  if (isLate(way)) return await expect(`${when}, ${way}`, promise, n);
  const error = await rejection(promise);
  const where = `${when}, ${way}: ${Deno.inspect(error)}`;
  assert(error instanceof BrokenProcessPoolError, where);
  // One that waits may be overtaken by the end that an earlier task has left behind.
  const isKept = KEEPS_CODE || !(way.startsWith("process.exit") || way.includes("exitCode"));
  const code = waits(way) ? error.exitCode! : way.startsWith("close") || !isKept ? 0 : n;
  assertEquals(error.exitCode, code, where);
  assert(code >= 0, where);
  assertStringIncludes(error.message, `ended with code ${code} while it ran`, where);
}

/** Counts the workers that are started while `run` goes on. */
async function countingStarts(run: (starts: () => number) => Promise<void>): Promise<void> {
  const Before = globalThis.Worker;
  let starts = 0;
  globalThis.Worker = class extends Before {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      starts++;
    }
  };
  try {
    await run(() => starts);
  } finally {
    globalThis.Worker = Before;
  }
}

/** Checks that nothing is left, and that so many tasks have ended. */
function checkStats(stats: PoolStats, finished: number, when: string): void {
  const { workers, ...counts } = stats;
  assert(workers <= SIZE, `${when}: ${workers} workers`);
  assertEquals(counts, { queued: 0, running: 0, finished, zombies: 0, startFailures: 0 }, when);
}

async function killInPool(kills: number, seed: number): Promise<void> {
  const next = random(seed);
  const words = new Int32Array(new SharedArrayBuffer(12));
  await countingStarts(async (starts) => {
    await using pool = new Pool(SIZE, { scope: { kill } });
    let tasks = 0;
    let early = 0;
    for (let done = 0; done < kills;) {
      const round: Promise<void>[] = [];
      for (let i = 0; i < 10 && done < kills; i++, done++) {
        const way = WAYS[next(WAYS.length)]!;
        const n = 1 + next(100);
        const when = `seed ${seed}, kill ${done}`;
        if (!isLate(way)) early++;
        // Work that never awaits: a death that comes after its task finds it waiting, never running.
        round.push(expect(`${when}, apply`, pool.apply(square, [n]), n * n));
        if (next(3) === 0) {
          const run = (way: Way, m: number): unknown => m === 2 ? kill(way, 9) : m;
          const tuples = [0, 1, 2, 3, 4].map((m): [Way, number] => [way, m]);
          const mixed = pool.starmap(run, tuples, { chunksize: 1, returnExceptions: true });
          round.push(mixed.then(async (results) => {
            await expectDeath(`${when}, in a map`, way, 9, asPromise(results[2]));
            assertEquals(results.filter((_, index) => index !== 2), [0, 1, 3, 4], when);
          }));
          tasks += 5;
        } else {
          round.push(expectDeath(when, way, n, pool.apply(kill, [way, n])));
          tasks++;
        }
        const fetched = 1 + next(4);
        for (let j = 0; j < fetched; j++) round.push(expect(`${when}, fetched`, pool.apply(add, [j, words]), j + 3));
        const list = Array.from({ length: 1 + next(20) }, (_, index) => index);
        const chunksize = 1 + next(4);
        const squares = list.map(square);
        round.push(expect(`${when}, map`, pool.map(square, list, { chunksize }), squares));
        round.push(expect(`${when}, imap`, Array.fromAsync(pool.imap(square, list)), squares));
        round.push(expect(`${when}, large`, pool.apply(sum, [new Uint8Array(30_000).fill(1)]), 30_000));
        round.push(expect(`${when}, fill`, pool.apply(fill, [n]).then((bytes) => bytes[19_999]), n));
        tasks += 3 + fetched + Math.ceil(list.length / chunksize) + list.length;
      }
      // A round is settled as a whole, so that it is known when something hangs.
      await deadline(Promise.all(round), SETTLING).catch((error) => {
        pool.terminate(); // or its end would be waited for
        if (!(error instanceof DOMException)) throw error;
        throw new Error(`seed ${seed}: of ${round.length} calls up to kill ${done} some have not settled`);
      });
      assert(pool.stats().workers <= SIZE, `seed ${seed}, kill ${done}: ${pool.stats().workers} workers`);
    }
    assert(starts() >= early, `seed ${seed}: ${starts()} workers for ${early} deaths`);
    assert(starts() <= 2 * kills + 2 * SIZE, `seed ${seed}: ${starts()} workers for ${kills} deaths`);
    assertEquals(pool.stats().finished, tasks, `seed ${seed}`);
    await goesOn(pool);
  });
}

/** A result of `returnExceptions` as the promise it would have been. */
function asPromise(result: unknown): Promise<unknown> {
  return result instanceof Error ? Promise.reject(result) : Promise.resolve(result);
}

/** The throughput of tiny tasks is what it should be: each of many gives its answer, on all workers. */
async function goesOn(pool: Pool): Promise<void> {
  const numbers = Array.from({ length: 5000 }, (_, index) => index);
  const squares = numbers.map(square);
  assertEquals(await Promise.all(numbers.map((n) => pool.apply(square, [n]))), squares);
  assertEquals(await pool.map(square, numbers), squares);
  // All late deaths have come: the workers that answer now stay.
  for (let settled = 0; settled < 3;) {
    const names = await pool.broadcast(() => self.name);
    assertEquals(new Set(names).size, SIZE);
    const again = await pool.broadcast(() => new Promise<string>((done) => setTimeout(done, 5, self.name)))
      .catch((error) => {
        assertInstanceOf(error, BrokenProcessPoolError); // the last of the late deaths
        return [];
      });
    settled = names.sort().join() === again.sort().join() ? settled + 1 : 0;
  }
  const before = pool.stats();
  assertEquals(await Promise.all(numbers.map((n) => pool.apply(square, [n]))), squares);
  assertEquals(await pool.broadcast(one), Array(SIZE).fill(1));
  assertEquals(pool.stats(), { ...before, workers: SIZE, finished: before.finished + 5000 + SIZE });
  assertEquals([before.queued, before.running, before.zombies], [0, 0, 0]);
}

async function killInExecutor(kills: number, seed: number): Promise<void> {
  const next = random(seed);
  const ways = WAYS.filter((way) => !isLate(way));
  await countingStarts(async (starts) => {
    await using executor = new ProcessPoolExecutor(SIZE);
    let tasks = 0;
    for (let done = 0; done < kills;) {
      const round: Promise<void>[] = [];
      for (let i = 0; i < 10 && done < kills; i++, done++) {
        const way = ways[next(ways.length)]!;
        const n = 1 + next(100);
        const when = `seed ${seed}, kill ${done}`;
        const before = executor.submit(square, n);
        const dying = executor.submit(kill, way, n);
        const list = Array.from({ length: next(20) }, (_, index) => index);
        const later = (m: number): Promise<number> => new Promise((done) => setTimeout(done, 1, m));
        const after = [executor.submit(square, n + 1), executor.submit(later, n)] as const;
        round.push(expect(`${when}, before`, before.result(), n * n));
        round.push(expectDeath(when, way, n, dying.result()));
        round.push(expect(`${when}, after`, after[0].result(), (n + 1) ** 2));
        round.push(expect(`${when}, later`, after[1].result(), n));
        round.push(expect(`${when}, map`, Array.fromAsync(executor.map(square, list)), list.map(square)));
        tasks += 4 + list.length;
      }
      await deadline(Promise.all(round), SETTLING).catch((error) => {
        executor.terminateWorkers(); // or their end would be waited for
        if (!(error instanceof DOMException)) throw error;
        throw new Error(`seed ${seed}: of ${round.length} calls up to kill ${done} some have not settled`);
      });
    }
    // One for each death but those at the very end, and the first ones: nothing else costs a worker.
    assert(starts() >= kills && starts() <= kills + SIZE, `seed ${seed}: ${starts()} workers for ${kills} deaths`);
    checkStats(executor.stats(), tasks, `seed ${seed}`);
    const futures = Array.from({ length: 5000 }, (_, index) => executor.submit(square, index));
    for (const [index, future] of futures.entries()) assertEquals(await future.result(), index * index);
    checkStats(executor.stats(), tasks + 5000, `seed ${seed}`);
    assert(starts() <= kills + SIZE, `seed ${seed}: ${starts()} workers for ${kills} deaths`);
  });
}

for (let part = 0; part * PART < KILLS; part++) {
  const kills = Math.min(PART, KILLS - part * PART);
  const seed = SEED + part;
  const what = `die in every way, and only what they ran fails: seed ${seed}`;
  test(`${kills} workers of a pool ${what}`, () => killInPool(kills, seed));
  test(`${kills} workers of an executor ${what}`, () => killInExecutor(kills, seed));
}

for (
  const [what, initializer] of [
    ["exits", () => Deno.exit(4)],
    ["closes", () => self.close()],
    ["exits later", () => new Promise(() => setTimeout(() => Deno.exit(4), 1))],
    ["throws", () => {
      throw new RangeError("no start");
    }],
    ["rejects", () => Promise.reject(new RangeError("no start"))],
  ] as [string, () => unknown][]
) {
  test(`an initializer that ${what} breaks its pool, which starts no workers any more`, async () => {
    await countingStarts(async (starts) => {
      for (const size of [1, SIZE]) {
        const first = starts();
        const pool = new Pool(size, { initializer });
        const pending = [
          ...Array.from({ length: 50 }, (_, index) => pool.apply(square, [index])),
          pool.map(square, [1, 2, 3], { chunksize: 1 }),
          pool.broadcast(one),
          pool.imap(square, [1, 2, 3]).next(),
        ].map((promise) => rejection(promise));
        for (const error of await Promise.all(pending)) {
          assertInstanceOf(error, BrokenProcessPoolError);
          if (!what.startsWith("exits") && what !== "closes") assertInstanceOf(error.cause, RangeError);
        }
        const started = starts() - first;
        assert(started >= 1 && started <= size, `${started} workers`);
        for (let i = 0; i < 20; i++) await assertRejects(() => pool.apply(square, [i]), BrokenProcessPoolError);
        await pool.join();
        assertEquals(starts() - first, started);
        const { workers, queued, running } = pool.stats();
        assertEquals({ workers, queued, running }, { workers: 0, queued: 0, running: 0 });

        const executor = new ProcessPoolExecutor(size, { initializer });
        const futures = Array.from({ length: 50 }, (_, index) => executor.submit(square, index));
        for (const future of futures) assertInstanceOf(await future.exception(), BrokenProcessPoolError);
        await executor.shutdown();
        assert(starts() - first <= started + size, `${starts() - first} workers`);
      }
    });
  });
}

test("an initializer that fails only in a later worker breaks the pool, with what was pending", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const initializer = (words: Int32Array): void => {
    if (Atomics.add(words, 0, 1) >= 4) Deno.exit(4);
  };
  await countingStarts(async (starts) => {
    const pool = new Pool(2, { initializer, initargs: [words], maxTasksPerChild: 3 });
    const calls = await Promise.all(
      Array.from({ length: 100 }, (_, index) => pool.apply(square, [index]).catch((error) => error)),
    );
    const right = calls.filter((value, index) => value === index * index).length;
    const broken = calls.filter((value) => value instanceof BrokenProcessPoolError).length;
    assertEquals(right + broken, 100);
    assert(right >= 3 && right <= 12, `${right} calls on 4 workers of 3 tasks each`);
    // Four do their work; one ends while another still works, and then two, each of which might be the one that comes up.
    assert(starts() <= 7, `${starts()} workers`);
    await pool.join();
  });
});
