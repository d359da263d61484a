/**
 * Values that came from another thread: nothing of them is called on the way to the program.
 *
 * What is decoded has data properties only, so there are two ways in which code of it could be called all the same: a
 * promise that is resolved with an object calls its `then`, and whatever makes a text or a number of an object calls its
 * `toString` or `valueOf`.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";

/** Whether a promise that is resolved with `value`, which came from another thread, would call it. */
export function hasThen(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Why a value does not come by a promise: `what` it is, and `how` to get it all the same. */
export function thenRefused(what: string, how: string, options?: ErrorOptions): SerializationError {
  return new SerializationError(
    `Cannot hand ${what} to a promise as it has a method 'then', which the promise would call: ${how}`,
    options,
  );
}

/** Deeper than any description of a function or a shared object. */
const DEEP = 10;

/** Whether nothing in `value` can be called: then no text or number that is made of a part of it calls anything. */
export function isInert(value: unknown, depth: number = DEEP): boolean {
  if (typeof value === "function" || depth === 0) return false;
  if (typeof value !== "object" || value === null) return true;
  for (const part of Object.values(value)) if (!isInert(part, depth - 1)) return false;
  return true;
}
