/**
 * Odd and hostile values for everything public, from a seed: each call returns the right result or throws a documented
 * error, and what was called works afterwards. `FUZZ_SEED=n deno test -A tests/fuzz/fuzz_test.ts` replays one seed,
 * `FUZZ_SEEDS=n` runs many, from `FUZZ_FIRST=n` on.
 */

import {
  activeChildren,
  JoinableQueue,
  Lock,
  Pipe,
  Pool,
  ProcessPoolExecutor,
  Queue,
  RLock,
  ThreadPool,
  ThreadPoolExecutor,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { constructors, setups } from "./constructor_fuzz.ts";
import { executors } from "./executor_fuzz.ts";
import { futures, ownFutures, results } from "./future_fuzz.ts";
import { Fuzz } from "./fuzz.ts";
import { handles } from "./handle_fuzz.ts";
import { barriers, conditions, events, locks } from "./lock_fuzz.ts";
import { pipes } from "./pipe_fuzz.ts";
import { many, single, stream } from "./pool_fuzz.ts";
import { processes } from "./process_fuzz.ts";
import { queues } from "./queue_fuzz.ts";
import type { Step, World } from "./steps.ts";
import { transfers } from "./transfer_fuzz.ts";
import { arrays, values } from "./value_fuzz.ts";

/** The number of steps of a seed. */
const STEPS = 80;

/** The steps, in the order from which a seed picks. */
const STEPS_BY_NAME: Readonly<Record<string, Step>> = {
  single,
  again: single,
  many,
  stream,
  executors,
  constructors,
  setups,
  results,
  ownFutures,
  futures,
  processes,
  transfers,
  locks,
  conditions,
  events,
  barriers,
  values,
  arrays,
  queues,
  pipes,
  handles,
};

/** Steps that start workers. */
const RARE = ["constructors", "setups", "processes"];

/** Runs one seed. */
async function fuzz(seed: number): Promise<void> {
  const fuzz = new Fuzz(seed);
  const strays: unknown[] = [];
  const stray = (event: PromiseRejectionEvent | ErrorEvent): void => {
    event.preventDefault();
    strays.push("reason" in event ? event.reason : event.error);
  };
  const { error: report } = console;
  console.error = () => {}; // callbacks and processes that fail are told there
  globalThis.addEventListener("unhandledrejection", stray);
  globalThis.addEventListener("error", stray);
  const world: World = {
    pool: new Pool(1 + fuzz.next(2), { trace: fuzz.chance(3) }),
    threads: new ThreadPool(2, { trace: fuzz.chance(3) }),
    executor: new ProcessPoolExecutor(1),
    here: new ThreadPoolExecutor(2),
    lock: new Lock(),
    rlock: new RLock(),
    queue: new Queue(),
    joinable: new JoinableQueue(),
    pipe: Pipe(),
  };
  const { pool, threads, executor, here } = world;
  try {
    const names = Object.keys(STEPS_BY_NAME);
    for (let n = 0; n < STEPS; n++) {
      let name = fuzz.pick(names);
      if (RARE.includes(name) && !fuzz.chance(3)) name = "single";
      fuzz.begin(n, name);
      await STEPS_BY_NAME[name]!(fuzz, world);
      if (strays.length > 0) fuzz.fail("leaves an error that nobody catches", strays[0]);
    }
    fuzz.begin(STEPS, "the end");
    pool.close();
    threads.close();
    await fuzz.must("Pool.join", () => pool.join());
    await fuzz.must("ThreadPool.join", () => threads.join());
    await fuzz.must("ProcessPoolExecutor.shutdown", () => executor.shutdown());
    await fuzz.must("ThreadPoolExecutor.shutdown", () => here.shutdown());
    fuzz.same(activeChildren().length, 0);
    if (strays.length > 0) fuzz.fail("leaves an error that nobody catches", strays[0]);
  } finally {
    console.error = report;
    globalThis.removeEventListener("unhandledrejection", stray);
    globalThis.removeEventListener("error", stray);
    for (const end of world.pipe) end.close();
    pool.terminate();
    threads.terminate();
    executor.terminateWorkers();
  }
}

const only = Deno.env.get("FUZZ_SEED");
const first = Number(only ?? Deno.env.get("FUZZ_FIRST") ?? 1);
const count = only === undefined ? Number(Deno.env.get("FUZZ_SEEDS") ?? 20) : 1;

for (let seed = first; seed < first + count; seed++) {
  test(`odd values give results or documented errors: seed ${seed}`, () => fuzz(seed));
}
