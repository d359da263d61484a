/**
 * A lock that its holder can acquire again.
 *
 * Memory, in words: 0 the number of the object; 1 DEPTH, written by the holder alone; 2 … a mutex (`_mutex.ts`).
 *
 * ```
 *            acquire               acquire
 *   free ───────────────▶ held, 1 ─────────▶ held, 2 … n
 *    ▲                    │  ▲  │               │
 *    └─────release────────┘  └──┼───release─────┘
 *                               ▼ its holder ends: as with Lock
 * ```
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";
import { atomics } from "./_atomics.ts";
import { Cell, checkHandle, FIRST, type Handle, travels } from "./_cell.ts";
import { type AsyncHeld, type Held, hold, holdAsync, type LockCore, readsCores } from "./_held.ts";
import { MUTEX, Mutex } from "./_mutex.ts";
import { type AcquireOptions, type AsyncAcquireOptions, holdOptions, timeAndSignal, timeToWait } from "./_wait.ts";

const DEPTH = FIRST;

/**
 * A lock that belongs to the thread that holds it, which can acquire it again, and must release it as often.
 *
 * **Its owner is a thread, not a function**: two asynchronous functions of one thread can both be inside. To keep those
 * apart, use a {@linkcode Lock}. In everything else it is like that, the death of a holder included.
 *
 * Source: `multiprocessing.RLock`.
 *
 * Differs from Python: an owner that is a process there is a thread here (a worker is one thread).
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
 */
export class RLock {
  readonly #cell: Cell;
  readonly #mutex: Mutex;

  /**
   * A new lock, free.
   *
   * @param handle The handle of an RLock, to get that one instead.
   * @throws {TypeError} If `handle` is not the handle of an RLock.
   */
  constructor(handle?: Handle) {
    this.#cell = new Cell("RLock", handle, 1 + MUTEX);
    const { words, member } = this.#cell;
    this.#mutex = new Mutex(words, DEPTH + 1, member, this.#cell.place(0));
  }

  static {
    readsCores((lock) => #mutex in lock ? lock.#core() : undefined);
  }

  #core(): LockCore {
    const mutex = this.#mutex;
    const { words } = this.#cell;
    return {
      mutex,
      releaseAll: () => {
        const depth = atomics.load(words, DEPTH);
        mutex.release();
        return depth;
      },
      restore: (depth) => void atomics.store(words, DEPTH, depth),
    };
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
   * Acquires the lock, blocking this thread while another thread holds it.
   *
   * @param options How long to wait at most.
   * @returns Whether it was acquired: false only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  acquire(options?: AcquireOptions): boolean {
    const timeout = timeToWait(options);
    return this.#again() || this.#first(this.#mutex.acquire(timeout));
  }

  /**
   * Acquires the lock, waiting in the event loop while another thread holds it.
   *
   * @param options How long to wait at most, and a signal that gives up.
   * @returns Whether it was acquired: false only after `timeout`, or with `block: false`.
   * @throws {TypeError} If an option is of the wrong type.
   */
  async acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    const { timeout, signal } = timeAndSignal(options);
    if (this.#again()) return true;
    return this.#first(await this.#mutex.acquireAsync(timeout, signal));
  }

  #again(): boolean {
    if (!this.#mutex.mine) return false;
    atomics.add(this.#cell.words, DEPTH, 1);
    return true;
  }

  #first(acquired: boolean): boolean {
    if (acquired) atomics.store(this.#cell.words, DEPTH, 1);
    return acquired;
  }

  /**
   * Releases the lock once.
   *
   * @throws {InvalidStateError} If this thread does not hold it.
   */
  release(): void {
    if (!this.#mutex.mine) {
      throw new InvalidStateError(
        `Cannot release the lock as ${this.locked() ? "another thread holds it" : "it is not held"}`,
      );
    }
    if (atomics.add(this.#cell.words, DEPTH, -1) === 1) this.#mutex.release();
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
  holdAsync(options: { signal?: AbortSignal } = {}): Promise<AsyncHeld> {
    options = holdOptions(options);
    return holdAsync(this, options.signal);
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
    return this.#cell.handle;
  }

  /** `RLock(locked)` or `RLock(unlocked)`. */
  toString(): string {
    return `RLock(${this.locked() ? "locked" : "unlocked"})`;
  }
}

travels("RLock", RLock);
