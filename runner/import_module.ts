/**
 * Importing the user's module in a worker.
 *
 * @module
 */

import { IMPORTING } from "../sync/internal/importing.ts";

/**
 * Imports the module whose exports are the tasks. While its top level runs, `refuseWhileImporting()` throws, and a
 * warning is printed for shared objects that the module makes for itself. `load` imports it.
 *
 * @throws {Error} If the module cannot be imported.
 */
export async function importModule(
  url: string,
  load: () => Promise<Readonly<Record<string, unknown>>> = () => import(url),
): Promise<Readonly<Record<string, unknown>>> {
  const flags = globalThis as unknown as Record<symbol, boolean>;
  flags[IMPORTING] = true;
  try {
    return await load();
  } finally {
    delete flags[IMPORTING];
  }
}
