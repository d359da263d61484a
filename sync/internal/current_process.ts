/**
 * The name and number of the current process, for user programs.
 *
 * @module
 */

import { registerLibraryFunction } from "../../codec/functions.ts";
import { thisThread } from "./current_thread.ts";

/** The identity of a process or worker. */
export interface ProcessInfo {
  /** The name of the process or worker; `"MainProcess"` in the main program. */
  readonly name: string;
  /** The number of the process or worker, from 1; 0 in the main program. */
  readonly pid: number;
}

/**
 * Returns the identity of the process or worker that calls it. A function that is sent by its source can use
 * `currentProcess` only if it is passed in `scope`; `self.name` is available without.
 *
 * Source: `multiprocessing.current_process`.
 *
 * @returns The name and the number.
 *
 * @example Get the name of the main program
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
