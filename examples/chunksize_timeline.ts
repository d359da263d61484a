// What article 000 explains in words, as a picture: who computes what when, with the default chunksize and with one that
// is given. One lane for each worker, one bar for each chunk, from the pool's own trace.
//
//   deno run examples/chunksize_timeline.ts > timeline.svg
//   deno run --allow-write examples/chunksize_timeline.ts --out=timeline.svg --workers=4 --chunksize=1

import { parseArgs } from "@std/cli";
import { Pool } from "@manycore/parallel";

/** What one worker did for some time; in milliseconds. */
export interface Bar {
  worker: string;
  start: number;
  duration: number;
  label: string;
  color: string;
}

export interface Timeline {
  title: string;
  workers: string[];
  bars: Bar[];
}

const NUMS = Array.from({ length: 39 }, (_, i) => 39 - i); // the largest first

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

/** Computes as well, and returns which worker has done it. */
function workerOf(n: number): string {
  fib(n);
  return self.name;
}

/** Computes everything with a chunksize, and returns which chunk ran where and when. */
async function measure(title: string, processes: number, chunksize: number): Promise<Timeline> {
  await using pool = new Pool(processes, { trace: true, name: "worker", scope: { fib } });
  await pool.broadcast(workerOf, [20]); // all workers are there, and warm
  const workers = await pool.map(workerOf, NUMS, { chunksize });
  const { traceEvents } = JSON.parse(pool.trace());
  const names = new Map(); // of the workers, by their numbers
  for (const { ph, tid, args } of traceEvents) if (ph === "M") names.set(tid, args.name);
  const chunks = traceEvents.filter(({ ph }: { ph: string }) => ph === "X").slice(processes);
  chunks.sort((a: { ts: number }, b: { ts: number }) => a.ts - b.ts);
  const bars: Bar[] = [];
  for (let i = 0; i < NUMS.length; i += chunksize) {
    const inputs = NUMS.slice(i, i + chunksize);
    // Each worker runs its chunks in order. The order of chunks that two workers begin at once is not known.
    const next = chunks.findIndex(({ tid }: { tid: number }) => names.get(tid) === workers[i]);
    const [{ ts, dur }] = chunks.splice(next, 1);
    bars.push({
      worker: workers[i]!,
      start: ts / 1000, // from microseconds
      duration: dur / 1000,
      label: inputs.length === 1 ? `${inputs[0]}` : `${inputs[0]}…${inputs.at(-1)}`,
      color: `hsl(${210 + (NUMS[0]! - inputs[0]!) * 4}, 55%, 45%)`,
    });
  }
  const zero = Math.min(...bars.map(({ start }) => start));
  for (const bar of bars) bar.start -= zero;
  return { title, workers: [...names.values()], bars };
}

const [WIDTH, LEFT, RIGHT] = [960, 90, 104]; // names are at the left of the lanes, total times at the right
const [HEAD, LANE, AXIS] = [36, 30, 40]; // the heights of a title, a lane, an axis

/** Draws timelines below each other, all in the same scale, with an axis below each. */
export function draw(timelines: Timeline[], caption: string): string {
  const ends = timelines.map(({ bars }) => Math.max(...bars.map(({ start, duration }) => start + duration)));
  const longest = Math.max(...ends);
  const scale = (WIDTH - LEFT - RIGHT) / longest;
  const [unit, size] = longest < 1000 ? ["ms", 1] : ["s", 1000];
  const power = 10 ** Math.floor(Math.log10(longest / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => longest / step <= 9)!;
  const escaped = (content: string) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const text = (x: number, y: number, content: string, kind: string) =>
    `<text x="${x.toFixed(1)}" y="${y}" class="${kind}">${escaped(content)}</text>`;

  const lines: string[] = [];
  let y = 4;
  timelines.forEach(({ title, workers, bars }, i) => {
    lines.push(text(12, y + 22, title, "title"));
    y += HEAD;
    const bottom = y + workers.length * LANE;
    for (const [i, worker] of workers.entries()) {
      lines.push(text(LEFT - 10, y + i * LANE + 17, worker, "worker"));
      lines.push(`<rect x="${LEFT}" y="${y + i * LANE}" width="${WIDTH - LEFT - RIGHT}" height="24" class="lane"/>`);
    }
    for (let n = 0; n * step <= longest; n++) {
      const [time, x] = [n * step, LEFT + n * step * scale];
      lines.push(`<path d="M${x.toFixed(1)} ${y - 4}V${bottom + 4}" class="tick"/>`);
      lines.push(text(x, bottom + 18, `${Number((time / size).toPrecision(6))} ${unit}`, "time"));
    }
    for (const { worker, start, duration, label, color } of bars) {
      const [x, width] = [LEFT + start * scale, duration * scale];
      const top = y + workers.indexOf(worker) * LANE;
      lines.push(
        `<rect x="${x.toFixed(2)}" y="${top}" width="${Math.max(0.5, width > 4 ? width - 1 : width).toFixed(2)}" ` +
          `height="24" fill="${color}">${
            label && `<title>${escaped(label)}: ${duration.toFixed(3)} ms</title>`
          }</rect>`,
      );
      if (width > label.length * 7.5 + 8) lines.push(text(x + width / 2, top + 17, label, "label"));
    }
    const total = ends[i]! / size;
    lines.push(text(WIDTH - RIGHT + 14, (y + bottom) / 2 + 2, `${total.toPrecision(3)} ${unit}`, "total"));
    y = bottom + AXIS;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 26}" font-family="sans-serif">
<style>text { font-size: 13px; fill: #24292f } .title, .total { font-size: 16px; font-weight: bold }
.worker { text-anchor: end } .time { text-anchor: middle; font-size: 12px } .label { fill: #fff; text-anchor: middle }
.lane { fill: #e9edf2 } .tick { stroke: #afb8c1 }</style>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${y + 25}" rx="6" fill="#fff" stroke="#d0d7de"/>
${lines.join("\n")}
${text(12, y + 8, caption, "caption")}
</svg>
`;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["out", "workers", "chunksize"] });
  const workers = Number(args.workers ?? 4);
  const explicit = Number(args.chunksize ?? 1);
  const implicit = Math.ceil(NUMS.length / (workers * 4));
  const svg = draw([
    await measure(`map(fib, NUMS), that is chunksize ${implicit}`, workers, implicit),
    await measure(`map(fib, NUMS, { chunksize: ${explicit} })`, workers, explicit),
  ], "A bar is a chunk, with the numbers whose Fibonacci numbers it computes. Same scale of time in both.");
  if (args.out === undefined) console.log(svg);
  else await Deno.writeTextFile(String(args.out), svg);
}
