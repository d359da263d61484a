// Article 004, `mp_imap` with a helper: `istarmap`, which Python lacks, needs none.

import { parseArgs } from "@std/cli";
import { Pool } from "@manycore/parallel";

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
  await using pool = new Pool({ processes: 4, scope: { delay } });
  for await (const result of pool.istarmap(task, XS.map((x, i) => [x, YS[i]!] as const))) {
    console.log(`result=${result}`);
  }
}
