/**
 * The results of executor calls.
 *
 * @module
 */

import { AsyncResultImpl, type Block, lateError } from "./async_result.ts";
import { checkFunction } from "../base/checks.ts";
import { CancelledError, InvalidStateError } from "../errors.ts";
import { refuseInstances } from "../codec/refused.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { checkedGrace, OptionsSchema } from "../base/options_schema.ts";
import { ABORT_GRACE, type BlockingScheduler, type Outcome, resolution } from "../scheduler/task.ts";

const ABORT_OPTIONS = new OptionsSchema({ abortGrace: checkedGrace });

/** The work behind a future that belongs to an executor of this library. */
export interface FutureWork {
  /** Drops the work. Returns false if it has begun. */
  cancel(): boolean;
  /** Tells work that has begun that its result is no longer wanted, and ends it after `grace` milliseconds. */
  interrupt(reason: unknown, grace: number): void;
  /** Returns whether the work is running. */
  running(): boolean;
  /**
   * Blocks the thread until `done` returns true, or until `deadline`, a time of `performance.now()`. Returns whether it
   * is done.
   */
  block(done: () => boolean, deadline: number): boolean;
  /**
   * The scheduler on which a thread that waits for several futures can block; `undefined` if the work needs that
   * thread.
   */
  readonly blocking: BlockingScheduler | undefined;
}

function blockForOwn(done: () => boolean): boolean {
  if (done()) return true;
  throw new InvalidStateError("Cannot block for a result that is set on this very thread: await it");
}

/** Makes a future for work. */
export let futureOf: <T>(work: FutureWork) => Future<T>;
/** Settles a future with the outcome of its work. */
export let settleFuture: (future: Future<unknown>, outcome: Outcome) => void;
/** Calls `fn` when the future is done, immediately if it already is. Returns a function that unsubscribes. */
export let watch: (future: Future<unknown>, fn: () => void) => () => void;
/**
 * Returns the scheduler on which a thread can block for a future; `undefined` if nothing can settle the future while
 * that thread is blocked.
 */
export let blockingOf: (future: Future<unknown>) => BlockingScheduler | undefined;
/** Returns whether a value was made as a future, and does not only have its prototype. */
export let isFuture: (value: unknown) => boolean;
/** Returns whether the call of a future has ended with an error. */
export let hasFailed: (future: Future<unknown>) => boolean;

/**
 * The result of a call that was submitted to an executor.
 *
 * ```
 *   pending ──▶ running ──▶ finished, with a value or an error
 *      └──▶ cancelled
 * ```
 *
 * A future settles exactly once. It is not a promise: use `await future.result()`. A failure that is never asked for
 * does not become an unhandled rejection.
 *
 * Executors make futures. If you write your own executor, make them with `new Future()`, and report to them with
 * {@linkcode Future.setRunningOrNotifyCancel}, {@linkcode Future.setResult} and {@linkcode Future.setException}.
 *
 * Source: `concurrent.futures.Future`. Differs from Python: times are in milliseconds; `result()` and `exception()`
 * return promises, and block under names that end in `Sync`; a call can be cancelled until a worker begins it.
 *
 * @typeParam T The value.
 *
 * @example Get the value of one call and the error of another
 * ```ts
 * import { ProcessPoolExecutor } from "@manycore/parallel";
 * import { assertEquals, assertInstanceOf } from "@std/assert";
 *
 * await using executor = new ProcessPoolExecutor();
 * const future = executor.submit(Math.sqrt, 16);
 * assertEquals(await future.result(), 4);
 * const failing = executor.submit((text: string) => JSON.parse(text), "{");
 * assertInstanceOf(await failing.exception(), SyntaxError);
 * ```
 */
export class Future<T = unknown> {
  /** For callers that only want the result. Made for the first of them. */
  #promised: Deferred | undefined;
  /** For callers that wait in another way. Made for the first of them. */
  #waiting: AsyncResultImpl<unknown> | undefined;
  #work: FutureWork | undefined;
  #state: "pending" | "running" | "cancelled" | "finished" = "pending";
  #outcome: Outcome | undefined;
  #callbacks: (() => unknown)[] | undefined;
  #watchers: Set<() => void> | undefined;

  static {
    Object.defineProperty(Future.prototype, Symbol.for("Deno.customInspect"), {
      value(this: Future): string {
        return this.toString();
      },
    });
    refuseInstances(Future.prototype, "Cannot send a future to another thread: send its result");
    futureOf = <U>(work: FutureWork) => {
      const future = new Future<U>();
      future.#work = work;
      return future;
    };
    isFuture = (value) => typeof value === "object" && value !== null && #state in value;
    blockingOf = (future) => future.#work?.blocking;
    settleFuture = (future, outcome) => future.#settle(outcome);
    hasFailed = (future) => future.#state === "finished" && future.#outcome?.ok === false;
    watch = (future, fn) => {
      if (future.done()) {
        fn();
        return () => {};
      }
      const watchers = future.#watchers ??= new Set();
      watchers.add(fn);
      return () => void watchers.delete(fn);
    };
  }

  /**
   * Creates a pending future, for your own executor.
   *
   * @example Write an executor that calls at once
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * function submit<R>(fn: () => R): Future<R> {
   *   const future = new Future<R>();
   *   future.setRunningOrNotifyCancel();
   *   future.setResult(fn());
   *   return future;
   * }
   * assertEquals(await submit(() => 3).result(), 3);
   * ```
   */
  constructor() {
    // Its work, if it has any, is set afterwards.
  }

  get #result(): AsyncResultImpl<unknown> {
    if (this.#waiting === undefined) {
      const block: Block = (done, deadline) => this.#work?.block(done, deadline) ?? blockForOwn(done);
      this.#waiting = new AsyncResultImpl<unknown>(block);
      if (this.#outcome !== undefined) this.#waiting.settle(this.#outcome);
    }
    return this.#waiting;
  }

  #settle(outcome: Outcome): void {
    if (this.done()) return;
    this.#state = !outcome.ok && outcome.cancelled === true ? "cancelled" : "finished";
    this.#outcome = outcome;
    this.#work = undefined; // it holds the arguments
    this.#promised?.resolve(resolution(outcome));
    this.#waiting?.settle(outcome);
    const watchers = this.#watchers;
    this.#watchers = undefined;
    for (const tell of watchers ?? []) tell();
    const callbacks = this.#callbacks;
    this.#callbacks = undefined;
    for (const callback of callbacks ?? []) this.#call(callback);
  }

  #call(callback: () => unknown): void {
    try {
      const result = callback();
      if (result instanceof Promise) result.catch(report);
    } catch (error) {
      report(error);
    }
  }

  /**
   * Cancels the call if it has not begun.
   *
   * @returns Whether the call is cancelled now: false if it is running or finished, true again if it was cancelled
   * before.
   *
   * @example Cancel a call before it begins
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(Math.sqrt, 16);
   * assert(future.cancel() && future.cancelled());
   * ```
   */
  cancel(): boolean {
    if (this.#state === "cancelled") return true;
    if (this.#state !== "pending") return false;
    // The question itself can reveal that the call was cancelled before.
    if (this.#work?.cancel() === false) return this.cancelled();
    if (this.cancelled()) return true;
    this.#settle(cancelledOutcome());
    return true;
  }

  /**
   * Abandons the call, whether it has begun or not. The future ends with `reason` at once. A call that has not begun never runs. A call
   * that runs learns of it by the `signal` of {@linkcode currentTask}. If it has not ended after `abortGrace`, its worker is ended and
   * replaced.
   *
   * @param reason The error that the future ends with; by default a `DOMException` with the name `"AbortError"`.
   * @param options The options.
   * @returns Whether the future ends by this call: false if it was done before.
   * @throws {TypeError} If an option is of a wrong kind or unknown.
   * @throws {RangeError} If `abortGrace` is below 0.
   *
   * @example Give up a call that never ends
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(() => new Promise(() => {}));
   * future.abort(new RangeError("too late"), { abortGrace: 0 });
   * await assertRejects(() => future.result(), RangeError, "too late");
   * ```
   */
  abort(
    reason: unknown = new DOMException("The call was aborted", "AbortError"),
    options?: { readonly abortGrace?: number | undefined },
  ): boolean {
    const { abortGrace = ABORT_GRACE } = ABORT_OPTIONS.read(options, "abort()");
    if (this.done()) return false;
    const work = this.#work;
    const cancelled = work === undefined || work.cancel();
    if (this.done()) return false; // the question has revealed that the call has ended
    if (!cancelled) work!.interrupt(reason, abortGrace);
    this.#settle({ ok: false, error: reason });
    return true;
  }

  /**
   * Returns whether the call was cancelled.
   *
   * @returns True after a {@linkcode Future.cancel} that succeeded.
   *
   * @example Check whether a new future is cancelled
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(new Future().cancelled(), false);
   * ```
   */
  cancelled(): boolean {
    return this.#state === "cancelled";
  }

  /**
   * Returns whether the call is running. A worker has then begun it, and it can no longer be cancelled.
   *
   * @returns False before the call begins and after it ends.
   *
   * @example Check that a running call cannot be cancelled
   * ```ts
   * import { Event, ProcessPoolExecutor } from "@manycore/parallel";
   * import { assert } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const [begun, go] = [new Event(), new Event()];
   * const future = executor.submit((begun: Event, go: Event) => (begun.set(), go.wait()), begun, go);
   * await begun.waitAsync();
   * assert(future.running() && !future.cancel());
   * go.set();
   * ```
   */
  running(): boolean {
    return this.#state === "running" || (this.#state === "pending" && this.#work?.running() === true);
  }

  /**
   * Returns whether the call has finished or was cancelled.
   *
   * @returns True as soon as `result()` would not wait.
   *
   * @example Check a future before and after its call ends
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(Math.sqrt, 16);
   * assertEquals(future.done(), false);
   * await future.result();
   * assertEquals(future.done(), true);
   * ```
   */
  done(): boolean {
    return this.#outcome !== undefined;
  }

  /**
   * Waits for the value.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @returns The value. Rejects as listed under *Failures* of {@linkcode Executor}. Rejects with
   * {@linkcode TimeoutError} if the value is not there in time, while the call goes on; {@linkcode Future.done} tells
   * this from a call that was ended at its `taskTimeout`. Rejects with `SerializationError` if a worker has sent an
   * object with a method `then`, as a promise would call it; {@linkcode Future.resultSync} returns such an object.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example Wait for the value of a call
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * assertEquals(await executor.submit((a: number, b: number) => a + b, 1, 2).result(), 3);
   * ```
   */
  result(timeout?: number): Promise<T> {
    if (timeout !== undefined || this.#outcome !== undefined) return this.#result.get(timeout) as Promise<T>;
    this.#promised ??= deferred();
    return this.#promised.promise as Promise<T>;
  }

  /**
   * Blocks the calling thread until the value is there; otherwise as {@linkcode Future.result}. This method can be used
   * on every thread that may block: in Deno on all threads, including the main one.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode Future.result}.
   * @returns The value.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If the value is not there in time.
   * @throws {CancelledError} If the call was cancelled.
   * @throws {InvalidStateError} If the call runs on this thread, which cannot wait for itself.
   *
   * @example Get the value of a call without `await`
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * assertEquals(executor.submit(Math.sqrt, 16).resultSync(), 4);
   * ```
   */
  resultSync(timeout?: number): T {
    return this.#result.getSync(timeout) as T;
  }

  /**
   * Waits for the end of the call, and returns the error that it threw.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode Future.result}.
   * @returns The thrown value, which may be of any type; `null` if the call succeeded. Rejects with
   * {@linkcode CancelledError} if the call was cancelled, and with {@linkcode TimeoutError} if it has not ended in
   * time.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example Check that a call threw no error
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * assertEquals(await executor.submit(Math.sqrt, 16).exception(), null);
   * ```
   */
  exception(timeout?: number): Promise<unknown> {
    return this.#result.wait(timeout).then((ended) => this.#exception(ended, timeout));
  }

  /**
   * Blocks the calling thread until the call has ended, and returns the error that it threw; otherwise as
   * {@linkcode Future.exception}. See {@linkcode Future.resultSync} for the threads that may block.
   *
   * @param timeout The longest wait, in milliseconds; see {@linkcode Future.result}.
   * @returns The thrown value, which may be of any type; `null` if the call succeeded.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If the call has not ended in time.
   * @throws {CancelledError} If the call was cancelled.
   * @throws {InvalidStateError} If the call runs on this thread, which cannot wait for itself.
   *
   * @example Get the error of a call without `await`
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertInstanceOf } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit((text: string) => JSON.parse(text), "{");
   * assertInstanceOf(future.exceptionSync(), SyntaxError);
   * ```
   */
  exceptionSync(timeout?: number): unknown {
    return this.#exception(this.#result.waitSync(timeout), timeout);
  }

  #exception(ended: boolean, timeout: number | undefined): unknown {
    if (!ended) throw lateError(timeout);
    const outcome = this.#outcome!;
    if (outcome.ok) return null;
    if (this.#state === "cancelled") throw outcome.error;
    return outcome.error;
  }

  /**
   * Calls `fn` when the future is done, immediately if it already is. Callbacks are called in the order in which they
   * were added. If a callback throws, its error is printed on the console and has no other effect.
   *
   * @param fn The callback. It is called once, with the future.
   * @throws {TypeError} If `fn` is not a function.
   *
   * @example Call a function when a future is done
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(Math.sqrt, 16);
   * const called = new Promise((resolve) => future.addDoneCallback(resolve));
   * assertEquals(await called, future);
   * ```
   */
  addDoneCallback(fn: (future: this) => void): void {
    checkFunction("fn", fn);
    const callback = () => fn(this);
    if (this.done()) this.#call(callback);
    else (this.#callbacks ??= []).push(callback);
  }

  #refuseUnlessOwn(what: string): void {
    if (this.#work !== undefined || this.done()) {
      throw new InvalidStateError(`Cannot ${what} as the future ${this.done() ? "is done" : "belongs to an executor"}`);
    }
  }

  /**
   * Marks the call as running, for your own executor, so that it can no longer be cancelled.
   *
   * @returns Whether to make the call: false if it was cancelled.
   * @throws {InvalidStateError} If the call is running or done, or the future belongs to another executor.
   *
   * @example Skip a call that was cancelled
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const future = new Future();
   * future.cancel();
   * assertEquals(future.setRunningOrNotifyCancel(), false);
   * ```
   */
  setRunningOrNotifyCancel(): boolean {
    if (this.#state === "cancelled") return false;
    this.#refuseUnlessOwn("begin the call");
    if (this.#state === "running") throw new InvalidStateError("Cannot begin the call as it runs");
    this.#state = "running";
    return true;
  }

  /**
   * Settles the future with a value, for your own executor.
   *
   * @param value The result of the call.
   * @throws {InvalidStateError} If the future is done, or belongs to another executor.
   *
   * @example Settle a future with a value
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const future = new Future<number>();
   * future.setResult(3);
   * assertEquals(future.resultSync(), 3);
   * ```
   */
  setResult(value: T): void {
    this.#refuseUnlessOwn("set the result");
    this.#settle({ ok: true, value });
  }

  /**
   * Settles the future with an error, for your own executor.
   *
   * @param error The error of the call.
   * @throws {InvalidStateError} If the future is done, or belongs to another executor.
   *
   * @example Settle a future with an error
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const future = new Future<number>();
   * future.setException(new RangeError("Too large"));
   * await assertRejects(() => future.result(), RangeError);
   * ```
   */
  setException(error: unknown): void {
    this.#refuseUnlessOwn("set the error");
    this.#settle({ ok: false, error });
  }

  /**
   * Returns the state of the future in words, such as `Future(finished, returned number)`, with the type of the result
   * or of the error.
   *
   * @returns The state in words.
   *
   * @example Print the state of a new future
   * ```ts
   * import { Future } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * assertEquals(String(new Future()), "Future(pending)");
   * ```
   */
  toString(): string {
    const outcome = this.#outcome;
    if (outcome === undefined) return `Future(${this.running() ? "running" : "pending"})`;
    if (this.#state === "cancelled") return "Future(cancelled)";
    return `Future(finished, ${outcome.ok ? "returned" : "threw"} ${
      kindOf(outcome.ok ? outcome.value : outcome.error)
    })`;
  }
}

/** Prints the error of a callback. An error in this function has nowhere to go. */
function report(error: unknown): void {
  try {
    console.error("A callback of a future has thrown:", error);
  } catch {
    // An error that cannot even be shown, or a console that was replaced.
  }
}

function kindOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  try {
    const { name } = (Object.getPrototypeOf(value) ?? {}).constructor ?? {};
    return typeof name === "string" && name !== "" ? name : "object";
  } catch {
    return "object"; // a proxy, or a getter that throws
  }
}

/** Returns the outcome of a call that was cancelled. */
export function cancelledOutcome(): Outcome {
  return { ok: false, error: new CancelledError("The call was cancelled"), cancelled: true };
}
