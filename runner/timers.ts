/**
 * The timers of a worker, captured, as a task may replace the globals.
 *
 * @module
 */

/** Returns a getter for a global that tasks cannot replace afterwards. */
function whenNeeded<T>(name: string): () => T {
  // In browsers the property may be inherited.
  const { get, value } = Reflect.getOwnPropertyDescriptor(globalThis, name) ?? { value: Reflect.get(globalThis, name) };
  return () => get === undefined ? value : get.call(globalThis);
}

/** Getters of the timers. Deno 2.9 takes 3 ms to load timers when they are first touched, so that happens on demand. */
export const timers: { set: () => typeof setTimeout; clear: () => typeof clearTimeout } = {
  set: whenNeeded<typeof setTimeout>("setTimeout"),
  clear: whenNeeded<typeof clearTimeout>("clearTimeout"),
};
