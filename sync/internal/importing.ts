/**
 * Noticing shared objects that are made anew in each worker, as it imports the module of the user.
 *
 * @module
 */

import type { ThreadTable } from "./thread_table.ts";
import { thisThread } from "./current_thread.ts";

/** Set on the global object while a worker imports the module of the user. */
export const IMPORTING: unique symbol = Symbol.for("@manycore/parallel/importing") as never;

/** The folder of the shared objects; where stacks have paths, its path. */
const HERE = import.meta.url.replace(/(?:internal\/)?[^/]*$/, "");
const HERE_PATH = HERE.replace(/^file:\/\//, "");
/** A frame of a stack ends in where it is, maybe in brackets. */
const PLACE = /([^\s()@]+:\d+:\d+)\)?$/;

/** Warns, once in a program, if this object of a `kind` is another one in each worker. */
export function warnIfImporting(kind: string, threadTable: ThreadTable): void {
  if ((globalThis as unknown as Record<symbol, boolean>)[IMPORTING] !== true) return;
  if (thisThread().naming > 0 || !threadTable.warnsFirst()) return;
  console.warn(
    `Warning: each worker makes a ${kind} of its own as it imports the module${madeAt()}: ` +
      "use 'shared(name, make)' for one that all threads share, or pass it as an argument or in 'scope'",
  );
}

/** Where the code stands that makes the object: the innermost that is not this library's. */
function madeAt(): string {
  for (const frame of (new Error().stack ?? "").split("\n").slice(1)) {
    const place = PLACE.exec(frame)?.[1];
    if (place === undefined || place.startsWith(HERE) || place.startsWith(HERE_PATH)) continue;
    return `, at ${place}`;
  }
  return "";
}
