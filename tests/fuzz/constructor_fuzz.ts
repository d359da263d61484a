/** Pools and executors that are made with odd options. */

import { Pool, type PoolOptions, ProcessPoolExecutor, ThreadPool, ThreadPoolExecutor } from "../../mod.ts";
import { callable } from "./functions.ts";
import { type Fuzz, wrong } from "./fuzz.ts";
import {
  ARGS,
  COUNT,
  FLAG,
  FUNCTION,
  isRefused,
  type Kinds,
  LONG_LIMIT,
  MODULE,
  NAME,
  options,
  SCOPE,
  SOFT_FLAG,
  TIMEOUT,
} from "./options.ts";
import { called } from "./steps.ts";
import { sample } from "./values.ts";

const POOL: Kinds = {
  processes: COUNT,
  initializer: FUNCTION,
  initargs: ARGS,
  maxTasksPerChild: COUNT,
  module: MODULE,
  scope: SCOPE,
  taskTimeout: LONG_LIMIT,
  idleTimeout: LONG_LIMIT,
  name: NAME,
  trace: SOFT_FLAG,
};

const { processes: _processes, trace: _trace, ...EXECUTOR_ONLY } = POOL;
const EXECUTOR: Kinds = { ...EXECUTOR_ONLY, maxWorkers: COUNT };

const THREAD_POOL: Kinds = {
  processes: COUNT,
  initializer: FUNCTION,
  initargs: ARGS,
  taskTimeout: LONG_LIMIT,
  name: NAME,
  trace: SOFT_FLAG,
};

export async function constructors(fuzz: Fuzz): Promise<void> {
  const kind = fuzz.next(4);
  const chosen = options(fuzz, [POOL, THREAD_POOL, EXECUTOR, {}][kind]!);
  const first = fuzz.chance(2) ? sample(fuzz) : undefined;
  const badFirst = first !== undefined && typeof first.value !== "object" && isRefused(COUNT, first.value) === true;
  const skips = first !== undefined && typeof first.value === "object" && first.value !== null;
  const refused = badFirst || (skips ? chosen.value !== undefined : chosen.refused);
  const o = wrong<Record<string, never>>(chosen.value);
  const text = `(${first?.name ?? ""}, ${chosen.text})`;
  const pair: [number?, Record<string, never>?] = first === undefined ? [o as never] : [wrong(first.value), o];
  const isFirstNumber = first === undefined && chosen.value !== undefined && typeof chosen.value !== "object";
  const refuses = { refused: refused || (isFirstNumber && isRefused(COUNT, chosen.value) === true), good: false };
  if (isFirstNumber && !refuses.refused) return;
  if (isFirstNumber && chosen.refused && isRefused(COUNT, chosen.value) === false) return;
  if (kind === 0 || kind === 1) {
    const Type = kind === 0 ? Pool : ThreadPool;
    const outcome = await called(fuzz, `new ${Type.name}${text}`, refuses, () => new Type(...pair));
    if (!outcome.ok) return;
    const made = outcome.value as Pool | ThreadPool;
    try {
      if (!Number.isSafeInteger(made.size) || made.size < 1) fuzz.fail(`has the size ${made.size}`);
      JSON.parse(made.trace());
      await fuzz.attempt("apply", () => made.apply((x: number) => x, [1]));
      await fuzz.must("stats", () => made.stats().queued, 0);
    } finally {
      made.terminate();
    }
    if (made instanceof Pool && fuzz.chance(2)) await fuzz.must("joinSync", () => made.joinSync(), true);
    await fuzz.must("join", () => made.join());
    return;
  }
  if (kind === 2) {
    const outcome = await called(
      fuzz,
      `new ProcessPoolExecutor${text}`,
      refuses,
      () => new ProcessPoolExecutor(...pair),
    );
    if (!outcome.ok) return;
    const made = outcome.value as ProcessPoolExecutor;
    await fuzz.attempt("submit", () => made.submit((x: number) => x, 1).result());
    const odd = sample(fuzz);
    await fuzz.attempt(`shutdown({ wait: ${odd.name} })`, () => made.shutdown({ wait: wrong(odd.value) }));
    const blocks = options(fuzz, { wait: FLAG, cancelFutures: FLAG, timeout: TIMEOUT });
    await called(fuzz, `shutdownSync(${blocks.text})`, blocks, () => made.shutdownSync(wrong(blocks.value)));
    made.terminateWorkers();
    await fuzz.must("shutdown", () => made.shutdown());
    return;
  }
  const outcome = await fuzz.attempt(`new ThreadPoolExecutor${text}`, () => new ThreadPoolExecutor(...pair));
  if (!outcome.ok) return;
  const made = outcome.value as ThreadPoolExecutor;
  const odd = options(fuzz, { wait: FLAG, cancelFutures: FLAG });
  await called(fuzz, `shutdown(${odd.text})`, odd, () => made.shutdown(wrong(odd.value)));
  await fuzz.must("shutdown", () => made.shutdown());
}

export async function setups(fuzz: Fuzz): Promise<void> {
  const given = sample(fuzz);
  const { name, fn } = callable(fuzz);
  const key = fuzz.pick([
    "value",
    "constructor",
    "then",
    "await",
    "of",
    "$",
    "ünï",
    "__proto__",
    "undefined",
    "no name",
    "",
  ]);
  const scope = Object.defineProperty({}, key, { value: given.value, enumerable: true });
  const chosen = fuzz.pick<Record<string, unknown>>([
    { scope },
    { scope: { value: fn } },
    { initargs: [given.value], initializer: (_: unknown) => {} },
    { initargs: [given.value], initializer: fn },
  ]);
  const what = `new Pool({ ${Object.keys(chosen)} }) with ${key}, ${given.name}, ${name}`;
  const outcome = await fuzz.attempt(what, () => new Pool(1, wrong<PoolOptions>(chosen)));
  if (!outcome.ok) return;
  const made = outcome.value as Pool;
  try {
    await fuzz.attempt("apply", () => made.apply((x: number) => x, [1]));
  } finally {
    made.terminate();
  }
  await fuzz.must("join", () => made.join());
}
