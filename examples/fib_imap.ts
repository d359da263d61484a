// Article 000, `multiprocessing_imap_fib.py`: each line appears as soon as its result is there, in order.

import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => i + 1);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

if (import.meta.main) {
  await using pool = new Pool(4);
  let n = 0;
  for await (const result of pool.imap(fib, NUMS)) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(NUMS[n++]).padStart(3)} ${String(result).padStart(10)}`);
  }
}
