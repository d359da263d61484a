// Article 001, `pool_factorizer_map`: the executor divides the work, and nobody waits for a slow part.

import { ProcessPoolExecutor } from "@manycore/parallel";

const NUMS = [2, 15, 97, 360, 1001, 65_536, 999_983, 1_234_567_890, 600_851_475_143, 999_998_727_899_999];

/** Naive trial division: the prime factors of n. */
function factorize(n: number): number[] {
  const factors: number[] = [];
  for (let p = 2; p * p <= n; p += p === 2 ? 1 : 2) {
    for (; n % p === 0; n /= p) factors.push(p);
  }
  if (n > 1) factors.push(n);
  return factors;
}

if (import.meta.main) {
  await using executor = new ProcessPoolExecutor({ maxWorkers: 4 });
  let i = 0;
  for await (const factors of executor.map(factorize, NUMS)) console.log(`${NUMS[i++]} = ${factors.join(" × ")}`);
}
