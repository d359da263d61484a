/**
 * Importing the user's module in a worker.
 *
 * @module
 */

import { IMPORTING } from "./user_module.ts";

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
