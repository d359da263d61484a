/**
 * The calls that every pool offers, over any scheduler: one call, a map in chunks, a broadcast. Their streaming
 * relatives are in `_result_stream.ts`.
 *
 * @module
 */

import { type Block, type ResultCallbacks, SettledLater } from "./_async_result.ts";
import {
  checkArgs,
  checkBoolean,
  checkCount,
  checkFunction,
  checkIterator,
  checkLimit,
  checkOptionalFunction,
  checkSignal,
  readOnce,
  show,
} from "./_options.ts";
import { ResultStream } from "./_result_stream.ts";
import { InvalidStateError } from "./errors.ts";
import { isNumbers } from "./codec/encoder.ts";
import type { AnyFunction } from "./codec/functions.ts";
import { type CallSite, callSite } from "./worker/call_site.ts";
import type { LongCall } from "./worker/lifecycle.ts";
import {
  type ChunkValue,
  type Outcome,
  PromisedTask,
  RangeTask,
  resolution,
  type Scheduler,
  Task,
  type TaskMode,
  ToldTask,
} from "./worker/task.ts";

/** What can be asked of a single call. */
export interface CallWishes {
  readonly signal?: AbortSignal | undefined;
  readonly taskTimeout?: number | undefined;
}

/** What can be asked of a map. */
export interface MapWishes extends CallWishes {
  readonly chunksize?: number | undefined;
  readonly onProgress?: ((done: number, total?: number) => void) | undefined;
  readonly returnExceptions?: boolean | undefined;
}

/** What can be asked of a streaming map. */
export interface StreamWishes extends MapWishes {
  readonly buffersize?: number | undefined;
}

/** What callers may wish; each is read once. */
const WISHES = [
  "signal",
  "taskTimeout",
  "chunksize",
  "buffersize",
  "onProgress",
  "returnExceptions",
  "callback",
  "errorCallback",
] as const;

function wishesOf<W extends CallWishes>(wishes: W | undefined): W {
  if (wishes === undefined) return NO_WISHES as W;
  return readOnce(wishes as StreamWishes & ResultCallbacks<never>, WISHES) as CallWishes as W;
}

const NO_ARGS: readonly unknown[] = [];
const NO_WISHES: CallWishes = {};

type Settle = (outcome: Outcome) => void;
type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** A single call whose outcome is for later. */
class ResultTask<R> extends Task {
  readonly #result: SettledLater<R>;

  constructor(fn: AnyFunction, args: readonly unknown[], limit: number, result: SettledLater<R>) {
    super(fn, "apply", args, limit);
    this.#result = result;
  }

  settle(outcome: Outcome): void {
    this.#result.settle(outcome);
  }
}

/** The calls of one pool. */
export class Calls {
  readonly #scheduler: Scheduler;
  readonly #taskTimeout: number;

  /** `taskTimeout` is the limit of calls that ask for none. */
  constructor(scheduler: Scheduler, taskTimeout: number) {
    this.#scheduler = scheduler;
    this.#taskTimeout = taskTimeout;
  }

  /** One call, as a promise. */
  apply<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: CallWishes): Promise<R> {
    const wishes = wishesOf(given);
    const limit = this.#checkCall(fn, args, wishes);
    if (wishes.signal === undefined) {
      const task = new PromisedTask(fn, args, limit);
      try {
        this.#scheduler.submit(task);
      } catch (error) {
        return Promise.reject(error);
      }
      return task.promise as Promise<R>;
    }
    return new Promise((resolve) => {
      this.#single(fn, args, wishes, limit, (outcome) => resolve(resolution(outcome) as R));
    });
  }

  /** One call, its result for later. */
  applyAsync<R>(
    fn: AnyFunction,
    args: readonly unknown[] = NO_ARGS,
    given?: CallWishes & ResultCallbacks<R>,
  ): SettledLater<R> {
    const wishes = wishesOf(given);
    const limit = this.#checkCall(fn, args, wishes);
    checkCallbacks(wishes);
    const result = new SettledLater<R>(this.#block, wishes);
    if (wishes.signal === undefined) this.#scheduler.submit(new ResultTask(fn, args, limit, result));
    else this.#single(fn, args, wishes, limit, (outcome) => result.settle(outcome));
    return result;
  }

  readonly #block: Block = (done, deadline) => this.#scheduler.block(done, deadline);

  #checkCall(fn: AnyFunction, args: readonly unknown[], wishes: CallWishes): number {
    checkFunction("fn", fn);
    checkArgs("args", args);
    return this.#checkWishes(wishes);
  }

  /** Gives the limit of a call, as tasks have it: whole milliseconds, 0 for none. */
  #checkWishes(wishes: CallWishes): number {
    checkSignal(wishes.signal);
    const limit = checkLimit("taskTimeout", wishes.taskTimeout, this.#taskTimeout);
    return limit === Infinity ? 0 : Math.ceil(limit);
  }

  #single(fn: AnyFunction, args: readonly unknown[], wishes: CallWishes, limit: number, settle: Settle): void {
    const { signal } = wishes;
    if (signal === undefined) return this.#scheduler.submit(new ToldTask(fn, "apply", args, limit, settle));
    let settled = false;
    const once: Settle = (outcome) => {
      signal.removeEventListener("abort", abort);
      if (settled) return;
      settled = true;
      settle(outcome);
    };
    const task = new ToldTask(fn, "apply", args, limit, once);
    const abort = (): void => {
      this.#scheduler.cancel(task);
      once({ ok: false, error: signal.reason });
    };
    if (signal.aborted) return once({ ok: false, error: signal.reason });
    signal.addEventListener("abort", abort);
    try {
      this.#scheduler.submit(task);
    } catch (error) {
      signal.removeEventListener("abort", abort);
      throw error;
    }
  }

  /** A call for each item, as a promise. */
  map<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: MapWishes): Promise<R[]> {
    const call = this.#prepareMap(fn, mode, items, wishesOf(given));
    return new Promise((resolve, reject) => {
      call.start(items as Items, (outcome) => {
        if (outcome.ok) resolve(outcome.value as R[]);
        else reject(outcome.error);
      });
    });
  }

  /** A call for each item, the results for later. */
  mapAsync<R>(
    fn: AnyFunction,
    mode: TaskMode,
    items: unknown,
    given?: MapWishes & ResultCallbacks<R[]>,
  ): SettledLater<R[]> {
    const wishes = wishesOf(given);
    const call = this.#prepareMap(fn, mode, items, wishes);
    checkCallbacks(wishes);
    const result = new SettledLater<R[]>((done, deadline) => {
      if (call.reading) {
        throw new InvalidStateError("Cannot block for a map while its async iterable is read on this very thread");
      }
      return this.#block(done, deadline);
    }, wishes);
    call.start(items as Items, (outcome) => result.settle(outcome));
    return result;
  }

  #prepareMap(fn: AnyFunction, mode: TaskMode, items: unknown, wishes: MapWishes): MapCall {
    const { limit, chunksize } = this.#checkMap(fn, items, wishes);
    return new MapCall(this.#scheduler, { fn, mode, limit, chunksize, wishes });
  }

  #checkMap(fn: AnyFunction, items: unknown, wishes: MapWishes): { limit: number; chunksize: number | undefined } {
    checkFunction("fn", fn);
    const limit = this.#checkWishes(wishes);
    const chunksize = checkCount("chunksize", wishes.chunksize);
    checkOptionalFunction("onProgress", wishes.onProgress);
    checkBoolean("returnExceptions", wishes.returnExceptions);
    if (!isIterable(items) && !isAsyncIterable(items)) {
      throw new TypeError(
        `Cannot map as 'items' must be an iterable or async iterable: current value is ${show(items)}`,
      );
    }
    return { limit, chunksize };
  }

  /** A call for each item, the results one by one. */
  stream<R>(
    fn: AnyFunction,
    mode: TaskMode,
    ordered: boolean,
    items: unknown,
    given?: StreamWishes,
  ): ResultStream<R> {
    const wishes = wishesOf(given);
    const { limit, chunksize = 1 } = this.#checkMap(fn, items, wishes);
    const buffersize = checkCount("buffersize", wishes.buffersize) ?? chunksize * this.#scheduler.size * 32;
    return new ResultStream<R>(this.#scheduler, {
      fn,
      mode,
      ordered,
      items: items as Items,
      limit,
      chunksize,
      buffersize,
      signal: wishes.signal,
      onProgress: wishes.onProgress,
      returnExceptions: wishes.returnExceptions ?? false,
    });
  }

  /** A call on every worker. The results come in the order of the workers; so does the error, if several fail. */
  broadcast<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: CallWishes): Promise<R[]> {
    const wishes = wishesOf(given);
    const limit = this.#checkCall(fn, args, wishes);
    const { signal } = wishes;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<R[]>((resolve, reject) => {
      const outcomes: Outcome[] = [];
      const tasks: Task[] = [];
      let count = Infinity; // not known while they are handed over
      let done = 0;
      const finish = (): void => {
        if (done < count) return;
        signal?.removeEventListener("abort", abort);
        const failed = outcomes.find((outcome) => !outcome.ok);
        if (failed !== undefined && !failed.ok) reject(failed.error);
        else resolve(outcomes.map((outcome) => (outcome as { value: R }).value));
      };
      const abort = (): void => {
        for (const task of tasks) this.#scheduler.cancel(task);
        reject(signal!.reason);
      };
      signal?.addEventListener("abort", abort);
      try {
        count = this.#scheduler.submitToAll((index) => {
          const task = new ToldTask(fn, "apply", args, limit, (outcome) => {
            outcomes[index] = outcome;
            done++;
            finish();
          });
          tasks.push(task);
          return task;
        });
        finish();
      } catch (error) {
        signal?.removeEventListener("abort", abort);
        throw error;
      }
    });
  }
}

interface MapCallOptions {
  readonly fn: AnyFunction;
  readonly mode: TaskMode;
  readonly limit: number;
  readonly chunksize: number | undefined;
  readonly wishes: MapWishes;
}

/** Of so many numbers in a chunk no more fit into a slot of the board: see {@linkcode RangeTask}. */
const LARGE_CHUNK = 2048;

/** A map under way: every chunk runs to its end, whatever happens to others; then the whole settles. */
class MapCall implements LongCall {
  readonly #scheduler: Scheduler;
  readonly #options: MapCallOptions;
  readonly #site: CallSite = callSite();
  readonly #tasks: Task[] = [];
  #tell: Settle = () => {};
  #results: unknown[] | undefined;
  #total = 0;
  #failedAt = Infinity;
  #failure: unknown;
  #pending = 0;
  #done = 0;
  #settled = false;
  /** Whether the input is still being read, on the caller's event loop. */
  reading = false;

  constructor(scheduler: Scheduler, options: MapCallOptions) {
    this.#scheduler = scheduler;
    this.#options = options;
  }

  start(items: Items, tell: Settle): void {
    this.#tell = tell;
    this.#scheduler.begin(this);
    try {
      const { signal } = this.#options.wishes;
      if (signal?.aborted) return this.#settle({ ok: false, error: signal.reason });
      signal?.addEventListener("abort", this.#abort);
      if (isIterable(items)) return this.#submit(isPlainArray(items) ? items : readAll(items));
      this.reading = true;
      void this.#read(items);
    } catch (error) {
      this.#cancel();
      this.#settle({ ok: false, error });
    }
  }

  async #read(items: AsyncIterable<unknown>): Promise<void> {
    const list: unknown[] = [];
    try {
      for await (const item of checkedInput(items)) {
        if (this.#settled) return;
        list.push(item);
      }
    } catch (error) {
      return this.#settle({ ok: false, error });
    } finally {
      this.reading = false;
    }
    if (!this.#settled) this.#submit(list);
  }

  #submit(items: readonly unknown[]): void {
    const { fn, mode, limit } = this.#options;
    const { length } = items;
    const chunksize = this.#options.chunksize ?? Math.ceil(length / (this.#scheduler.size * 4));
    this.#total = length;
    this.#pending = length === 0 ? 0 : Math.ceil(length / chunksize);
    if (length === 0) return this.#finish();
    // Numbers call nothing when they are sent: then large chunks need no arrays of their own.
    const inPlace = this.#scheduler.copies && chunksize >= LARGE_CHUNK && isNumbers(items);
    // All chunks first: what other items call may change the array.
    for (let start = 0; start < length; start += chunksize) {
      const end = Math.min(start + chunksize, length);
      const tell: Settle = (outcome) => this.#take(start, end - start, outcome);
      const task = inPlace
        ? new RangeTask(fn, mode, { numbers: items, start, end }, limit, tell)
        : new ToldTask(fn, mode, part(items, start, end), limit, tell);
      task.site = this.#site;
      task.first = start;
      this.#tasks.push(task);
    }
    for (const task of this.#tasks) {
      if (this.#settled) break;
      this.#scheduler.submitMore(task);
      if (task instanceof RangeTask) task.detach();
    }
    if (this.#settled) return;
    const results = this.#results ??= new Array(length); // made here as the workers have something to do meanwhile
    if (inPlace) {
      this.#tasks.forEach((task, i) => task.target = { array: results, at: i * chunksize, count: task.calls });
    }
    this.#scheduler.end(this);
  }

  #take(start: number, count: number, outcome: Outcome): void {
    if (this.#settled) return;
    const all = this.#results ??= new Array(this.#total);
    if (outcome.ok) {
      const [failures, results] = outcome.value as ChunkValue;
      if (results !== undefined) { for (let i = 0; i < count; i++) all[start + i] = results[i]; }
      for (const [index, error] of failures ?? []) this.#fail(start + index, error);
    } else {
      for (let i = 0; i < count; i++) this.#fail(start + i, outcome.error);
    }
    this.#pending--;
    this.#done += count;
    try {
      this.#options.wishes.onProgress?.(this.#done, this.#total);
    } catch (error) {
      this.#cancel();
      return this.#settle({ ok: false, error });
    }
    if (this.#pending === 0) this.#finish();
  }

  #fail(index: number, error: unknown): void {
    this.#results![index] = error;
    if (index >= this.#failedAt) return;
    this.#failedAt = index;
    this.#failure = error;
  }

  #finish(): void {
    const failed = this.#failedAt !== Infinity && !this.#options.wishes.returnExceptions;
    this.#settle(failed ? { ok: false, error: this.#failure } : { ok: true, value: this.#results ?? [] });
  }

  readonly #abort = (): void => {
    this.#cancel();
    this.#settle({ ok: false, error: this.#options.wishes.signal!.reason });
  };

  #cancel(): void {
    for (const task of this.#tasks) this.#scheduler.cancel(task);
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#options.wishes.signal?.removeEventListener("abort", this.#abort);
    this.#tell(outcome);
    this.#scheduler.end(this);
  }

  abandon(error: unknown): void {
    this.#settle({ ok: false, error });
  }

  hurry(): void {
    // It never waits for a reader.
  }
}

/** Whether it is read as arrays are, so that its parts give the same. */
function isPlainArray(items: Iterable<unknown>): items is unknown[] {
  return Array.isArray(items) && items[Symbol.iterator] === Array.prototype[Symbol.iterator];
}

/** A part of an array. Not a slice, which is of a class that the array may choose. */
function part(items: readonly unknown[], start: number, end: number): unknown[] {
  const copy = new Array(end - start);
  for (let i = start; i < end; i++) copy[i - start] = items[i];
  return copy;
}

function readAll(items: Iterable<unknown>): unknown[] {
  const list: unknown[] = [];
  for (const item of { [Symbol.iterator]: () => checkIterator(items[Symbol.iterator]()) }) list.push(item);
  return list;
}

/** The same items, from an iterator that is one. */
function checkedInput(items: AsyncIterable<unknown>): AsyncIterable<unknown> {
  return { [Symbol.asyncIterator]: () => checkIterator(items[Symbol.asyncIterator]()) };
}

function checkCallbacks(wishes: ResultCallbacks<never>): void {
  checkOptionalFunction("callback", wishes.callback);
  checkOptionalFunction("errorCallback", wishes.errorCallback);
}

/** Whether `value` can be read item by item. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function";
}

/** Whether `value` can be read item by item, each with a wait. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && value !== undefined &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function";
}
