/** Tasks that need imports, for the tests of `module`. */

import { Pool } from "../mod.ts";

function helper(n: number): number {
  return n * 10;
}

export function usesHelper(n: number): number {
  return helper(n);
}

export async function nestedMap(items: number[]): Promise<number[]> {
  await using pool = new Pool(2);
  return await pool.map((n: number) => n * n, items);
}
