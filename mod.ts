/**
 * Runs functions on all cores. Worker pools, executors with futures, processes, locks, queues and shared memory for
 * Deno, with the API of Python's `multiprocessing` and `concurrent.futures`.
 *
 * @example Map a function over items on all cores
 * ```ts
 * import { Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool();
 * const squares = await pool.map((n: number) => n * n, [1, 2, 3]);
 * assertEquals(squares, [1, 4, 9]);
 * ```
 *
 * @module
 */

export * from "./errors.ts";
export * from "./executor.ts";
export * from "./pool.ts";
export * from "./process.ts";
export * from "./sync/mod.ts";
