/**
 * Blocking for several futures at once.
 *
 * @module
 */

import { blockingOf, type Future, watch } from "./future.ts";
import {
  type AsCompletedSyncOptions,
  checkFutures,
  checkReturnWhen,
  endsWait,
  splitFutures,
  type Waited,
  type WaitForSyncOptions,
} from "./wait.ts";
import { checkedTimeout, OptionsSchema } from "../base/options_schema.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { blockTogether } from "./block_together.ts";
import { Deque } from "../base/deque.ts";
import type { BlockingScheduler } from "../scheduler/task.ts";

const AS_COMPLETED_SYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout });
const WAIT_SYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, returnWhen: checkReturnWhen });

/** The futures that are not done, for a thread that blocks until some are. */
class Pending<F extends Future<unknown>> {
  /** The functions that unsubscribe from each future. */
  readonly #unwatch = new Map<F, () => void>();
  /**
   * The schedulers that the thread can block on, each with its number of futures. The other futures are settled by the
   * thread itself.
   */
  readonly #schedulers = new Map<BlockingScheduler, number>();

  /** `done` is called with each future that is done from now on. */
  constructor(futures: Iterable<F>, done: (future: F) => void) {
    for (const future of futures) {
      if (future.done()) continue;
      const on = blockingOf(future);
      if (on !== undefined) this.#schedulers.set(on, (this.#schedulers.get(on) ?? 0) + 1);
      const unwatch = watch(future, () => {
        this.#unwatch.delete(future);
        if (on !== undefined) this.#leave(on);
        done(future);
      });
      this.#unwatch.set(future, unwatch);
    }
  }

  #leave(on: BlockingScheduler): void {
    const left = this.#schedulers.get(on)! - 1;
    if (left === 0) this.#schedulers.delete(on);
    else this.#schedulers.set(on, left);
  }

  /** The number of futures that are not done. */
  get size(): number {
    return this.#unwatch.size;
  }

  /**
   * Blocks the thread until `enough` returns true, at most until `deadline`, a time of `performance.now()`. Returns
   * whether it is enough.
   *
   * @throws {InvalidStateError} If the futures that are left are settled by this thread, which cannot do that while it
   * is blocked.
   */
  block(enough: () => boolean, deadline: number): boolean {
    // Callbacks of the other futures may settle those of this thread, so the others come first while there are any.
    const noMore = (): boolean => enough() || this.#schedulers.size === 0;
    while (!noMore()) if (!blockTogether(new Set(this.#schedulers.keys()), noMore, deadline)) return enough();
    if (enough()) return true;
    if (performance.now() >= deadline) return false;
    const which = this.size === 1 ? "a future that is" : `${this.size} futures that are`;
    throw new InvalidStateError(
      `Cannot block for ${which} settled on this very thread: await 'wait()' or 'asCompleted()'`,
    );
  }

  /** Unsubscribes from all futures. */
  forget(): void {
    for (const unwatch of this.#unwatch.values()) unwatch();
    this.#unwatch.clear();
    this.#schedulers.clear();
  }
}

class CompletedSync<F extends Future<unknown>> implements IterableIterator<F, undefined> {
  readonly #pending: Pending<F>;
  readonly #ready = new Deque<F>();
  readonly #total: number;
  readonly #deadline: number;

  constructor(futures: ReadonlySet<F>, deadline: number) {
    this.#total = futures.size;
    this.#deadline = deadline;
    for (const future of futures) if (future.done()) this.#ready.push(future);
    this.#pending = new Pending(futures, (future) => this.#ready.push(future));
  }

  next(): IteratorResult<F, undefined> {
    const more = this.#ready.empty && this.#pending.size > 0;
    if (more) this.#wait();
    const future = this.#ready.shift();
    return future === undefined ? { done: true, value: undefined } : { done: false, value: future };
  }

  /** Blocks for the next future. If that fails, the iteration is over. */
  #wait(): void {
    let come = false;
    let unfinished = 0;
    try {
      come = this.#pending.block(() => !this.#ready.empty, this.#deadline);
    } finally {
      unfinished = this.#pending.size;
      if (!come) this.#pending.forget();
    }
    if (!come) throw new TimeoutError(`${unfinished} (of ${this.#total}) futures unfinished`);
  }

  return(): IteratorResult<F, undefined> {
    this.#pending.forget();
    while (this.#ready.shift() !== undefined);
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}

/**
 * Iterates over several futures, and blocks the calling thread until the next one is done; otherwise as
 * {@linkcode asCompleted}. This function can be used on every thread that may block: in Deno on all threads, including
 * the main one. Futures that only this thread can settle, those of a `ThreadPoolExecutor` and of `new Future()`,
 * complete only if callbacks of the other futures settle them.
 *
 * Source: `concurrent.futures.as_completed`. Differs from Python: the timeout counts from the call.
 *
 * @typeParam F The type of the futures.
 * @param futures The futures, of any executors. A future that is given twice is returned once.
 * @param options Options of the wait.
 * @returns An iterator over the futures, in the order in which they are done. Its `next()` throws
 * {@linkcode TimeoutError} if some futures are not done in time, and {@linkcode InvalidStateError} if none of the
 * futures left can complete while this thread is blocked. The iteration is over then.
 * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
 *
 * @example Use several futures as they complete, without `await`
 * ```ts
 * import { asCompletedSync, ProcessPoolExecutor } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using executor = new ProcessPoolExecutor(2);
 * const futures = [1, 2, 3].map((n) => executor.submit((n: number) => n * n, n));
 * let sum = 0;
 * for (const future of asCompletedSync(futures)) sum += future.resultSync();
 * assertEquals(sum, 14);
 * ```
 */
export function asCompletedSync<F extends Future<unknown>>(
  futures: Iterable<F>,
  options?: AsCompletedSyncOptions,
): IterableIterator<F, undefined> {
  const { timeout = Infinity } = AS_COMPLETED_SYNC_OPTIONS.read(options, "asCompletedSync()");
  return new CompletedSync(checkFutures(futures), performance.now() + timeout);
}

/**
 * Blocks the calling thread until several futures are done; otherwise as {@linkcode wait}. See
 * {@linkcode asCompletedSync} for the threads that may block.
 *
 * Source: `concurrent.futures.wait`.
 *
 * @typeParam F The type of the futures.
 * @param futures The futures, of any executors. A future that is given twice counts once.
 * @param options Options of the wait.
 * @returns The futures that are done, and those that are not, also after the timeout.
 * @throws {TypeError} If an argument is of a wrong kind, or an option is unknown.
 * @throws {RangeError} If `returnWhen` is not one of its values.
 * @throws {InvalidStateError} If only futures are left that this thread settles itself, those of a `ThreadPoolExecutor`
 * and of `new Future()`; in a browser, where a thread cannot block for its workers.
 *
 * @example Wait for the first of two futures without `await`
 * ```ts
 * import { Event, ProcessPoolExecutor, waitSync } from "@manycore/parallel";
 * import { assert } from "@std/assert";
 *
 * await using executor = new ProcessPoolExecutor(2);
 * const go = new Event();
 * const slow = executor.submit((go: Event) => go.wait(), go);
 * const quick = executor.submit(Math.sqrt, 16);
 * const { done, notDone } = waitSync([slow, quick], { returnWhen: "FIRST_COMPLETED" });
 * assert(done.has(quick) && notDone.has(slow));
 * go.set();
 * ```
 */
export function waitSync<F extends Future<unknown>>(futures: Iterable<F>, options?: WaitForSyncOptions): Waited<F> {
  const { timeout = Infinity, returnWhen = "ALL_COMPLETED" } = WAIT_SYNC_OPTIONS.read(options, "waitSync()");
  const all = checkFutures(futures);
  const deadline = performance.now() + timeout;
  let enough = false;
  for (const future of all) enough ||= future.done() && endsWait(future, returnWhen);
  const pending = new Pending(all, (future) => enough ||= endsWait(future, returnWhen));
  try {
    pending.block(() => enough || pending.size === 0, deadline);
  } finally {
    pending.forget();
  }
  return splitFutures(all);
}
