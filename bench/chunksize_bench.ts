/**
 * Chunk sizes compared on the workload of article 000: fib(1) … fib(n), the inputs reversed, so that the first are the
 * most expensive. `deno task bench` runs it.
 */

import { Pool } from "../mod.ts";

const WORKERS = 2;
/** As in the article, but short of its 39, to keep a round below a second. */
const NUMS = Array.from({ length: 30 }, (_, i) => 30 - i);

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

const pool = new Pool(WORKERS, { idleTimeout: Infinity });
await pool.broadcast(fib, [20]);
globalThis.addEventListener("unload", () => pool.terminate());

Deno.bench("serial", { group: "fib reversed", baseline: true }, () => {
  for (const n of NUMS) fib(n);
});

Deno.bench("bare workers, one message a call", { group: "fib reversed" }, async (b) => {
  const program = `${fib.toString()}; self.onmessage = ({ data }) => self.postMessage(fib(data));`;
  const workers = Array.from(
    { length: WORKERS },
    () => new Worker(`data:application/javascript,${encodeURIComponent(program)}`, { type: "module" }),
  );
  const call = (worker: Worker, n: number): Promise<void> =>
    new Promise((resolve) => {
      worker.onmessage = () => resolve();
      worker.postMessage(n);
    });
  await Promise.all(workers.map((worker) => call(worker, 20)));
  b.start();
  const queue = [...NUMS];
  await Promise.all(workers.map(async (worker) => {
    for (let n = queue.shift(); n !== undefined; n = queue.shift()) await call(worker, n);
  }));
  b.end();
  for (const worker of workers) worker.terminate();
});

for (const chunksize of [undefined, 1, 2, 5, 13]) {
  Deno.bench(`map, chunksize ${chunksize ?? "implicit"}`, { group: "fib reversed" }, async () => {
    await pool.map(fib, NUMS, { chunksize });
  });
}

const SMALL = Array.from({ length: 10_000 }, (_, i) => i);
const increment = (n: number): number => n + 1;

Deno.bench("serial", { group: "10,000 tiny calls", baseline: true }, () => {
  SMALL.map(increment);
});

for (const chunksize of [undefined, 1, 100]) {
  Deno.bench(`map, chunksize ${chunksize ?? "implicit"}`, { group: "10,000 tiny calls" }, async () => {
    await pool.map(increment, SMALL, { chunksize });
  });
}
