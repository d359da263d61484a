// The figures of a pool on Node, or on Deno: `node node.mjs piscina|tinypool|workerpool [process]`, in a folder where it is installed.

import { fileURLToPath } from "node:url";

const kind = process.argv[2];
const inProcesses = process.argv[3] === "process";
const task = fileURLToPath(new URL("./task.mjs", import.meta.url));
const figures = {};
const BURST = 20_000;

async function median(runs, run) {
  const times = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b)[runs >> 1];
}

/** A pool of two workers: its call, and its end. */
async function open() {
  if (kind === "workerpool") {
    const { default: workerpool } = await import("workerpool");
    const pool = workerpool.pool(fileURLToPath(new URL("./workerpool_task.mjs", import.meta.url)), {
      maxWorkers: 2,
      workerType: inProcesses ? "process" : "thread",
    });
    return { call: (n) => pool.exec("inc", [n]), end: () => pool.terminate() };
  }
  const Pool = kind === "piscina" ? (await import("piscina")).Piscina : (await import("tinypool")).Tinypool;
  const pool = new Pool({ filename: task, minThreads: 2, maxThreads: 2, ...(inProcesses && { runtime: "child_process" }) });
  return { call: (n) => pool.run(n), end: () => pool.destroy() };
}

const pool = await open();
for (let i = 0; i < 500; i++) await pool.call(i);
figures.burst = await median(5, async () => {
  const results = [];
  for (let i = 0; i < BURST; i++) results.push(pool.call(i));
  await Promise.all(results);
}) * 1000 / BURST;
figures.single = await median(3, async () => {
  for (let i = 0; i < 2000; i++) await pool.call(i);
}) / 2;
await pool.end();
figures.start = await median(5, async () => {
  const pool = await open();
  await pool.call(1);
  await pool.end();
});
console.log(JSON.stringify(figures));
process.exit();
