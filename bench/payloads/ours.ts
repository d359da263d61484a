/** Measures this library. Run by `run.ts`. */

import { Pool, transfer } from "../../mod.ts";
import { serve } from "./measure.mjs";
import { give, prepare, take } from "./payloads.mjs";

const pool = new Pool(2, {
  module: import.meta.resolve("./payloads.mjs"),
  scope: { transfer },
  idleTimeout: Infinity,
});

function giveMoved(size: number): ArrayBuffer {
  const buffer = new ArrayBuffer(size);
  return transfer(buffer, [buffer]);
}

await serve({
  prepare: (kind: string, size: number) => pool.broadcast(prepare, [kind, size]),
  take: (payload: unknown) => pool.apply(take, [payload]),
  give: (kind: string, size: number) => pool.apply(give, [kind, size]),
  takeMoved: (buffer: ArrayBuffer) => pool.apply(take, [transfer(buffer, [buffer])]),
  giveMoved: (size: number) => pool.apply(giveMoved, [size]),
});
