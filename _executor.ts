/**
 * What executors do, over any scheduler.
 *
 * @module
 */

import { isAsyncIterable, isIterable } from "./_calls.ts";
import { cancelledOutcome, type Future, futureOf } from "./_future.ts";
import { checkCount, checkFunction, checkOptions, checkSignal, checkTimeout, show } from "./_options.ts";
import { ResultStream } from "./_result_stream.ts";
import { ClosedError } from "./errors.ts";
import type { AnyFunction } from "./codec/functions.ts";
import { type Outcome, type Scheduler, Task } from "./worker/task.ts";

type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** What can be asked of a map. */
export interface ExecutorMapWishes {
  readonly chunksize?: number | undefined;
  readonly timeout?: number | undefined;
  readonly buffersize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The calls of one executor. */
export class ExecutorCalls {
  readonly #scheduler: Scheduler;
  readonly #limit: number;

  /** `limit` is that of each call, in milliseconds. */
  constructor(scheduler: Scheduler, limit: number) {
    this.#scheduler = scheduler;
    this.#limit = limit === Infinity ? 0 : Math.ceil(limit);
  }

  submit<R>(fn: AnyFunction, args: readonly unknown[]): Future<R> {
    checkFunction("fn", fn);
    const scheduler = this.#scheduler;
    // Told by the scheduler; the future says it to whoever asks.
    let settle: (outcome: Outcome) => void = () => {};
    const task = new Task(fn, "apply", args, this.#limit, (outcome) => settle(outcome));
    const [future, settleFuture] = futureOf<R>({
      cancel: () => scheduler.cancel(task),
      running: () => scheduler.isRunning(task),
      block: (done, deadline) => scheduler.block(done, deadline),
    });
    settle = settleFuture;
    scheduler.submit(task);
    return future;
  }

  map<R>(fn: AnyFunction, rest: readonly unknown[]): ResultStream<R> {
    const { iterables, wishes } = splitOptions(rest);
    return this.#stream(fn, iterables, wishes);
  }

  *mapSync<R>(stream: ResultStream<R>): Generator<R, undefined> {
    try {
      for (let next = stream.nextSync(); !next.done; next = stream.nextSync()) yield next.value;
    } finally {
      stream.return().catch(() => {}); // its input is not asynchronous: whatever closing it threw has no reader any more
    }
  }

  /** The stream for {@linkcode ExecutorCalls.mapSync}. */
  syncStream<R>(fn: AnyFunction, rest: readonly unknown[]): ResultStream<R> {
    const { iterables, wishes } = splitOptions(rest);
    const index = iterables.findIndex((items) => !isIterable(items));
    if (index >= 0) {
      throw new TypeError(`Cannot map and block as iterable ${index} is asynchronous: use 'map()'`);
    }
    return this.#stream(fn, iterables, wishes);
  }

  #stream<R>(fn: AnyFunction, iterables: readonly Items[], wishes: ExecutorMapWishes): ResultStream<R> {
    checkFunction("fn", fn);
    checkOptions(wishes);
    checkSignal(wishes.signal);
    const { signal } = wishes;
    const chunksize = checkCount("chunksize", wishes.chunksize) ?? 1;
    const chunks = checkCount("buffersize", wishes.buffersize) ?? Infinity;
    const time = checkTimeout(wishes.timeout);
    const stream = new ResultStream<R>(this.#scheduler, {
      fn,
      mode: iterables.length === 1 ? "map" : "starmap",
      ordered: true,
      items: iterables.length === 1 ? iterables[0]! : zip(iterables),
      limit: this.#limit,
      chunksize,
      buffersize: chunks * chunksize,
      signal,
      onProgress: undefined,
      returnExceptions: false,
      deadline: performance.now() + time,
    });
    const failed = stream.takeInputError();
    if (failed === undefined) return stream;
    stream.return().catch(() => {}); // the error of the input is the one to tell
    throw failed.error;
  }

  /** Takes no more calls; drops those that have not begun if told so; resolves when all have ended if told to wait. */
  async shutdown(wait: boolean, cancelFutures: boolean): Promise<void> {
    this.#scheduler.close(new ClosedError("The results end here as the executor was shut down"));
    if (cancelFutures) this.#scheduler.cancelAll(cancelledOutcome);
    if (wait) await this.#scheduler.join();
  }
}

/** The iterables, and the options if the last thing is no iterable but a plain object. */
function splitOptions(rest: readonly unknown[]): { iterables: Items[]; wishes: ExecutorMapWishes } {
  const last = rest.at(-1);
  const isLast = typeof last === "object" && last !== null && !isIterable(last) && !isAsyncIterable(last);
  const iterables = isLast ? rest.slice(0, -1) : rest;
  iterables.forEach((items, index) => {
    if (isIterable(items) || isAsyncIterable(items)) return;
    throw new TypeError(`Cannot map as iterable ${index} is none: current value is ${show(items)}`);
  });
  return { iterables: iterables as Items[], wishes: isLast ? last : {} };
}

/** The tuples of items at the same place, up to the end of the shortest; none of no iterables. */
function zip(iterables: readonly Items[]): Items {
  return iterables.every(isIterable) ? zipSync(iterables) : zipAsync(iterables);
}

function* zipSync(iterables: readonly Iterable<unknown>[]): Generator<unknown[]> {
  const iterators = iterables.map((items) => items[Symbol.iterator]());
  let open = [...iterators];
  try {
    while (iterators.length > 0) {
      const tuple: unknown[] = [];
      for (const iterator of iterators) {
        open = iterators.filter((other) => other !== iterator); // one that throws or ends is not closed
        const { done, value } = iterator.next();
        if (done) return;
        tuple.push(value);
      }
      open = iterators;
      yield tuple;
    }
  } finally {
    for (const iterator of open) iterator.return?.();
  }
}

async function* zipAsync(iterables: readonly Items[]): AsyncGenerator<unknown[]> {
  const iterators = iterables.map((items) =>
    isAsyncIterable(items) ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  );
  let open = [...iterators];
  try {
    for (;;) {
      const tuple: unknown[] = [];
      for (const iterator of iterators) {
        open = iterators.filter((other) => other !== iterator);
        const { done, value } = await iterator.next();
        if (done) return;
        tuple.push(value);
      }
      open = iterators;
      yield tuple;
    }
  } finally {
    for (const iterator of open) await iterator.return?.();
  }
}
