// A progress bar over a long map: `onProgress` tells how many items are done. Where the output is no terminal, there is
// no bar, just the result.

import progress from "cli-progress";
import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 600 }, (_, i) => 20 + i % 12);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  await using pool = new Pool();
  const bar = new progress.SingleBar({ format: "{bar} {percentage} % | {rate} items/s | {eta_formatted} left" });
  const start = performance.now();
  bar.start(NUMS.length, 0, { rate: 0 });
  const results = await pool.map(fib, NUMS, {
    chunksize: 5,
    onProgress: (done) => bar.update(done, { rate: Math.round(done / ((performance.now() - start) / 1000)) }),
  });
  bar.stop();
  console.log(`The sum of ${results.length} Fibonacci numbers is ${results.reduce((a, b) => a + b)}`);
}
