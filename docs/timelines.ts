/**
 * Draws the pictures of `timelines.md`, from the traces of real runs:
 *
 *   deno run --allow-write docs/timelines.ts
 *
 * Each run is made several times, and the fastest is drawn: a machine that does something else as well adds to a time,
 * and never takes away from it.
 */

import { Pool, SharedArray } from "@manycore/parallel";
import { type Bar, draw, type Timeline } from "../examples/chunksize_timeline.ts";

const [SHORT, LONG, FAILED, OTHER] = ["#2f6db5", "#8a5a00", "#c4314b", "#57606a"];
const WORKERS = 2;

/** The start of a call and the time it takes, in milliseconds, on the clock of the pool. */
type Traced = { worker: string; start: number; duration: number };

function tracedBy(pool: Pool): Traced[] {
  const { traceEvents } = JSON.parse(pool.trace());
  const names = new Map<number, string>();
  for (const { ph, tid, args } of traceEvents) if (ph === "M") names.set(tid, args.name);
  const tasks = traceEvents.filter(({ ph }: { ph: string }) => ph === "X")
    .map(({ tid, ts, dur }: Record<string, number>) => (
      { worker: names.get(tid!)!, start: ts! / 1000, duration: dur! / 1000 }
    ));
  return tasks.sort((a: Traced, b: Traced) => a.start - b.start);
}

const end = ({ bars }: Timeline): number => Math.max(...bars.map(({ start, duration }) => start + duration));

/** Returns the fastest of several runs. */
async function best(runs: number, run: () => Promise<Timeline>): Promise<Timeline> {
  let fastest = await run();
  for (let i = 1; i < runs; i++) {
    const next = await run();
    if (end(next) < end(fastest)) fastest = next;
  }
  return fastest;
}

/** Begins the time with the first bar, and names the lanes after `workers` and whoever came later. */
function timeline(title: string, bars: Bar[], workers: Iterable<string>): Timeline {
  const zero = Math.min(...bars.map(({ start }) => start));
  const shifted = bars.map((bar) => ({ ...bar, start: bar.start - zero }));
  return { title, workers: [...new Set([...workers, ...bars.map(({ worker }) => worker)])], bars: shifted };
}

/** Keeps its worker busy for some time. */
function work(ms: number): number {
  const end = performance.now() + ms;
  while (performance.now() < end);
  return ms;
}

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

/** A pool whose workers are all there, and their names. */
async function warmPool(options: { scope?: Record<string, unknown>; taskTimeout?: number } = {}) {
  const created = performance.now();
  const pool = new Pool(WORKERS, { ...options, trace: true, name: "worker" });
  await pool.broadcast(work, [5]);
  return { pool, created, workers: [...new Set(tracedBy(pool).map(({ worker }) => worker))].sort() };
}

/** A small chunk, of a few calls of some microseconds each, that takes longer than this was probably without a core. */
const PAUSE_MS = 0.2;

/** A thousand tiny calls. */
function tiny(title: string, chunksize?: number): Promise<Timeline> {
  const numbers = Array(1000).fill(14);
  return best(15, async () => {
    const { pool, workers } = await warmPool();
    await using _ = pool;
    for (let i = 0; i < 10; i++) await pool.map(fib, numbers, { chunksize }); // compiled by now
    const before = tracedBy(pool).length;
    await pool.map(fib, numbers, { chunksize });
    const bars = tracedBy(pool).slice(before).map((task) => ({
      ...task,
      label: chunksize === 1 ? "" : `${chunksize ?? 125}`,
      color: chunksize !== undefined && task.duration > PAUSE_MS ? OTHER : SHORT,
    }));
    return timeline(title, bars, workers);
  });
}

const [USUAL_MS, LONG_MS, LIMIT_MS] = [20, 200, 100];

/** The bars of calls of `work`. Which call took long is seen by its time. */
function workBars(tasks: Traced[]): Bar[] {
  return tasks.map((task) => {
    const long = task.duration > LONG_MS / 2;
    return { ...task, label: `${long ? LONG_MS : USUAL_MS}`, color: long ? LONG : SHORT };
  });
}

/** Usual calls, and the long one among them. */
function lengths(usual: number, longAt: number): number[] {
  return Array(usual).fill(USUAL_MS).toSpliced(longAt, 0, LONG_MS);
}

function stragglers(title: string, items: number[]): Promise<Timeline> {
  return best(5, async () => {
    const { pool, workers } = await warmPool();
    await using _ = pool;
    await pool.map(work, items, { chunksize: 1 });
    return timeline(title, workBars(tracedBy(pool).slice(WORKERS)), workers);
  });
}

/** Who runs what, and when the caller gets which result. */
function results(method: "imap" | "imapUnordered", items: number[]): Promise<Timeline> {
  return best(5, async () => {
    const { pool, created, workers } = await warmPool();
    await using _ = pool;
    const got: Bar[] = [];
    for await (const ms of pool[method](work, items)) {
      const start = performance.now() - created;
      got.push({ worker: "results", start, duration: 1, label: `${ms}`, color: ms === LONG_MS ? LONG : OTHER });
    }
    got.sort((a, b) => Number(a.color === LONG) - Number(b.color === LONG)); // the long one is drawn above the others
    return timeline(`${method}(work, items)`, [...workBars(tracedBy(pool).slice(WORKERS)), ...got], workers);
  });
}

const NONE = 0; // the item whose call fails
const SOME_FAIL = Array(14).fill(USUAL_MS).toSpliced(4, 0, NONE);
const OPTIONS = { chunksize: 1, returnExceptions: true } as const;

/** A call that never ends, with a limit. */
function endless(): Promise<Timeline> {
  return best(5, async () => {
    const { pool, workers } = await warmPool({ scope: { work }, taskTimeout: LIMIT_MS });
    await using _ = pool;
    await pool.map((ms: number) => ms > 0 ? work(ms) : work(Infinity), SOME_FAIL, OPTIONS);
    const bars = tracedBy(pool).slice(WORKERS).map((task) => (
      task.duration < LIMIT_MS
        ? { ...task, label: `${USUAL_MS}`, color: SHORT }
        : { ...task, label: "TimeoutError", color: FAILED }
    ));
    return timeline(`an endless loop; new Pool({ taskTimeout: ${LIMIT_MS} })`, bars, workers);
  });
}

/** A call that ends its worker. The trace has only calls that have ended, so this one notes its own times. */
function deadly(): Promise<Timeline> {
  return best(5, async () => {
    const times = new SharedArray("d", 2);
    const { pool, created, workers } = await warmPool({ scope: { times, work } });
    await using _ = pool;
    const outcomes = await pool.map(
      (ms: number) => {
        if (ms > 0) return work(ms);
        times.set(0, performance.timeOrigin + performance.now());
        work(50);
        times.set(1, performance.timeOrigin + performance.now());
        Deno.exit();
      },
      SOME_FAIL,
      OPTIONS,
    );
    const [, worker] = /'(.*?)'/.exec((outcomes[4] as Error).message)!;
    const start = times.at(0)! - performance.timeOrigin - created;
    const dead = { worker: worker!, start, duration: times.at(1)! - times.at(0)!, label: "exit", color: FAILED };
    const bars = workBars(tracedBy(pool).slice(WORKERS));
    return timeline("a call that ends its worker by Deno.exit()", [...bars, dead], workers);
  });
}

if (import.meta.main) {
  const pictures: Record<string, string> = {
    chunks: draw(
      [
        await tiny("map(fib, items), that is chunksize 125"),
        await tiny("map(fib, items, { chunksize: 10 })", 10),
        await tiny("map(fib, items, { chunksize: 1 })", 1),
      ],
      "fib(14), 1,000 times, some microseconds each. A bar is a chunk, with the number of its calls. Gray: more than 0.2 ms.",
    ),
    stragglers: draw([
      await stragglers("the longest call comes last", lengths(20, 20)),
      await stragglers("the longest call comes first", lengths(20, 0)),
    ], "A bar is a call, with its length in milliseconds: 20 of 20 ms, one of 200 ms. chunksize: 1 in both."),
    results: draw([
      await results("imap", lengths(16, 2)),
      await results("imapUnordered", lengths(16, 2)),
    ], "The calls are the same; the third is long. A mark in the lower lane is a result that the program gets."),
    failures: draw([
      await endless(),
      await deadly(),
    ], "A bar is a call; the fifth of 15 fails. All others have their results."),
  };
  for (const [name, svg] of Object.entries(pictures)) {
    await Deno.writeTextFile(new URL(`timeline_${name}.svg`, import.meta.url), svg);
  }
}
