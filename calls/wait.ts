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

/** Options of `asCompletedSync`. */
export interface AsCompletedSyncOptions {
  /**
   * How long to wait from the call on, in milliseconds; 0 and less: only for what is done already.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
}

/** Options of {@linkcode asCompleted}. */
export interface AsCompletedOptions extends AsCompletedSyncOptions {
  /**
   * Gives up the wait: the iteration ends with the signal's reason.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/** When {@linkcode wait} returns: when all are done, at the first that is done, or at the first that fails. */
export type ReturnWhen = "ALL_COMPLETED" | "FIRST_COMPLETED" | "FIRST_EXCEPTION";

/** Options of `waitSync`. */
export interface WaitForSyncOptions {
  /**
   * How long to wait at most, in milliseconds; 0 and less: not at all.
   *
   * @default {Infinity}
   */
  readonly timeout?: number | undefined;
  /**
   * When to return. A cancelled future is no failure.
   *
   * @default {"ALL_COMPLETED"}
   */
  readonly returnWhen?: ReturnWhen | undefined;
}

/** Options of {@linkcode wait}. */
export interface WaitForOptions extends WaitForSyncOptions {
  /**
   * Gives up the wait: the promise rejects with the signal's reason.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode asCompleted}, checked. */
const AS_COMPLETED_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, signal: checkedSignal });

/** What {@linkcode wait} gives. */
export interface Waited<F> {
  /** Those that are done, also by an error or by being cancelled. */
  readonly done: Set<F>;
  /** The others. */
  readonly notDone: Set<F>;
}

/**
 * Gives each of several futures once it is done: those that are done already first, then each as it comes. The futures may be of
 * different executors; one that is there twice comes once. Leaving the loop early cancels nothing.
 *
 * Source: `concurrent.futures.as_completed`. Differs from Python: the time counts from the call.
 *
 * @typeParam F The futures.
 * @param futures The futures.
 * @param options How long to wait.
 * @returns The futures in the order in which they are done. Its `next()` rejects with {@linkcode TimeoutError} when some are not
 * done in time; the iteration is over then.
 * @throws {TypeError} If an argument is of a wrong kind.
 *
 * @example As they come
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

  /** Gives what there is to those who wait. */
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

  /** Waits no more: what is done is still given, then the error. */
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
 * Waits until futures are done, which may be of different executors.
 *
 * Source: `concurrent.futures.wait`.
 *
 * @typeParam F The futures.
 * @param futures The futures; one that is there twice counts once.
 * @param options How long to wait, and for what.
 * @returns Which are done and which are not; also when the time is up.
 * @throws {TypeError} If an argument is of a wrong kind.
 * @throws {RangeError} If `returnWhen` is none of its values.
 *
 * @example The first of two
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

/** Which futures are done, and which are not. */
export function splitFutures<F extends Future<unknown>>(futures: Iterable<F>): Waited<F> {
  const done = new Set<F>();
  const notDone = new Set<F>();
  for (const future of futures) (future.done() ? done : notDone).add(future);
  return { done, notDone };
}

/** Whether a future that is done ends the wait for all of them. */
export function endsWait(future: Future<unknown>, returnWhen: ReturnWhen): boolean {
  return returnWhen === "FIRST_COMPLETED" || (returnWhen === "FIRST_EXCEPTION" && hasFailed(future));
}

/**
 * The futures to wait for, each once.
 *
 * @throws {TypeError} If one is none.
 */
export function checkFutures<F extends Future<unknown>>(futures: Iterable<F>): Set<F> {
  if (!isIterable(futures)) {
    throw new TypeError(`Cannot wait as 'futures' must be an iterable of futures: current value is ${show(futures)}`);
  }
  const all = new Set<F>();
  for (const future of { [Symbol.iterator]: () => checkIterator(futures[Symbol.iterator]()) }) all.add(future);
  for (const future of all) {
    if (isFuture(future)) continue;
    throw new TypeError(`Cannot wait for something that is not a future: current value is ${show(future)}`);
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
