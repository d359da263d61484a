/** Measures two bare workers, which get the calls in turns. Run by `run.ts`. */

import { serve } from "./measure.mjs";

const pending = new Map<number, (result: unknown) => void>();
const workers = [1, 2].map(() => {
  const worker = new Worker(import.meta.resolve("./bare_worker.mjs"), { type: "module" });
  worker.onmessage = ({ data: [id, result] }) => {
    const resolve = pending.get(id)!;
    pending.delete(id);
    resolve(result);
  };
  return worker;
});
let calls = 0;

function call(task: string, args: unknown[], moved: Transferable[] = []): Promise<unknown> {
  return new Promise((resolve) => {
    const id = calls++;
    pending.set(id, resolve);
    workers[id % 2]!.postMessage([id, task, args], moved);
  });
}

await serve({
  prepare: (kind: string, size: number) => Promise.all([call("prepare", [kind, size]), call("prepare", [kind, size])]),
  take: (payload: unknown) => call("take", [payload]),
  give: (kind: string, size: number) => call("give", [kind, size]),
  takeMoved: (buffer: ArrayBuffer) => call("take", [buffer], [buffer]),
  giveMoved: (size: number) => call("giveMoved", [size]),
});
