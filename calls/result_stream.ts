/**
 * The stream of results behind `imap` and its variants.
 *
 * @module
 */

import { asError, keepCause } from "./callback_errors.ts";
import { checkIterator, checkTimeout } from "../base/checks.ts";
import { soon } from "../base/platform.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import { type CallSite, callSite } from "../base/call_site.ts";
import type { TaskProducer } from "../scheduler/lifecycle.ts";
import { Deque } from "../base/deque.ts";
import { checkStep } from "../base/values.ts";
import {
  abandonTask,
  CallbackTask,
  type ChunkValue,
  type Outcome,
  type Scheduler,
  type Task,
  type TaskMode,
} from "../scheduler/task.ts";

/**
 * The results of `imap` and its variants, one by one. If the call for an item has failed, the `next()` at its place
 * rejects, and the iteration can go on with the item after it.
 *
 * Source: `multiprocessing.pool.IMapIterator`. Differs from Python: the iteration goes on after a failed chunk, and
 * leaving the loop early drops the calls that have not begun.
 *
 * @typeParam T A result.
 *
 * @example Continue after an item that failed
 * ```ts
 * import { Pool } from "@manycore/parallel";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(1);
 * const roots = pool.imap((n: number) => {
 *   if (n < 0) throw new RangeError("negative");
 *   return Math.sqrt(n);
 * }, [4, -1, 9]);
 * assertEquals(await roots.next(), { done: false, value: 2 });
 * await assertRejects(() => roots.next(), RangeError);
 * assertEquals(await roots.next(), { done: false, value: 3 });
 * ```
 */
export interface ResultIterator<T> extends AsyncIterableIterator<T, undefined, number | undefined> {
  /**
   * Waits for the next result.
   *
   * @param timeout The longest time to wait, in milliseconds; with 0 or less it does not wait. Without it, the wait has
   * no limit.
   * @returns The result, or the end. Rejects with the error of the item, or with `TimeoutError` if the result is not
   * there in time: then a later `next()` returns it, and nothing is lost.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example Limit the wait for the next result
   * ```ts
   * import { Pool, TimeoutError } from "@manycore/parallel";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * const results = pool.imap((n: number) => new Promise((done) => setTimeout(done, 200, n)), [7]);
   * await assertRejects(() => results.next(1), TimeoutError);
   * assertEquals(await results.next(), { done: false, value: 7 });
   * ```
   */
  next(timeout?: number): Promise<IteratorResult<T, undefined>>;
  /**
   * Stops the iteration: reads no more of the input, and drops the calls that have not begun. A `for await` loop that
   * is left early calls this.
   *
   * @returns The end.
   *
   * @example Read only the first result
   * ```ts
   * import { Pool } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using pool = new Pool(1);
   * for await (const first of pool.imap((n: number) => n + 1, [1, 2, 3])) {
   *   assertEquals(first, 2);
   *   break;
   * }
   * ```
   */
  return(): Promise<IteratorResult<T, undefined>>;
  /** Returns the iterator itself. */
  [Symbol.asyncIterator](): ResultIterator<T>;
}

/** Options of a {@linkcode ResultStream}. */
export interface StreamOptions {
  readonly fn: AnyFunction;
  readonly mode: TaskMode;
  readonly ordered: boolean;
  readonly items: Iterable<unknown> | AsyncIterable<unknown>;
  readonly limit: number;
  readonly chunksize: number;
  readonly buffersize: number;
  readonly signal: AbortSignal | undefined;
  /** The time that running tasks have to end after an abort, in milliseconds. */
  readonly abortGrace: number;
  readonly onProgress: ((done: number, total?: number) => void) | undefined;
  readonly returnExceptions: boolean;
  /** The time of `performance.now()` at which readers that wait get a `TimeoutError`. */
  readonly deadline?: number;
}

/** The read-ahead, in items, from which the input is read in batches. */
const BATCH_READ_AHEAD = 16;

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** Reads the input as far ahead as allowed, submits it in chunks, and returns the results to its readers. */
export class ResultStream<T> implements TaskProducer {
  readonly #scheduler: Scheduler;
  readonly #options: StreamOptions;
  readonly #input: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #async: boolean;
  readonly #total: number | undefined;
  readonly #site: CallSite = callSite();
  readonly #waiters = new Set<Waiter<T>>();
  readonly #tasks = new Set<Task>();
  /** The outcomes that are ready to be delivered, in order. */
  readonly #ready = new Deque<Outcome>();
  /** The outcomes that have come before their turn, by index. */
  readonly #early = new Map<number, Outcome>();
  #chunk: unknown[] = [];
  /** The number of items that were submitted. */
  #sent = 0;
  /** The number of items whose outcome has come back. */
  #done = 0;
  /** The number of items whose outcome was moved to `#ready`. */
  #moved = 0;
  /** The number of items whose outcome was delivered. */
  #given = 0;
  /** True if the stream reads no more input. */
  #ended = false;
  /** The error that the stream ends with, delivered after all results. */
  #lastError: Outcome | undefined;
  #reading = false;
  /** True if the input has ended by itself, or was closed. */
  #exhausted = false;
  /** True if the input has thrown. */
  #failed = false;
  #draining = false;
  #stopped = false;

  constructor(scheduler: Scheduler, options: StreamOptions) {
    this.#scheduler = scheduler;
    this.#options = options;
    const { items, signal } = options;
    const sync = (items as Iterable<unknown>)[Symbol.iterator];
    this.#async = typeof sync !== "function";
    const length = (items as { length?: unknown }).length;
    this.#total = typeof length === "number" ? length : undefined;
    scheduler.attach(this);
    try {
      this.#input = this.#async
        ? checkIterator((items as AsyncIterable<unknown>)[Symbol.asyncIterator]())
        : checkIterator((items as Iterable<unknown>)[Symbol.iterator]());
    } catch (error) {
      this.#input = [][Symbol.iterator]();
      this.#inputFailed(error);
      return;
    }
    if (signal?.aborted) {
      this.#abort();
    } else {
      signal?.addEventListener("abort", this.#abort);
      this.#fill();
    }
  }

  /** Reads more input while there is room. */
  #fill(): void {
    if (this.#async) {
      if (!this.#reading && this.#hasRoom()) void this.#readAsync();
      return;
    }
    if (this.#reading) return; // the input itself has called this method
    this.#reading = true;
    while (this.#hasRoom()) {
      try {
        const { done, value } = checkStep((this.#input as Iterator<unknown>).next());
        if (done) this.#exhausted = true;
        if (this.#ended) break; // the input itself has ended the stream
        if (done) this.#endInput(undefined);
        else this.#add(value);
      } catch (error) {
        this.#inputFailed(error);
      }
    }
    this.#reading = false;
    if (this.#ended) void this.#closeInput();
  }

  #inputFailed(error: unknown): void {
    this.#exhausted = true;
    this.#failed = true;
    this.#endInput({ ok: false, error });
  }

  /** Closes the input, unless it has ended. Returns a promise of that, if there is anything to await. */
  #closeInput(): Promise<unknown> | undefined {
    if (this.#exhausted) return undefined;
    if (this.#reading && !this.#async) return undefined; // it is closed after the read, as the input itself has called this method
    this.#exhausted = true;
    try {
      const closed = Promise.resolve(this.#input.return?.());
      if (!this.#reading) return closed;
      // An input that is being read closes after the read, which may never end: this waits one turn of the event loop at most.
      closed.catch(() => {});
      return Promise.race([closed, new Promise<void>((resolve) => void soon(resolve))]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads more input, but not after each item that was delivered: batches take less effort. */
  #refill(): void {
    const { buffersize } = this.#options;
    const ahead = this.#sent + this.#chunk.length - this.#given;
    if (this.#draining || buffersize < BATCH_READ_AHEAD || ahead <= buffersize / 2) this.#fill();
  }

  async #readAsync(): Promise<void> {
    this.#reading = true;
    while (this.#hasRoom()) {
      try {
        const { done, value } = checkStep(await this.#input.next());
        if (done) this.#exhausted = true;
        if (this.#ended) break;
        if (done) this.#endInput(undefined);
        else this.#add(value);
      } catch (error) {
        this.#inputFailed(error);
      }
    }
    this.#reading = false;
  }

  #hasRoom(): boolean {
    if (this.#ended) return false;
    // An item counts until it is delivered. While the pool waits for its end, it counts only until it is done.
    const ahead = this.#sent + this.#chunk.length - (this.#draining ? this.#done : this.#given);
    return ahead < Math.max(this.#options.buffersize, this.#options.chunksize);
  }

  #add(item: unknown): void {
    this.#chunk.push(item);
    if (this.#chunk.length === this.#options.chunksize) this.#send();
  }

  #send(): void {
    const chunk = this.#chunk;
    if (chunk.length === 0) return;
    this.#chunk = [];
    const start = this.#sent;
    this.#sent += chunk.length;
    const { fn, mode, limit } = this.#options;
    const task = new CallbackTask(fn, mode, chunk, limit, (outcome) => {
      this.#tasks.delete(task);
      this.#take(start, chunk.length, outcome);
    });
    task.site = this.#site;
    task.first = start;
    this.#tasks.add(task);
    try {
      this.#scheduler.submitFrom(task);
    } catch (error) {
      this.#tasks.delete(task);
      this.#sent -= chunk.length;
      throw error;
    }
  }

  #endInput(lastError: Outcome | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#lastError = lastError;
    if (!this.#stopped && this.#scheduler.state !== "terminated" && this.#scheduler.state !== "broken") this.#send();
    this.#scheduler.detach(this);
    if (this.#done === this.#sent) this.#detach();
    this.#give();
  }

  #take(start: number, count: number, outcome: Outcome): void {
    if (this.#stopped) return;
    const outcomes = itemOutcomes(count, outcome, this.#options.returnExceptions);
    const inTurn = !this.#options.ordered || start === this.#moved;
    for (let i = 0; i < count; i++) {
      if (inTurn) this.#ready.push(outcomes[i]!);
      else this.#early.set(start + i, outcomes[i]!);
    }
    if (inTurn) this.#moved += count;
    this.#done += count;
    for (let item = this.#early.get(this.#moved); item !== undefined; item = this.#early.get(this.#moved)) {
      this.#early.delete(this.#moved++);
      this.#ready.push(item);
    }
    if (this.#ended && this.#done === this.#sent) this.#detach();
    try {
      this.#options.onProgress?.(this.#done, this.#total);
    } catch (error) {
      const failed = outcomes.find(({ ok }) => !ok);
      if (failed?.ok === false) keepCause(error, failed.error);
      this.#stopWith(error);
    }
    this.#give();
    this.#refill();
  }

  /** Delivers the outcomes that are ready to the waiting readers. */
  #give(): void {
    for (const waiter of this.#waiters) {
      const outcome = this.#nextOutcome();
      if (outcome === undefined && !this.#over) return;
      this.#waiters.delete(waiter);
      clearTimeout(waiter.timer);
      if (outcome === undefined) waiter.resolve({ done: true, value: undefined });
      else if (outcome.ok) waiter.resolve({ done: false, value: outcome.value as T });
      else waiter.reject(outcome.error);
    }
  }

  #nextOutcome(): Outcome | undefined {
    const outcome = this.#ready.shift();
    if (outcome !== undefined) {
      this.#given++;
      return outcome;
    }
    if (!this.#over) return undefined;
    const last = this.#lastError;
    this.#lastError = undefined;
    return last;
  }

  /** True if no more outcomes can come. */
  get #over(): boolean {
    return this.#stopped || (this.#ended && this.#done === this.#sent);
  }

  next(timeout?: number): Promise<IteratorResult<T, undefined>> {
    const limit = checkTimeout(timeout);
    if (this.#waiters.size === 0) {
      const outcome = this.#nextOutcome();
      if (outcome !== undefined) {
        this.#refill();
        return outcome.ok ? Promise.resolve({ done: false, value: outcome.value as T }) : Promise.reject(outcome.error);
      }
    }
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<T, undefined>>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = (): void => {
      this.#waiters.delete(waiter);
      reject(lateError(timeout));
    };
    const left = (this.#options.deadline ?? Infinity) - performance.now();
    const expires = left <= limit;
    const least = expires ? left : limit;
    const end = expires ? () => this.#expire() : late;
    if (least > 0 && least !== Infinity) timer = setTimeout(end, least);
    const waiter: Waiter<T> = { resolve, reject, timer };
    this.#waiters.add(waiter);
    this.#give();
    if (least <= 0 && this.#waiters.has(waiter)) end();
    this.#fill();
    return promise;
  }

  /** As {@linkcode ResultStream.next}, but blocks the thread. */
  nextSync(timeout?: number): IteratorResult<T, undefined> {
    const limit = performance.now() + checkTimeout(timeout);
    const { deadline = Infinity } = this.#options;
    for (;;) {
      const outcome = this.#nextOutcome();
      this.#fill();
      if (outcome?.ok === true) return { done: false, value: outcome.value as T };
      if (outcome !== undefined) throw outcome.error;
      if (this.#over) return { done: true, value: undefined };
      if (this.reading) {
        throw new InvalidStateError(
          "Cannot block for a result while the input of the call is read on this very thread",
        );
      }
      if (this.#scheduler.block(() => !this.#ready.empty || this.#over, Math.min(limit, deadline))) continue;
      if (limit < deadline) throw lateError(timeout);
      this.#expire();
    }
  }

  get reading(): boolean {
    return !this.#ended && (this.#async || this.#reading);
  }

  get over(): boolean {
    return false; // when it settles, it calls no callback of the user
  }

  /** Called when the deadline has passed: ends the stream with a `TimeoutError`. */
  #expire(): void {
    const unfinished = this.#sent - this.#given;
    this.#stopWith(new TimeoutError(`The results are not all there in time: ${unfinished} calls are unfinished`));
  }

  /** Returns the error of the input, if the input has failed. Then the error is not delivered as the last result. */
  takeInputError(): { readonly error: unknown } | undefined {
    const last = this.#lastError;
    if (!this.#failed || last === undefined || last.ok) return undefined;
    this.#lastError = undefined;
    return last;
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#lastError = undefined; // no reader will ask for it
    while (this.#stopped && this.#ready.shift() !== undefined);
    await this.#stop(undefined);
    return { done: true, value: undefined };
  }

  /** As {@linkcode ResultStream.return}, but at once. Throws the error of closing the input, as `for…of` does. */
  returnSync(): void {
    const input = this.#exhausted || this.#reading ? undefined : this.#input;
    this.#exhausted ||= input !== undefined;
    this.#lastError = undefined;
    while (this.#stopped && this.#ready.shift() !== undefined);
    void this.#stop(undefined);
    input?.return?.();
  }

  /** Ends the stream. `last`, if any, is the last outcome that it delivers. */
  async #stop(last: Outcome | undefined): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#detach();
    for (const task of this.#tasks) this.#scheduler.cancel(task);
    this.#tasks.clear();
    this.#early.clear();
    while (this.#ready.shift() !== undefined);
    this.#chunk = [];
    this.#lastError = last;
    this.#endInput(last);
    this.#give();
    await this.#closeInput();
  }

  /**
   * Ends the stream with an error, which the reader gets. An error of closing the input is ignored, as it adds nothing.
   */
  #stopWith(error: unknown): void {
    this.#stop({ ok: false, error }).catch(() => {});
  }

  readonly #abort = (): void => {
    const { signal, abortGrace } = this.#options;
    for (const task of this.#tasks) abandonTask(this.#scheduler, task, signal!.reason, abortGrace);
    this.#stopWith(signal!.reason);
  };

  #detach(): void {
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }

  fail(error: unknown): void {
    this.#endInput({ ok: false, error });
    this.#closeInput()?.catch(() => {}); // the reader gets the reason for closing it instead
  }

  drain(): void {
    this.#draining = true;
    this.#fill();
  }
}

/** Returns the error of a wait that was too short. */
function lateError(timeout: number | undefined): TimeoutError {
  return new TimeoutError(`The next result is not there after ${timeout} ms`);
}

function itemOutcomes(count: number, outcome: Outcome, returnExceptions: boolean): Outcome[] {
  const failed = (error: unknown): Outcome =>
    returnExceptions ? { ok: true, value: asError(error) } : { ok: false, error };
  if (!outcome.ok) return Array.from({ length: count }, () => failed(outcome.error));
  const [failures = [], results = []] = outcome.value as ChunkValue;
  const outcomes: Outcome[] = [];
  for (let i = 0; i < count; i++) outcomes.push({ ok: true, value: results[i] }); // not `map()`, which the results may replace
  for (const [index, error] of failures) outcomes[index] = failed(error);
  return outcomes;
}
