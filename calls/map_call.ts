/**
 * Calls for each item, whose results come together.
 *
 * @module
 */

import { type CallSite, callSite } from "../base/call_site.ts";
import { checkIterator } from "../base/checks.ts";
import { isIterable, type Items } from "../base/values.ts";
import { isNumbers } from "../codec/columns.ts";
import type { AnyFunction } from "../base/values.ts";
import type { TaskProducer } from "../scheduler/lifecycle.ts";
import {
  abandonTask,
  ABORT_GRACE,
  CallbackTask,
  type ChunkValue,
  NumberRangeTask,
  type Outcome,
  type Scheduler,
  type Settle,
  type Task,
  type TaskMode,
} from "../scheduler/task.ts";
import type { MapOptionsRead } from "./call_options.ts";
import { asError, keepCause } from "./callback_errors.ts";

/** Options of a {@linkcode MapCall}. */
export interface MapCallOptions {
  readonly fn: AnyFunction;
  readonly mode: TaskMode;
  readonly limit: number;
  readonly options: MapOptionsRead;
}

/** The number of numbers from which a chunk does not fit into a slot of the ring: see {@linkcode NumberRangeTask}. */
const LARGE_CHUNK = 2048;

/** A map that is running. Every chunk runs to its end, even if others fail; then the whole map settles. */
export class MapCall implements TaskProducer {
  readonly #scheduler: Scheduler;
  readonly #call: MapCallOptions;
  readonly #options: MapOptionsRead;
  readonly #site: CallSite = callSite();
  readonly #tasks: Task[] = [];
  #onSettled: Settle = () => {};
  #results: unknown[] | undefined;
  #total = 0;
  #failedAt = Infinity;
  #failure: unknown;
  #pending = 0;
  #done = 0;
  #settled = false;
  /** True while the input is being read, by its own code further up the stack or on the event loop of the caller. */
  reading = true;

  constructor(scheduler: Scheduler, call: MapCallOptions) {
    this.#scheduler = scheduler;
    this.#call = call;
    this.#options = call.options;
  }

  start(items: Items, onSettled: Settle): void {
    this.#onSettled = onSettled;
    this.#scheduler.attach(this);
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
    // Encoding numbers calls no code of the user, so the array cannot change meanwhile, and large chunks need not be copied.
    const inPlace = this.#scheduler.takesRanges && chunksize >= LARGE_CHUNK && isNumbers(items);
    // All chunks are made first: encoding an item may call code that changes the array.
    for (let start = 0; start < length; start += chunksize) {
      const end = Math.min(start + chunksize, length);
      const onSettled: Settle = (outcome) => this.#take(start, end - start, outcome);
      const task = inPlace
        ? new NumberRangeTask(fn, mode, { numbers: items, start, end }, limit, onSettled)
        : new CallbackTask(fn, mode, part(items, start, end), limit, onSettled);
      task.site = this.#site;
      task.first = start;
      this.#tasks.push(task);
    }
    for (const task of this.#tasks) {
      if (this.#settled) break;
      this.#scheduler.submitFrom(task);
      task.detach();
    }
    this.reading = false;
    if (this.#settled) return;
    const results = this.#results ??= new Array(length); // made here, while the workers already have tasks
    if (inPlace) {
      this.#tasks.forEach((task, i) => task.target = { array: results, at: i * chunksize, count: task.calls });
    }
    this.#scheduler.detach(this);
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

  /** True if a call has failed, and the whole map with it. */
  get #hasFailed(): boolean {
    return this.#failedAt !== Infinity && !this.#options.returnExceptions;
  }

  #finish(): void {
    this.#settle(this.#hasFailed ? { ok: false, error: this.#failure } : { ok: true, value: this.#results ?? [] });
  }

  readonly #abort = (): void => {
    const { signal, abortGrace = ABORT_GRACE } = this.#options;
    for (const task of this.#tasks) abandonTask(this.#scheduler, task, signal!.reason, abortGrace);
    this.#settle({ ok: false, error: signal!.reason });
  };

  #cancel(): void {
    for (const task of this.#tasks) this.#scheduler.cancel(task);
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.reading = false;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#onSettled(outcome);
    this.#scheduler.detach(this);
  }

  get over(): boolean {
    return this.#settled;
  }

  fail(error: unknown): void {
    this.#settle({ ok: false, error });
  }

  drain(): void {
    // A map never waits for a reader.
  }
}

/** Returns whether `items` is an array with the built-in iterator, so that its parts have the items that iteration yields. */
function isPlainArray(items: Iterable<unknown>): items is unknown[] {
  return Array.isArray(items) && items[Symbol.iterator] === Array.prototype[Symbol.iterator];
}

/** Returns a copy of a part of an array. `slice()` would make it of a class that the array may choose. */
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

/** Returns an iterable of the same items that checks its iterator. */
function checkedInput(items: AsyncIterable<unknown>): AsyncIterable<unknown> {
  return { [Symbol.asyncIterator]: () => checkIterator(items[Symbol.asyncIterator]()) };
}
