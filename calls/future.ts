/**
 * Results to come, as executors give them.
 *
 * @module
 */

import { AsyncResultImpl, type Block, lateError } from "./async_result.ts";
import { checkFunction } from "../base/checks.ts";
import { CancelledError, InvalidStateError } from "../errors.ts";
import { refuseInstances } from "../codec/encoder.ts";
import { type Deferred, deferred } from "../base/deferred.ts";
import { type BlockingScheduler, type Outcome, resolution } from "../scheduler/task.ts";

/** The work behind a future of an executor of this library. */
export interface FutureWork {
  /** Drops the work: false when it has begun. */
  cancel(): boolean;
  /** Whether it has begun. */
  running(): boolean;
  /** Blocks the thread until `done`, or until a time of `performance.now()`: whether it is done. */
  block(done: () => boolean, deadline: number): boolean;
  /** What a thread that waits for several can block on; `undefined` if the work needs that thread. */
  readonly blocking: BlockingScheduler | undefined;
}

function blockForOwn(done: () => boolean): boolean {
  if (done()) return true;
  throw new InvalidStateError("Cannot block for a result that is set on this very thread: await it");
}

/** Makes a future of work. */
export let futureOf: <T>(work: FutureWork) => Future<T>;
/** Tells a future how its work has ended. */
export let settleFuture: (future: Future<unknown>, outcome: Outcome) => void;
/** Calls `fn` when a future is done, at once if it is: gives what takes the wish back. */
export let watch: (future: Future<unknown>, fn: () => void) => () => void;
/** What a thread can block on for a future; `undefined` if nobody can settle it while that thread is blocked. */
export let blockingOf: (future: Future<unknown>) => BlockingScheduler | undefined;
/** Whether a value is a future, and not only of its class. */
export let isFuture: (value: unknown) => boolean;
/** Whether the call of a future has ended with an error. */
export let hasFailed: (future: Future<unknown>) => boolean;

/**
 * The result of a call that an executor was given.
 *
 * ```
 *   pending ──▶ running ──▶ finished, with a value or an error
 *      └──▶ cancelled
 * ```
 *
 * It settles exactly once. It is no thenable: `await future.result()`. A failure that nobody asks for never becomes an
 * unhandled rejection.
 *
 * Executors make futures; whoever writes an executor of his own makes them with `new Future()`, and reports with
 * {@linkcode Future.setRunningOrNotifyCancel}, {@linkcode Future.setResult} and {@linkcode Future.setException}.
 *
 * Source: `concurrent.futures.Future`. Differs from Python: times are milliseconds; `result()` and `exception()` return
 * promises, and block under names that end in `Sync`; a task that waits in shared memory for a worker can still be cancelled.
 *
 * @typeParam T The value.
 *
 * @example A result, and its failure
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
  /** For those who only want the result; made for the first of them. */
  #promised: Deferred | undefined;
  /** For those who wait in another way; made for the first of them. */
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
   * A future that is pending, for executors of one's own.
   *
   * @example An executor that calls at once
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
    // Everything it needs comes later.
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
   * Gives the call up, if it has not begun.
   *
   * @returns Whether it is cancelled now: false if it runs or has ended; true also the second time.
   *
   * @example Before it begins
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
    // Asking can also bring to light that it was cancelled before.
    if (this.#work?.cancel() === false) return this.cancelled();
    if (this.cancelled()) return true;
    this.#settle(cancelledOutcome());
    return true;
  }

  /**
   * Whether it was cancelled.
   *
   * @returns `true` after a {@linkcode Future.cancel} that succeeded.
   *
   * @example Not by itself
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
   * Whether the call is under way: a worker has taken it, so that it cannot be cancelled any more.
   *
   * @returns `false` before, and after its end.
   *
   * @example A call under way
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
   * Whether it has ended or was cancelled.
   *
   * @returns `true` from the moment `result()` would not wait.
   *
   * @example Later
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
   * The value, once it is there.
   *
   * @param timeout How long to wait, in milliseconds; 0 or less: not at all. For ever by default.
   * @returns The value. Rejects with the error of the call, with {@linkcode CancelledError} if it was cancelled, with
   * {@linkcode TimeoutError} if it is not there in time, while the call goes on; with `SerializationError` if a worker has sent an
   * object with a method `then`, which a promise would call: {@linkcode Future.resultSync} gives it.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example A value
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
   * The same, blocking the thread.
   *
   * @param timeout As for {@linkcode Future.result}.
   * @returns The value.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If it is not there in time.
   * @throws {CancelledError} If it was cancelled.
   * @throws {InvalidStateError} If the call runs on this very thread, which cannot wait for itself.
   *
   * @example Without `await`
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
   * What the call has thrown, once it has ended.
   *
   * @param timeout As for {@linkcode Future.result}.
   * @returns What it threw, which may be anything; `null` if it went well. Rejects with {@linkcode CancelledError} if it was
   * cancelled, with {@linkcode TimeoutError} if it has not ended in time.
   * @throws {TypeError} If `timeout` is not a number.
   *
   * @example None
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
   * The same, blocking the thread.
   *
   * @param timeout As for {@linkcode Future.result}.
   * @returns What it threw, which may be anything; `null` if it went well.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {TimeoutError} If it has not ended in time.
   * @throws {CancelledError} If it was cancelled.
   * @throws {InvalidStateError} If the call runs on this very thread, which cannot wait for itself.
   *
   * @example Without `await`
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
   * Has a function called when the future is done, at once if it is: after those that were added before. One that throws is
   * reported on the console, and changes nothing.
   *
   * @param fn Called once, with the future.
   * @throws {TypeError} If it is not a function.
   *
   * @example Told when it is done
   * ```ts
   * import { ProcessPoolExecutor } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * await using executor = new ProcessPoolExecutor(1);
   * const future = executor.submit(Math.sqrt, 16);
   * const told = new Promise((resolve) => future.addDoneCallback(resolve));
   * assertEquals(await told, future);
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
   * For executors of one's own: the call begins now, and cannot be cancelled any more.
   *
   * @returns Whether to make the call: false if it was cancelled.
   * @throws {InvalidStateError} If it runs or has ended, or another executor has made it.
   *
   * @example A call that is not made
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
   * For executors of one's own: the call has ended well.
   *
   * @param value What it returned.
   * @throws {InvalidStateError} If the future is done, or another executor has made it.
   *
   * @example A value
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
   * For executors of one's own: the call has failed.
   *
   * @param error What it threw.
   * @throws {InvalidStateError} If the future is done, or another executor has made it.
   *
   * @example A failure
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
   * Such as `Future(finished, number)`, with the kind of what was returned or thrown.
   *
   * @returns The state in words.
   *
   * @example At first
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

/** Says that a callback has failed. What fails in here as well has nowhere to go. */
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

/** How a call ends that was cancelled. */
export function cancelledOutcome(): Outcome {
  return { ok: false, error: new CancelledError("The call was cancelled"), cancelled: true };
}
