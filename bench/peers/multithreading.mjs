// The figures of the Mutex of `multithreading`, on Deno: one JSON object of numbers.

import { move, Mutex, spawn } from "npm:multithreading";

const figures = {};
const mutex = new Mutex(new Int32Array(new SharedArrayBuffer(64)));

function median(runs, run) {
  const times = [];
  for (let i = 0; i < runs; i++) times.push(run());
  return times.toSorted((a, b) => a - b)[runs >> 1];
}

figures.lock = median(5, () => {
  const start = performance.now();
  for (let i = 0; i < 20_000; i++) mutex.blockingLock().dispose();
  return (performance.now() - start) / 20_000 * 1e6;
});

const ROUNDS = 20_000;
const rounds = [];
for (let run = 0; run < 5; run++) {
  const start = performance.now();
  const threads = [0, 1].map(() =>
    spawn(move(mutex, ROUNDS), async (mutex, ROUNDS) => {
      for (let i = 0; i < ROUNDS; i++) {
        const guard = await mutex.lock();
        guard.value[0]++;
        guard.dispose();
      }
    })
  );
  for (const thread of threads) await thread.join();
  rounds.push((performance.now() - start) / ROUNDS / 2 * 1e6);
}
figures.contended = rounds.toSorted((a, b) => a - b)[2];
console.log(JSON.stringify(figures));
Deno.exit();
