/**
 * A flag that threads wait for.
 *
 * Memory, in 32-bit words: 0 the object number; 1 STATE: the number of times it was set << 1 | 1 if it is set; 2 … the
 * wait set.
 *
 * ```
 *          set: count it, wake all
 *   unset ────────────────────────▶ set      (set again: nothing changes)
 *     ▲                              │
 *     └────────────clear─────────────┘
 * ```
 *
 * A waiting thread compares the count, not the flag: it continues even if `clear()` follows `set()` before the thread
 * looks.
 *
 * @module
 */

import { checkSignal, checkTimeout } from "../base/checks.ts";
import { atomics } from "./internal/atomics.ts";
import { checkHandle, FIRST, type Handle, registerSharedClass, SharedObject } from "./internal/shared_object.ts";
import { type AsyncWaitOptions, waitFor, waitForAsync, waitOptions } from "./internal/wait.ts";
import { WAIT_SET, WaitSet } from "./internal/wait_set.ts";

const STATE = FIRST;
const WAITING = FIRST + 1;
const SET = 1;
const COUNT_ONE = 2;

/**
 * A flag that threads wait for until it is set.
 *
 * Every thread that waits when `set()` is called continues, even if `clear()` follows at once. Blocking methods may be
 * used on the same threads as those of a {@linkcode Lock}.
 *
 * Source: `multiprocessing.Event`.
 *
 * Differs from Python: no waiting thread misses a `set()` with a `clear()` right after it.
 *
 * @example Start several workers at the same moment
 * ```ts
 * import { Event, Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const start = new Event();
 * await using pool = new Pool(2);
 * const running = pool.map((event: Event) => event.wait(), [start, start], { chunksize: 1 });
 * start.set();
 * assertEquals(await running, [true, true]);
 * ```
 */
export class Event {
  readonly #object: SharedObject;
  readonly #waiting: WaitSet;

  /**
   * Creates an event that is not set.
   *
   * @param handle The handle of an existing event, to get that event instead.
   * @throws {TypeError} If `handle` is not the handle of an event.
   */
  constructor(handle?: Handle) {
    this.#object = new SharedObject("Event", handle, 1 + WAIT_SET);
    this.#waiting = new WaitSet(this.#object.words, WAITING, this.#object.member, this.#object.place(0), true);
  }

  /** Returns the event of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): Event {
    return new Event(checkHandle("Event", handle));
  }

  /** Returns whether the event is set. */
  isSet(): boolean {
    return (atomics.load(this.#object.words, STATE) & SET) !== 0;
  }

  /** Sets the event and wakes every thread that waits for it. */
  set(): void {
    const { words } = this.#object;
    for (;;) {
      const state = atomics.load(words, STATE);
      if ((state & SET) !== 0) return; // the thread that has set it wakes them
      if (atomics.compareExchange(words, STATE, state, (state + COUNT_ONE) | SET) === state) break;
    }
    this.#waiting.wakeAll();
  }

  /** Clears the event: later waits block until it is set again. */
  clear(): void {
    const { words } = this.#object;
    for (;;) {
      const state = atomics.load(words, STATE);
      if ((state & SET) === 0 || atomics.compareExchange(words, STATE, state, state & ~SET) === state) return;
    }
  }

  #hasCome(): () => boolean {
    const { words } = this.#object;
    const first = atomics.load(words, STATE);
    return () => {
      const state = atomics.load(words, STATE);
      return (state & SET) !== 0 || state !== first;
    };
  }

  /**
   * Blocks this thread until the event is set; throws as {@linkcode Lock.acquire}.
   *
   * @param timeout The longest time to wait, in milliseconds; 0 or less does not wait. Default: no limit.
   * @returns True if the event was set. False only after `timeout`.
   * @throws {TypeError} If `timeout` is not a number.
   */
  wait(timeout?: number): boolean {
    const time = checkTimeout(timeout);
    const hasCome = this.#hasCome();
    if (hasCome()) return true;
    return time > 0 && waitFor(this.#object.member, this.#waiting, hasCome, time, "'waitAsync()'");
  }

  /**
   * Waits in the event loop until the event is set; otherwise as {@linkcode Event.wait}.
   *
   * @param options The longest time to wait, in milliseconds; or that and a signal that cancels the wait.
   * @returns True if the event was set.
   */
  async waitAsync(options?: number | AsyncWaitOptions): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    const hasCome = this.#hasCome();
    if (hasCome()) return true;
    return time > 0 && await waitForAsync(this.#object.member, this.#waiting, hasCome, time, signal);
  }

  /** The handle of the event; see {@linkcode Lock.handle}. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns `"Event(set)"` or `"Event(unset)"`. */
  toString(): string {
    return `Event(${this.isSet() ? "set" : "unset"})`;
  }
}

registerSharedClass("Event", Event);
