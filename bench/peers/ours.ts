/** The figures of this library: one JSON object of numbers. Run by `run.ts`. */

import { Lock, Pool, ProcessPoolExecutor, Queue, SharedArray, transfer, Value } from "../../mod.ts";
import { median } from "./median.ts";

const figures: Record<string, number> = {};
const inc = (n: number): number => n + 1;

{
  await using pool = new Pool(2);
  await pool.map(inc, Array(1000).fill(0));
  const million = Array.from({ length: 1_000_000 }, (_, i) => i);
  figures.million = await median(21, () => pool.map(inc, million));
}

{
  const BURST = 20_000;
  await using executor = new ProcessPoolExecutor(2);
  await Array.fromAsync(executor.map(inc, Array(1000).fill(0)));
  figures.burstSubmit = await median(21, async () => {
    const results: Promise<number>[] = [];
    for (let i = 0; i < BURST; i++) results.push(executor.submit(inc, i).result());
    await Promise.all(results);
  }) * 1000 / BURST;
}

{
  const BURST = 20_000;
  await using pool = new Pool(2);
  await pool.map(inc, Array(1000).fill(0));
  const burst = async (call: (n: number) => Promise<number>) => {
    const results: Promise<number>[] = [];
    for (let i = 0; i < BURST; i++) results.push(call(i));
    await Promise.all(results);
  };
  figures.burst = await median(21, () => burst((n) => pool.apply(inc, [n]))) * 1000 / BURST;

  figures.single = await median(5, async () => {
    for (let i = 0; i < 2000; i++) await pool.apply(inc, [i]);
  }) / 2;
  figures.singleSync = await median(5, () => {
    for (let i = 0; i < 2000; i++) pool.applySync(inc, [i]);
  }) / 2;
  const items = Array.from({ length: 20_000 }, (_, i) => i);
  figures.imap = await median(21, async () => {
    let n = 0;
    for await (const _ of pool.imap(inc, items)) n++;
    if (n !== 20_000) throw new Error("lost");
  }) / 20;
}

figures.start = await median(15, async () => {
  const pool = new Pool(2);
  await pool.apply(inc, [1]);
  pool.terminate();
});

figures.startBare = await median(15, async () => {
  const answer = "data:application/javascript,onmessage = ({ data }) => postMessage(data + 1)";
  const worker = new Worker(answer, { type: "module" });
  const answered = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(1);
  await answered;
  worker.terminate();
});

{
  const fib = (n: number): number => n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
  const nums = Array.from({ length: 37 }, (_, i) => 37 - i);
  const ratios: number[] = [];
  for (let run = 0; run < 5; run++) {
    await using pool = new Pool(2, { trace: true, scope: { fib } });
    await pool.broadcast(fib, [25]);
    const start = performance.now();
    await pool.map(fib, nums, { chunksize: 1 });
    const time = performance.now() - start;
    // The best schedule of these very calls: the longest first, each to whoever is free.
    const events: { ph: string; dur: number }[] = JSON.parse(pool.trace()).traceEvents;
    const calls = events.filter(({ ph }) => ph === "X").slice(2).map(({ dur }) => dur / 1000).toSorted((a, b) => b - a);
    const lanes = [0, 0];
    for (const call of calls) lanes[lanes[0]! <= lanes[1]! ? 0 : 1]! += call;
    ratios.push(time / Math.max(...lanes));
  }
  figures.schedule = ratios.toSorted((a, b) => a - b)[2]!;
}

{
  const COUNT = 8;
  const grown = async (start: () => Promise<() => void>): Promise<number> => {
    const before = Deno.memoryUsage().rss;
    const end = await start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const after = Deno.memoryUsage().rss;
    end();
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (after - before) / COUNT / 2 ** 20;
  };
  const bare = () =>
    grown(async () => {
      const workers = Array.from({ length: COUNT }, () => {
        const worker = new Worker("data:application/javascript,postMessage(0)", { type: "module" });
        return { worker, ready: new Promise((resolve) => worker.onmessage = resolve) };
      });
      for (const { ready } of workers) await ready;
      return () => workers.forEach(({ worker }) => worker.terminate());
    });
  const pooled = () =>
    grown(async () => {
      const pool = new Pool(COUNT);
      await pool.broadcast(inc, [1]);
      return () => pool.terminate();
    });
  // In turns, as the first of all pays for what every later one finds.
  const differences: number[] = [];
  for (let i = 0; i < 5; i++) differences.push(-await bare() + await pooled());
  figures.idle = differences.toSorted((a, b) => a - b)[2]!;
}

{
  await using pool = new Pool(1, { scope: { transfer } });
  await pool.apply(inc, [1]);
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const numbers = new Float64Array(8 * 2 ** 20);
    const start = performance.now();
    const back = await pool.apply(
      (n: Float64Array) => {
        n[0] = 1;
        return transfer(n, [n.buffer]);
      },
      [transfer(numbers, [numbers.buffer])],
      {},
    );
    times.push(performance.now() - start);
    if (back[0] !== 1) throw new Error("lost");
  }
  figures.transfer = times.toSorted((a, b) => a - b)[2]!;
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
  const ROUNDS = 20_000;
  const counter = new Value("i");
  await using two = new Pool(2, { scope: { lock, counter, ROUNDS } });
  await two.broadcast(() => 1);
  figures.contended = await median(5, () =>
    two.broadcast(() => {
      for (let i = 0; i < ROUNDS; i++) {
        lock.acquire();
        counter.value += 1;
        lock.release();
      }
    })) / ROUNDS / 2 * 1e6;
  if (counter.value !== 10 * ROUNDS) throw new Error("lost");
  two.terminate();
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
