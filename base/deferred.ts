/**
 * Promises that are made by the thousand.
 *
 * @module
 */

/** A promise, and what resolves it. */
export interface Deferred {
  /** The promise. */
  readonly promise: Promise<unknown>;
  /** Resolves it. */
  readonly resolve: (value: unknown) => void;
}

let resolveLast: Deferred["resolve"];
const capture = (resolve: Deferred["resolve"]): void => void (resolveLast = resolve);

/** A new promise. All are made with one function: a closure for each would cost more than a task does. */
export function deferred(): Deferred {
  const promise = new Promise<unknown>(capture);
  return { promise, resolve: resolveLast };
}
