/**
 * The calls that every executor offers, over any scheduler.
 *
 * @module
 */

import { isAsyncIterable, isIterable, type Items } from "../base/values.ts";
import { zip } from "../base/zip.ts";
import { cancelledOutcome, type Future, futureOf, type FutureWork, settleFuture } from "./future.ts";
import { checkFunction, show, wholeLimit } from "../base/checks.ts";
import { AsyncResults, BlockingResults } from "./result_iterators.ts";
import { ResultStream } from "./result_stream.ts";
import {
  checkedCount,
  checkedFlag,
  checkedGrace,
  checkedSignal,
  checkedTimeout,
  type OptionsOf,
  OptionsSchema,
} from "../base/options_schema.ts";
import { ClosedError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import {
  ABORT_GRACE,
  type BlockingScheduler,
  type Outcome,
  refuseUnlessBlocking,
  type Scheduler,
  Task,
} from "../scheduler/task.ts";

const MAP_CHECKS = {
  chunksize: checkedCount,
  timeout: checkedTimeout,
  buffersize: checkedCount,
  signal: checkedSignal,
  abortGrace: checkedGrace,
};
const MAP_OPTIONS = new OptionsSchema(MAP_CHECKS);
const SHUTDOWN_OPTIONS = new OptionsSchema({ wait: checkedFlag, cancelFutures: checkedFlag });

/** A call that settles a future. */
class FutureTask<R> extends Task implements FutureWork {
  readonly future: Future<R>;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, fn: AnyFunction, args: readonly unknown[], limit: number) {
    super(fn, "apply", args, limit);
    this.#scheduler = scheduler;
    this.future = futureOf<R>(this);
  }

  settle(outcome: Outcome): void {
    settleFuture(this.future, outcome);
  }

  cancel(): boolean {
    return this.#scheduler.cancel(this);
  }

  interrupt(reason: unknown, grace: number): void {
    this.#scheduler.interrupt(this, reason, grace);
  }

  running(): boolean {
    return this.#scheduler.isRunning(this);
  }

  block(done: () => boolean, deadline: number): boolean {
    return this.#scheduler.block(done, deadline);
  }

  get blocking(): BlockingScheduler | undefined {
    return this.#scheduler.canBlock ? this.#scheduler : undefined;
  }
}

/** The calls of one executor. */
export class ExecutorCalls {
  readonly #scheduler: Scheduler;
  readonly #limit: number;

  /** `limit` is the time limit of each call, in milliseconds. */
  constructor(scheduler: Scheduler, limit: number = Infinity) {
    this.#scheduler = scheduler;
    this.#limit = wholeLimit(limit);
  }

  submit<R>(fn: AnyFunction, args: readonly unknown[]): Future<R> {
    checkFunction("fn", fn);
    const task = new FutureTask<R>(this.#scheduler, fn, args, this.#limit);
    this.#scheduler.submit(task);
    return task.future;
  }

  map<R>(fn: AnyFunction, rest: readonly unknown[]): AsyncResults<R> {
    const { iterables, options } = splitOptions(rest, "map()");
    return new AsyncResults(this.#stream<R>(fn, iterables, options));
  }

  mapSync<R>(fn: AnyFunction, rest: readonly unknown[]): BlockingResults<R> {
    const { iterables, options } = splitOptions(rest, "mapSync()");
    const index = iterables.findIndex((items) => !isIterable(items));
    if (index >= 0) throw new TypeError(`Cannot map and block as iterable ${index} is asynchronous: use 'map()'`);
    refuseUnlessBlocking(this.#scheduler);
    return new BlockingResults(this.#stream<R>(fn, iterables, options));
  }

  #stream<R>(fn: AnyFunction, iterables: readonly Items[], options: OptionsOf<typeof MAP_CHECKS>): ResultStream<R> {
    checkFunction("fn", fn);
    const { chunksize = 1, buffersize: chunks = Infinity, timeout = Infinity, signal, abortGrace = ABORT_GRACE } =
      options;
    const stream = new ResultStream<R>(this.#scheduler, {
      fn,
      mode: iterables.length === 1 ? "map" : "starmap",
      ordered: true,
      items: iterables.length === 1 ? iterables[0]! : zip(iterables),
      limit: this.#limit,
      chunksize,
      buffersize: chunks * chunksize,
      signal,
      abortGrace,
      onProgress: undefined,
      returnExceptions: false,
      deadline: performance.now() + timeout,
    });
    const failed = stream.takeInputError();
    if (failed === undefined) return stream;
    stream.return().catch(() => {}); // the error of the input is the one that is thrown
    throw failed.error;
  }

  /** Takes no more calls. With `cancelFutures`, also cancels the calls that have not begun. */
  close(cancelFutures: boolean): void {
    this.#scheduler.close(new ClosedError("The results end here as the executor was shut down"));
    if (cancelFutures) this.#scheduler.cancelAll(cancelledOutcome);
  }

  /** Shuts down as the options say. With `wait`, the promise resolves when all calls have ended, otherwise at once. */
  shutdown(given: unknown): Promise<void> {
    const { wait = true, cancelFutures = false } = SHUTDOWN_OPTIONS.read(given, "shutdown()");
    this.close(cancelFutures);
    return wait ? this.#scheduler.join() : Promise.resolve();
  }
}

/**
 * Splits the arguments into the iterables and the options. The last argument is the options if it is undefined, or an object that
 * is not iterable and that is plain or has a known option. So an object with a misspelled option is not reported as a wrong
 * iterable, and a promise of an iterable is not taken for options.
 */
function splitOptions(
  rest: readonly unknown[],
  whose: string,
): { iterables: Items[]; options: OptionsOf<typeof MAP_CHECKS> } {
  const last = rest.at(-1);
  const isLast = rest.length > 0 && (last === undefined || isOptions(last));
  const iterables = isLast ? rest.slice(0, -1) : rest;
  iterables.forEach((items, index) => {
    if (isIterable(items) || isAsyncIterable(items)) return;
    throw new TypeError(`Cannot map as iterable ${index} is none: current value is ${show(items)}`);
  });
  return { iterables: iterables as Items[], options: MAP_OPTIONS.read(isLast ? last : undefined, whose) };
}

function isOptions(value: unknown): boolean {
  if (typeof value !== "object" || value === null || isIterable(value) || isAsyncIterable(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null || MAP_OPTIONS.describes(value);
}
