/**
 * Importing the user's module in a worker, and noticing a main program that would start workers without end.
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";

const IMPORTING = Symbol.for("@manycore/parallel/importing");

/**
 * Imports the module whose exports are the tasks. While its top level runs, {@linkcode refuseWhileImporting} throws.
 *
 * @throws {Error} If it cannot be imported.
 */
export async function importModule(url: string): Promise<Readonly<Record<string, unknown>>> {
  const flags = globalThis as unknown as Record<symbol, boolean>;
  flags[IMPORTING] = true;
  try {
    return await import(url);
  } finally {
    delete flags[IMPORTING];
  }
}

/**
 * To be called before workers are made: the main program imported by its own worker must not make more of them.
 *
 * @throws {InvalidStateError} If this thread is a worker that is importing its module.
 */
export function refuseWhileImporting(what: string): void {
  if ((globalThis as unknown as Record<symbol, boolean>)[IMPORTING]) {
    throw new InvalidStateError(
      `Cannot create ${what} while a worker imports this module: guard the main program with 'if (import.meta.main)'`,
    );
  }
}
