// Makes a thumbnail, at most 160 pixels wide and high, of each PNG file among the arguments.

import { decode, encode } from "fast-png";
import { Pool } from "@manycore/parallel";

const SIZE = 160;

/** Writes the thumbnail beside the file and returns its path. Each pixel is the mean of those that it stands for. */
export async function thumbnail(path: string): Promise<string> {
  const { width, height, channels, depth, data } = decode(await Deno.readFile(path));
  if (depth !== 8 || channels < 3) throw new Error(`${path} has no 8-bit RGB or RGBA pixels`);
  const step = Math.ceil(Math.max(width, height) / SIZE);
  const [columns, rows] = [Math.ceil(width / step), Math.ceil(height / step)];
  const small = new Uint8Array(columns * rows * channels);
  for (let i = 0; i < small.length; i++) {
    const channel = i % channels;
    const [left, top] = [(i - channel) / channels % columns * step, Math.floor(i / channels / columns) * step];
    const [right, bottom] = [Math.min(left + step, width), Math.min(top + step, height)];
    let sum = 0;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) sum += data[(y * width + x) * channels + channel]!;
    }
    small[i] = sum / ((right - left) * (bottom - top));
  }
  const target = path.replace(/\.png$/i, "") + ".thumb.png";
  await Deno.writeFile(target, encode({ width: columns, height: rows, channels, data: small }));
  return target;
}

if (import.meta.main) {
  await using pool = new Pool({ module: import.meta.url });
  const results = pool.imap(thumbnail, Deno.args, { returnExceptions: true });
  for await (const result of results) {
    if (result instanceof Error) console.error(`failed: ${result.message}`);
    else console.log(result);
  }
}
