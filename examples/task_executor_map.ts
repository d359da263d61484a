// Article 004, `exetutor_map`: one iterable for each parameter, and results one by one.

import { parseArgs } from "@std/cli";
import { ProcessPoolExecutor } from "@manycore/parallel";

const XS = [1, 2, 3, 4];
const YS = [1, 2, 3, 4];
const { delay } = parseArgs(Deno.args, { string: ["delay"] });

/** Let us assume it is a heavy task: 1 to 5 seconds, or `--delay=MS`. */
async function task(x: number, y: number): Promise<number> {
  const ms = delay === undefined ? 1000 * (1 + Math.floor(Math.random() * 5)) : Number(delay);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return x + y;
}

if (import.meta.main) {
  await using executor = new ProcessPoolExecutor({ maxWorkers: 4, scope: { delay } });
  for await (const result of executor.map(task, XS, YS)) console.log(`result=${result}`);
}
