/** Tasks that need imports, for the tests of `module`. */

import { type Lock, Pool, type Queue, SharedArray, type Value } from "../mod.ts";

function helper(n: number): number {
  return n * 10;
}

export function usesHelper(n: number): number {
  return helper(n);
}

export async function nestedMap(items: number[]): Promise<number[]> {
  await using pool = new Pool(2);
  return await pool.map((n: number) => n * n, items);
}

export async function countInWorkers(lock: Lock, sum: Value<"i">, made: Queue<SharedArray<"i">>): Promise<void> {
  const own = new SharedArray("i", 4);
  made.put(own);
  await using pool = new Pool(2, { scope: { lock, sum, own } });
  const count = (i: number) => {
    for (let k = 0; k < 1000; k++) {
      using _ = lock.hold();
      sum.value += 1;
    }
    own.view[i] = i + 1;
  };
  await pool.map(count, [0, 1, 2, 3], { chunksize: 1 });
}

export async function blockInWorker(held: Lock, never: Lock, ready: Queue<number>): Promise<void> {
  await using pool = new Pool(1, { scope: { held, never, ready } });
  await pool.apply(() => {
    held.acquire();
    ready.put(1);
    never.acquire();
  });
}

const takeLock = (queue: Queue<Lock>): string => String(queue.get());

export async function takeInWorker(queue: Queue<Lock>): Promise<string> {
  await using pool = new Pool(1);
  return await pool.apply(takeLock, [queue]);
}

export function takeInWorkerBlocking(queue: Queue<Lock>): string {
  using pool = new Pool(1);
  return pool.applySync(takeLock, [queue]);
}
