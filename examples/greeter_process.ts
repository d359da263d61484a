// Article 003, `Process`: four processes greet. A process is a worker here, and its pid the worker's number.

import { currentProcess, Process } from "@manycore/parallel";

function greeter(name: string): void {
  console.log(`Process ${currentProcess().pid}: Hello ${name}!`);
}

if (import.meta.main) {
  const names = ["Harry", "George", "Dirk", "David"];
  const processes = names.map((name) => new Process({ target: greeter, args: [name], scope: { currentProcess } }));
  for (const process of processes) process.start();
  for (const process of processes) await process.join();
}
