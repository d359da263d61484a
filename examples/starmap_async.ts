// Article 000 describes `Pool.starmap_async()`: as `map_async`, for a function of several parameters.

import { Pool } from "@manycore/parallel";

function ackermann(m: number, n: number): number {
  if (m === 0) return n + 1;
  if (n === 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

if (import.meta.main) {
  await using pool = new Pool(4);
  const result = pool.starmapAsync(ackermann, [[2, 4], [3, 1], [3, 4]]);
  console.log(`ready: ${result.ready()}; meanwhile, 6 × 7 = ${6 * 7}`);
  console.log(await result.get());
}
