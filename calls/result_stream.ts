/**
 * Results one by one: behind `imap` and its relatives.
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
  CallbackTask,
  type ChunkValue,
  type Outcome,
  type Scheduler,
  type Task,
  type TaskMode,
} from "../scheduler/task.ts";

/**
 * The results of `imap` and its relatives, one by one. An item that failed rejects the `next()` at its place, and the
 * iteration can go on with the one after it.
 *
 * Source: `multiprocessing.pool.IMapIterator`. Differs from Python: after a failed chunk it goes on, and leaving the
 * loop early drops what has not begun.
 *
 * @typeParam T A result.
 *
 * @example Going on after a failure
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
   * The next result.
   *
   * @param timeout How long to wait, in milliseconds; 0 or less: not at all. For ever by default.
   * @returns The result, or the end. Rejects with the error of the item, or with `TimeoutError` if it is not there in
   * time: then a later `next()` gets it, nothing is lost.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example A result that is not there yet
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
   * Stops: reads no more of the input, and drops what has not begun. Called by a `for await` loop that is left early.
   *
   * @returns The end.
   *
   * @example Only the first result
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
  /** The iterator itself. */
  [Symbol.asyncIterator](): ResultIterator<T>;
}

/** What a stream is made from. */
export interface StreamOptions {
  readonly fn: AnyFunction;
  readonly mode: TaskMode;
  readonly ordered: boolean;
  readonly items: Iterable<unknown> | AsyncIterable<unknown>;
  readonly limit: number;
  readonly chunksize: number;
  readonly buffersize: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((done: number, total?: number) => void) | undefined;
  readonly returnExceptions: boolean;
  /** When whoever waits gets a `TimeoutError`, as a time of `performance.now()`. */
  readonly deadline?: number;
}

/** From this read-ahead on, the input is read in handfuls. */
const HANDFUL = 16;

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
}

/** Reads the input as far ahead as allowed, hands it over in chunks, and gives the results to whoever asks. */
export class ResultStream<T> implements TaskProducer {
  readonly #scheduler: Scheduler;
  readonly #options: StreamOptions;
  readonly #input: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #async: boolean;
  readonly #total: number | undefined;
  readonly #site: CallSite = callSite();
  readonly #waiters = new Set<Waiter<T>>();
  readonly #tasks = new Set<Task>();
  /** What is ready to be given, in order. */
  readonly #ready = new Deque<Outcome>();
  /** What has come before its turn, by place. */
  readonly #early = new Map<number, Outcome>();
  #chunk: unknown[] = [];
  /** How many items were handed over, have come back, were moved to `#ready`, were given. */
  #sent = 0;
  #done = 0;
  #moved = 0;
  #given = 0;
  /** The input has ended; perhaps with an error, which comes after all results. */
  #ended = false;
  #lastError: Outcome | undefined;
  #reading = false;
  /** The input has ended by itself, or was closed. */
  #exhausted = false;
  /** The input has thrown. */
  #failed = false;
  #hurried = false;
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

  /** Reads on while there is room. */
  #fill(): void {
    if (this.#async) {
      if (!this.#reading && this.#hasRoom()) void this.#readAsync();
      return;
    }
    if (this.#reading) return; // the input itself has called us
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

  /** Tells the input that no more is read of it, unless it has ended. */
  #closeInput(): Promise<unknown> | undefined {
    if (this.#exhausted) return undefined;
    if (this.#reading && !this.#async) return undefined; // afterwards: it has called us itself
    this.#exhausted = true;
    try {
      const closed = Promise.resolve(this.#input.return?.());
      if (!this.#reading) return closed;
      // One that is being read closes after that, which can take for ever: it gets one turn of the event loop.
      closed.catch(() => {});
      return Promise.race([closed, new Promise<void>((resolve) => void soon(resolve))]);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Reads on, but not for each item that was given: many at a time are handed over with less effort. */
  #refill(): void {
    const { buffersize } = this.#options;
    const ahead = this.#sent + this.#chunk.length - this.#given;
    if (this.#hurried || buffersize < HANDFUL || ahead <= buffersize / 2) this.#fill();
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
    // An item counts until it is given; with someone waiting for the end of the pool, only until it is done.
    const ahead = this.#sent + this.#chunk.length - (this.#hurried ? this.#done : this.#given);
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

  /** Gives what is ready to those who wait. */
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

  /** Whether nothing more can come. */
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

  /** The same as {@linkcode ResultStream.next}, blocking the thread. */
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
    return false; // what it tells when it has settled calls nobody
  }

  /** Nobody waits any longer. */
  #expire(): void {
    const unfinished = this.#sent - this.#given;
    this.#stopWith(new TimeoutError(`The results are not all there in time: ${unfinished} calls are unfinished`));
  }

  /** The error of the input, if that has failed: it is not given as the last result then. */
  takeInputError(): { readonly error: unknown } | undefined {
    const last = this.#lastError;
    if (!this.#failed || last === undefined || last.ok) return undefined;
    this.#lastError = undefined;
    return last;
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#lastError = undefined; // nobody wants it any more
    while (this.#stopped && this.#ready.shift() !== undefined);
    await this.#stop(undefined);
    return { done: true, value: undefined };
  }

  /** The same at once. What closing the input throws is thrown, as `for…of` does. */
  returnSync(): void {
    const input = this.#exhausted || this.#reading ? undefined : this.#input;
    this.#exhausted ||= input !== undefined;
    this.#lastError = undefined;
    while (this.#stopped && this.#ready.shift() !== undefined);
    void this.#stop(undefined);
    input?.return?.();
  }

  /** Ends the stream: `last`, if any, is the last thing it gives. */
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

  /** Ends the stream with an error. That is what the reader gets: a second one, of closing the input, adds nothing. */
  #stopWith(error: unknown): void {
    this.#stop({ ok: false, error }).catch(() => {});
  }

  readonly #abort = (): void => this.#stopWith(this.#options.signal!.reason);

  #detach(): void {
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }

  fail(error: unknown): void {
    this.#endInput({ ok: false, error });
    this.#closeInput()?.catch(() => {}); // the reason to close it is the error to tell
  }

  drain(): void {
    this.#hurried = true;
    this.#fill();
  }
}

/** A wait was too short. */
function lateError(timeout: number | undefined): TimeoutError {
  return new TimeoutError(`The next result is not there after ${timeout} ms`);
}

function itemOutcomes(count: number, outcome: Outcome, returnExceptions: boolean): Outcome[] {
  const failed = (error: unknown): Outcome =>
    returnExceptions ? { ok: true, value: asError(error) } : { ok: false, error };
  if (!outcome.ok) return Array.from({ length: count }, () => failed(outcome.error));
  const [failures = [], results = []] = outcome.value as ChunkValue;
  const outcomes: Outcome[] = [];
  for (let i = 0; i < count; i++) outcomes.push({ ok: true, value: results[i] }); // what came may have a `map` of its own
  for (const [index, error] of failures) outcomes[index] = failed(error);
  return outcomes;
}
