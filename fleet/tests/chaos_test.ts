import { assert } from "@std/assert";
import { round } from "./chaos.ts";

for (const seed of [1, 2]) {
  Deno.test(`workers and servers that are killed lose no task, from seed ${seed}`, async () => {
    const { workersKilled, workersDrained, serversKilled } = await round(seed, 400);
    assert(workersKilled + workersDrained + serversKilled > 0);
  });
}
