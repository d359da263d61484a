/**
 * Everything at once, from a seed: tasks of every kind, by every call, over pools and executors that come and go. Each
 * call settles once, in bounded time, with its own value or an error that fits what was done to it, and nothing is left.
 *
 * `CHAOS_SEED=n deno test -A tests/chaos/chaos_all_test.ts` replays one seed, `CHAOS_SEEDS=n` runs many,
 * `CHAOS_TASKS=20000` makes each of them longer, in parts of up to 500 tasks. `--filter "seed 7, part 3"` replays one part.
 */

import { test } from "../../testing/counted_workers.ts";
import { PART } from "./fixtures.ts";
import { Part } from "./part.ts";

const only = Deno.env.get("CHAOS_SEED");
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(Deno.env.get("CHAOS_SEEDS") ?? 1) : 1;
const tasks = Number(Deno.env.get("CHAOS_TASKS") ?? 3 * PART);

for (let seed = first; seed < first + count; seed++) {
  for (let part = 0; part * PART < tasks; part++) {
    const share = Math.min(PART, tasks - part * PART);
    test(
      `${share} tasks of every kind settle once each, and nothing is left: seed ${seed}, part ${part}`,
      () => new Part(seed, part, share).run(),
    );
  }
}
