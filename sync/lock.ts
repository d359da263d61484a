/**
 * A lock shared by threads.
 *
 * Memory, in 32-bit words: 0 the object number; 1 … a mutex (`internal/robust_mutex.ts`).
 *
 * ```
 *            acquire                     acquire of another: it waits
 *   free ───────────────▶ held by T ───────────────────────────────────▶ held by T, waited for
 *    ▲                     │     │ T ends                                     │          │ T ends
 *    └──────release────────┘     ▼                                    release, wake one  ▼
 *                          taken over by the next to acquire ◀─────────────── … ─────────┘
 *                          (`recovered`)
 * ```
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";
import { checkHandle, FIRST, type Handle, registerSharedClass, SharedObject } from "./internal/shared_object.ts";
import { type AsyncHeld, type Held, hold, holdAsync, type LockCore, readsCores } from "./internal/hold.ts";
import { MUTEX, RobustMutex } from "./internal/robust_mutex.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  holdOptions,
  timeAndSignal,
  timeToWait,
} from "./internal/wait.ts";

const nothing = (): void => {};

/**
 * A lock that one thread at a time can hold, or one asynchronous function among several on the same thread.
 *
 * - **Threads**: blocking methods may be used on every thread, the main thread included. While a thread is blocked, its
 *   event loop does not run. Only the main thread of a web page must not block: there they throw if they would have to
 *   wait.
 * - **Not re-entrant**: a holder that acquires the lock again deadlocks with itself. {@linkcode RLock} is re-entrant.
 * - **No owner**: any thread may release the lock, as in Python.
 * - **Not fair**: a thread that asks just as the lock becomes free may get it before a thread that waits. Waiting
 *   threads are woken one at a time, in turn.
 * - **Robust**: when a worker or process ends, is terminated, or is interrupted at its time limit while it holds the
 *   lock, the next thread that asks acquires the lock. {@linkcode Lock.recovered} is then true, since the data that the
 *   lock protects may be half-written. The end of a Worker that this library did not start cannot be noticed.
 * - **Sendable** as an argument, a result, in `scope`, in queues and inside other values. Every copy is the same lock.
 *
 * Source: `multiprocessing.Lock`.
 *
 * Differs from Python: a lock can be sent to any worker at any time, and survives the death of its holder.
 *
 * @example Increment a shared counter without losing updates
 * ```ts
 * import { Lock, Pool, Value } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const counter = new Value("i", 0);
 * const lock = new Lock();
 * await using pool = new Pool(2, { scope: { counter, lock } });
 * await pool.map(() => {
 *   using _ = lock.hold();
 *   counter.value += 1;
 * }, Array(100));
 * assertEquals(counter.value, 100);
 * ```
 */
export class Lock {
  readonly #object: SharedObject;
  readonly #mutex: RobustMutex;

  /**
   * Creates a lock that is free.
   *
   * @param handle The handle of an existing lock, to get that lock instead.
   * @throws {TypeError} If `handle` is not the handle of a lock.
   */
  constructor(handle?: Handle) {
    this.#object = new SharedObject("Lock", handle, MUTEX);
    this.#mutex = new RobustMutex(this.#object.words, FIRST, this.#object.member, this.#object.place(0));
  }

  static {
    readsCores((lock) => #mutex in lock ? lock.#core() : undefined);
  }

  #core(): LockCore {
    const mutex = this.#mutex;
    const { threadTable } = this.#object.member;
    return {
      get mine(): boolean {
        return mutex.mine;
      },
      // At once: the thread that releases the lock may be another, which knows nothing of this wake-up.
      wakeOnRelease: (slot) => threadTable.notify(slot),
      releaseAll: () => {
        mutex.release();
        return nothing;
      },
      reacquire: () => void mutex.acquire(Infinity),
      reacquireAsync: async () => void await mutex.acquireAsync(Infinity, undefined),
    };
  }

  /**
   * Returns the lock of a handle, for use on this thread.
   *
   * @param handle The handle, from {@linkcode Lock.handle}.
   * @returns The same lock as on the thread that sent the handle.
   * @throws {TypeError} If `handle` is not the handle of an object of this class.
   */
  static fromHandle(handle: Handle): Lock {
    return new Lock(checkHandle("Lock", handle));
  }

  /**
   * Acquires the lock. Blocks this thread until the lock is free.
   *
   * @param options The longest time to wait, and whether to wait at all.
   * @returns True if the lock was acquired. False only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {InvalidStateError} If the call would have to block the main thread of a web page.
   * @throws {CancelledError} If this worker is terminated while it waits.
   *
   * @example Stop waiting for a lock after a while
   * ```ts
   * import { Lock } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const lock = new Lock();
   * assertEquals(lock.acquire(), true);
   * assertEquals(lock.acquire({ timeout: 10 }), false);
   * lock.release();
   * ```
   */
  acquire(options?: AcquireOptions): boolean {
    return this.#mutex.acquire(timeToWait(options));
  }

  /**
   * Acquires the lock. Waits in the event loop until the lock is free; otherwise as {@linkcode Lock.acquire}. If the
   * signal aborts, the promise rejects with its reason.
   *
   * @param options The longest time to wait, whether to wait at all, and a signal that cancels the wait.
   * @returns As {@linkcode Lock.acquire}.
   */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    const { timeout, signal } = timeAndSignal(options);
    return this.#mutex.acquireAsync(timeout, signal);
  }

  /**
   * Releases the lock, whichever thread holds it.
   *
   * @throws {InvalidStateError} If no thread holds the lock.
   */
  release(): void {
    if (!this.#mutex.release()) throw new InvalidStateError("Cannot release the lock as it is not held");
  }

  /**
   * Acquires the lock until the end of the block: `using _ = lock.hold()`. Blocks without a time limit, and throws as
   * {@linkcode Lock.acquire}.
   *
   * @returns The guard that releases the lock.
   */
  hold(): Held {
    return hold(this);
  }

  /**
   * Acquires the lock until the end of the block: `await using _ = await lock.holdAsync()`. Waits in the event loop.
   *
   * @param options A signal that cancels the wait.
   * @returns As {@linkcode Lock.hold}.
   */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return holdAsync(this, holdOptions(options).signal);
  }

  /** Returns whether any thread holds the lock at this moment. */
  locked(): boolean {
    return this.#mutex.held;
  }

  /** True if the current holder took the lock over from a thread that had ended. The next release makes it false. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }

  /**
   * The handle of the lock, for messages to Workers of your own. There, {@linkcode Lock.fromHandle} turns the handle
   * into a lock.
   */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns `"Lock(locked)"` or `"Lock(unlocked)"`. */
  toString(): string {
    return `Lock(${this.locked() ? "locked" : "unlocked"})`;
  }
}

registerSharedClass("Lock", Lock);
