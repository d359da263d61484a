// One task eats memory without end, three others do not mind: each worker is a process, whose heap has a limit. Needs
// --allow-run.

import { BrokenProcessPoolError, Pool } from "@manycore/parallel";
import { processes } from "@manycore/parallel/processes";

function work(n: number): number {
  const kept: number[][] = [];
  if (n === 2) { for (;;) kept.push(new Array(1000).fill(n)); }
  return n * n;
}

if (import.meta.main) {
  await using pool = new Pool(2, { backend: processes({ memoryLimit: 64 }) });
  const results = await pool.map(work, [1, 2, 3, 4], { chunksize: 1, returnExceptions: true });
  for (const result of results) {
    console.log(result instanceof BrokenProcessPoolError ? `${result.signal}: ${result.message}` : result);
  }
}
