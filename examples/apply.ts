// Article 000 describes `Pool.apply()`: one call on one worker, here awaited, and then blocking as in Python.

import { Pool } from "@manycore/parallel";

function power(base: number, exponent: number): number {
  return base ** exponent;
}

if (import.meta.main) {
  await using pool = new Pool(4);
  console.log(await pool.apply(power, [2, 10]));
  console.log(pool.applySync(power, [2, 16]));
}
