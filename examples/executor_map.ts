// Article 000, `concurrent_futures_map.py`: `fib_imap.ts` with an executor; the lines appear one by one.

import { ProcessPoolExecutor } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => i + 1);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  await using executor = new ProcessPoolExecutor({ maxWorkers: 4 });
  let n = 0;
  for await (const result of executor.map(fib, NUMS)) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(NUMS[n++]).padStart(3)} ${String(result).padStart(10)}`);
  }
}
