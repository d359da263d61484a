/** What the steps of a seed share: the objects they work on, and calls whose outcome they check. */

import type {
  Connection,
  JoinableQueue,
  Lock,
  Pool,
  ProcessPoolExecutor,
  Queue,
  RLock,
  ThreadPool,
  ThreadPoolExecutor,
} from "../../mod.ts";
import type { Fuzz, Outcome } from "./fuzz.ts";
import type { Options } from "./options.ts";

/** The objects that all steps of a seed work on. */
export interface World {
  readonly pool: Pool;
  readonly threads: ThreadPool;
  readonly executor: ProcessPoolExecutor;
  readonly here: ThreadPoolExecutor;
  readonly lock: Lock;
  readonly rlock: RLock;
  readonly queue: Queue;
  readonly joinable: JoinableQueue;
  readonly pipe: readonly [Connection, Connection];
}

export type Step = (fuzz: Fuzz, world: World) => Promise<void>;

/** Makes a call that has to succeed, whatever came before. */
export async function probe(fuzz: Fuzz, pool: Pool | ThreadPool): Promise<void> {
  const [a, b] = [fuzz.next(1000), fuzz.next(1000)];
  await fuzz.must("a call afterwards", () => pool.apply((a: number, b: number) => a + b, [a, b]), a + b);
}

/** A call that may be refused for its options, and may not be otherwise. */
export async function called(
  fuzz: Fuzz,
  what: string,
  chosen: Pick<Options, "refused" | "good">,
  call: () => unknown,
): Promise<Outcome> {
  const outcome = await fuzz.attempt(what, call);
  if (outcome.ok && chosen.refused) fuzz.fail("takes what it has to refuse");
  return outcome;
}

/** Reads a few results, past failures. */
export async function read(fuzz: Fuzz, what: string, stream: AsyncIterator<unknown>): Promise<unknown[] | undefined> {
  const results: unknown[] = [];
  let failed = false;
  for (let i = 0; i < 12; i++) {
    const outcome = await fuzz.attempt(`${what}.next()`, () => stream.next());
    if (!outcome.ok) {
      failed = true;
      continue;
    }
    const { done, value } = outcome.value as IteratorResult<unknown>;
    if (done) return failed ? undefined : results;
    results.push(value);
  }
  await fuzz.attempt(`${what}.return()`, () => stream.return?.());
  const { done } = await fuzz.must(`${what}.next()`, () => stream.next()) as IteratorResult<unknown>;
  if (!done) fuzz.fail("goes on after its return");
  return undefined;
}

/** Reads a few results, past failures, and stops. */
export async function readSync(fuzz: Fuzz, what: string, results: Iterator<unknown>): Promise<void> {
  for (let i = 0; i < 12; i++) {
    const { ok, ...rest } = await fuzz.attempt(`${what}.next()`, () => results.next());
    if (ok && (rest as { value: IteratorResult<unknown> }).value.done) return;
  }
  await fuzz.attempt(`${what}.return()`, () => results.return?.());
  const { done } = await fuzz.must(`${what}.next()`, () => results.next()) as IteratorResult<unknown>;
  if (!done) fuzz.fail("goes on after its return");
}
