// Article 000, `multiprocessing_map_ack.py`: `map` gives its function one argument, here a pair.

import { Pool } from "@manycore/parallel";

const NUMS = [0, 1, 2, 3].flatMap((m) => [0, 1, 2, 3, 4].map((n): [number, number] => [m, n]));

function ackermann([m, n]: [number, number]): number {
  if (m === 0) return n + 1;
  if (n === 0) return ackermann([m - 1, 1]);
  return ackermann([m - 1, ackermann([m, n - 1])]);
}

if (import.meta.main) {
  await using pool = new Pool(4);
  const results = await pool.map(ackermann, NUMS);
  for (const [i, [m, n]] of NUMS.entries()) {
    console.log(`${new Date().toISOString().slice(11, 23)} (${m}, ${n}) ${results[i]}`);
  }
}
