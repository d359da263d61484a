/**
 * The atomic steps of this folder on shared memory, and the clock. They are members of one object so that a test can
 * run each step separately and in every order (`model_test.ts`).
 *
 * A call of `Atomics` takes ten times as long as a plain access. Accesses are plain where another step provides the
 * order: words that only the holder of a critical section changes; writes before an atomic store that publishes them;
 * and reads that only save work.
 *
 * @module
 */

/** The result of `Atomics.waitAsync`. */
type AsyncWait = { readonly async: false } | { readonly async: true; readonly value: PromiseLike<unknown> };

/** Copies bytes between arrays; up to 100 bytes one by one, since creating a view of them costs more. */
function copy(target: Uint8Array, to: number, source: Uint8Array, from: number, length: number): void {
  if (length > 100) return target.set(source.subarray(from, from + length), to);
  for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
}

const { timeOrigin } = performance;

// Captured before any task runs: a task that patches `Atomics` must not change the behavior of locks.
export const atomics = {
  load: Atomics.load as (words: Int32Array, index: number) => number,
  store: Atomics.store as (words: Int32Array, index: number, value: number) => number,
  /** Loads a word, not atomically. */
  peek: (words: Int32Array, index: number): number => words[index]!,
  /** Stores a word, not atomically. */
  poke: (words: Int32Array, index: number, value: number): void => void (words[index] = value),
  add: Atomics.add as (words: Int32Array, index: number, value: number) => number,
  compareExchange: Atomics.compareExchange as (words: Int32Array, index: number, old: number, value: number) => number,
  wait: Atomics.wait as (words: Int32Array, index: number, value: number, timeout: number) => string,
  waitAsync: Atomics.waitAsync as (words: Int32Array, index: number, value: number) => AsyncWait,
  notify: Atomics.notify as (words: Int32Array, index: number, count?: number) => number,
  /** Writes `length` bytes of `source`, starting at `from`, to shared memory, not atomically. */
  write: (memory: Uint8Array, at: number, source: Uint8Array, from: number, length: number): void =>
    copy(memory, at, source, from, length),
  /** Reads `length` bytes from shared memory, not atomically. */
  read: (memory: Uint8Array, at: number, target: Uint8Array, to: number, length: number): void =>
    copy(target, to, memory, at, length),
  /** Writes one 32-bit word of a record, not atomically. */
  writeWord: (words: Int32Array, index: number, value: number): void => void (words[index] = value),
  /** Reads one 32-bit word of a record, not atomically. */
  readWord: (words: Int32Array, index: number): number => words[index]!,
  /** The time that a thread polls before it sleeps, in milliseconds. */
  patience: 0.02,
  /** The time of this thread in milliseconds, for deadlines. */
  now: performance.now.bind(performance) as () => number,
  /** The time in milliseconds, with the same origin on all threads. */
  clock: (): number => timeOrigin + atomics.now(),
};
