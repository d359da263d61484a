/**
 * A soak test of `processes()`: pools are made and ended, and their processes killed in the middle of their work, all the time. No
 * call may be lost, no process left, and memory and descriptors of this program must not grow.
 *
 *   deno task soak:processes [seconds]
 *
 * @module
 */

import { BrokenProcessPoolError, Pool, Process, TimeoutError } from "../mod.ts";
import { processes } from "../processes/mod.ts";
import { random } from "../testing/random.ts";

const SECONDS = Number(Deno.args[0] ?? 600);
/** The part of the time that is warm-up. */
const WARM_UP = 0.5;
/** The growth of the memory that is allowed after the warm-up, in MB. */
const SLACK = 16;
/** The growth of the number of descriptors that is allowed: those of a pool that is about to end. */
const DESCRIPTORS = 4;

const below = random(1);
const square = (n: number): number => n * n;
const work = (n: number, time: number): number => {
  for (const end = performance.now() + time; performance.now() < end;);
  return n;
};
const counts = { calls: 0, broken: 0, kills: 0, pools: 0 };
const pids = new Set<number>();

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Waits for a call that may be lost with its process. */
async function mayBreak(call: Promise<number>, value: number): Promise<void> {
  try {
    const result = await call;
    expect(result === value, `${result} is not ${value}`);
  } catch (error) {
    if (!(error instanceof BrokenProcessPoolError)) throw error;
    counts.broken++;
  }
  counts.calls++;
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
    counts.kills++;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error; // it has ended before
  }
}

/** Makes a pool, kills its processes a few times while it works, and ends it. */
async function round(): Promise<void> {
  const pool = new Pool(2, { backend: processes(), maxTasksPerChild: 20 + below(200) });
  counts.pools++;
  for (let i = 0; i < 5; i++) {
    const alive = await pool.broadcast(() => Deno.pid).catch(() => [] as number[]);
    for (const pid of alive) pids.add(pid);
    const broken = counts.broken;
    const killsBefore = counts.kills;
    const calls = Array.from({ length: 200 }, (_, n) => mayBreak(pool.apply(work, [n, n % 50 === 0 ? 2 : 0]), n));
    const pause = below(8); // from none, before a task has begun, to the middle of the work
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    if (below(4) > 0) kill(alive[below(alive.length)] ?? 0);
    await Promise.all(calls);
    expect(counts.broken - broken <= counts.kills - killsBefore, "a kill failed more than one task");
  }
  const late = await pool.apply(work, [1, 10_000], { taskTimeout: 20 }).catch((error: unknown) => error);
  expect(late instanceof TimeoutError, `${late}`);
  const process = new Process({ target: square, args: [3], backend: processes() });
  process.start();
  await process.join();
  expect(process.exitcode === 0, `exit code ${process.exitcode}`);
  if (below(2) === 0) pool.terminate();
  else pool.close();
  await pool.join();
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

const descriptors = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const samples: { at: number; memory: number; descriptors: number }[] = [];
const started = performance.now();
for (let told = started;;) {
  await round();
  const left = [...pids].filter(isAlive);
  expect(left.length === 0, `processes are left: ${left}`);
  pids.clear();
  const now = performance.now();
  const at = (now - started) / 1000;
  samples.push({ at, memory: Deno.memoryUsage().rss / 2 ** 20, descriptors: descriptors() });
  if (now - told > 30_000 || at > SECONDS) {
    told = now;
    const { memory, descriptors } = samples.at(-1)!;
    const { calls, broken, kills, pools } = counts;
    console.log(
      `${at.toFixed(0)} s: ${pools} pools, ${calls} calls, ${kills} kills, of which ${broken} have hit a task, ` +
        `${memory.toFixed(0)} MB, ${descriptors} descriptors`,
    );
  }
  if (at > SECONDS) break;
}
const after = samples.filter(({ at }) => at > SECONDS * WARM_UP);
const quarter = Math.ceil(after.length / 4);
const [first, last] = [after.slice(0, quarter), after.slice(-quarter)];
const memory = [first, last].map((part) => median(part.map((sample) => sample.memory)));
const open = [first, last].map((part) => median(part.map((sample) => sample.descriptors)));
console.log(
  `first quarter after the warm-up, and last: ${memory.map((mb) => mb.toFixed(0)).join(" and ")} MB, ` +
    `${open.join(" and ")} descriptors`,
);
expect(memory[1]! <= memory[0]! + SLACK, "the memory grows");
expect(open[1]! <= open[0]! + DESCRIPTORS, "descriptors are left");
