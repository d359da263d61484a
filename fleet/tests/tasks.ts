/** The functions that the tests call on worker machines. */

import { currentTask } from "@manycore/parallel";

export { addLater, echo, never, refuseOdd, square } from "../../tests/conformance/functions.ts";

/** Returns the number of its process. */
export function pidOf(): number {
  return Deno.pid;
}

/** Keeps its process busy. */
export function busy(time: number): number {
  for (const end = performance.now() + time; performance.now() < end;);
  return time;
}

/** Ends its process. */
export function exits(code: number): never {
  Deno.exit(code);
}

/** Returns what the task knows of itself. */
export function itself(time: number): { id: number | string; attempt: number } {
  busy(time);
  const { id, attempt } = currentTask()!;
  return { id, attempt };
}

/** Writes a line to a file, and keeps its process busy. */
export function noteAndBurn(file: string, time: number): number {
  Deno.writeTextFileSync(file, `${Deno.pid}\n`, { append: true });
  return busy(time);
}
