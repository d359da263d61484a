/**
 * The calls that every pool offers, over any scheduler: one call, a map in chunks, a broadcast. Their streaming
 * relatives are in `calls/result_stream.ts`.
 *
 * @module
 */

import { AsyncResultImpl, type Block } from "./async_result.ts";
import { asError, keepCause } from "./callback_errors.ts";
import { checkArgs, checkFunction, checkIterator, show, wholeLimit } from "../base/checks.ts";
import { AsyncResults, BlockingResults } from "./result_iterators.ts";
import { ResultStream } from "./result_stream.ts";
import {
  checkedCount,
  checkedFlag,
  checkedFunctionOf,
  checkedLimit,
  checkedSignal,
  type OptionsOf,
  OptionsSchema,
} from "../base/options_schema.ts";
import { InvalidStateError } from "../errors.ts";
import { isNumbers } from "../codec/encoder.ts";
import type { AnyFunction } from "../codec/functions.ts";
import { type CallSite, callSite } from "../base/call_site.ts";
import type { TaskProducer } from "../scheduler/lifecycle.ts";
import {
  CallbackTask,
  type ChunkValue,
  NumberRangeTask,
  type Outcome,
  PromiseTask,
  resolution,
  type Scheduler,
  Task,
  type TaskMode,
} from "../scheduler/task.ts";

// What the calls take. Where something else was given, the first option that it could be the value of is named.

const CALL_CHECKS = { taskTimeout: checkedLimit, signal: checkedSignal };
const MAP_CHECKS = {
  chunksize: checkedCount,
  ...CALL_CHECKS,
  returnExceptions: checkedFlag,
  onProgress: checkedFunctionOf<(done: number, total?: number) => void>(),
};
const CALLBACK_CHECKS = {
  callback: checkedFunctionOf<(value: unknown) => void>(),
  errorCallback: checkedFunctionOf<(error: unknown) => void>(),
};
const CALL_OPTIONS = new OptionsSchema(CALL_CHECKS);
const MAP_OPTIONS = new OptionsSchema(MAP_CHECKS);
const STREAM_OPTIONS = new OptionsSchema({ ...MAP_CHECKS, buffersize: checkedCount });
const CALL_LATER_OPTIONS = new OptionsSchema({ ...CALLBACK_CHECKS, ...CALL_CHECKS });
const MAP_LATER_OPTIONS = new OptionsSchema({ ...CALLBACK_CHECKS, ...MAP_CHECKS });

type CallOptionsRead = OptionsOf<typeof CALL_CHECKS>;
type MapOptionsRead = OptionsOf<typeof MAP_CHECKS>;

const NO_ARGS: readonly unknown[] = [];

type Settle = (outcome: Outcome) => void;
type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** A single call whose outcome is for later. */
class AsyncResultTask<R> extends Task {
  readonly #result: AsyncResultImpl<R>;

  constructor(fn: AnyFunction, args: readonly unknown[], limit: number, result: AsyncResultImpl<R>) {
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
  readonly #limit: number;

  /** `taskTimeout` is the limit of calls that ask for none, in milliseconds. */
  constructor(scheduler: Scheduler, taskTimeout: number = Infinity) {
    this.#scheduler = scheduler;
    this.#limit = wholeLimit(taskTimeout);
  }

  /** One call, as a promise. */
  apply<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): Promise<R> {
    const options = CALL_OPTIONS.read(given, "apply()");
    const limit = this.#checkCall(fn, args, options);
    if (options.signal === undefined) {
      const task = new PromiseTask(fn, args, limit);
      try {
        this.#scheduler.submit(task);
      } catch (error) {
        return Promise.reject(error);
      }
      return task.promise as Promise<R>;
    }
    return new Promise((resolve) => {
      this.#single(fn, args, options.signal!, limit, (outcome) => resolve(resolution(outcome) as R));
    });
  }

  /** One call, blocking the thread. */
  applySync<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): R {
    return this.#applyLater<R>(fn, args, CALL_OPTIONS.read(given, "applySync()")).getSync();
  }

  /** One call, its result for later. */
  applyAsync<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): AsyncResultImpl<R> {
    return this.#applyLater(fn, args, CALL_LATER_OPTIONS.read(given, "applyAsync()"));
  }

  #applyLater<R>(
    fn: AnyFunction,
    args: readonly unknown[],
    options: CallOptionsRead & Partial<OptionsOf<typeof CALLBACK_CHECKS>>,
  ): AsyncResultImpl<R> {
    const limit = this.#checkCall(fn, args, options);
    const result = new AsyncResultImpl<R>(this.#block, options);
    if (options.signal === undefined) this.#scheduler.submit(new AsyncResultTask(fn, args, limit, result));
    else this.#single(fn, args, options.signal, limit, (outcome) => result.settle(outcome));
    return result;
  }

  readonly #block: Block = (done, deadline) => this.#scheduler.block(done, deadline);

  #checkCall(fn: AnyFunction, args: readonly unknown[], options: CallOptionsRead): number {
    checkFunction("fn", fn);
    checkArgs("args", args);
    return this.#wholeLimit(options);
  }

  #wholeLimit({ taskTimeout }: CallOptionsRead): number {
    return taskTimeout === undefined ? this.#limit : wholeLimit(taskTimeout);
  }

  #single(fn: AnyFunction, args: readonly unknown[], signal: AbortSignal, limit: number, settle: Settle): void {
    let settled = false;
    const once: Settle = (outcome) => {
      signal.removeEventListener("abort", abort);
      if (settled) return;
      settled = true;
      settle(outcome);
    };
    const task = new CallbackTask(fn, "apply", args, limit, once);
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
  map<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): Promise<R[]> {
    const call = this.#prepareMap(fn, mode, items, MAP_OPTIONS.read(given, `${mode}()`));
    return new Promise((resolve, reject) => {
      call.start(items as Items, (outcome) => {
        if (outcome.ok) resolve(outcome.value as R[]);
        else reject(outcome.error);
      });
    });
  }

  /** A call for each item, blocking the thread. */
  mapSync<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): R[] {
    return this.#mapLater<R>(fn, mode, items, MAP_OPTIONS.read(given, `${mode}Sync()`)).getSync();
  }

  /** A call for each item, the results for later. */
  mapAsync<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): AsyncResultImpl<R[]> {
    return this.#mapLater(fn, mode, items, MAP_LATER_OPTIONS.read(given, `${mode}Async()`));
  }

  #mapLater<R>(
    fn: AnyFunction,
    mode: TaskMode,
    items: unknown,
    options: MapOptionsRead & Partial<OptionsOf<typeof CALLBACK_CHECKS>>,
  ): AsyncResultImpl<R[]> {
    const call = this.#prepareMap(fn, mode, items, options);
    const result = new AsyncResultImpl<R[]>((done, deadline) => {
      if (call.reading) {
        throw new InvalidStateError("Cannot block for a map while its async iterable is read on this very thread");
      }
      return this.#block(done, deadline);
    }, options);
    call.start(items as Items, (outcome) => result.settle(outcome));
    return result;
  }

  #prepareMap(fn: AnyFunction, mode: TaskMode, items: unknown, options: MapOptionsRead): MapCall {
    checkFunction("fn", fn);
    checkItems(items);
    return new MapCall(this.#scheduler, { fn, mode, limit: this.#wholeLimit(options), options });
  }

  /** A call for each item, the results one by one. */
  stream<R>(fn: AnyFunction, mode: TaskMode, ordered: boolean, items: unknown, given?: unknown): AsyncResults<R> {
    return new AsyncResults(
      this.#stream<R>(fn, mode, ordered, items, STREAM_OPTIONS.read(given, streamName(mode, ordered))),
    );
  }

  /** A call for each item, the results one by one, each by blocking for it. */
  streamSync<R>(
    fn: AnyFunction,
    mode: TaskMode,
    ordered: boolean,
    items: unknown,
    given?: unknown,
  ): BlockingResults<R> {
    const name = streamName(mode, ordered, "Sync");
    const options = STREAM_OPTIONS.read(given, name);
    if (isAsyncIterable(items) && !isIterable(items)) {
      throw new TypeError(`Cannot map and block as 'items' is asynchronous: use '${streamName(mode, ordered)}'`);
    }
    return new BlockingResults(this.#stream<R>(fn, mode, ordered, items, options));
  }

  #stream<R>(
    fn: AnyFunction,
    mode: TaskMode,
    ordered: boolean,
    items: unknown,
    options: ReturnType<typeof STREAM_OPTIONS.read>,
  ): ResultStream<R> {
    checkFunction("fn", fn);
    checkItems(items);
    const { chunksize = 1 } = options;
    return new ResultStream<R>(this.#scheduler, {
      fn,
      mode,
      ordered,
      items: items as Items,
      limit: this.#wholeLimit(options),
      chunksize,
      buffersize: options.buffersize ?? chunksize * this.#scheduler.size * 32,
      signal: options.signal,
      onProgress: options.onProgress,
      returnExceptions: options.returnExceptions ?? false,
    });
  }

  /** A call on every worker. The results come in the order of the workers; so does the error, if several fail. */
  broadcast<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): Promise<R[]> {
    const options = CALL_OPTIONS.read(given, "broadcast()");
    const limit = this.#checkCall(fn, args, options);
    const { signal } = options;
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
          const task = new CallbackTask(fn, "apply", args, limit, (outcome) => {
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

function streamName(mode: TaskMode, ordered: boolean, suffix = ""): string {
  return `i${mode}${ordered ? "" : "Unordered"}${suffix}()`;
}

function checkItems(items: unknown): void {
  if (isIterable(items) || isAsyncIterable(items)) return;
  throw new TypeError(`Cannot map as 'items' must be an iterable or async iterable: current value is ${show(items)}`);
}

interface MapCallOptions {
  readonly fn: AnyFunction;
  readonly mode: TaskMode;
  readonly limit: number;
  readonly options: MapOptionsRead;
}

/** Of so many numbers in a chunk no more fit into a slot of the board: see {@linkcode NumberRangeTask}. */
const LARGE_CHUNK = 2048;

/** A map under way: every chunk runs to its end, whatever happens to others; then the whole settles. */
class MapCall implements TaskProducer {
  readonly #scheduler: Scheduler;
  readonly #call: MapCallOptions;
  readonly #options: MapOptionsRead;
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
  /** Whether the input is still being read: by its own code further up, or on the caller's event loop. */
  reading = true;

  constructor(scheduler: Scheduler, call: MapCallOptions) {
    this.#scheduler = scheduler;
    this.#call = call;
    this.#options = call.options;
  }

  start(items: Items, tell: Settle): void {
    this.#tell = tell;
    this.#scheduler.begin(this);
    try {
      const { signal } = this.#options;
      if (signal?.aborted) return this.#settle({ ok: false, error: signal.reason });
      signal?.addEventListener("abort", this.#abort);
      if (isIterable(items)) this.#submit(isPlainArray(items) ? items : readAll(items));
      else void this.#read(items);
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
    }
    if (!this.#settled) this.#submit(list);
  }

  #submit(items: readonly unknown[]): void {
    const { fn, mode, limit } = this.#call;
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
        ? new NumberRangeTask(fn, mode, { numbers: items, start, end }, limit, tell)
        : new CallbackTask(fn, mode, part(items, start, end), limit, tell);
      task.site = this.#site;
      task.first = start;
      this.#tasks.push(task);
    }
    for (const task of this.#tasks) {
      if (this.#settled) break;
      this.#scheduler.submitMore(task);
      if (task instanceof NumberRangeTask) task.detach();
    }
    this.reading = false;
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
      this.#options.onProgress?.(this.#done, this.#total);
    } catch (error) {
      if (this.#hasFailed) keepCause(error, this.#failure);
      this.#cancel();
      return this.#settle({ ok: false, error });
    }
    if (this.#pending === 0) this.#finish();
  }

  #fail(index: number, error: unknown): void {
    this.#results![index] = this.#options.returnExceptions ? asError(error) : error;
    if (index >= this.#failedAt) return;
    this.#failedAt = index;
    this.#failure = error;
  }

  /** Whether a call has failed, and the whole with it. */
  get #hasFailed(): boolean {
    return this.#failedAt !== Infinity && !this.#options.returnExceptions;
  }

  #finish(): void {
    this.#settle(this.#hasFailed ? { ok: false, error: this.#failure } : { ok: true, value: this.#results ?? [] });
  }

  readonly #abort = (): void => {
    this.#cancel();
    this.#settle({ ok: false, error: this.#options.signal!.reason });
  };

  #cancel(): void {
    for (const task of this.#tasks) this.#scheduler.cancel(task);
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.reading = false;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#tell(outcome);
    this.#scheduler.end(this);
  }

  get over(): boolean {
    return this.#settled;
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

/** Whether `value` can be read item by item. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return value !== null && value !== undefined && typeof (value as Iterable<unknown>)[Symbol.iterator] === "function";
}

/** Whether `value` can be read item by item, each with a wait. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return value !== null && value !== undefined &&
    typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function";
}
