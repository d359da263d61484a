/** Rare orders of events in the backend of processes: ends beside broadcasts, cancelled calls, and code of the user in between. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { BrokenProcessPoolError, CancelledError, Pool, ProcessPoolExecutor, TimeoutError } from "../mod.ts";
import { processes } from "../processes/mod.ts";
import { Porter } from "../processes/porter.ts";
import { rejection } from "../testing/counted_workers.ts";
import { test } from "../testing/counted_processes.ts";
import { run } from "../testing/run_program.ts";

const square = (n: number): number => n * n;
const pidOf = (): number => Deno.pid;
const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
const busy = (time: number): number => {
  const end = performance.now() + time;
  while (performance.now() < end);
  return time;
};

/** Ends a pool and waits for that. */
async function end(pool: Pool): Promise<void> {
  pool.close();
  await pool.join();
  assertEquals([pool.stats().queued, pool.stats().running], [0, 0]);
}

test("timers that tasks leave behind go on, after each task", async () => {
  const pool = new Pool(1, { backend: processes() });
  const later = (): void => {
    setTimeout(() => (globalThis as { fired?: number }).fired = ((globalThis as { fired?: number }).fired ?? 0) + 1, 5);
  };
  for (let i = 1; i <= 3; i++) {
    await pool.apply(later);
    await sleep(150);
    assertEquals(await pool.apply(() => (globalThis as { fired?: number }).fired), i);
  }
  await end(pool);
});

test("broadcasts to a process that retires go to the next one", async () => {
  for (const maxTasksPerChild of [1, 2]) {
    const pool = new Pool(1, { backend: processes(), maxTasksPerChild });
    const pids = (await Promise.all([1, 2, 3].map(() => pool.broadcast(pidOf)))).flat();
    assertEquals(pids.length, 3);
    assert(new Set(pids).size >= 3 / maxTasksPerChild, `${pids}`);
    await end(pool);
  }
});

test("a broadcast to a process that ends while it starts fails with the pool", async () => {
  const pool = new Pool(1, { backend: processes(), initializer: () => Deno.exit(9) });
  assertInstanceOf(await rejection(pool.broadcast(pidOf)), BrokenProcessPoolError);
  await pool.join();
});

test("an aborted broadcast leaves no trace", async () => {
  const pool = new Pool(2, { backend: processes() });
  await pool.broadcast(pidOf);
  const first = pool.broadcast(busy, [100]);
  const controller = new AbortController();
  const aborted = rejection(pool.broadcast(pidOf, [], { signal: controller.signal }));
  await sleep(20);
  controller.abort(new RangeError("enough"));
  assertInstanceOf(await aborted, RangeError);
  await first;
  assertEquals(await pool.apply(square, [3]), 9);
  assertEquals(pool.stats().queued, 0);
  await end(pool);
});

test("a broadcast waits neither for a queue of fast tasks nor for tasks that await", async () => {
  const pool = new Pool(1, { backend: processes() });
  await pool.map(square, Array.from({ length: 500 }, (_, i) => i), { chunksize: 1 });
  let done = 0;
  const all = Array.from({ length: 20_000 }, (_, i) => pool.apply(square, [i]).then(() => done++));
  await pool.broadcast(pidOf);
  assert(done < 20_000, `${done}`);
  await Promise.all(all);
  await end(pool);
  const shared = new Pool(1, { backend: processes(), concurrency: 2 });
  await shared.apply(pidOf);
  const awaits = shared.apply(sleep, [500]).then(() => "awaited");
  assert(await Promise.race([awaits, shared.broadcast(pidOf)]) !== "awaited");
  await awaits;
  await end(shared);
});

test("getters of arguments may terminate the pool, or cancel all", async () => {
  const pool = new Pool(1, { backend: processes() });
  const first = rejection(pool.apply(busy, [50]));
  const argument = {
    get value(): number {
      pool.terminate();
      return 1;
    },
  };
  assertInstanceOf(await rejection(pool.apply((a: unknown) => a, [argument])), CancelledError);
  assertInstanceOf(await first, CancelledError);
  await pool.join();
  assertEquals(pool.stats().queued, 0);

  const executor = new ProcessPoolExecutor({ maxWorkers: 1, backend: processes() });
  const running = executor.submit(busy, 50);
  const before = executor.submit(square, 2);
  const cancels = {
    get value(): number {
      void executor.shutdown({ cancelFutures: true });
      return 1;
    },
  };
  const cancelled = executor.submit((a: unknown) => a, cancels);
  await Promise.allSettled([running.result(), before.result(), cancelled.result()]);
  assert(cancelled.cancelled());
  await executor.shutdown();
});

test("a getter of the function may terminate the pool", async () => {
  for (const early of [true, false]) {
    const pool = new Pool(1, { backend: processes() });
    if (!early) await pool.apply(square, [1]);
    const fn = Object.defineProperty((n: number) => n + 0.125 + Number(true), "name", {
      get: () => {
        pool.terminate();
        return "fn";
      },
    });
    assertInstanceOf(await rejection(pool.apply(fn, [1])), CancelledError);
    await pool.join();
    assertEquals(pool.stats().queued, 0);
  }
});

test("concurrency: a task that lacks its function loses nothing behind it", async () => {
  const pool = new Pool(1, { backend: processes(), concurrency: 4 });
  const make = (i: number): () => number => new Function(`return ${i} + 0.25`) as () => number;
  const functions = Array.from({ length: 1002 }, (_, i) => make(i));
  for (const fn of functions) await pool.apply(fn);
  const waits = pool.apply(() => new Promise((resolve) => (globalThis as { go?: typeof resolve }).go = resolve));
  const goes = pool.apply(() => {
    const end = performance.now() + 30;
    while (performance.now() < end);
    (globalThis as { go?: (value: unknown) => void }).go?.("gone");
  });
  const lacks = pool.apply(functions[0]!);
  const last = pool.apply(square, [5]);
  assertEquals(await Promise.all([waits, goes, lacks, last]), ["gone", undefined, 0.25, 25]);
  await end(pool);
});

test("concurrency: a process that is replaced for its memory first ends what it runs", async () => {
  const pool = new Pool(1, { backend: processes({ memoryLimit: 40 }), concurrency: 2 });
  const first = pool.apply(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return Deno.pid;
  });
  const second = pool.apply(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    (globalThis as { kept?: unknown }).kept = new Uint8Array(100 * 2 ** 20).fill(1);
    return Deno.pid;
  });
  assertEquals(await first, await second);
  assert(await pool.apply(pidOf) !== await first);
  await end(pool);
});

test("concurrency: a process that is replaced first ends the task that lacks its function", async () => {
  const pool = new Pool(1, { backend: processes({ memoryLimit: 40 }), concurrency: 3 });
  const make = (i: number): () => number => new Function(`return ${i} + 0.5`) as () => number;
  const functions = Array.from({ length: 1002 }, (_, i) => make(i));
  for (const fn of functions) await pool.apply(fn);
  const grows = pool.apply(async () => {
    await new Promise((resolve) => setTimeout(resolve, 60));
    (globalThis as { kept?: unknown }).kept = new Uint8Array(100 * 2 ** 20).fill(1);
    return Deno.pid;
  });
  await sleep(20);
  const lacks = pool.apply(functions[0]!);
  for (let i = 0; i < 20; i++) await Promise.resolve(); // the task is sent
  busy(200); // the answer comes after the other task has ended
  assertEquals(await lacks, 0.5);
  assert(await pool.apply(pidOf) !== await grows);
  await end(pool);
});

test("concurrency: a process that is to be replaced keeps no task from the others", async () => {
  const pool = new Pool(2, { backend: processes(), concurrency: 3 });
  await pool.broadcast(pidOf);
  const long = [pool.apply(sleep, [1500]), pool.apply(sleep, [1500])].map((call) => call.then(() => "long"));
  assertInstanceOf(await rejection(pool.apply(sleep, [5000], { taskTimeout: 50 })), TimeoutError);
  const others = Promise.all(Array.from({ length: 30 }, (_, i) => pool.apply(square, [i])));
  assert(await Promise.race([...long, others]) !== "long");
  await Promise.all(long);
  await end(pool);
});

test("a process that has ended while it is killed costs nothing", async () => {
  const { kill } = Deno.ChildProcess.prototype;
  Deno.ChildProcess.prototype.kill = function (signal): void {
    kill.call(this, signal);
    throw new Deno.errors.NotFound("no such process");
  };
  try {
    const pool = new Pool(1, { backend: processes(), taskTimeout: 50 });
    assertInstanceOf(await rejection(pool.apply(() => new Promise(() => setInterval(() => {}, 1000)))), TimeoutError);
    assertEquals(await pool.apply(square, [3]), 9);
    pool.terminate();
    await pool.join();
  } finally {
    Deno.ChildProcess.prototype.kill = kill;
  }
});

test("limits hold in a pool that is older than 25 days", async () => {
  const { now } = performance;
  performance.now = () => now.call(performance) - 2 ** 31 - 1000;
  const pool = new Pool(1, { backend: processes(), taskTimeout: 300 });
  performance.now = now;
  assertEquals(await pool.apply(busy, [100]), 100);
  assertInstanceOf(await rejection(pool.apply(busy, [10_000])), TimeoutError);
  assertEquals(await pool.apply(square, [3]), 9);
  await end(pool);
});

test("a standard error that takes no text fails no task", async () => {
  const pool = new Pool(1, { backend: processes() });
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = () => {
    throw new Deno.errors.BrokenPipe("closed");
  };
  try {
    assertEquals(
      await pool.apply(() => {
        console.error("text");
        return 1;
      }),
      1,
    );
    assertEquals(await pool.apply(square, [2]), 4);
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
  await end(pool);
});

test("a slow task that prints all the time holds up nobody behind it", async () => {
  const pool = new Pool(2, { backend: processes() });
  const prints = (time: number): number => {
    const end = performance.now() + time;
    for (let next = performance.now() + 5; performance.now() < end;) {
      if (performance.now() < next) continue;
      console.error("text");
      next += 5;
    }
    return time;
  };
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = ({ length }) => length;
  try {
    await pool.map(prints, new Array(2000).fill(0), { chunksize: 1 }); // from now on many tasks are handed over ahead
    const slow = pool.apply(prints, [2000]).then(() => "slow");
    const others = Promise.all(Array.from({ length: 300 }, () => pool.apply(prints, [0])));
    assert(await Promise.race([slow, others]) !== "slow");
    await slow;
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
  await end(pool);
});

test("a child of a child that prints all the time does not hide the end of its parent", async () => {
  const pool = new Pool(1, { backend: processes() });
  const [child, pid] = await pool.apply(() => {
    const script = "i=0; while [ $i -lt 1500 ]; do echo >&2; i=$((i+1)); sleep 0.005; done";
    const { pid } = new Deno.Command("sh", { args: ["-c", script], stdout: "null" }).spawn();
    return [pid, Deno.pid];
  });
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = ({ length }) => length;
  try {
    const running = rejection(pool.apply(busy, [60_000]));
    while (pool.stats().running === 0) await sleep(1);
    const start = performance.now();
    Deno.kill(pid!, "SIGKILL");
    assertInstanceOf(await running, BrokenProcessPoolError);
    assert(performance.now() - start < 3000);
    Deno.kill(child!, "SIGKILL");
    await end(pool);
    await sleep(50);
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
});

test("close() ends a process in which code that a task has left behind never ends", async () => {
  const pool = new Pool(1, { backend: processes() });
  await pool.apply(() => {
    setTimeout(() => {
      for (;;);
    }, 1);
  });
  await sleep(100);
  const start = performance.now();
  await end(pool);
  assert(performance.now() - start < 5000);
});

test("a program that never closes its pool ends by itself", async () => {
  const { code, output } = await run(
    `import { Pool } from "MODULE";
    import { processes } from "${new URL("../processes/mod.ts", import.meta.url)}";
    const pool = new Pool(2, { backend: processes() });
    const pids = await pool.broadcast(() => Deno.pid);
    console.log(await pool.map((n) => n + 1, [1, 2, 3]));
    Deno.kill(pids[0], "SIGKILL");
    console.log(await pool.apply((n) => n, [7]));`,
    "-A",
  );
  assertEquals([code, output], [0, "[ 2, 3, 4 ]\n7\n"]);
});

test("a porter that does not start breaks the pool of a thread that is blocked", async () => {
  const { code, output } = await run(
    `import { Pool } from "MODULE";
    import { processes } from "${new URL("../processes/mod.ts", import.meta.url)}";
    globalThis.Worker = class extends Worker {
      constructor() {
        super("data:text/javascript,", { type: "module" });
      }
    };
    const pool = new Pool(2, { backend: processes() });
    try {
      pool.applySync((n) => n, [7]);
    } catch (error) {
      console.log(error.name, error.message.includes("did not start") || error.cause?.message);
    }
    await pool.join();`,
    "-A",
  );
  assertEquals([code, output], [0, "BrokenProcessPoolError true\n"]);
});

test("the end of a pool does not wait for a process that could not start after terminate()", async () => {
  const pool = new Pool(1, { backend: processes({ cwd: "/nonexistent" }) });
  const result = pool.applyAsync(pidOf);
  const failed = rejection(result.get());
  assertThrows(() => result.getSync(0.001), TimeoutError); // the process was opened, and has not answered
  pool.terminate();
  assertInstanceOf(await failed, CancelledError);
  await pool.join();
});

test("a porter that a reply ends is read no more", () => {
  const porter = new Porter(() => {}, () => {});
  const launch = { command: "/nonexistent", named: true, args: [], cwd: undefined, env: {} };
  let failed = 0;
  for (let i = 0; i < 20; i++) {
    porter.open(launch, {
      data: () => {},
      ended: () => {},
      failed: () => {
        failed++;
        busy(50); // the other replies come
        porter.end();
      },
    });
  }
  while (failed === 0) porter.receive();
  assertEquals([failed, porter.receive()], [1, false]);
  return Promise.resolve();
});
