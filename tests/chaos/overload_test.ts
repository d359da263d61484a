/**
 * Overload, each kind in a process of its own: `testing/overload.ts` says what there is, and what it measures.
 *
 * `OVERLOAD_SECONDS=60 deno test -A tests/chaos/overload_test.ts` overloads each for a minute.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async";
import { CancelledError, Pool, Queue } from "../../mod.ts";
import { kinds } from "../../testing/overload.ts";
import { test } from "../../testing/counted_workers.ts";

const SECONDS = Number(Deno.env.get("OVERLOAD_SECONDS") ?? 1);
/** How many seconds one may take on top of that: a bound on hanging, far above what any needs. */
const LIMIT = 30;
const MIB = 2 ** 20;

for (const kind of kinds.keys()) {
  Deno.test(`${kind}: ${SECONDS} s`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--quiet", "--v8-flags=--expose-gc", "testing/overload.ts", `${SECONDS}`, kind],
      cwd: new URL("../../", import.meta.url),
      env: { NO_COLOR: "1" },
      signal: AbortSignal.timeout((SECONDS + LIMIT) * 1000),
    }).output();
    const decoder = new TextDecoder();
    assertEquals([decoder.decode(stderr), code], ["", 0]);
    console.log(decoder.decode(stdout).trim());
  });
}

test("put() into a full queue blocks a worker, which can be terminated then", async () => {
  const queue = new Queue<Uint8Array>();
  using pool = new Pool(1, { scope: { queue } });
  const produce = (): void => {
    for (;;) queue.put(new Uint8Array(2 ** 20));
  };
  const produced = assertRejects(() => pool.apply(produce), CancelledError);
  while (!queue.full()) await delay(1);
  await delay(20);
  assertEquals(queue.qsize(), 64);
  pool.terminate();
  await produced;
  assertEquals((await queue.getAsync()).length, MIB);
  assertEquals(queue.qsize(), 63);
});
