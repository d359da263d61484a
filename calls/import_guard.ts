/**
 * Detects a main program that would start workers without end, because its own workers import it.
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";
import { IMPORTING } from "../sync/internal/importing.ts";

/**
 * Must be called before workers are made: a main program that its own worker imports must not make more workers.
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
