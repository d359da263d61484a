/**
 * The calls that every pool offers, over any scheduler: one call, a map in chunks, a broadcast. The streaming calls are in
 * `calls/result_stream.ts`.
 *
 * @module
 */

import { AsyncResultImpl, type Block } from "./async_result.ts";
import { checkArgs, checkFunction, show, wholeLimit } from "../base/checks.ts";
import {
  CALL_LATER_OPTIONS,
  CALL_OPTIONS,
  type CallbackOptionsRead,
  type CallOptionsRead,
  MAP_LATER_OPTIONS,
  MAP_OPTIONS,
  type MapOptionsRead,
  STREAM_OPTIONS,
} from "./call_options.ts";
import { MapCall } from "./map_call.ts";
import { AsyncResults, BlockingResults } from "./result_iterators.ts";
import { ResultStream } from "./result_stream.ts";
import { InvalidStateError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import { isAsyncIterable, isIterable, type Items } from "../base/values.ts";
import {
  abandonTask,
  ABORT_GRACE,
  CallbackTask,
  type Outcome,
  PromiseTask,
  refuseUnlessBlocking,
  resolution,
  type Scheduler,
  type Settle,
  Task,
  type TaskMode,
} from "../scheduler/task.ts";

const NO_ARGS: readonly unknown[] = [];

/** A single call that settles an `AsyncResult`. */
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

  /** `taskTimeout` is the time limit, in milliseconds, of calls without a limit in their options. */
  constructor(scheduler: Scheduler, taskTimeout: number = Infinity) {
    this.#scheduler = scheduler;
    this.#limit = wholeLimit(taskTimeout);
  }

  /** Makes one call. Returns its result as a promise. */
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
      this.#single(fn, args, options, limit, (outcome) => resolve(resolution(outcome) as R));
    });
  }

  /** Makes one call, and blocks the thread for its result. */
  applySync<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): R {
    const options = CALL_OPTIONS.read(given, "applySync()");
    refuseUnlessBlocking(this.#scheduler);
    return this.#applyLater<R>(fn, args, options).getSync();
  }

  /** Makes one call. Returns its `AsyncResult`. */
  applyAsync<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): AsyncResultImpl<R> {
    return this.#applyLater(fn, args, CALL_LATER_OPTIONS.read(given, "applyAsync()"));
  }

  #applyLater<R>(
    fn: AnyFunction,
    args: readonly unknown[],
    options: CallOptionsRead & Partial<CallbackOptionsRead>,
  ): AsyncResultImpl<R> {
    const limit = this.#checkCall(fn, args, options);
    const result = new AsyncResultImpl<R>(this.#block, options);
    if (options.signal === undefined) this.#scheduler.submit(new AsyncResultTask(fn, args, limit, result));
    else this.#single(fn, args, options, limit, (outcome) => result.settle(outcome));
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

  /** Makes one call with a signal. */
  #single(fn: AnyFunction, args: readonly unknown[], options: CallOptionsRead, limit: number, settle: Settle): void {
    const { abortGrace = ABORT_GRACE } = options;
    const signal = options.signal!;
    let settled = false;
    const once: Settle = (outcome) => {
      signal.removeEventListener("abort", abort);
      if (settled) return;
      settled = true;
      settle(outcome);
    };
    const task = new CallbackTask(fn, "apply", args, limit, once);
    const abort = (): void => {
      abandonTask(this.#scheduler, task, signal.reason, abortGrace);
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

  /** Makes a call for each item. Returns the results as a promise. */
  map<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): Promise<R[]> {
    const call = this.#prepareMap(fn, mode, items, MAP_OPTIONS.read(given, `${mode}()`));
    return new Promise((resolve, reject) => {
      call.start(items as Items, (outcome) => {
        if (outcome.ok) resolve(outcome.value as R[]);
        else reject(outcome.error);
      });
    });
  }

  /** Makes a call for each item, and blocks the thread for the results. */
  mapSync<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): R[] {
    const options = MAP_OPTIONS.read(given, `${mode}Sync()`);
    refuseUnlessBlocking(this.#scheduler);
    return this.#mapLater<R>(fn, mode, items, options).getSync();
  }

  /** Makes a call for each item. Returns the `AsyncResult` of all. */
  mapAsync<R>(fn: AnyFunction, mode: TaskMode, items: unknown, given?: unknown): AsyncResultImpl<R[]> {
    return this.#mapLater(fn, mode, items, MAP_LATER_OPTIONS.read(given, `${mode}Async()`));
  }

  #mapLater<R>(
    fn: AnyFunction,
    mode: TaskMode,
    items: unknown,
    options: MapOptionsRead & Partial<CallbackOptionsRead>,
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

  /** Makes a call for each item. Returns an iterator of the results. */
  stream<R>(fn: AnyFunction, mode: TaskMode, ordered: boolean, items: unknown, given?: unknown): AsyncResults<R> {
    return new AsyncResults(
      this.#stream<R>(fn, mode, ordered, items, STREAM_OPTIONS.read(given, streamName(mode, ordered))),
    );
  }

  /** Makes a call for each item. Returns an iterator that blocks the thread for each result. */
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
    refuseUnlessBlocking(this.#scheduler);
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
      abortGrace: options.abortGrace ?? ABORT_GRACE,
      onProgress: options.onProgress,
      returnExceptions: options.returnExceptions ?? false,
    });
  }

  /**
   * Makes a call on every worker. Returns the results in the order of the workers, as a promise. If several calls fail, it rejects
   * with the error of the first of them in that order.
   */
  broadcast<R>(fn: AnyFunction, args: readonly unknown[] = NO_ARGS, given?: unknown): Promise<R[]> {
    const options = CALL_OPTIONS.read(given, "broadcast()");
    const limit = this.#checkCall(fn, args, options);
    const { signal, abortGrace = ABORT_GRACE } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<R[]>((resolve, reject) => {
      const outcomes: Outcome[] = [];
      const tasks: Task[] = [];
      let count = Infinity; // not known while the tasks are handed over
      let done = 0;
      const finish = (): void => {
        if (done < count) return;
        signal?.removeEventListener("abort", abort);
        const failed = outcomes.find((outcome) => !outcome.ok);
        if (failed !== undefined && !failed.ok) reject(failed.error);
        else resolve(outcomes.map((outcome) => (outcome as { value: R }).value));
      };
      const abort = (): void => {
        for (const task of tasks) abandonTask(this.#scheduler, task, signal!.reason, abortGrace);
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
