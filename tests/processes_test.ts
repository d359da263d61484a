/** What only a backend of processes can do: see `processes/`. */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  BrokenProcessPoolError,
  CancelledError,
  InvalidStateError,
  Lock,
  Pool,
  Process,
  ProcessPoolExecutor,
  SerializationError,
  TimeoutError,
  transfer,
  waitSync,
} from "../mod.ts";
import { processes } from "../processes/mod.ts";
import { rejection } from "../testing/counted_workers.ts";
import { isAlive, test } from "../testing/counted_processes.ts";
import { run } from "../testing/run_program.ts";

const square = (n: number): number => n * n;
const pidOf = (): number => Deno.pid;
const spin = (): never => {
  for (;;);
};
const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** Ends a pool and waits for that. */
async function end(pool: Pool): Promise<void> {
  pool.close();
  await pool.join();
}

/** Waits until a process is gone; returns for how long, in milliseconds. */
async function untilGone(pid: number): Promise<number> {
  const start = performance.now();
  while (isAlive(pid)) await wait(1);
  return performance.now() - start;
}

test("each worker is a process of its own", async () => {
  const pool = new Pool(2, { backend: processes() });
  const pids = await pool.broadcast(pidOf);
  assertEquals(new Set([...pids, Deno.pid]).size, 3);
  assertEquals(pool.stats().workers, 2);
  await end(pool);
  assertEquals(pids.filter(isAlive), []);
});

test("a process that is killed fails the task that it runs, and nothing else", async () => {
  const pool = new Pool(1, { backend: processes() });
  const pid = await pool.apply(pidOf);
  const running = rejection(pool.apply(spin));
  const others = [1, 2, 3].map((n) => pool.apply(square, [n]));
  while (pool.stats().running === 0) await wait(1);
  Deno.kill(pid, "SIGKILL");
  const error = await running;
  assertInstanceOf(error, BrokenProcessPoolError);
  assertEquals([error.exitCode, error.signal], [-9, "SIGKILL"]);
  assertStringIncludes(error.message, "ended by SIGKILL while it ran the task 'spin'");
  assertEquals(await Promise.all(others), [1, 4, 9]);
  await end(pool);
});

test("a process that is killed while it has nothing to do costs no task", async () => {
  const pool = new Pool(1, { backend: processes() });
  for (let i = 0; i < 10; i++) {
    const pid = await pool.apply(pidOf);
    Deno.kill(pid, "SIGKILL");
    assertEquals(await pool.apply(square, [i]), i * i); // perhaps sent to the process that is gone
  }
  await end(pool);
});

test("Deno.exit() in a task, an uncaught error and a crash: the error says which", async () => {
  const pool = new Pool(2, { backend: processes() });
  const exit = await rejection(pool.apply(() => Deno.exit(3)));
  assertInstanceOf(exit, BrokenProcessPoolError);
  assertEquals([exit.exitCode, exit.signal], [3, undefined]);
  const uncaught = await rejection(pool.apply(() => {
    setTimeout(() => {
      throw new RangeError("stray");
    });
    return new Promise(() => {});
  }));
  assertInstanceOf(uncaught, BrokenProcessPoolError);
  assertInstanceOf(uncaught.cause, RangeError);
  const crash = await rejection(pool.apply(() => {
    Deno.kill(Deno.pid, "SIGABRT");
    for (;;);
  }));
  assertInstanceOf(crash, BrokenProcessPoolError);
  assertEquals([crash.exitCode, crash.signal], [-6, "SIGABRT"]);
  assertEquals(await pool.apply(square, [3]), 9);
  await end(pool);
});

test("memory that runs out ends one process, whose last words are in the error", async () => {
  const pool = new Pool(2, { backend: processes({ memoryLimit: 32 }) });
  const eats = rejection(pool.apply(() => {
    const all: number[][] = [];
    for (;;) all.push(new Array(1000).fill(all.length));
  }));
  const others = pool.map(square, [1, 2, 3], { chunksize: 1 });
  const error = await eats;
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "JavaScript out of memory");
  assertEquals(await others, [1, 4, 9]);
  await end(pool);
});

test("a process whose memory has grown beyond its limit is replaced after the task", async () => {
  const pool = new Pool(1, { backend: processes({ memoryLimit: 50 }) });
  const keep = (megabytes: number): number => {
    const kept = (globalThis as { kept?: Uint8Array[] }).kept ??= [];
    kept.push(new Uint8Array(megabytes * 2 ** 20).fill(1));
    return Deno.pid;
  };
  const first = await pool.apply(keep, [10]);
  await wait(20);
  assertEquals(await pool.apply(keep, [1]), first);
  await wait(20);
  assertEquals(await pool.apply(keep, [100]), first);
  assert(await pool.apply(pidOf) !== first);
  await end(pool);
});

test("a loop ends at the limit, before an await and after it", async () => {
  const pool = new Pool(1, { backend: processes(), taskTimeout: 200 });
  const pid = await pool.apply(pidOf);
  assertInstanceOf(await rejection(pool.apply(spin)), TimeoutError);
  const late = async (): Promise<never> => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (;;);
  };
  assertInstanceOf(await rejection(pool.apply(late)), TimeoutError);
  assert(await untilGone(pid) < 100);
  assertEquals(await pool.apply(square, [4]), 16);
  assertEquals(pool.stats().zombies, 0);
  await end(pool);
});

test("terminate() ends busy processes at once", async () => {
  const pool = new Pool(2, { backend: processes() });
  const pids = await pool.broadcast(pidOf);
  const results = [1, 2, 3].map(() => rejection(pool.apply(spin)));
  while (pool.stats().running < 2) await wait(1);
  pool.terminate();
  for (const result of results) assertInstanceOf(await result, CancelledError);
  await pool.join();
  assertEquals(pids.filter(isAlive), []);
  assertEquals(pool.stats().zombies, 0);
});

test("a slow task holds up nobody behind it, even in a function that was fast so far", async () => {
  const pool = new Pool(2, { backend: processes() });
  const fast = (time: number): number => {
    const end = performance.now() + time;
    while (performance.now() < end);
    return time;
  };
  await pool.map(fast, new Array(2000).fill(0), { chunksize: 1 }); // from now on many tasks are handed over ahead
  let slow = false;
  const first = pool.apply(fast, [1000]).then(() => slow = true);
  await Promise.all(Array.from({ length: 500 }, () => pool.apply(fast, [0])));
  assertEquals(slow, false);
  await first;
  await end(pool);
});

test("an initializer that ends the process breaks the pool, with its last words", async () => {
  const pool = new Pool(1, {
    backend: processes(),
    initializer: () => {
      console.error("cannot find the model");
      Deno.exit(9);
    },
  });
  const error = await rejection(pool.apply(square, [1]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "ended with code 9 (cannot find the model) while it started");
  await pool.join();
});

test("an initializer that throws breaks the pool, and so does one that takes too long", async () => {
  const throws = new Pool(1, {
    backend: processes(),
    initializer: () => {
      throw new RangeError("no model");
    },
  });
  const error = await rejection(throws.apply(square, [1]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertInstanceOf(error.cause, RangeError);
  await throws.join();
  const loops = new Pool(1, { backend: processes(), initializer: spin, taskTimeout: 100 });
  const late = await rejection(loops.apply(square, [1]));
  assertInstanceOf(late, BrokenProcessPoolError);
  assertInstanceOf(late.cause, TimeoutError);
  await loops.join();
});

test("a program that cannot be started breaks the pool", async () => {
  const pool = new Pool(1, { backend: processes({ executable: "/nowhere/deno" }) });
  const error = await rejection(pool.apply(square, [1]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "nowhere");
  await pool.join();
  const other = new Pool(1, { backend: processes({ executable: "/bin/false" }) });
  assertInstanceOf(await rejection(other.apply(square, [1])), BrokenProcessPoolError);
  await other.join();
});

test("env, cwd, scope, initializer, maxTasksPerChild", async () => {
  const pool = new Pool(1, {
    backend: processes({ env: { COLOUR: "red" }, cwd: "/" }),
    scope: { square, offset: 10 },
    initializer: (n: number) => {
      (globalThis as { start?: number }).start = n;
    },
    initargs: [5],
    maxTasksPerChild: 2,
  });
  const task = (): unknown[] => [Deno.env.get("COLOUR"), Deno.cwd(), (globalThis as { start?: number }).start];
  assertEquals(await pool.apply(task), ["red", "/", 5]);
  const pids = [];
  for (let i = 0; i < 4; i++) pids.push(await pool.apply(pidOf));
  assert(new Set(pids).size >= 2, `${pids}`);
  await end(pool);
});

test("permissions: never more than this program has", async () => {
  const none = new Pool(1, { backend: processes(), permissions: "none" });
  assertInstanceOf(await rejection(none.apply(() => Deno.env.get("HOME"))), Error);
  assertEquals(await none.apply(() => Deno.permissions.querySync({ name: "read" }).state), "prompt");
  await end(none);
  const some = new Pool(1, { backend: processes(), permissions: { env: ["HOME"] } });
  assertEquals(
    await some.apply(() => [
      Deno.permissions.querySync({ name: "env", variable: "HOME" }).state,
      Deno.permissions.querySync({ name: "env", variable: "PATH" }).state,
    ]),
    ["granted", "prompt"],
  );
  await end(some);
  const { code, output } = await run(
    `import { Pool } from "MODULE";
    import { processes } from "${new URL("../processes/mod.ts", import.meta.url)}";
    const backend = processes();
    for (const permissions of [{ env: true }, { read: ["/etc"] }]) {
      try {
        new Pool(1, { backend, permissions });
      } catch (error) {
        console.log(error.name, error.message);
      }
    }
    await using pool = new Pool(1, { backend });
    console.log(await pool.apply(() => ["read", "env"].map((name) => Deno.permissions.querySync({ name }).state)));`,
    `--allow-run=${Deno.execPath()}`,
    "--allow-read=/tmp",
  );
  assertEquals(code, 0, output);
  assertStringIncludes(
    output,
    "NotCapable Cannot give processes the permission --allow-env as this program has not got it",
  );
  assertStringIncludes(output, "the permission --allow-read=/etc as");
  assertStringIncludes(output, '[ "prompt", "prompt" ]');
});

test("without the permission to run programs, the error says the flag", async () => {
  const { code, output } = await run(
    `import { Pool } from "MODULE";
    import { processes } from "${new URL("../processes/mod.ts", import.meta.url)}";
    new Pool(1, { backend: processes() });`,
  );
  assertEquals(code, 1);
  assertStringIncludes(output, `use --allow-run=${Deno.execPath()}`);
});

test("what processes cannot share is refused by name, as argument and as result", async () => {
  const pool = new Pool(1, { backend: processes() });
  const { port1, port2 } = new MessageChannel();
  const things: Record<string, unknown> = {
    SharedArrayBuffer: new SharedArrayBuffer(4),
    Lock: new Lock(),
    MessagePort: port1,
    Blob: new Blob(["x"]),
  };
  for (const [name, thing] of Object.entries(things)) {
    const error = await rejection(pool.apply((value: unknown) => value, [{ thing }]));
    assertInstanceOf(error, SerializationError);
    assertStringIncludes(error.message, name);
  }
  const result = await rejection(pool.apply(() => new Int32Array(new SharedArrayBuffer(4))));
  assertInstanceOf(result, SerializationError);
  assertStringIncludes(result.message, "SharedArrayBuffer");
  assertThrows(() => new Pool(1, { backend: processes(), scope: { lock: new Lock() } }), SerializationError, "Lock");
  assertEquals(await pool.apply(square, [2]), 4);
  port1.close();
  port2.close();
  await end(pool);
});

test("values arrive whole: regular expressions, boxes, large ones; transfer() copies and detaches", async () => {
  const pool = new Pool(1, { backend: processes() });
  const value = { re: /a(b)+/giu, box: Object(7), text: "ж".repeat(100_000), big: 3n ** 5000n, dates: [new Date(1)] };
  assertEquals(await pool.apply((v: unknown) => v, [value]), value);
  const bytes = new Uint8Array(5_000_003).map((_, i) => i);
  assertEquals(await pool.apply((b: Uint8Array) => b, [bytes]), bytes);
  assertEquals(await pool.apply((b: Uint8Array) => b.length, [transfer(bytes, [bytes.buffer])]), 5_000_003);
  assertEquals(bytes.length, 0);
  await end(pool);
});

test("tasks print as they like, and find their input at its end", async () => {
  const { code, output } = await run(
    `import { Pool } from "MODULE";
    import { processes } from "${new URL("../processes/mod.ts", import.meta.url)}";
    await using pool = new Pool(2, { backend: processes() });
    await pool.apply(() => console.log("hello from a task"));
    await pool.apply(() => console.error("x".repeat(1_000_000)));
    console.log(await pool.apply(() => Deno.stdin.readSync(new Uint8Array(9))));
    console.log(await pool.apply(async () => {
      const { default: process } = await import("node:process");
      let text = "";
      for await (const chunk of process.stdin) text += chunk;
      return "node: " + JSON.stringify(text);
    }));
    console.log(await pool.map((n) => n + 1, [1, 2, 3]));`,
    "-A",
  );
  assertEquals(code, 0, output.slice(0, 2000));
  assertStringIncludes(output, "hello from a task");
  assertStringIncludes(output, "x".repeat(1_000_000));
  assertStringIncludes(output, "null\n");
  assertStringIncludes(output, 'node: ""');
  assertStringIncludes(output, "[ 2, 3, 4 ]");
});

test("children of children may keep the pipe open", async () => {
  const pool = new Pool(1, { backend: processes() });
  const [child, pid] = await pool.apply(() => {
    const { pid } = new Deno.Command("sleep", { args: ["20"] }).spawn();
    return [pid, Deno.pid];
  });
  const error = rejection(pool.apply(spin));
  while (pool.stats().running === 0) await wait(1);
  Deno.kill(pid, "SIGKILL");
  assertInstanceOf(await error, BrokenProcessPoolError);
  assertEquals(await pool.apply(square, [5]), 25);
  await end(pool);
  Deno.kill(child, "SIGKILL");
  await untilGone(child);
  await wait(50); // the pipe that it had kept open is read to its end
});

test("Process: its number, its exit codes as Python's", async () => {
  const backend = processes();
  const exits = new Process({ target: () => Deno.exit(3), backend });
  exits.start();
  await exits.join();
  assertEquals(exits.exitcode, 3);
  await untilGone(exits.pid!);
  const returns = new Process({ target: (n: number) => void n, args: [1], backend });
  returns.start();
  await returns.join();
  assertEquals(returns.exitcode, 0);
  await untilGone(returns.pid!); // after its target it has still to end
  for (const [how, code] of [["outside", -9], ["kill", -9], ["terminate", -15]] as const) {
    const process = new Process({ target: () => new Promise(() => setTimeout(() => {}, 60_000)), backend });
    process.start();
    assert(isAlive(process.pid!));
    if (how === "outside") Deno.kill(process.pid!, "SIGKILL");
    else process[how]();
    await process.join();
    assertEquals(process.exitcode, code);
    await untilGone(process.pid!);
  }
});

test("an executor on processes: futures, and tasks that end their process", async () => {
  const executor = new ProcessPoolExecutor({ maxWorkers: 2, backend: processes() });
  const futures = [1, 2, 3, 4].map((n) => executor.submit((n: number) => n === 2 ? Deno.exit(1) : n * n, n));
  const outcomes = await Promise.allSettled(futures.map((future) => future.result()));
  assertEquals(outcomes.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  await executor.shutdown();
});

test("trace, stats, idle ends", async () => {
  const pool = new Pool(2, { backend: processes(), trace: true, idleTimeout: 50 });
  await pool.map(square, [1, 2, 3, 4], { chunksize: 1 });
  const { traceEvents } = JSON.parse(pool.trace()) as { traceEvents: { name: string; ph: string; dur: number }[] };
  const tasks = traceEvents.filter(({ ph }) => ph === "X");
  assertEquals(tasks.map(({ name }) => name), ["square", "square", "square", "square"]);
  assert(tasks.every(({ dur }) => dur >= 0));
  while (pool.stats().workers > 0) await wait(5);
  assertEquals(await pool.apply(square, [3]), 9);
  await end(pool);
});

test("concurrency: tasks that await share a process", async () => {
  const pool = new Pool(1, { backend: processes(), concurrency: 10 });
  await pool.apply(square, [1]);
  const start = performance.now();
  await Promise.all(
    Array.from({ length: 10 }, () => pool.apply(() => new Promise((resolve) => setTimeout(resolve, 200)))),
  );
  assert(performance.now() - start < 1500);
  await end(pool);
});

test("options that make no sense are refused at once", () => {
  for (const options of [{ memoryLimit: "1" }, { cwd: 1 }, { env: [1] }, { executable: "" }, { memory: 5 }]) {
    assertThrows(() => processes(options as never), TypeError);
  }
  assertThrows(() => processes({ memoryLimit: 0 }), RangeError);
  assertThrows(() => processes({ env: { "A=B": "c" } }), RangeError);
  return Promise.resolve();
});

test("the thread may block for processes: their lines are in another thread then", async () => {
  const pool = new Pool(2, { backend: processes() });
  assertEquals(pool.applySync(square, [3]), 9);
  assertEquals(pool.mapSync(square, [1, 2, 3], { chunksize: 1 }), [1, 4, 9]);
  assertEquals([...pool.imapSync(square, [1, 2, 3])], [1, 4, 9]);
  assertEquals(
    pool.applyAsync(() => new Promise((resolve) => setTimeout(() => resolve("late"), 20))).getSync(),
    "late",
  );
  assertThrows(() => pool.applySync(spin, [], { taskTimeout: 100 }), TimeoutError);
  assertThrows(() => pool.applySync(() => Deno.exit(3)), BrokenProcessPoolError, "with code 3");
  assertThrows(() => pool.applyAsync(spin).getSync(10), TimeoutError);
  assertEquals(await pool.apply(square, [4]), 16); // and awaits as before
  pool.terminate();
  await pool.join();
});

test("blocking after awaiting: other children take over, those that run end as they would", async () => {
  const pool = new Pool(2, { backend: processes() });
  const first = await pool.apply(pidOf);
  const slow = pool.apply(() => new Promise((resolve) => setTimeout(() => resolve(Deno.pid), 200)));
  while (pool.stats().running === 0) await wait(1);
  assert(pool.applySync(pidOf) !== first);
  assertEquals(await slow, first);
  pool.close();
  pool.joinSync();
  assertEquals(pool.stats().workers, 0);
  await untilGone(first);
});

test("an executor blocks for futures and for its end", async () => {
  const executor = new ProcessPoolExecutor({ maxWorkers: 2, backend: processes() });
  const futures = [1, 2, 3].map((n) => executor.submit(square, n));
  assertEquals(waitSync(futures).done.size, 3);
  assertEquals(futures.map((future) => future.resultSync()), [1, 4, 9]);
  executor.shutdownSync();
  const process = new Process({ target: () => {}, backend: processes() });
  process.start();
  assertThrows(() => process.joinSync(), InvalidStateError, "await");
  await process.join();
  await untilGone(process.pid!);
});

test("a module finds what it imports by names of the configuration file, wherever the program was started", async () => {
  const module = new URL("../testing/fixtures/imports_by_name.ts", import.meta.url);
  const { nameAndMain } = await import(module.href);
  const pool = new Pool(1, { module, name: "child", backend: processes({ cwd: Deno.makeTempDirSync() }) });
  assertEquals(await pool.apply(nameAndMain), ["child-1", false]);
  await end(pool);
});
