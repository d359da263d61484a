/** How workers and programs end, whatever the workers are doing: on releases of Deno that can stop running code, and others. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Pool, TimeoutError } from "../../mod.ts";
import { terminateStopsCode } from "../../base/platform.ts";
import { run } from "../../testing/run_program.ts";
import { rejection, test, words } from "../../testing/counted_workers.ts";

/** What a worker does when its end comes: a task, which has begun when it has set `begun[0]`. */
const STATES: Record<string, string> = {
  "is idle": "() => set()",
  "waits for a promise": "() => (set(), new Promise(() => {}))",
  "waits for a timer": "() => (set(), new Promise((resolve) => setTimeout(resolve, 1e6)))",
  "is blocked in a lock": "() => (set(), lock.acquire())",
  "is blocked in a recursive lock": "() => (set(), rlock.acquire())",
  "is blocked in a semaphore": "() => (set(), semaphore.acquire())",
  "is blocked in a condition": "() => (condition.acquire(), set(), condition.wait())",
  "is blocked in an event": "() => (set(), event.wait())",
  "is blocked in a barrier": "() => (set(), barrier.wait())",
  "is blocked in an empty queue": "() => (set(), queue.get())",
  "is blocked in a full queue": "() => (set(), full.put(2))",
  "is blocked in a pipe": "() => (set(), receiver.recv())",
  "is blocked in join() of a queue": "() => (set(), joinable.join())",
  "is blocked in a shared value": "() => (set(), value.getLock().acquire())",
  "waits in its event loop for a lock": "() => (set(), lock.acquireAsync())",
  "waits in its event loop for a queue": "() => (set(), queue.getAsync())",
};

const PROGRAM = `
import {
  Barrier, Condition, Event, JoinableQueue, Lock, Pipe, Pool, ProcessPoolExecutor, Process, Queue, RLock, Semaphore, Value,
} from "MODULE";
const begun = new Event();
const [receiver] = Pipe();
const scope = {
  begun, receiver, lock: new Lock(), rlock: new RLock(), semaphore: new Semaphore(1), condition: new Condition(),
  event: new Event(), barrier: new Barrier(2), queue: new Queue(), full: new Queue(1), joinable: new JoinableQueue(),
  value: new Value("i"), set: () => begun.set(),
};
scope.lock.acquire();
scope.rlock.acquire();
scope.semaphore.acquire();
scope.full.put(1);
scope.joinable.put(1);
scope.value.getLock().acquire();
`;

for (const [state, task] of Object.entries(STATES)) {
  test(`a program ends by itself after terminate() of a worker that ${state}`, async () => {
    const ends = {
      "pool.terminate()": `const pool = new Pool(1, { scope });
        const result = pool.apply(${task}).then(() => "done", (error) => error.name);
        await begun.waitAsync();
        pool.terminate();
        console.log(await result);`,
      "Process.terminate()": `const process = new Process({ target: ${task}, scope });
        process.start();
        await begun.waitAsync();
        process.terminate();
        await process.join();
        console.log(process.exitcode);`,
    };
    const [ofPool, ofProcess] = await Promise.all(Object.values(ends).map((end) => run(PROGRAM + end)));
    const idle = state === "is idle";
    assert(/^(CancelledError|done)\n$/.test(ofPool!.output), `pool: ${ofPool!.output}`);
    assert(idle || ofPool!.output === "CancelledError\n", `pool: ${ofPool!.output}`);
    assert(/^(-15|0)\n$/.test(ofProcess!.output), `process: ${ofProcess!.output}`);
    assertEquals([ofPool!.code, ofProcess!.code], [0, 0]);
  });
}

test("a synchronous loop is interrupted at its taskTimeout, and the worker serves on", async () => {
  await using pool = new Pool(1, { taskTimeout: 50 });
  const [before] = await pool.broadcast(() => self.name);
  const loop = (): void => {
    for (;;);
  };
  assertInstanceOf(await rejection(pool.apply(loop)), TimeoutError);
  assertEquals(await pool.broadcast(() => self.name), [before!]);
  assertEquals(pool.stats().zombies, 0);
});

test("a loop without a limit: terminate() stops it where the runtime can, else counts it", async () => {
  const flags = words(2);
  const pool = new Pool(1, { scope: { flags } });
  const lost = rejection(pool.apply(() => {
    while (Atomics.load(flags, 1) === 0) Atomics.add(flags, 0, 1);
  }));
  while (Atomics.load(flags, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  pool.terminate();
  await lost;
  assertEquals(pool.stats().zombies, terminateStopsCode() ? 0 : 1);
  if (!terminateStopsCode()) {
    Atomics.store(flags, 1, 1); // what it loops on ends after all
    while (pool.stats().zombies > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    return;
  }
  for (let last = -1; last !== Atomics.load(flags, 0);) { // gone once it counts no more
    last = Atomics.load(flags, 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
});

test("a program with a loop that cannot be stopped ends by Deno.exit(), and by itself where it can be", async () => {
  const program = (end: string): string => `
    import { Event, Pool } from "MODULE";
    const begun = new Event();
    const pool = new Pool(1, { scope: { begun } });
    const lost = pool.apply(() => { begun.set(); for (;;); }).catch((error) => error.name);
    await begun.waitAsync();
    pool.terminate();
    console.log(await lost, pool.stats().zombies);
    ${end}`;
  const zombies = terminateStopsCode() ? 0 : 1;
  assertEquals(await run(program(terminateStopsCode() ? "" : "Deno.exit(0);")), {
    code: 0,
    output: `CancelledError ${zombies}\n`,
  });
});

test("pools that end while they start leave no memory behind", async () => {
  const { output } = await run(
    `
    import { Pool } from "MODULE";
    /** How many pieces of address space of the size of a submission ring there are. */
    const rings = () => Deno.readTextFileSync("/proc/self/maps").split("\\n").filter((line) => {
      const [from, to] = line.split(/[- ]/).map((at) => parseInt(at, 16));
      return line.includes("---p") && Math.abs(to - from - 2 ** 24) < 2 ** 20;
    }).length;
    let most = 0;
    for (let i = 0; i < 30; i++) {
      const pool = new Pool(1);
      const lost = pool.apply(() => {}).catch((error) => error.name);
      if (i === 0) await lost;
      most = Math.max(most, rings());
      pool.terminate();
      await lost;
    }
    for (let i = 0; i < 30 && rings() > 7; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100)); // what the runtime still holds of the last of them
      gc();
    }
    console.log(most > 0, rings() < 8 || rings());
  `,
    "--allow-all",
    "--v8-flags=--expose-gc",
  );
  assertEquals(output, "true true\n");
});
