// Article 004: a worker is killed. Python's `Pool` then waits for ever, its executor breaks; here the task that was under
// way fails with a clear error, and both go on with another worker. Where workers are processes, they can really be
// killed: that part needs --allow-run.

import { Pool, ProcessPoolExecutor } from "@manycore/parallel";
import { processes } from "@manycore/parallel/processes";

function task(n: number): number {
  if (n === 2) Deno.exit(1); // as good as a kill: the worker is gone
  return n * n;
}

async function waitForever(): Promise<never> {
  for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));
}

if (import.meta.main) {
  await using executor = new ProcessPoolExecutor({ maxWorkers: 2 });
  const futures = [1, 2, 3].map((n) => executor.submit(task, n));
  for (const future of futures) console.log(String(await future.exception() ?? await future.result()));

  await using pool = new Pool(2);
  const results = [1, 2, 3].map((n) => pool.applyAsync(task, [n]));
  for (const result of results) console.log(String(await result.get().catch((error) => error)));

  if (Deno.permissions.querySync({ name: "run", command: Deno.execPath() }).state === "granted") {
    await using pool = new Pool(2, { backend: processes() });
    const pid = await pool.apply(() => Deno.pid);
    const waiting = Array.from({ length: 2 }, () => pool.applyAsync(waitForever));
    const squares = pool.mapAsync((n: number) => n * n, [1, 2, 3]);
    while (pool.stats().running < 2) await new Promise((resolve) => setTimeout(resolve, 1));
    Deno.kill(pid, "SIGKILL");
    const error = await Promise.race(waiting.map((result) => result.get().catch((error) => error)));
    console.log(String(error));
    console.log(await squares.get());
    pool.terminate();
  }
}
