/**
 * A lock that its holder can acquire again.
 *
 * Memory, in 32-bit words: 0 the object number; 1 … a mutex (`internal/robust_mutex.ts`). `internal/reentrant_mutex.ts`
 * records which code of the holding thread owns the lock, and how often.
 *
 * ```
 *                acquire                     acquire
 *          ┌────────────────▶ thread's, 1 ◀───────────▶ thread's, 2 … n
 *          │     release                     release
 *   free ◀─┤
 *          │  acquireAsync, holdAsync         guard.holdAsync
 *          └────────────────▶ guard's, 1 ◀────────────▶ guard's, 2 … n
 *                release                 guard.release
 *
 *   its thread ends: as with Lock
 * ```
 *
 * @module
 */

import { checkSignal } from "../base/checks.ts";
import { InvalidStateError } from "../errors.ts";
import { checkHandle, FIRST, type Handle, registerSharedClass, SharedObject } from "./internal/shared_object.ts";
import { type Held, hold, readsCores, type ReentrantAsyncHeld } from "./internal/hold.ts";
import { MUTEX } from "./internal/robust_mutex.ts";
import { ReentrantMutex } from "./internal/reentrant_mutex.ts";
import { type Ownership, unowned } from "./internal/member.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  holdOptions,
  timeAndSignal,
  timeToWait,
} from "./internal/wait.ts";

/**
 * A re-entrant lock: its owner can acquire it again, and must release it as often.
 *
 * The owner depends on how the lock was acquired:
 *
 * - **By blocking** (`acquire()`, `hold()`): the thread owns the lock. Any code of that thread may acquire it again by
 *   blocking, and release it. Asynchronous acquisitions on the same thread wait.
 * - **By awaiting** (`acquireAsync()`, `holdAsync()`): one flow of asynchronous calls owns the lock. Other flows of the
 *   same thread wait, as other threads do. A function that received the guard acquires the lock again with
 *   `guard.holdAsync()`. `acquireAsync()` and `lock.holdAsync()` never acquire it again: an owner that awaits one of
 *   them deadlocks with itself.
 *
 * In all other respects, the death of a holder included, it behaves like a {@linkcode Lock}.
 *
 * Source: `multiprocessing.RLock`.
 *
 * Differs from Python: the owner is a thread (a worker is one thread) or a guard, not a process.
 *
 * @example Acquire a lock again in a function that is called while it is held
 * ```ts
 * import { RLock } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const lock = new RLock();
 * using _outer = lock.hold();
 * {
 *   using _inner = lock.hold();
 *   assertEquals(lock.locked(), true);
 * }
 * assertEquals(lock.locked(), true);
 * ```
 *
 * @example Acquire a lock again in a function that awaits
 * ```ts
 * import { type ReentrantAsyncHeld, RLock } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const lock = new RLock();
 * const entries: string[] = [];
 *
 * async function add(entry: string, owner: RLock | ReentrantAsyncHeld = lock) {
 *   await using _ = await owner.holdAsync();
 *   entries.push(entry);
 * }
 * async function addTwo(first: string, second: string) {
 *   await using guard = await lock.holdAsync();
 *   await add(first, guard);
 *   await add(second, guard);
 * }
 * await Promise.all([addTwo("a", "b"), addTwo("c", "d")]);
 * assertEquals(entries, ["a", "b", "c", "d"]);
 * ```
 */
export class RLock {
  readonly #object: SharedObject;
  readonly #mutex: ReentrantMutex;

  /**
   * Creates a re-entrant lock that is free.
   *
   * @param handle The handle of an existing `RLock`, to get that one instead.
   * @throws {TypeError} If `handle` is not the handle of an `RLock`.
   */
  constructor(handle?: Handle) {
    this.#object = new SharedObject("RLock", handle, MUTEX);
    this.#mutex = new ReentrantMutex(this.#object.words, FIRST, this.#object.member, this.#object.place(0));
  }

  static {
    readsCores((lock) => #mutex in lock ? lock.#mutex : undefined);
  }

  /** Returns the lock of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): RLock {
    return new RLock(checkHandle("RLock", handle));
  }

  /**
   * Acquires the lock for this thread, again if the thread owns it. Blocks while another thread or a flow of
   * asynchronous calls owns the lock; otherwise as {@linkcode Lock.acquire}.
   *
   * @throws {InvalidStateError} If a flow of this same thread owns the lock and there is no `timeout`: the wait would
   * never end, as the flow cannot continue while the thread is blocked.
   */
  acquire(options?: AcquireOptions): boolean {
    return this.#mutex.acquire(timeToWait(options));
  }

  /**
   * Acquires the lock for the flow that awaits this call. Waits in the event loop while anyone else owns the lock, this
   * thread included; otherwise as {@linkcode Lock.acquireAsync}. {@linkcode RLock.release} releases the lock.
   */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    const { timeout, signal } = timeAndSignal(options);
    return this.#mutex.acquireAsync(timeout, signal);
  }

  /**
   * Releases the lock once, after `acquire()` or `acquireAsync()`.
   *
   * @throws {InvalidStateError} If this thread does not hold the lock, or a guard of `holdAsync()` owns it: such a
   * guard has its own `release()`.
   */
  release(): void {
    this.#mutex.release();
  }

  /** Acquires the lock for this thread until the end of the block, as {@linkcode Lock.hold}. */
  hold(): Held {
    return hold(this);
  }

  /**
   * Acquires the lock for a guard until the end of the block, as {@linkcode Lock.holdAsync}.
   *
   * @param options A signal that cancels the wait.
   * @returns The guard. It releases the lock, and can acquire it again.
   */
  holdAsync(options: { signal?: AbortSignal } = {}): Promise<ReentrantAsyncHeld> {
    return this.#holdAsync(holdOptions(options).signal);
  }

  async #holdAsync(signal: AbortSignal | undefined): Promise<ReentrantAsyncHeld> {
    const ownership = unowned("guard");
    await this.#mutex.acquireAsync(Infinity, signal, ownership);
    return new Guard(this.#mutex, ownership);
  }

  /** Returns whether any thread holds the lock at this moment, as {@linkcode Lock.locked}. */
  locked(): boolean {
    return this.#mutex.held;
  }

  /** True if the current holder took the lock over from a thread that had ended. Only the last release of the holder makes
   * it false; otherwise as {@linkcode Lock.recovered}. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }

  /** The handle of the lock; see {@linkcode Lock.handle}. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns `"RLock(locked)"` or `"RLock(unlocked)"`. */
  toString(): string {
    return `RLock(${this.locked() ? "locked" : "unlocked"})`;
  }
}

class Guard implements ReentrantAsyncHeld {
  readonly #mutex: ReentrantMutex;
  readonly #ownership: Ownership;
  #released = false;

  constructor(mutex: ReentrantMutex, ownership: Ownership) {
    this.#mutex = mutex;
    this.#ownership = ownership;
  }

  release(): void {
    if (this.#released) return;
    this.#mutex.releaseGuard(this.#ownership);
    this.#released = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  holdAsync(options: { signal?: AbortSignal } = {}): Promise<ReentrantAsyncHeld> {
    return this.#holdAsync(holdOptions(options).signal);
  }

  // deno-lint-ignore require-await -- errors reject the promise, as those of RLock.holdAsync() do
  async #holdAsync(signal: AbortSignal | undefined): Promise<ReentrantAsyncHeld> {
    checkSignal(signal);
    signal?.throwIfAborted();
    if (this.#released) throw new InvalidStateError("Cannot hold the lock again as the guard was released");
    this.#mutex.acquireAgain(this.#ownership);
    return new Guard(this.#mutex, this.#ownership);
  }
}

registerSharedClass("RLock", RLock);
