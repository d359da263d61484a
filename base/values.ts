/**
 * What kind of value something is.
 *
 * @module
 */

import { show } from "./checks.ts";

/** Whether it is a promise, or looks like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== "object" || value === null) return false;
  try {
    return value instanceof Promise || typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false; // a getter that throws, a revoked proxy: sending the value will say so
  }
}

/** Any function, for places that only hand it on. */
export type AnyFunction = (...args: never[]) => unknown;

/** Items to read one by one, with or without a wait for each. */
export type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** Whether `value` can be read item by item. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function";
}

/** Whether `value` can be read item by item, each with a wait. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && value !== undefined &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function";
}

/**
 * What an iterator gives, as `for…of` checks it.
 *
 * @throws {TypeError} If it is no object.
 */
export function checkStep(step: IteratorResult<unknown>): IteratorResult<unknown> {
  if ((typeof step === "object" && step !== null) || typeof step === "function") return step;
  throw new TypeError(`Cannot read the items: iterator result ${show(step)} is not an object`);
}
