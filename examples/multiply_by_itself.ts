// Article 002, `Pool()` with `number ** number` for 0 to 9999: work for every core, with results of up to 39,996 digits.

import { Pool } from "@manycore/parallel";

const NUMBERS = Array.from({ length: 10_000 }, (_, i) => BigInt(i));

function multiplyByItself(number: bigint): bigint {
  return number ** number;
}

if (import.meta.main) {
  await using pool = new Pool();
  const results = await pool.map(multiplyByItself, NUMBERS);
  console.log(`${results.length} results: 0 ** 0 = ${results[0]}, 10 ** 10 = ${results[10]}`);
  console.log(`9999 ** 9999 has ${results[9999].toString().length} digits`);
}
