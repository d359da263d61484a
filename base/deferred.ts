/**
 * Promises that cost little to make, for use by the thousand.
 *
 * @module
 */

/** A promise, and the function that resolves it. */
export interface Deferred {
  /** The promise. */
  readonly promise: Promise<unknown>;
  /** Resolves the promise. */
  readonly resolve: (value: unknown) => void;
}

let resolveLast: Deferred["resolve"];
const capture = (resolve: Deferred["resolve"]): void => void (resolveLast = resolve);

/** Returns a new promise. One executor serves all of them, as a closure for each would cost more than a whole task. */
export function deferred(): Deferred {
  const promise = new Promise<unknown>(capture);
  return { promise, resolve: resolveLast };
}
