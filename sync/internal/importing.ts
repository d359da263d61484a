/**
 * A warning about shared objects of which each worker makes its own, as it imports the module of the user.
 *
 * @module
 */

import type { ThreadTable } from "./thread_table.ts";
import { thisThread } from "./current_thread.ts";

/** Set on the global object while a worker imports the module of the user. */
export const IMPORTING: unique symbol = Symbol.for("@manycore/parallel/importing") as never;

/** The folder of the shared objects, as a URL and, for stacks that have paths, as a path. */
const HERE = import.meta.url.replace(/(?:internal\/)?[^/]*$/, "");
const HERE_PATH = HERE.replace(/^file:\/\//, "");
/** The position at the end of a stack frame, possibly in brackets. */
const PLACE = /([^\s()@]+:\d+:\d+)\)?$/;

/** Warns, once in a program, if each worker makes its own object of a `kind` here. */
export function warnIfImporting(kind: string, threadTable: ThreadTable): void {
  if ((globalThis as unknown as Record<symbol, boolean>)[IMPORTING] !== true) return;
  if (thisThread().naming > 0 || !threadTable.warnsFirst()) return;
  console.warn(
    `Warning: each worker makes a ${kind} of its own as it imports the module${madeAt()}: ` +
      "use 'shared(name, make)' for one that all threads share, or pass it as an argument or in 'scope'",
  );
}

/** Makes objects without the warning that each worker makes its own. */
export function unwarned<T>(make: () => T): T {
  const thread = thisThread();
  thread.naming++;
  try {
    return make();
  } finally {
    thread.naming--;
  }
}

/** Returns the position of the code that makes the object: the innermost frame outside of this library. */
function madeAt(): string {
  for (const frame of (new Error().stack ?? "").split("\n").slice(1)) {
    const place = PLACE.exec(frame)?.[1];
    if (place === undefined || place.startsWith(HERE) || place.startsWith(HERE_PATH)) continue;
    return `, at ${place}`;
  }
  return "";
}
