// A large picture of the Mandelbrot set: the workers write its rows straight into shared memory, and nothing is copied.
// Prints how much faster all workers are than one.
//
//   deno run examples/mandelbrot.ts
//   deno run --allow-write examples/mandelbrot.ts --out=mandelbrot.png --width=1600

import { parseArgs } from "@std/cli";
import { encode } from "fast-png";
import { Pool, SharedArray } from "@manycore/parallel";

const args = parseArgs(Deno.args, { string: ["out", "width", "workers"] });
const WIDTH = Number(args.width ?? 1200);
const HEIGHT = Math.round(WIDTH * 0.75);
const pixels = new SharedArray("B", WIDTH * HEIGHT * 3);

/** Colours one row: for each point c, how soon z ** 2 + c leaves the circle of radius 2. */
function drawRow(row: number): void {
  const { view } = pixels;
  const im = (row / HEIGHT - 0.5) * 2.5;
  for (let column = 0; column < WIDTH; column++) {
    const re = (column / WIDTH) * (10 / 3) - 2.3;
    let [x, y, steps] = [0, 0, 0];
    while (x * x + y * y < 64 && steps < 500) [x, y, steps] = [x * x - y * y + re, 2 * x * y + im, steps + 1];
    const at = (row * WIDTH + column) * 3;
    if (steps === 500) {
      view.fill(0, at, at + 3);
      continue;
    }
    const smooth = steps + 1 - Math.log2(Math.log2(x * x + y * y) / 2);
    for (let channel = 0; channel < 3; channel++) {
      view[at + channel] = 128 + 127 * Math.sin(0.12 * smooth + 3.6 + channel * 0.7);
    }
  }
}

/** Draws everything: how long it took, in milliseconds. */
async function draw(workers: number): Promise<number> {
  await using pool = new Pool({ processes: workers, scope: { pixels, WIDTH, HEIGHT } });
  await pool.broadcast(drawRow, [0]); // all workers are there
  const start = performance.now();
  await pool.map(drawRow, Array.from({ length: HEIGHT }, (_, row) => row), { chunksize: 8 });
  return performance.now() - start;
}

if (import.meta.main) {
  const workers = Number(args.workers ?? navigator.hardwareConcurrency);
  const alone = await draw(1);
  const together = await draw(workers);
  console.log(
    `${WIDTH} × ${HEIGHT} pixels: one worker ${alone.toFixed(0)} ms, ${workers} workers ${together.toFixed(0)} ms`,
  );
  console.log(`${(alone / together).toFixed(2)} times as fast`);
  if (args.out !== undefined) {
    await Deno.writeFile(
      String(args.out),
      encode({ width: WIDTH, height: HEIGHT, channels: 3, data: pixels.view.slice() }),
    );
  }
}
