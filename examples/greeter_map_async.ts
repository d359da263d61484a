// Article 003, `Pool(3).map_async`: the program goes on at once, so "Done!" comes first.

import { currentProcess, Pool } from "@manycore/parallel";

function greeter(name: string): void {
  console.log(`Process ${currentProcess().pid}: Hello ${name}!`);
}

if (import.meta.main) {
  const names = ["Jenna", "David", "Marry", "Ted", "Jerry", "Tom", "Justin"];
  await using pool = new Pool(3, { scope: { currentProcess } });
  const result = pool.mapAsync(greeter, names);
  console.log("Done!");
  await result.wait();
}
