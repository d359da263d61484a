/** The figures of this library: one JSON object of numbers. Run by `run.ts`. */

import { Lock, Pool, ProcessPoolExecutor, Queue, SharedArray, transfer } from "../../mod.ts";

const figures: Record<string, number> = {};
const inc = (n: number): number => n + 1;

/** The median of `runs` times, in milliseconds. */
async function median(runs: number, run: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b)[runs >> 1]!;
}

{
  const BURST = 20_000;
  await using pool = new Pool(2);
  await using executor = new ProcessPoolExecutor(2);
  await pool.map(inc, Array(1000).fill(0));
  const burst = async (call: (n: number) => Promise<number>) => {
    const results: Promise<number>[] = [];
    for (let i = 0; i < BURST; i++) results.push(call(i));
    await Promise.all(results);
  };
  figures.burst = await median(5, () => burst((n) => pool.apply(inc, [n]))) * 1000 / BURST;
  figures.burstSubmit = await median(5, () => burst((n) => executor.submit(inc, n).result())) * 1000 / BURST;

  figures.single = await median(5, async () => {
    for (let i = 0; i < 2000; i++) await pool.apply(inc, [i]);
  }) / 2;
  figures.singleSync = await median(5, () => {
    for (let i = 0; i < 2000; i++) pool.applySync(inc, [i]);
  }) / 2;
  const million = Array.from({ length: 1_000_000 }, (_, i) => i);
  figures.million = await median(5, () => pool.map(inc, million));
  figures.imap = await median(5, async () => {
    let n = 0;
    for await (const _ of pool.imap(inc, million.slice(0, 20_000))) n++;
    if (n !== 20_000) throw new Error("lost");
  }) / 20;
}

figures.start = await median(7, async () => {
  const pool = new Pool(2);
  await pool.apply(inc, [1]);
  pool.terminate();
});

{
  await using pool = new Pool(1, { scope: { transfer } });
  await pool.apply(inc, [1]);
  figures.transfer = await median(5, async () => {
    const numbers = new Float64Array(8 * 2 ** 20);
    const back = await pool.apply(
      (n: Float64Array) => {
        n[0] = 1;
        return transfer(n, [n.buffer]);
      },
      [transfer(numbers, [numbers.buffer])],
      {},
    );
    if (back[0] !== 1) throw new Error("lost");
  });
  const shared = new SharedArray("d", 8 * 2 ** 20);
  figures.inPlace = await median(5, async () => {
    await pool.apply((shared: SharedArray<"d">) => void (shared.view[0] = 1), [shared]);
  });
}

{
  const lock = new Lock();
  figures.lock = await median(5, () => {
    for (let i = 0; i < 1_000_000; i++) {
      lock.acquire();
      lock.release();
    }
  });
  const queue = new Queue<number | null>();
  await using pool = new Pool(1);
  await pool.apply(inc, [1]);
  figures.queue = await median(5, async () => {
    const done = pool.apply((queue: Queue<number | null>) => {
      let count = 0;
      while (queue.get() !== null) count++;
      return count;
    }, [queue]);
    for (let i = 0; i < 100_000; i++) queue.put(i);
    queue.put(null);
    if (await done !== 100_000) throw new Error("lost");
  }) / 100;
}

console.log(JSON.stringify(figures));
