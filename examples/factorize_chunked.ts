// Article 001, `pool_factorizer_chunked`: each worker factorizes a part of the numbers; the parts come as they are done.

import { asCompleted, ProcessPoolExecutor } from "@manycore/parallel";

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

function factorizeAll(nums: number[]): Map<number, number[]> {
  return new Map(nums.map((n) => [n, factorize(n)]));
}

if (import.meta.main) {
  const workers = 4;
  const chunksize = Math.ceil(NUMS.length / workers);
  await using executor = new ProcessPoolExecutor({ maxWorkers: workers, scope: { factorize } });
  const futures = Array.from(
    { length: workers },
    (_, i) => executor.submit(factorizeAll, NUMS.slice(chunksize * i, chunksize * (i + 1))),
  );
  const factors = new Map<number, number[]>();
  for await (const future of asCompleted(futures)) {
    for (const [n, list] of await future.result()) factors.set(n, list);
  }
  for (const n of NUMS) console.log(`${n} = ${factors.get(n)!.join(" × ")}`);
}
