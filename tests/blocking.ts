/** The functions and options that the tests of the blocking methods share. */

import type { Event } from "../mod.ts";

/** Returns the square of a number. */
export const square = (n: number): number => n * n;

/** Throws for 2. */
export const failAt2 = (n: number): number => {
  if (n === 2) throw new RangeError("two");
  return n;
};

/** Blocks until the event is set. */
export const waits = (go: Event): boolean => go.wait();

/** Options of an executor or a pool that breaks, since its initializer throws. */
export const BROKEN: { readonly initializer: () => never } = {
  initializer: () => {
    throw new RangeError("cannot begin");
  },
};
