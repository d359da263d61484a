/**
 * Promises that are made by the thousand.
 *
 * @module
 */

/** A promise, and what resolves it. */
export interface Resolvable {
  /** The promise. */
  readonly promise: Promise<unknown>;
  /** Resolves it. */
  readonly resolve: (value: unknown) => void;
}

let resolveLast: Resolvable["resolve"];
const capture = (resolve: Resolvable["resolve"]): void => void (resolveLast = resolve);

/** A new promise. All are made with one function: a closure for each would cost more than a task does. */
export function resolvable(): Resolvable {
  const promise = new Promise<unknown>(capture);
  return { promise, resolve: resolveLast };
}
