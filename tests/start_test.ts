/**
 * Workers that start, that cannot start, and that are left behind.
 */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async";
import { BrokenProcessPoolError, Pool, ProcessPoolExecutor, TimeoutError } from "../mod.ts";
import { run } from "../testing/run_program.ts";
import { reaches, rejection, test, words } from "../testing/counted_workers.ts";
import { terminateStopsCode } from "../base/platform.ts";

const square = (n: number): number => n * n;

// Tasks that end each worker that reads them.

/** Ends every worker in which it is compiled. */
class Deadly {
  static home = typeof WorkerGlobalScope === "undefined" ? "" : Deno.exit(3);
}

declare const WorkerGlobalScope: unknown;

const deadly: [string, (pool: Pool) => Promise<unknown>][] = [
  ["an argument", (pool) => pool.apply((D: typeof Deadly) => D.home, [Deadly])],
  ["an argument that goes by message", (pool) => {
    return pool.apply((D: typeof Deadly, _: unknown) => D.home, [Deadly, new SharedArrayBuffer(8)]);
  }],
  ["an item", (pool) => pool.map((D: typeof Deadly) => D.home, [Deadly])],
  ["the task itself", (pool) => pool.apply(Deadly as unknown as () => void, [])],
  ["an argument of a broadcast", (pool) => pool.broadcast((D: typeof Deadly) => D.home, [Deadly])],
];

for (const [what, call] of deadly) {
  for (const taskTimeout of [Infinity, 5000]) {
    test(`${what} that ends two workers fails its task, and the others go on, with a limit of ${taskTimeout}`, async () => {
      const pool = new Pool(1, { taskTimeout });
      const before = pool.apply(square, [2]);
      const error = await rejection(call(pool));
      assertInstanceOf(error, BrokenProcessPoolError);
      assertEquals(error.exitCode, 3);
      assertStringIncludes(error.message, "while it read");
      assertEquals(await before, 4);
      assertEquals(await pool.apply(square, [3]), 9);
      assertEquals(await pool.apply(() => self.name), "PoolWorker-3"); // two workers have ended, no more
      pool.close();
      await pool.join();
    });
  }
}

test("a task fails when each worker is broken before it can read it", async () => {
  const pool = new Pool(1, {
    initializer: () => {
      Map.prototype.get = () => {
        throw new Error("sabotage");
      };
    },
  });
  assertInstanceOf(await rejection(pool.apply((x: unknown) => x, [[{ a: [1] }]])), BrokenProcessPoolError);
  pool.close();
  await pool.join();
});

test("a task fails when each worker ends before it has the rest of it, which goes by message", async () => {
  const pool = new Pool(1, {
    initializer: () => {
      // Ends the worker when the rest arrives, before the task is read.
      Object.defineProperty(MessageEvent.prototype, "data", {
        set(value) {
          if (value?.type === "payload") Deno.exit(5);
          Object.defineProperty(this, "data", { value });
        },
      });
    },
  });
  const error = await rejection(pool.apply((x: unknown) => x, [{ memory: new SharedArrayBuffer(8) }]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertEquals(error.exitCode, 5);
  assertStringIncludes(error.message, "while it read");
  pool.close();
  await pool.join();
});

test("a worker that is broken by a task costs the next one nothing", async () => {
  await using pool = new Pool(1);
  await pool.apply(() => {
    Map.prototype.has = () => {
      throw new Error("sabotage");
    };
  });
  assertEquals(await pool.apply((x: { m: Map<number, number> }) => x.m.size, [{ m: new Map([[1, 2]]) }]), 1);
});

// Time limits before the first call.

test("a limit ends code that runs while an argument is read, and the worker goes on", async () => {
  class Endless {
    static {
      while (typeof WorkerGlobalScope !== "undefined");
    }
  }
  await using pool = new Pool(1);
  await pool.apply(square, [1]);
  const options = { taskTimeout: 200 };
  for (const args of [[Endless], [Endless, new SharedArrayBuffer(8)]]) {
    const task = (E: unknown): string => typeof E;
    assertInstanceOf(await rejection(pool.apply(task as () => string, args as never, options)), TimeoutError);
  }
  assertInstanceOf(await rejection(pool.apply(Endless as unknown as () => void, [], options)), TimeoutError);
  assertEquals(await pool.apply(() => self.name, [], options), "PoolWorker-1");
});

const endless: [string, () => unknown, RegExp][] = [
  ["loops", () => {
    for (;;);
  }, /the initializer took longer than the limit of 200 ms/],
  ["waits", () => new Promise(() => {}), /the initializer took longer than the limit of 200 ms/],
  ["loops after an await", async () => {
    await null;
    // The loop ends by itself, as the runtime may not be able to end it.
    for (const end = Date.now() + 3000; Date.now() < end;);
  }, /did not start (within|as the initializer)/],
];

for (const [how, initializer, message] of endless) {
  test(`taskTimeout covers an initializer that ${how}`, async () => {
    const pool = new Pool(2, { initializer, taskTimeout: 200 });
    const error = await rejection(pool.apply(square, [1]));
    assertInstanceOf(error, BrokenProcessPoolError);
    assertInstanceOf(error.cause, TimeoutError);
    assert(message.test(error.cause.message), error.cause.message);
    await pool.join();
  });
}

test("taskTimeout covers the import of a module", async () => {
  for (const top of ["await new Promise(() => {})", "for (const end = Date.now() + 3000; Date.now() < end;);"]) {
    const module = `data:text/javascript,${encodeURIComponent(`if (globalThis.WorkerGlobalScope) { ${top} }`)}`;
    const executor = new ProcessPoolExecutor(1, { module, taskTimeout: 300 });
    const error = await rejection(executor.submit(square, 1).result());
    assertInstanceOf(error, BrokenProcessPoolError);
    assertInstanceOf(error.cause, TimeoutError);
    await executor.shutdown();
  }
});

test("an initializer that loops counts as a zombie once its pool is terminated, until it ends", async () => {
  const flags = words(2);
  const pool = new Pool(1, {
    initializer: (flags: Int32Array) => {
      Atomics.store(flags, 0, 1);
      while (Atomics.load(flags, 1) === 0);
    },
    initargs: [flags],
  });
  const lost = rejection(pool.apply(square, [1]));
  await reaches(flags, 0, 1);
  assertEquals(pool.stats().zombies, 0);
  pool.terminate();
  assertEquals(pool.stats().zombies, terminateStopsCode() ? 0 : 1);
  Atomics.store(flags, 1, 1);
  await lost;
  while (pool.stats().zombies > 0) await delay(1);
});

// Workers that cannot be started.

/** Makes `Worker` throw from its use number `first` until before its use number `last`, and counts the uses. */
function breakWorkers(first: number, last: number): { used: number; [Symbol.dispose](): void } {
  const Before = globalThis.Worker;
  const state = {
    used: 0,
    [Symbol.dispose]: () => void (globalThis.Worker = Before),
  };
  globalThis.Worker = class extends Before {
    constructor(url: string | URL, options?: WorkerOptions) {
      state.used++;
      if (state.used >= first && state.used < last) throw new RangeError("no more threads");
      super(url, options);
    }
  };
  return state;
}

/** Collects the warnings that are printed until it is disposed. */
function hearWarnings(): { heard: string[]; [Symbol.dispose](): void } {
  const before = console.warn;
  const heard: string[] = [];
  console.warn = (...args: unknown[]) => void heard.push(args.join(" "));
  return { heard, [Symbol.dispose]: () => void (console.warn = before) };
}

/** Runs until `parties` of these calls run at once, which `flags` count. */
function meet(flags: Int32Array, parties: number): string {
  Atomics.add(flags, 0, 1);
  Atomics.notify(flags, 0);
  for (let n = Atomics.load(flags, 0); n < parties; n = Atomics.load(flags, 0)) Atomics.wait(flags, 0, n);
  return self.name;
}

test("a pool goes on with the workers it has when another one cannot be started, says so once, and tries again", async () => {
  using workers = breakWorkers(2, 5);
  using warnings = hearWarnings();
  await using pool = new Pool(2);
  assertEquals(await pool.map(square, [1, 2, 3, 4], { chunksize: 1 }), [1, 4, 9, 16]);
  assertEquals(await pool.broadcast(() => 1), [1]); // there is only one worker
  const flags = words(1);
  // These calls can end only when there is a second worker, after some failures.
  const names = await Promise.all([pool.apply(meet, [flags, 2]), pool.apply(meet, [flags, 2])]);
  assertEquals(new Set(names).size, 2);
  assertEquals(pool.stats().startFailures, workers.used - 2);
  assert(pool.stats().startFailures >= 3);
  assertEquals(warnings.heard.length, 1);
  assertStringIncludes(warnings.heard[0]!, "Cannot start another worker of 'PoolWorker': no more threads");
});

test("a blocking call waits for a worker that can only be started later", async () => {
  using _workers = breakWorkers(2, 4);
  using _warnings = hearWarnings();
  await using pool = new Pool(2);
  await pool.apply(square, [1]);
  const names = pool.mapSync(meet as (flags: Int32Array) => string, [words(1)].flatMap((f) => [f, f]), {
    chunksize: 1,
  });
  assertEquals(names.length, 2);
});

test("a pool is broken when no worker is left and none can be started", async () => {
  using workers = breakWorkers(2, Infinity);
  using _warnings = hearWarnings();
  const pool = new Pool(2);
  assertEquals(await pool.apply(square, [3]), 9);
  const ended = rejection(pool.apply(() => Deno.exit(1)));
  const next = await rejection(pool.apply(square, [2]));
  assertInstanceOf(await ended, BrokenProcessPoolError);
  assertInstanceOf(next, BrokenProcessPoolError);
  assertStringIncludes(next.message, "no more threads");
  await pool.join();
  assert(workers.used >= 2);
});

test("a worker that ends while it starts does not break the pool whose other workers go on", async () => {
  using warnings = hearWarnings();
  const flags = words(2);
  await using pool = new Pool(2, {
    initializer: (flags: Int32Array) => {
      if (Atomics.add(flags, 1, 1) === 1) Deno.exit(4);
    },
    initargs: [flags],
  });
  await pool.apply(square, [1]);
  const names = await Promise.all([pool.apply(meet, [flags, 2]), pool.apply(meet, [flags, 2])]);
  assertEquals(names.toSorted(), ["PoolWorker-1", "PoolWorker-3"]);
  assertEquals([pool.stats().startFailures, warnings.heard.length], [1, 1]);
});

// Programs that forget their pools.

const START = `import { Pool, Process } from "MODULE"; const square = (n) => n * n;`;

test("a pool that was forgotten lets its program end, and so does a worker that cannot be stopped", async () => {
  const idle = await run(
    `${START} console.log(await new Pool({ processes: 2, idleTimeout: Infinity }).map(square, [3]));`,
  );
  assertEquals(idle, { code: 0, output: "[ 9 ]\n" });
  const busy = await run(`${START}
    const pool = new Pool(1);
    const flags = new Int32Array(new SharedArrayBuffer(4));
    const lost = pool.apply((flags) => { Atomics.store(flags, 0, 1); for (;;); }, [flags]).catch((e) => e.name);
    while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    pool.terminate();
    console.log(await lost);`);
  assertEquals(busy, { code: 0, output: "CancelledError\n" });
});

test("a program does not end while a task or a process of it is under way", async () => {
  const late = await run(`${START}
    const pool = new Pool(1);
    await pool.apply(square, [1]);
    pool.apply(() => new Promise((resolve) => setTimeout(resolve, 300, "late"))).then(console.log);`);
  assertEquals(late, { code: 0, output: "late\n" });
  const process = await run(`${START}
    new Process({ target: () => new Promise((resolve) => setTimeout(resolve, 300)).then(() => console.log("late")) }).start();`);
  assertEquals(process, { code: 0, output: "late\n" });
  const replaced = await run(`${START}
    const pool = new Pool({ processes: 1, maxTasksPerChild: 1 });
    for (let i = 0; i < 4; i++) pool.apply(() => new Promise((resolve) => setTimeout(resolve, 20, "late"))).then(console.log);`);
  assertEquals(replaced, { code: 0, output: "late\n".repeat(4) });
});
