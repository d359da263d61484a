/** The workers of a pool from the first to the last: start, replacement, close, terminate, and the trace of all that. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type AsyncResult,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  Pool,
  SerializationError,
} from "../../mod.ts";
import { liveWorkers, reaches, rejection, release, test, words } from "../../testing/counted_workers.ts";
import { Odd, range, square } from "./helpers.ts";

test("a closed pool takes no work, finishes what it has, and can be joined; an open one cannot", async () => {
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

test("terminate() drops 10,000 queued tasks, which never run", async () => {
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

test("terminate() settles what is pending with CancelledError", async () => {
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

test("leaving 'await using' waits for the work, leaving 'using' gives it up", async () => {
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

test("the number of workers must be a positive integer; they start on demand", async () => {
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

test("the initializer runs once in each worker, before its first task", async () => {
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

test("an initializer that throws breaks the pool, with its error as the cause", async () => {
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

test("a worker is replaced after so many tasks, and no answer is lost", async () => {
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

test("when no worker can be created, every pending call fails, and later ones throw", async () => {
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
