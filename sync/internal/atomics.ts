/**
 * The steps of this folder on shared memory, and the clock: one object, so that a test can take every step by itself and in
 * every order (`model_test.ts`).
 *
 * A call of `Atomics` takes ten times as long as a plain access. Where a step needs no order of its own, since one before or
 * after it has it, it is plain: inside a guard, what only those inside of it change; before an atomic store that tells of it;
 * and a look that only saves work.
 *
 * @module
 */

/** What `Atomics.waitAsync` gives. */
type AsyncWait = { readonly async: false } | { readonly async: true; readonly value: PromiseLike<unknown> };

/** Few bytes one by one, since a view of them would cost more. */
function copy(target: Uint8Array, to: number, source: Uint8Array, from: number, length: number): void {
  if (length > 100) return target.set(source.subarray(from, from + length), to);
  for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
}

const { timeOrigin } = performance;

// Taken before any task runs: a task that patches `Atomics` must not change what the locks do.
export const atomics = {
  load: Atomics.load as (words: Int32Array, index: number) => number,
  store: Atomics.store as (words: Int32Array, index: number, value: number) => number,
  /** A plain load. */
  peek: (words: Int32Array, index: number): number => words[index]!,
  /** A plain store. */
  poke: (words: Int32Array, index: number, value: number): void => void (words[index] = value),
  add: Atomics.add as (words: Int32Array, index: number, value: number) => number,
  compareExchange: Atomics.compareExchange as (words: Int32Array, index: number, old: number, value: number) => number,
  wait: Atomics.wait as (words: Int32Array, index: number, value: number, timeout: number) => string,
  waitAsync: Atomics.waitAsync as (words: Int32Array, index: number, value: number) => AsyncWait,
  notify: Atomics.notify as (words: Int32Array, index: number, count?: number) => number,
  /** Puts `length` bytes of `source`, from `from` on, into shared memory; nothing atomic about it. */
  write: (memory: Uint8Array, at: number, source: Uint8Array, from: number, length: number): void =>
    copy(memory, at, source, from, length),
  /** Copies `length` bytes out of shared memory; nothing atomic about it. */
  read: (memory: Uint8Array, at: number, target: Uint8Array, to: number, length: number): void =>
    copy(target, to, memory, at, length),
  /** The same for four of them. */
  writeWord: (words: Int32Array, index: number, value: number): void => void (words[index] = value),
  /** The same for four of them. */
  readWord: (words: Int32Array, index: number): number => words[index]!,
  /** How long a thread looks for what it waits for before it sleeps, in milliseconds. */
  patience: 0.02,
  /** The time in milliseconds, for deadlines. */
  now: performance.now.bind(performance) as () => number,
  /** The time in milliseconds, the same on all threads. */
  clock: (): number => timeOrigin + atomics.now(),
};
