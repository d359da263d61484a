/**
 * Values that came from another thread: none of their functions is called before the program has them.
 *
 * Decoded values have data properties only. Two ways remain in which their functions could be called: a promise that is
 * resolved with an object calls its `then`, and a conversion of an object to a string or a number calls its `toString`
 * or `valueOf`.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";

/** Returns whether a promise that is resolved with `value`, which came from another thread, would call its `then`. */
export function hasThen(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Returns the error for a value that no promise can be resolved with. `what` names it, `how` tells how to get it. */
export function thenRefused(what: string, how: string, options?: ErrorOptions): SerializationError {
  return new SerializationError(
    `Cannot hand ${what} to a promise as it has a method 'then', which the promise would call: ${how}`,
    options,
  );
}

/** A depth that no description of a function or a shared object reaches. */
const DEEP = 10;

/** Returns whether `value` contains no function, so that converting its parts to strings or numbers calls nothing. */
export function isInert(value: unknown, depth: number = DEEP): boolean {
  if (typeof value === "function" || depth === 0) return false;
  if (typeof value !== "object" || value === null) return true;
  for (const part of Object.values(value)) if (!isInert(part, depth - 1)) return false;
  return true;
}
