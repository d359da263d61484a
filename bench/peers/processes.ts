/** The figures of this library on child processes: one JSON object of numbers. Run by `run.ts`. */

import { Pool } from "../../mod.ts";
import { processes } from "../../processes/mod.ts";
import { median } from "./median.ts";

const figures: Record<string, number> = {};
const inc = (n: number): number => n + 1;
const backend = processes();

{
  const BURST = 20_000;
  await using pool = new Pool(2, { backend, idleTimeout: Infinity });
  await pool.map(inc, Array(1000).fill(0), { chunksize: 1 });
  figures.burst = await median(11, async () => {
    const results: Promise<number>[] = [];
    for (let i = 0; i < BURST; i++) results.push(pool.apply(inc, [i]));
    await Promise.all(results);
  }) * 1000 / BURST;
  figures.single = await median(5, async () => {
    for (let i = 0; i < 2000; i++) await pool.apply(inc, [i]);
  }) / 2;
  const items = Array.from({ length: 20_000 }, (_, i) => i);
  figures.imap = await median(11, async () => {
    let n = 0;
    for await (const _ of pool.imap(inc, items)) n++;
    if (n !== 20_000) throw new Error("lost");
  }) / 20;
  const million = Array.from({ length: 1_000_000 }, (_, i) => i);
  figures.million = await median(11, () => pool.map(inc, million));
  const bytes = new Uint8Array(64e6).fill(7);
  figures.echo = await median(5, async () => {
    const back = await pool.apply((bytes: Uint8Array) => bytes, [bytes]);
    if (back.length !== bytes.length || back[9] !== 7) throw new Error("lost");
  });
}

{
  // Each time a process that runs a task is killed.
  await using pool = new Pool(1, { backend });
  const times: number[] = [];
  for (let i = 0; i < 11; i++) {
    const pid = await pool.apply(() => Deno.pid);
    const running = pool.apply(() => new Promise(() => {})).catch(() => performance.now());
    while (pool.stats().running === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    const start = performance.now();
    Deno.kill(pid, "SIGKILL");
    times.push(Number(await running) - start);
  }
  figures.known = times.toSorted((a, b) => a - b)[5]!;
}

figures.start = await median(11, async () => {
  const pool = new Pool(2, { backend });
  await pool.apply(inc, [1]);
  pool.terminate();
});

{
  await using pool = new Pool(2, { backend, idleTimeout: Infinity });
  pool.applySync(inc, [1]);
  figures.singleSync = await median(5, () => {
    for (let i = 0; i < 2000; i++) pool.applySync(inc, [i]);
  }) / 2;
}

console.log(JSON.stringify(figures));
