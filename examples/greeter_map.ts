// Article 003, `Pool(3).map`: it waits for all greetings, so "Done!" comes last.

import { currentProcess, Pool } from "@manycore/parallel";

function greeter(name: string): void {
  console.log(`Process ${currentProcess().pid}: Hello ${name}!`);
}

if (import.meta.main) {
  const names = ["Jenna", "David", "Marry", "Ted", "Jerry", "Tom", "Justin"];
  await using pool = new Pool(3, { scope: { currentProcess } });
  await pool.map(greeter, names);
  console.log("Done!");
}
