/**
 * Waiting for several futures at once.
 *
 * @module
 */

import { type Future, hasFailed, isFuture, watch } from "./future.ts";
import { isIterable } from "../base/values.ts";
import { checkIterator, show } from "../base/checks.ts";
import { type Check, checkedSignal, checkedTimeout, OptionsSchema } from "../base/options_schema.ts";
import { TimeoutError } from "../errors.ts";
import { Deque } from "../base/deque.ts";

/** Options of {@linkcode asCompletedSync}. */
export interface AsCompletedSyncOptions {
  /**
   * The time for the whole iteration, in milliseconds from the call. With 0 or less, only futures that are already done
   * are returned.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
}

/** Options of {@linkcode asCompleted}. */
export interface AsCompletedOptions extends AsCompletedSyncOptions {
  /**
   * A signal that abandons the wait when it aborts: the iteration ends with the signal's reason.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * When {@linkcode wait} returns: when all futures are done, when the first one is done, or when the first one fails.
 */
export type ReturnWhen = "ALL_COMPLETED" | "FIRST_COMPLETED" | "FIRST_EXCEPTION";

/** Options of {@linkcode waitSync}. */
export interface WaitForSyncOptions {
  /**
   * The longest wait, in milliseconds. 0 or less does not wait.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
  /**
   * The moment at which to return. A cancelled future does not count as a failure.
   *
   * @default {"ALL_COMPLETED"}
   */
  readonly returnWhen?: ReturnWhen | undefined;
}

/** Options of {@linkcode wait}. */
export interface WaitForOptions extends WaitForSyncOptions {
  /**
   * A signal that abandons the wait when it aborts: the promise rejects with the signal's reason.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/** The options of {@linkcode asCompleted}, and how each is checked. */
const AS_COMPLETED_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, signal: checkedSignal });

/**
 * The result of {@linkcode wait}.
 *
 * @typeParam F The type of the futures.
 */
export interface Waited<F> {
  /** The futures that are done, including those that failed or were cancelled. */
  readonly done: Set<F>;
  /** The futures that are not done. */
  readonly notDone: Set<F>;
}

/**
 * Iterates over several futures, each when it is done: first those that are already done, then the others as they
 * complete. The futures may belong to different executors. A future that is given twice is returned once. Leaving the
 * loop early cancels nothing.
 *
 * Source: `concurrent.futures.as_completed`. Differs from Python: the timeout counts from the call.
 *
 * @typeParam F The type of the futures.
 * @param futures The futures.
 * @param options Options of the wait.
 * @returns An async iterator over the futures, in the order in which they are done. Its `next()` rejects with
 * {@linkcode TimeoutError} if some futures are not done in time, and the iteration is over then.
 * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
 *
 * @example Use several futures as they complete
 * ```ts
 * import { asCompleted, ThreadPoolExecutor } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ThreadPoolExecutor();
 * const sleep = (ms: number) => new Promise<number>((resolve) => setTimeout(resolve, ms, ms));
 * const futures = [30, 1].map((ms) => executor.submit(sleep, ms));
 * const order: number[] = [];
 * for await (const future of asCompleted(futures)) order.push(await future.result());
 * assertEquals(order, [1, 30]);
 * ```
 */
export function asCompleted<F extends Future<unknown>>(
  futures: Iterable<F>,
  options?: AsCompletedOptions,
): AsyncIterableIterator<F, undefined> {
  const { timeout = Infinity, signal } = AS_COMPLETED_OPTIONS.read(options, "asCompleted()");
  return new Completed(checkFutures(futures), performance.now() + timeout, signal);
}

interface Waiter<F> {
  readonly resolve: (result: IteratorResult<F, undefined>) => void;
  readonly reject: (error: unknown) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
}

class Completed<F extends Future<unknown>> implements AsyncIterableIterator<F, undefined> {
  readonly #pending: Map<F, () => void> = new Map();
  readonly #ready = new Deque<F>();
  readonly #waiters = new Deque<Waiter<F>>();
  readonly #total: number;
  readonly #deadline: number;
  readonly #signal: AbortSignal | undefined;

  constructor(futures: ReadonlySet<F>, deadline: number, signal: AbortSignal | undefined) {
    this.#total = futures.size;
    this.#deadline = deadline;
    this.#signal = signal;
    for (const future of futures) {
      if (future.done()) this.#ready.push(future);
      else this.#pending.set(future, watch(future, () => this.#done(future)));
    }
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.#abort();
    else if (this.#pending.size === 0) this.#detach();
  }

  #failure: { readonly error: unknown } | undefined;

  #done(future: F): void {
    this.#pending.delete(future);
    this.#ready.push(future);
    if (this.#pending.size === 0) this.#detach();
    this.#give();
  }

  /** Resolves the waiting `next()` calls as far as futures are ready. */
  #give(): void {
    while (!this.#waiters.empty) {
      const future = this.#ready.shift();
      if (future === undefined && this.#pending.size > 0) return;
      const { resolve, reject, timer } = this.#waiters.shift()!;
      clearTimeout(timer);
      const failure = this.#failure;
      if (future !== undefined) {
        resolve({ done: false, value: future });
      } else if (failure !== undefined) {
        this.#failure = undefined;
        reject(failure.error);
      } else {
        resolve({ done: true, value: undefined });
      }
    }
  }

  next(): Promise<IteratorResult<F, undefined>> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<F> = { resolve, reject, timer: undefined };
      this.#waiters.push(waiter);
      this.#give();
      if (this.#waiters.empty || this.#deadline === Infinity) return;
      const left = this.#deadline - performance.now();
      if (left > 0) waiter.timer = setTimeout(() => this.#expire(), left);
      else this.#expire();
    });
  }

  #expire(): void {
    const { size } = this.#pending;
    if (size > 0) this.#end(new TimeoutError(`${size} (of ${this.#total}) futures unfinished`));
  }

  readonly #abort = (): void => this.#end(this.#signal!.reason);

  /** Ends the wait. Futures that are ready are still returned, then the error. */
  #end(error: unknown): void {
    this.#failure = { error };
    this.#forget();
    this.#give();
  }

  #forget(): void {
    for (const unwatch of this.#pending.values()) unwatch();
    this.#pending.clear();
    this.#detach();
  }

  #detach(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
  }

  return(): Promise<IteratorResult<F, undefined>> {
    this.#failure = undefined;
    while (this.#ready.shift() !== undefined);
    this.#forget();
    this.#give();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * Waits until several futures are done. The futures may belong to different executors.
 *
 * Source: `concurrent.futures.wait`.
 *
 * @typeParam F The type of the futures.
 * @param futures The futures. A future that is given twice counts once.
 * @param options Options of the wait.
 * @returns The futures that are done, and those that are not, also after the timeout.
 * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
 * @throws {RangeError} If `returnWhen` is not one of its values.
 *
 * @example Wait for the first of two futures
 * ```ts
 * import { ThreadPoolExecutor, wait } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ThreadPoolExecutor();
 * const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
 * const [slow, quick] = [executor.submit(sleep, 30), executor.submit(sleep, 1)];
 * const { done, notDone } = await wait([slow, quick], { returnWhen: "FIRST_COMPLETED" });
 * assertEquals([[...done], [...notDone]], [[quick], [slow]]);
 * ```
 */
export function wait<F extends Future<unknown>>(
  futures: Iterable<F>,
  options?: WaitForOptions,
): Promise<Waited<F>> {
  const { timeout: time = Infinity, signal, returnWhen = "ALL_COMPLETED" } = WAIT_OPTIONS.read(options, "wait()");
  const all = checkFutures(futures);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const undo: (() => void)[] = [];
    let over = false;
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      for (const step of undo) step();
      settle();
    };
    const split = (): void => end(() => resolve(splitFutures(all)));
    let left = 0;
    for (const future of all) if (!future.done()) left++;
    const isEnough = (future: F): boolean => left === 0 || endsWait(future, returnWhen);
    for (const future of all) if (future.done() && isEnough(future)) return split();
    if (left === 0 || time <= 0) return split();
    for (const future of all) {
      if (future.done()) continue;
      undo.push(watch(future, () => {
        left--;
        if (isEnough(future)) split();
      }));
    }
    if (time < Infinity) {
      const timer = setTimeout(split, time);
      undo.push(() => clearTimeout(timer));
    }
    if (signal === undefined) return;
    const abort = (): void => end(() => reject(signal.reason));
    signal.addEventListener("abort", abort);
    undo.push(() => signal.removeEventListener("abort", abort));
  });
}

/** Returns which futures are done, and which are not. */
export function splitFutures<F extends Future<unknown>>(futures: Iterable<F>): Waited<F> {
  const done = new Set<F>();
  const notDone = new Set<F>();
  for (const future of futures) (future.done() ? done : notDone).add(future);
  return { done, notDone };
}

/** Returns whether a future that is done ends the wait for all of them. */
export function endsWait(future: Future<unknown>, returnWhen: ReturnWhen): boolean {
  return returnWhen === "FIRST_COMPLETED" || (returnWhen === "FIRST_EXCEPTION" && hasFailed(future));
}

/**
 * Returns the futures to wait for, each once.
 *
 * @throws {TypeError} If one of the values is not a future.
 */
export function checkFutures<F extends Future<unknown>>(futures: Iterable<F>): Set<F> {
  if (!isIterable(futures)) {
    throw new TypeError(`Cannot wait as 'futures' must be an iterable of futures: current value is ${show(futures)}`);
  }
  const all = new Set<F>();
  for (const future of { [Symbol.iterator]: () => checkIterator(futures[Symbol.iterator]()) }) all.add(future);
  for (const future of all) {
    if (isFuture(future)) continue;
    const hint = futures instanceof Map ? "; of a Map, pass its keys() or its values()" : "";
    throw new TypeError(`Cannot wait for something that is not a future: current value is ${show(future)}${hint}`);
  }
  return all;
}

/** Checks the option `returnWhen`. */
export const checkReturnWhen: Check<ReturnWhen> = (value) => {
  switch (value) {
    case "ALL_COMPLETED":
    case "FIRST_COMPLETED":
    case "FIRST_EXCEPTION":
      return value;
  }
  const what = `'returnWhen' must be "ALL_COMPLETED", "FIRST_COMPLETED" or "FIRST_EXCEPTION"`;
  const message = `Cannot wait as ${what}: current value is ${show(value)}`;
  throw typeof value === "string" ? new RangeError(message) : new TypeError(message);
};

const WAIT_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, returnWhen: checkReturnWhen, signal: checkedSignal });
