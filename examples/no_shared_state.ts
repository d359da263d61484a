// Article 003: processes see no common variable. Each gets a copy of `counter`, so both count 3, 6.

import { Process } from "@manycore/parallel";

let counter = 0;

function incrementer(name: string): void {
  for (let j = 0; j < 2; j++) {
    for (let i = 0; i < 3; i++) counter += 1;
    console.log(`${name}: Counter is ${counter}`);
  }
}

if (import.meta.main) {
  for (const name of ["Greeter1", "Greeter2"]) {
    const process = new Process({ target: incrementer, args: [name], scope: { counter } });
    process.start();
    await process.join();
  }
}
