// Article 003, threading with a lock: whoever holds it increments by 3 undisturbed, so the counter is 3, 6, 9, 12.

import { Lock, Thread, Value } from "@manycore/parallel";

const lock = new Lock();

function incrementer(name: string, counter: Value<"i">): void {
  for (let j = 0; j < 2; j++) {
    lock.acquire();
    for (let i = 0; i < 3; i++) {
      counter.value += 1;
      console.log(`${name} incremented the counter by 1`);
    }
    console.log(`Counter is ${counter.value}`);
    lock.release();
  }
}

if (import.meta.main) {
  const counter = new Value("i", 0);
  new Thread({ target: incrementer, args: ["Greeter 1", counter], scope: { lock } }).start();
  new Thread({ target: incrementer, args: ["Greeter 2", counter], scope: { lock } }).start();
}
