/**
 * What kind of value a task gave or was given.
 *
 * @module
 */

/** Whether it is a promise, or looks like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null) return false;
  try {
    return value instanceof Promise || typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false; // a getter that throws, a revoked proxy: sending the value will say so
  }
}

/** Whether it can be spread. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined &&
    typeof (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] === "function";
}
