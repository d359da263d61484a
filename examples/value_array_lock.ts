// Article 003, `Value`, `Array` and `Lock`: a counter and the names that it counts, in one tuple.

import { Array as SharedNames, Lock, Process, Value } from "@manycore/parallel";

const lock = new Lock();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type CounterAndNames = [counter: Value<"i">, names: SharedNames<"z">];

async function incrementer(name: string, [counter, names]: CounterAndNames, ms: number): Promise<void> {
  for (let j = 0; j < 2; j++) {
    lock.acquire();
    for (let i = 0; i < 3; i++) {
      counter.value += 1;
      await sleep(ms);
    }
    console.log(`${name}: Greeting ${names.at(counter.value / 3 - 1)}! Counter is ${counter.value}`);
    lock.release();
  }
}

if (import.meta.main) {
  const both: CounterAndNames = [new Value("i", 0), new SharedNames("z", ["James", "Tom", "Sam", "Larry"])];
  const scope = { lock, sleep };
  new Process({ target: incrementer, args: ["Greeter2", both, 50], scope }).start();
  new Process({ target: incrementer, args: ["Greeter1", both, 100], scope }).start();
}
