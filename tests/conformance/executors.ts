/** What the suites of executors share: both kinds of executor, and calls for them. */

import { Event, type Executor, type Future, ProcessPoolExecutor, ThreadPoolExecutor } from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";

const KINDS: [kind: string, make: (maxWorkers?: number) => Executor][] = [
  ["on workers", (maxWorkers) => new ProcessPoolExecutor(maxWorkers ?? 2)],
  ["here", (maxWorkers) => new ThreadPoolExecutor(maxWorkers)],
];

/** A test of every kind of executor. */
export function both(name: string, run: (make: (maxWorkers?: number) => Executor) => Promise<void>): void {
  for (const [kind, make] of KINDS) test(`${name} (${kind})`, () => run(make));
}

/** A future that is under way until `go` is set, on the one worker of `executor`. */
export async function occupy(executor: Executor, go: Event): Promise<Future<unknown>> {
  const begun = new Event();
  const future = executor.submit((begun: Event, go: Event) => (begun.set(), go.waitAsync()), begun, go);
  await begun.waitAsync();
  return future;
}

/** Reads a stream to its end. */
export const collect = <T>(items: AsyncIterable<T>): Promise<T[]> => Array.fromAsync(items);

/** Throws for 3, and returns any other number. */
export const failAt3 = (n: number): number => {
  if (n === 3) throw new RangeError("three");
  return n;
};
