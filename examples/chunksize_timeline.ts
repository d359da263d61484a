// What article 000 explains in words, as a picture: who computes what when, with the default chunksize and with one that
// is given. One lane for each worker, one bar for each chunk, from the pool's own trace.
//
//   deno run examples/chunksize_timeline.ts > timeline.svg
//   deno run --allow-write examples/chunksize_timeline.ts --out=timeline.svg --workers=4 --chunksize=1

import { parseArgs } from "@std/cli";
import { Pool } from "@manycore/parallel";

const NUMS = Array.from({ length: 39 }, (_, i) => 39 - i); // the largest first
const [WIDTH, LEFT, LANE, HEAD] = [960, 90, 30, 38];

interface Chunk {
  worker: number;
  inputs: number[];
  start: number;
  duration: number;
}

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

/** Computes everything with a chunksize, and tells which chunk ran where and when, in milliseconds. */
async function measure(workers: number, chunksize: number): Promise<Chunk[]> {
  await using pool = new Pool(workers, { trace: true });
  await pool.broadcast(fib, [20]); // all workers are there, and warm
  await pool.map(fib, NUMS, { chunksize });
  const { traceEvents } = JSON.parse(pool.trace());
  const bars = traceEvents.filter(({ ph }: { ph: string }) => ph === "X").slice(workers);
  bars.sort((a: { ts: number }, b: { ts: number }) => a.ts - b.ts); // chunks begin in order
  const origin = bars[0].ts;
  return bars.map(({ tid, ts, dur }: { tid: number; ts: number; dur: number }, i: number) => ({
    worker: tid,
    inputs: NUMS.slice(i * chunksize, (i + 1) * chunksize),
    start: (ts - origin) / 1000,
    duration: dur / 1000,
  }));
}

function draw(title: string, chunks: Chunk[], workers: number, top: number, scale: number): string {
  const end = Math.max(...chunks.map(({ start, duration }) => start + duration));
  const lines = [`<text x="12" y="${top + 24}" class="title">${title}: ${(end / 1000).toFixed(2)} s</text>`];
  for (let i = 0; i < workers; i++) {
    const y = top + HEAD + i * LANE;
    lines.push(`<text x="12" y="${y + 17}">worker ${i + 1}</text>`);
    lines.push(`<rect x="${LEFT}" y="${y}" width="${WIDTH - LEFT - 20}" height="${LANE - 6}" class="lane"/>`);
    for (const { inputs, start, duration } of chunks.filter((chunk) => chunk.worker === i + 1)) {
      const [x, width] = [LEFT + start * scale, Math.max(1, duration * scale)];
      const label = inputs.length === 1 ? `${inputs[0]}` : `${inputs[0]}…${inputs.at(-1)}`;
      const hue = 210 + (NUMS[0]! - inputs[0]!) * 4;
      lines.push(
        `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${
          LANE - 6
        }" fill="hsl(${hue} 60% 55%)" ` +
          `stroke="white"><title>fib of ${label}: ${duration.toFixed(1)} ms</title></rect>`,
      );
      if (width > label.length * 8 + 8) {
        lines.push(`<text x="${(x + width / 2).toFixed(1)}" y="${y + 17}" class="bar">${label}</text>`);
      }
    }
  }
  return lines.join("\n");
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["out", "workers", "chunksize"] });
  const workers = Number(args.workers ?? 4);
  const explicit = Number(args.chunksize ?? 1);
  const implicit = Math.ceil(NUMS.length / (workers * 4));
  const runs: [title: string, chunks: Chunk[]][] = [
    [`map(fib, NUMS), that is chunksize ${implicit}`, await measure(workers, implicit)],
    [`map(fib, NUMS, { chunksize: ${explicit} })`, await measure(workers, explicit)],
  ];
  const longest = Math.max(...runs.flatMap(([, chunks]) => chunks.map(({ start, duration }) => start + duration)));
  const scale = (WIDTH - LEFT - 20) / longest;
  const panel = HEAD + workers * LANE + 14;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
    2 * panel + 34
  }" font-family="sans-serif">
<style>text { font-size: 13px; fill: #333 } .title { font-size: 16px; font-weight: bold } .lane { fill: #f1f3f6 }
.bar { fill: white; text-anchor: middle }</style>
<rect width="100%" height="100%" fill="white"/>
${runs.map(([title, chunks], i) => draw(title, chunks, workers, i * panel, scale)).join("\n")}
<text x="12" y="${
    2 * panel + 20
  }">A bar is a chunk, with the numbers it computes the Fibonacci number of. Same scale of time in both.</text>
</svg>
`;
  if (args.out === undefined) console.log(svg);
  else await Deno.writeTextFile(String(args.out), svg);
}
