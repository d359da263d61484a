// Article 000, `multiprocessing_imap_unordered_fib.py`: results as they come, each with its input. A function that is
// sent to a worker finds there what `scope` names.

import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => i + 1);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

function nFib(n: number): [number, number] {
  return [n, fib(n)];
}

if (import.meta.main) {
  await using pool = new Pool(4, { scope: { fib } });
  for await (const [n, result] of pool.imapUnordered(nFib, NUMS)) {
    const time = new Date().toISOString().slice(11, 23);
    console.log(`${time} ${String(n).padStart(3)} ${String(result).padStart(10)}`);
  }
}
