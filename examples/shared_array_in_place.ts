// A million numbers in shared memory, changed in place by all workers at once: only the limits of the ranges travel.

import { Pool, SharedArray } from "@manycore/parallel";

const numbers = new SharedArray("d", 1_000_000);
const RANGE = 50_000;

function fill(start: number): void {
  const { view } = numbers;
  for (let i = start; i < start + RANGE; i++) view[i] = Math.sqrt(i);
}

if (import.meta.main) {
  await using pool = new Pool({ scope: { numbers, RANGE } });
  const starts = Array.from({ length: numbers.length / RANGE }, (_, i) => i * RANGE);
  await pool.map(fill, starts);
  console.log(`√250000 = ${numbers.at(250_000)}, √998001 = ${numbers.at(998_001)}`);
}
