// Article 003, threading without a lock: two threads increment a counter in shared memory. `+= 1` reads, adds and writes
// in three steps, so that increments of the other thread in between are lost, and the lines tell any numbers.

import { Thread, Value } from "@manycore/parallel";

const INCREMENTS = 1_000_000;

function incrementer(name: string, counter: Value<"i">, INCREMENTS: number): void {
  for (let j = 0; j < 2; j++) {
    for (let i = 0; i < INCREMENTS; i++) counter.value += 1;
    console.log(`${name}: Counter is ${counter.value}`);
  }
}

if (import.meta.main) {
  const counter = new Value("i", 0);
  const threads = ["Greeter 1", "Greeter 2"].map((name) =>
    new Thread({ target: incrementer, args: [name, counter, INCREMENTS] })
  );
  for (const thread of threads) thread.start();
  for (const thread of threads) await thread.join();
  console.log(`${counter.value} of ${4 * INCREMENTS} increments were counted`);
}
