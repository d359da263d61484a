/**
 * The timers of a worker, kept, as a task may put others in their place.
 *
 * @module
 */

/** Gives a global, as it is now, later. */
function whenNeeded<T>(name: string): () => T {
  // In browsers it is not a property of its own.
  const { get, value } = Reflect.getOwnPropertyDescriptor(globalThis, name) ?? { value: Reflect.get(globalThis, name) };
  return () => get === undefined ? value : get.call(globalThis);
}

/** Deno 2.9 takes 3 ms to load them when they are first touched: so not before they are needed. */
export const timers: { set: () => typeof setTimeout; clear: () => typeof clearTimeout } = {
  set: whenNeeded<typeof setTimeout>("setTimeout"),
  clear: whenNeeded<typeof clearTimeout>("clearTimeout"),
};
