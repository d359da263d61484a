// Article 000, `multiprocessing_apply_async.py`: different functions, taken from a queue until its end mark.

import { Pool, Queue } from "@manycore/parallel";

function ackermann(m: number, n: number): number {
  if (m === 0) return n + 1;
  if (n === 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

function fib(n: number): number {
  return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
}

type Task = [fn: (...args: number[]) => number, ...args: number[]];

if (import.meta.main) {
  const tasks = new Queue<Task | null>();
  tasks.put([fib, 8]);
  tasks.put([ackermann, 2, 4]);
  tasks.put([fib, 18]);
  tasks.put([ackermann, 3, 1]);
  tasks.put([fib, 28]);
  tasks.put([ackermann, 3, 4]);
  tasks.put([fib, 34]);
  tasks.put(null);

  await using pool = new Pool(4);
  const results = [];
  for (let task = tasks.get(); task !== null; task = tasks.get()) {
    const [fn, ...args] = task;
    results.push({ name: fn.name, args, result: pool.applyAsync(fn, args) });
  }
  for (const { name, args, result } of results) {
    console.log(`${name}(${args.join(", ")}) = ${await result.get()}`);
  }
}
