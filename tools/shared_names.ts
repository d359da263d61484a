/** A module with named objects at its top level, for the tests of `shared()`. */

import { Condition, Pool, Queue, shared, SharedArray, Value } from "../mod.ts";

export const hits: Value<"i"> = shared("tools/hits", () => new Value("i"));
const queue = shared("tools/queue", () => new Queue<string>(10));
const condition = shared(
  "tools/condition",
  () => new Condition(shared("tools/array", () => new SharedArray("i", 2)).getLock()),
);

export function hit(n: number): number {
  using _ = condition.hold();
  hits.value += n;
  return n;
}

export function say(text: string): void {
  queue.put(text);
}

export function hear(): string {
  return queue.get({ timeout: 20_000 });
}

const module = import.meta.url;

/** Its own workers import this module as well. */
export async function hitInWorkers(n: number): Promise<number[]> {
  await using pool = new Pool(1, { module });
  return await pool.map(hit, Array<number>(10).fill(n));
}

export function hitInWorkersBlocking(n: number): number[] {
  using pool = new Pool(1, { module });
  return pool.mapSync(hit, Array<number>(10).fill(n));
}

/** Asks in a worker of a worker for a name that nobody has asked for. */
export function nestedName(name: string): number {
  using pool = new Pool(1, { scope: { shared, Value } });
  return pool.applySync(addToName, [name]);
}

export async function nestedNameAwaiting(name: string): Promise<number> {
  await using pool = new Pool(1, { scope: { shared, Value } });
  return await pool.apply(addToName, [name]);
}

function addToName(name: string): number {
  return shared(name, () => new Value("i", 5)).add(1);
}
