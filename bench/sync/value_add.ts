/**
 * Measures `Value.add` against a bare `Atomics.add`. `deno run bench/sync/value_add.ts`
 *
 * @module
 */

import { Value } from "../../sync/mod.ts";

const CALLS = 1e6;
const value = new Value("i", 0);
const word = new Int32Array(new SharedArrayBuffer(4));
const times = { bare: [] as number[], value: [] as number[] };
for (let run = 0; run < 31; run++) {
  value.value = 0;
  let start = performance.now();
  for (let i = 0; i < CALLS; i++) Atomics.add(word, 0, 1);
  times.bare.push(performance.now() - start);
  start = performance.now();
  for (let i = 0; i < CALLS; i++) value.add(1);
  times.value.push(performance.now() - start);
}
const [bare, ours] = [times.bare, times.value].map((all) =>
  all.toSorted((a, b) => a - b)[all.length >> 1]! / CALLS * 1e6
);
console.log(`Atomics.add ${bare!.toFixed(1)} ns   Value.add ${ours!.toFixed(1)} ns (${(ours! / bare!).toFixed(2)})`);
