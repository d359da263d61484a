/** Tasks that need imports, for the tests of `module`. */

import { type Lock, Pool, Process, type Queue, SharedArray, type Value } from "../mod.ts";

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

/** Several workers one after the other, for each reason there is to start another. */
export const successors: Readonly<Record<string, () => Promise<unknown>>> = {
  maxTasksPerChild: async () => {
    await using pool = new Pool({ processes: 1, maxTasksPerChild: 1 });
    return [await pool.apply(Math.sqrt, [4]), await pool.apply(Math.sqrt, [9])];
  },
  "a crash": async () => {
    await using pool = new Pool(1);
    const lost = await pool.apply(() => Deno.exit(3)).catch((error) => error.name);
    return [lost, await pool.apply(Math.sqrt, [9])];
  },
  "another pool": async () => {
    const roots: number[] = [];
    for (const n of [4, 9]) {
      await using pool = new Pool(1);
      roots.push(await pool.apply(Math.sqrt, [n]));
    }
    return roots;
  },
  processes: async () => {
    const codes: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const process = new Process();
      process.start();
      await process.join();
      codes.push(process.exitcode);
    }
    return codes;
  },
};

export async function startSuccessors(why: string): Promise<unknown> {
  return await successors[why]!();
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
