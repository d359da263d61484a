// Article 004, `exetutor_submit_completed`: results as they come.

import { parseArgs } from "@std/cli";
import { asCompleted, ProcessPoolExecutor } from "@manycore/parallel";

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
  const todo = XS.map((x, i) => executor.submit(task, x, YS[i]!));
  for await (const future of asCompleted(todo)) console.log(`result=${await future.result()}`);
}
