/**
 * Failures on their way to the caller.
 *
 * @module
 */

import { show } from "../base/checks.ts";
import { isError } from "../codec/error_fields.ts";

/** The longest chain of causes that is followed. */
const LONGEST_CHAIN = 1000;

/**
 * Something was thrown in the place where a failure was dealt with: keeps that failure as the `cause`, if what was thrown is
 * an error that can have one and has none.
 */
export function keepCause(thrown: unknown, failure: unknown): void {
  try {
    if (!isError(thrown) || "cause" in thrown || leadsTo(failure, thrown)) return;
    // False for a frozen error, which stays as it is.
    Reflect.defineProperty(thrown, "cause", { value: failure, writable: true, enumerable: false, configurable: true });
  } catch {
    // A proxy that refuses: it stays as it is, too.
  }
}

/** Whether `error` is among the causes of `failure`, or is that itself: a circle has no end to read. */
function leadsTo(failure: unknown, error: Error): boolean {
  let cause = failure;
  for (let i = 0; i < LONGEST_CHAIN && isError(cause); i++) {
    if (cause === error) return true;
    cause = Object.getOwnPropertyDescriptor(cause, "cause")?.value;
  }
  return isError(cause);
}

/** Returns an error to stand in the place of a result, whatever was thrown. */
export function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new Error(`The call threw something that is not an error: ${show(thrown)}`, { cause: thrown });
}
