/**
 * A lock shared by threads.
 *
 * Memory, in words: 0 the number of the object; 1 … a mutex (`_mutex.ts`).
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
 * A lock that one thread at a time can hold, or one of several asynchronous functions of the same thread.
 *
 * - **Blocking forms** may be used on every thread, the main thread included; while blocked, its event loop stands still.
 * - **Not re-entrant**: whoever holds it and acquires it again waits for itself. {@linkcode RLock} is re-entrant.
 * - **No owner**: any thread may release it, as in Python.
 * - **Not fair**: a thread that comes at the right moment may be served before one that waits; those that wait are woken one
 *   at a time, in turn.
 * - **A dead holder frees it**: when a worker or process ends, is terminated, or is interrupted at its time limit while it
 *   holds the lock, the next to acquire it gets it, and finds {@linkcode Lock.recovered} true, since what the lock guards
 *   may be half-written. Nothing can be known about the end of Workers that are not this library's.
 * - **It travels** as an argument, a result, in `scope`, in queues and inside other values; every copy is the same lock.
 *
 * Source: `multiprocessing.Lock`, article 003.
 *
 * Differs from Python: it can be handed to any worker at any time, and survives the death of its holder.
 *
 * @example A counter that loses nothing
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
   * A new lock, free.
   *
   * @param handle The handle of a lock, to get that one instead.
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
    return {
      get mine(): boolean {
        return mutex.mine;
      },
      releaseAll: () => {
        mutex.release();
        return nothing;
      },
      reacquire: () => void mutex.acquire(Infinity),
      reacquireAsync: async () => void await mutex.acquireAsync(Infinity, undefined),
    };
  }

  /**
   * The lock that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of a lock.
   */
  static fromHandle(handle: Handle): Lock {
    return new Lock(checkHandle("Lock", handle));
  }

  /**
   * Acquires the lock, blocking this thread until it is free.
   *
   * @param options How long to wait at most.
   * @returns Whether it was acquired: false only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   *
   * @example Giving up after a while
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
   * Acquires the lock, waiting in the event loop until it is free.
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
   * Releases the lock, whichever thread holds it.
   *
   * @throws {InvalidStateError} If nobody does.
   */
  release(): void {
    if (!this.#mutex.release()) throw new InvalidStateError("Cannot release the lock as it is not held");
  }

  /**
   * Acquires the lock until the end of the block: `using _ = lock.hold()`.
   *
   * @returns What releases it.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  hold(): Held {
    return hold(this);
  }

  /**
   * The same without blocking: `await using _ = await lock.holdAsync()`.
   *
   * @param options A signal that gives up.
   * @returns What releases it.
   */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return holdAsync(this, holdOptions(options).signal);
  }

  /** Whether anyone holds the lock at this moment. */
  locked(): boolean {
    return this.#mutex.held;
  }

  /** Whether the one who holds the lock took it over from a thread that had ended: until the next release. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }

  /** What stands for the lock in a message to a Worker of your own: {@linkcode Lock.fromHandle} makes it a lock there. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** `Lock(locked)` or `Lock(unlocked)`. */
  toString(): string {
    return `Lock(${this.locked() ? "locked" : "unlocked"})`;
  }
}

registerSharedClass("Lock", Lock);
