// Article 003, `Value` and `Lock`: processes that share a counter, and take turns. 3, 6, 9, … on every run.

import { Lock, Process, Value } from "@manycore/parallel";

const lock = new Lock();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function incrementer(name: string, counter: Value<"i">, ms: number): Promise<void> {
  for (let j = 0; j < 3; j++) {
    lock.acquire();
    for (let i = 0; i < 3; i++) {
      counter.value += 1;
      await sleep(ms);
    }
    console.log(`${name}: Counter is ${counter.value}`);
    lock.release();
  }
}

if (import.meta.main) {
  const counter = new Value("i", 0);
  const scope = { lock, sleep };
  new Process({ target: incrementer, args: ["Greeter2", counter, 50], scope }).start();
  new Process({ target: incrementer, args: ["Greeter1", counter, 100], scope }).start();
}
