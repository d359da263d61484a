/**
 * Who a thread is, for programs that ask.
 *
 * @module
 */

import { registerLibraryFunction } from "../../codec/functions.ts";
import { thisThread } from "./current_thread.ts";

/** Who a thread is. */
export interface ProcessInfo {
  /** The name: `"MainProcess"` in the main program. */
  readonly name: string;
  /** The number of the worker, from 1; 0 in the main program. */
  readonly pid: number;
}

/**
 * Who this thread is. A function sent by source finds it when it is given in `scope`; `self.name` is there without.
 *
 * Source: `multiprocessing.current_process`.
 *
 * @returns The name and the number.
 *
 * @example In the main program
 * ```ts
 * import { currentProcess } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(currentProcess().name, "MainProcess");
 * ```
 */
export const currentProcess: () => ProcessInfo = registerLibraryFunction(
  "currentProcess",
  (): ProcessInfo => thisThread().process ?? { name: "MainProcess", pid: 0 },
);
