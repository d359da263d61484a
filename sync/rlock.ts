/**
 * A lock that its holder can acquire again.
 *
 * Memory, in words: 0 the number of the object; 1 … a mutex (`_mutex.ts`). Who has it on its thread, and how often,
 * is in `_reentrant_mutex.ts`.
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
import type { Ownership } from "./internal/member.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  holdOptions,
  timeAndSignal,
  timeToWait,
} from "./internal/wait.ts";

/**
 * A lock that whoever holds it can acquire again, and must release as often.
 *
 * Who that is depends on how it was acquired:
 *
 * - **By blocking** (`acquire()`, `hold()`) it belongs to the thread: any code of that thread may acquire it again by
 *   blocking, and release it. What awaits on the same thread waits.
 * - **By awaiting** (`acquireAsync()`, `holdAsync()`) it belongs to one flow of asynchronous calls: others of the same thread
 *   wait, as other threads do. `guard.holdAsync()` acquires it again for whom the guard was passed to;
 *   `acquireAsync()` and `lock.holdAsync()` never do: who holds it and awaits them waits for itself.
 *
 * In everything else it is like a {@linkcode Lock}, the death of a holder included.
 *
 * Source: `multiprocessing.RLock`.
 *
 * Differs from Python: an owner that is a process there is a thread here (a worker is one thread), or a guard.
 *
 * @example A function that locks calls another that locks
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
 * @example The same with functions that await
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
   * A new lock, free.
   *
   * @param handle The handle of an RLock, to get that one instead.
   * @throws {TypeError} If `handle` is not the handle of an RLock.
   */
  constructor(handle?: Handle) {
    this.#object = new SharedObject("RLock", handle, MUTEX);
    this.#mutex = new ReentrantMutex(this.#object.words, FIRST, this.#object.member, this.#object.place(0));
  }

  static {
    readsCores((lock) => #mutex in lock ? lock.#mutex : undefined);
  }

  /**
   * The lock that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of an RLock.
   */
  static fromHandle(handle: Handle): RLock {
    return new RLock(checkHandle("RLock", handle));
  }

  /**
   * Acquires the lock for this thread, blocking it while another thread or an awaiting hold has the lock.
   *
   * @param options How long to wait at most.
   * @returns Whether it was acquired: false only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {InvalidStateError} If an awaiting hold of this same thread has the lock and there is no `timeout`: it would wait
   * for ever, as that hold cannot end while the thread is blocked.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  acquire(options?: AcquireOptions): boolean {
    return this.#mutex.acquire(timeToWait(options));
  }

  /**
   * Acquires the lock for who awaits this, waiting in the event loop while anyone has it, this thread included. It is given
   * back by {@linkcode RLock.release}.
   *
   * @param options How long to wait at most, and a signal that gives up.
   * @returns Whether it was acquired: false only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    const { timeout, signal } = timeAndSignal(options);
    return this.#mutex.acquireAsync(timeout, signal);
  }

  /**
   * Releases the lock once, after `acquire()` or `acquireAsync()`.
   *
   * @throws {InvalidStateError} If this thread does not hold it, or a guard of `holdAsync()` does: that has a `release()` of
   * its own.
   */
  release(): void {
    this.#mutex.release();
  }

  /**
   * Acquires the lock for this thread until the end of the block: `using _ = lock.hold()`.
   *
   * @returns What releases it.
   * @throws {InvalidStateError} If an awaiting hold of this same thread has the lock.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  hold(): Held {
    return hold(this);
  }

  /**
   * Acquires the lock for a guard until the end of the block, without blocking: `await using _ = await lock.holdAsync()`.
   *
   * @param options A signal that gives up.
   * @returns The guard: it releases the lock, and can hold it again.
   */
  holdAsync(options: { signal?: AbortSignal } = {}): Promise<ReentrantAsyncHeld> {
    return this.#holdAsync(holdOptions(options).signal);
  }

  async #holdAsync(signal: AbortSignal | undefined): Promise<ReentrantAsyncHeld> {
    const ownership: Ownership = { by: "guard", depth: 0 };
    await this.#mutex.acquireAsync(Infinity, signal, ownership);
    return new Guard(this.#mutex, ownership);
  }

  /** Whether anyone holds the lock at this moment. */
  locked(): boolean {
    return this.#mutex.held;
  }

  /** Whether the one who holds the lock took it over from a thread that had ended: until the last release. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }

  /** What stands for the lock in a message to a Worker of your own: {@linkcode RLock.fromHandle} makes it a lock there. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** `RLock(locked)` or `RLock(unlocked)`. */
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

  // deno-lint-ignore require-await -- what is wrong rejects, as it does of RLock
  async #holdAsync(signal: AbortSignal | undefined): Promise<ReentrantAsyncHeld> {
    checkSignal(signal);
    signal?.throwIfAborted();
    if (this.#released) throw new InvalidStateError("Cannot hold the lock again as the guard was released");
    this.#mutex.acquireAgain(this.#ownership);
    return new Guard(this.#mutex, this.#ownership);
  }
}

registerSharedClass("RLock", RLock);
