// Article 000 describes `Pool.map_async()`: the main program goes on while the workers compute.

import { Pool } from "@manycore/parallel";

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  await using pool = new Pool(4);
  const result = pool.mapAsync(fib, [10, 20, 30]);
  console.log(`ready: ${result.ready()}; meanwhile, 6 × 7 = ${6 * 7}`);
  console.log(await result.get());
}
