/**
 * Tests for kinds of values.
 *
 * @module
 */

import { show } from "./checks.ts";

/** Returns whether `value` is a promise, or any other object with a method `then`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null) return false;
  try {
    return value instanceof Promise || typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false; // a getter that throws or a revoked proxy: the error comes when the value is sent
  }
}

/** Any function, for code that only passes it on. */
export type AnyFunction = (...args: never[]) => unknown;

/** Items to read one by one, synchronously or asynchronously. */
export type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** Returns whether `value` can be read item by item. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function";
}

/** Returns whether `value` can be read item by item, asynchronously. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && value !== undefined &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function";
}

/**
 * Checks that the result of an iterator is an object, as `for…of` does, and returns that result.
 *
 * @throws {TypeError} If it is no object.
 */
export function checkStep(step: IteratorResult<unknown>): IteratorResult<unknown> {
  if ((typeof step === "object" && step !== null) || typeof step === "function") return step;
  throw new TypeError(`Cannot read the items: iterator result ${show(step)} is not an object`);
}
