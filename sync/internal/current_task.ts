/**
 * The task that a function runs in, for user programs.
 *
 * @module
 */

import { registerLibraryFunction } from "../../codec/functions.ts";
import { type CurrentTask, thisThread } from "./current_thread.ts";

export type { CurrentTask };

/**
 * Returns the task that calls it; undefined outside of tasks. A function that is sent by its source can use `currentTask` only if it
 * is passed in `scope`.
 *
 * - **In a loop** that never awaits, `signal.aborted` becomes true as soon as the caller aborts. In a child process it does not: there
 *   the process is ended after `abortGrace`.
 * - **After an `await`**, call it before and keep what it returns, if other tasks run meanwhile: with `concurrency` above 1, and in
 *   `ThreadPool`, it returns undefined there.
 *
 * @returns The task, or undefined.
 *
 * @example End a loop when nobody wants its result any more
 * ```ts
 * import { currentTask, Pool } from "@manycore/parallel";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * function count(): number {
 *   const { signal } = currentTask()!;
 *   let n = 0;
 *   while (!signal.aborted) n++;
 *   return n;
 * }
 *
 * await using pool = new Pool(1, { scope: { currentTask } });
 * const signal = AbortSignal.timeout(50);
 * await assertRejects(() => pool.apply(count, [], { signal }), DOMException);
 * assertEquals(await pool.apply(Math.sqrt, [16]), 4); // by the same worker
 * ```
 */
export const currentTask: () => CurrentTask | undefined = registerLibraryFunction(
  "currentTask",
  (): CurrentTask | undefined => thisThread().task(),
);
