/**
 * The atomic steps of this folder, and the clock: one object, so that a test can take every step by itself and in every
 * order (`model_test.ts`).
 *
 * @module
 */

/** What `Atomics.waitAsync` gives. */
type AsyncWait = { readonly async: false } | { readonly async: true; readonly value: PromiseLike<unknown> };

// Taken before any task runs: a task that patches `Atomics` must not change what the locks do.
export const atomics = {
  load: Atomics.load as (words: Int32Array, index: number) => number,
  store: Atomics.store as (words: Int32Array, index: number, value: number) => number,
  add: Atomics.add as (words: Int32Array, index: number, value: number) => number,
  compareExchange: Atomics.compareExchange as (words: Int32Array, index: number, old: number, value: number) => number,
  wait: Atomics.wait as (words: Int32Array, index: number, value: number, timeout: number) => string,
  waitAsync: Atomics.waitAsync as (words: Int32Array, index: number, value: number) => AsyncWait,
  notify: Atomics.notify as (words: Int32Array, index: number, count?: number) => number,
  /** Puts bytes into shared memory; nothing atomic about it. */
  write: (memory: Uint8Array, at: number, bytes: Uint8Array): void => memory.set(bytes, at),
  /** Copies bytes out of shared memory; nothing atomic about it. */
  read: (memory: Uint8Array, at: number, target: Uint8Array): void =>
    target.set(memory.subarray(at, at + target.length)),
  /** The time in milliseconds, for deadlines. */
  now: performance.now.bind(performance) as () => number,
  /** The time in milliseconds, the same on all threads. */
  clock: (): number => performance.timeOrigin + atomics.now(),
};
