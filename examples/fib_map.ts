// Article 000, `multiprocessing_map_fib.py`: the Fibonacci numbers by `Pool.map`. All results are there before the
// first is printed.

import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => i + 1);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  await using pool = new Pool(4);
  const results = await pool.map(fib, NUMS);
  for (const [i, n] of NUMS.entries()) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(n).padStart(3)} ${String(results[i]).padStart(10)}`);
  }
}
