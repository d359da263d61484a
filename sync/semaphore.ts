/**
 * Permits shared by threads.
 *
 * Memory, in 32-bit words: 0 the object number; 1 PERMITS; 2 MOST: the greatest number of permits; 3 … the wait set of
 * the threads that want a permit.
 *
 * ```
 *            acquire: one less                          acquire: it waits
 *   n free ─────────────────────▶ n - 1 free … 0 free ◀──────────────────▶ 0 free, waited for
 *      ▲                               │                                        │
 *      └─── release: one more, wake one┘◀───────────────────────────────────────┘
 * ```
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";
import { show } from "../base/checks.ts";
import { atomics } from "./internal/atomics.ts";
import {
  checkHandle,
  FIRST,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { type AsyncHeld, type Held, hold, holdAsync } from "./internal/hold.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  holdOptions,
  timeAndSignal,
  timeToWait,
  waitFor,
  waitForAsync,
} from "./internal/wait.ts";
import { WAIT_SET, WaitSet } from "./internal/wait_set.ts";

const PERMITS = FIRST;
const MOST = FIRST + 1;
const WAITING = FIRST + 2;
/** The greatest number of permits of any semaphore: Python's `SEM_VALUE_MAX`. */
const LIMIT = 0x7fffffff;

/**
 * A counter of permits. Each acquirer takes one permit and waits while there is none.
 *
 * Permits have no owner: unlike a {@linkcode Lock}, a permit that a worker holds when it ends is lost. Blocking methods
 * may be used on the same threads as those of a lock.
 *
 * Source: `multiprocessing.Semaphore`.
 *
 * Differs from Python: `release()` takes a number, as that of `threading.Semaphore`.
 *
 * @example Let at most two workers in at a time
 * ```ts
 * import { Pool, Semaphore, Value } from "@manycore/parallel";
 * import { assert } from "@std/assert";
 *
 * const scope = { seats: new Semaphore(2), taken: new Value("i"), most: new Value("i") };
 * const { seats, taken, most } = scope;
 * await using pool = new Pool(4, { scope });
 * await pool.map(() => {
 *   using _ = seats.hold();
 *   const now = taken.add(1) + 1;
 *   if (now > most.value) most.value = now;
 *   taken.sub(1);
 * }, Array(20));
 * assert(most.value <= 2);
 * ```
 */
export class Semaphore {
  readonly #object: SharedObject;
  readonly #waiting: WaitSet;

  /**
   * Creates a semaphore.
   *
   * @param value The number of permits, a whole number from 0 to 2147483647; or the handle of an existing semaphore.
   * @throws {TypeError} If `value` is neither a number nor the handle of a semaphore of this class.
   * @throws {RangeError} If `value` is out of range.
   */
  constructor(value: number | Handle = 1) {
    const bounded = isBounded(new.target);
    const kind = bounded ? "BoundedSemaphore" : "Semaphore";
    const handle = handleIn(kind, value);
    const permits = handle === undefined ? checkPermits("value", value, 0) : 0;
    this.#object = new SharedObject(kind, handle, 2 + WAIT_SET);
    const { words, member } = this.#object;
    this.#waiting = new WaitSet(words, WAITING, member, this.#object.place(0));
    if (handle !== undefined) return;
    words[PERMITS] = permits;
    words[MOST] = bounded ? permits : LIMIT;
  }

  /** Returns the semaphore of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): Semaphore {
    return new this(checkHandle(isBounded(this) ? "BoundedSemaphore" : "Semaphore", handle));
  }

  /** Takes a permit. Blocks this thread until there is one; otherwise as {@linkcode Lock.acquire}. */
  acquire(options?: AcquireOptions): boolean {
    const timeout = timeToWait(options);
    if (this.#attempt()) return true;
    return timeout > 0 && waitFor(this.#object.member, this.#waiting, this.#attempt, timeout, "'acquireAsync()'");
  }

  /** Takes a permit. Waits in the event loop until there is one; otherwise as {@linkcode Lock.acquireAsync}. */
  async acquireAsync(options?: AsyncAcquireOptions): Promise<boolean> {
    const { timeout, signal } = timeAndSignal(options);
    signal?.throwIfAborted();
    if (this.#attempt()) return true;
    if (!(timeout > 0)) return false;
    return await waitForAsync(this.#object.member, this.#waiting, this.#attempt, timeout, signal);
  }

  readonly #attempt = (): boolean => {
    const { words } = this.#object;
    let permits = atomics.load(words, PERMITS);
    while (permits > 0) {
      const seen = atomics.compareExchange(words, PERMITS, permits, permits - 1);
      if (seen === permits) return true;
      permits = seen;
    }
    return false;
  };

  /**
   * Returns permits, or adds new ones, and wakes as many waiting threads.
   *
   * @param n The number of permits, a whole number from 1 to 2147483647.
   * @throws {TypeError} If `n` is not a number.
   * @throws {RangeError} If `n` is out of range, or the semaphore would have more than 2147483647 permits.
   * @throws {InvalidStateError} If a bounded semaphore would have more permits than at first. The count stays
   * unchanged.
   */
  release(n: number = 1): void {
    checkPermits("n", n, 1);
    const { words } = this.#object;
    for (;;) {
      const permits = atomics.load(words, PERMITS);
      if (n > words[MOST]! - permits) {
        const most = words[MOST]!;
        if (most === LIMIT) throw new RangeError(`Cannot release ${n} permits as there would be more than ${LIMIT}`);
        throw new InvalidStateError(`Cannot release the semaphore as it would have more than its ${most} permits`);
      }
      if (atomics.compareExchange(words, PERMITS, permits, permits + n) === permits) break;
    }
    for (let left = n; left > 0 && this.#waiting.wakeOne(); left--);
  }

  /** Takes a permit until the end of the block, as {@linkcode Lock.hold}: `using _ = semaphore.hold()`. */
  hold(): Held {
    return hold(this);
  }

  /** Takes a permit until the end of the block, as {@linkcode Lock.holdAsync}. */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return holdAsync(this, holdOptions(options).signal);
  }

  /** Returns the number of free permits at this moment. */
  getValue(): number {
    return atomics.load(this.#object.words, PERMITS);
  }

  /** The handle of the semaphore; see {@linkcode Lock.handle}. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns the class and the number of free permits, such as `"Semaphore(2)"`. */
  toString(): string {
    return `${this.#object.handle.kind}(${this.getValue()})`;
  }
}

/**
 * A {@linkcode Semaphore} that rejects surplus releases: it never has more permits than at first.
 *
 * Source: `multiprocessing.BoundedSemaphore`.
 *
 * Differs from Python: the error is an {@linkcode InvalidStateError}.
 *
 * @example Get an error for a surplus release
 * ```ts
 * import { BoundedSemaphore, InvalidStateError } from "@manycore/parallel";
 * import { assertThrows } from "@std/assert";
 *
 * const semaphore = new BoundedSemaphore(2);
 * assertThrows(() => semaphore.release(), InvalidStateError);
 * ```
 */
export class BoundedSemaphore extends Semaphore {}

/** Returns whether semaphores of a class never have more permits than at first. */
function isBounded(type: typeof Semaphore): boolean {
  return type === BoundedSemaphore || Object.prototype.isPrototypeOf.call(BoundedSemaphore, type);
}

function checkPermits(name: string, value: unknown, least: number): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use '${name}' as it must be a number: current value is ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < least || value > LIMIT) {
    throw new RangeError(
      `Cannot use '${name}' as it must be a whole number from ${least} to ${LIMIT}: current value is ${show(value)}`,
    );
  }
  return value;
}

registerSharedClass("Semaphore", Semaphore);
registerSharedClass("BoundedSemaphore", BoundedSemaphore);
