// Article 000, `multiprocessing_map_fib_chunksize_explicit.py`: the same with one item in a chunk: whichever worker is
// free takes the next, so the longest calls go to different ones.

import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => 39 - i);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  const start = performance.now();
  await using pool = new Pool(4);
  const results = await pool.map(fib, NUMS, { chunksize: 1 });
  for (const [i, n] of NUMS.entries()) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(n).padStart(3)} ${String(results[i]).padStart(10)}`);
  }
  console.log(`real ${((performance.now() - start) / 1000).toFixed(3)}s`);
}
