// Article 004: a worker is killed. Python's `Pool` then waits for ever, its executor breaks; here the task that was under
// way fails with a clear error, and both go on with another worker.

import { Pool, ProcessPoolExecutor } from "@manycore/parallel";

function task(n: number): number {
  if (n === 2) Deno.exit(1); // as good as a kill: the worker is gone
  return n * n;
}

if (import.meta.main) {
  await using executor = new ProcessPoolExecutor({ maxWorkers: 2 });
  const futures = [1, 2, 3].map((n) => executor.submit(task, n));
  for (const future of futures) console.log(String(await future.exception() ?? await future.result()));

  await using pool = new Pool(2);
  const results = [1, 2, 3].map((n) => pool.applyAsync(task, [n]));
  for (const result of results) console.log(String(await result.get().catch((error) => error)));
}
