/**
 * Changes failures before they reach the caller.
 *
 * @module
 */

import { show } from "../base/checks.ts";
import { isError } from "../codec/error_fields.ts";

/** The largest number of causes that is followed. */
const LONGEST_CHAIN = 1000;

/**
 * Called when a callback that handled `failure` has thrown `thrown`. Stores the failure as the `cause` of what was thrown, if that
 * is an error that can have a cause and has none.
 */
export function keepCause(thrown: unknown, failure: unknown): void {
  try {
    if (!isError(thrown) || "cause" in thrown || leadsTo(failure, thrown)) return;
    // Returns false for a frozen error, which stays as it is.
    Reflect.defineProperty(thrown, "cause", { value: failure, writable: true, enumerable: false, configurable: true });
  } catch {
    // A proxy that refuses the property stays as it is, too.
  }
}

/** Returns whether `error` is `failure` or among its causes. Storing it would make a circle, which has no end. */
function leadsTo(failure: unknown, error: Error): boolean {
  let cause = failure;
  for (let i = 0; i < LONGEST_CHAIN && isError(cause); i++) {
    if (cause === error) return true;
    cause = Object.getOwnPropertyDescriptor(cause, "cause")?.value;
  }
  return isError(cause);
}

/** Returns an error that stands in the place of a result: `thrown` itself if it is an error, otherwise an error about it. */
export function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  return new Error(`The call threw something that is not an error: ${show(thrown)}`, { cause: thrown });
}
