/** What the machines of the demo run. */

import { currentTask } from "@manycore/parallel";

/** A picture of the film. */
export interface Frame {
  /** The number of steps at each point, row by row, from 0 to 255. */
  readonly steps: Uint8Array<ArrayBuffer>;
  /** The machine that has drawn it. */
  readonly machine: string;
  /** How often it was begun. */
  readonly attempt: number;
}

const [X, Y] = [-0.743643887, 0.131825904]; // a point with much around it
const STEPS = 1000;

/** Draws a picture of the Mandelbrot set: the one with the number `zoom` shows 1.06^zoom times as little. */
export function render(zoom: number, width: number, height: number): Frame {
  const steps = new Uint8Array(width * height);
  const scale = 3 / 1.06 ** zoom / width;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const cx = X + (column - width / 2) * scale;
      const cy = Y + (row - height / 2) * scale;
      let [x, y, count] = [0, 0, 0];
      for (; count < STEPS && x * x + y * y < 4; count++) [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
      steps[row * width + column] = count === STEPS ? 0 : 1 + count % 255;
    }
  }
  return { steps, machine: Deno.env.get("MACHINE") ?? "?", attempt: currentTask()!.attempt };
}
