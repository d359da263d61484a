// What becomes of 1,000 after 30 years: a simulation whose workers add to one histogram in shared memory.

import progress from "cli-progress";
import { Pool, SharedArray } from "@manycore/parallel";

const SAMPLES = Number(Deno.args[0] ?? 5_000_000);
const BATCH = 50_000;
const histogram = new SharedArray("u32", 21); // thousands; the last one counts all that is more

function simulate(samples: number): void {
  const bins = new Uint32Array(histogram.length);
  for (let i = 0; i < samples; i++) {
    let capital = 1;
    for (let year = 0; year < 30; year++) {
      // A normal distribution, by the Box–Muller method: 6 % a year, give or take 15 %.
      const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      capital *= Math.max(0, 1.06 + 0.15 * normal);
    }
    bins[Math.min(Math.floor(capital), bins.length - 1)]! += 1;
  }
  // Once for each batch, not for each sample. Atomics.add, since other workers add to the same numbers.
  bins.forEach((count, bin) => Atomics.add(histogram.view, bin, count));
}

if (import.meta.main) {
  await using pool = new Pool({ scope: { histogram } });
  const batches = Array.from({ length: Math.ceil(SAMPLES / BATCH) }, (_, i) => Math.min(BATCH, SAMPLES - i * BATCH));
  const bar = new progress.SingleBar({ format: "{bar} {percentage} % | {eta_formatted} left" });
  bar.start(batches.length, 0);
  await pool.map(simulate, batches, { chunksize: 1, onProgress: (done) => bar.update(done) });
  bar.stop();
  for (const [bin, count] of [...histogram].entries()) {
    const percent = 100 * count / SAMPLES;
    console.log(`${String(bin).padStart(2)},000 ${percent.toFixed(2).padStart(6)} % ${"█".repeat(percent)}`);
  }
}
