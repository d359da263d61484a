/** Tasks and inputs that several of these suites use. */

import { assertEquals } from "@std/assert";
import type { Pool } from "../../mod.ts";

export const square = (n: number): number => n * n;
export const add = (a: number, b: number): number => a + b;

/** Returns the numbers from 0 to `n - 1`. */
export async function range(n: number): Promise<number[]> {
  return await Array.fromAsync({ length: n }, (_, i) => i);
}

/** An error that only these suites throw. */
export class Odd extends Error {}

/** An input that throws `Odd` after so many items. */
export function* breaking(after: number): Generator<number> {
  for (let i = 0; i < after; i++) yield i;
  throw new Odd("the iterable broke");
}

/** The same as an asynchronous input. */
export async function* breakingLater(after: number): AsyncGenerator<number> {
  yield* breaking(after);
}

/** Checks that the pool still does its work, on each of its workers. */
export async function goesOn(pool: Pool): Promise<void> {
  assertEquals(await pool.map(square, [1, 2, 3, 4], { chunksize: 1 }), [1, 4, 9, 16]);
  assertEquals((await pool.broadcast(() => 1)).length, pool.size);
}
