// Article 000, `multiprocessing_map_fib.py`: the Fibonacci numbers by `Pool.map`. All results are there before the
// first is printed. The last line says what the pool gained: the time that passed, the processor time that all threads
// used in it, and their ratio.

import { cpuUsage } from "node:process";
import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => i + 1);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  const start = performance.now();
  const cpuStart = cpuUsage();
  await using pool = new Pool(4);
  const results = await pool.map(fib, NUMS);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = cpuUsage(cpuStart); // in microseconds
  const cpuSeconds = (user + system) / 1e6;
  for (const [i, n] of NUMS.entries()) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(n).padStart(3)} ${String(results[i]).padStart(10)}`);
  }
  const ratio = (cpuSeconds / seconds).toFixed(2);
  console.log(
    `${seconds.toFixed(2)} s for ${cpuSeconds.toFixed(2)} s of processor time: ${ratio} times as fast as one core`,
  );
}
