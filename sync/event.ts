/**
 * A flag that threads wait for.
 *
 * Memory, in words: 0 the number of the object; 1 STATE: how often it was set << 1 | whether it is; 2 … the wait set.
 *
 * ```
 *          set: count it, wake all
 *   unset ────────────────────────▶ set      (set again: nothing changes)
 *     ▲                              │
 *     └────────────clear─────────────┘
 * ```
 *
 * One that waits remembers the count, not the flag: it goes on even if `clear()` follows `set()` before it looks.
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
 * A flag that is set or not; threads wait until it is set.
 *
 * Blocking forms may be used on every thread. Whoever waits when `set()` is called goes on, even if `clear()` follows at
 * once.
 *
 * Source: `multiprocessing.Event`.
 *
 * Differs from Python: a `set()` with a `clear()` right behind it is missed by nobody.
 *
 * @example All start together
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
   * A new event, not set.
   *
   * @param handle The handle of an event, to get that one instead.
   * @throws {TypeError} If `handle` is not the handle of an event.
   */
  constructor(handle?: Handle) {
    this.#object = new SharedObject("Event", handle, 1 + WAIT_SET);
    this.#waiting = new WaitSet(this.#object.words, WAITING, this.#object.member, this.#object.place(0), true);
  }

  /**
   * The event that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of an event.
   */
  static fromHandle(handle: Handle): Event {
    return new Event(checkHandle("Event", handle));
  }

  /** Whether it is set. */
  isSet(): boolean {
    return (atomics.load(this.#object.words, STATE) & SET) !== 0;
  }

  /** Sets it, and wakes everyone who waits for it. */
  set(): void {
    const { words } = this.#object;
    for (;;) {
      const state = atomics.load(words, STATE);
      if ((state & SET) !== 0) return; // whoever has set it wakes them
      if (atomics.compareExchange(words, STATE, state, (state + COUNT_ONE) | SET) === state) break;
    }
    this.#waiting.wakeAll();
  }

  /** Unsets it. */
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
   * Blocks this thread until the event is set.
   *
   * @param timeout How long to wait at most, in milliseconds; 0 and less: not at all.
   * @returns Whether it was set: false only after `timeout`.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  wait(timeout?: number): boolean {
    const time = checkTimeout(timeout);
    const hasCome = this.#hasCome();
    if (hasCome()) return true;
    return time > 0 && waitFor(this.#object.member, this.#waiting, hasCome, time, "'waitAsync()'");
  }

  /**
   * Waits in the event loop until the event is set.
   *
   * @param options How long to wait at most, in milliseconds, and a signal that gives up.
   * @returns Whether it was set: false only after `timeout`.
   * @throws {TypeError} If an option is of the wrong type.
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

  /** What stands for the event in a message to a Worker of your own: {@linkcode Event.fromHandle} makes it an event there. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** `Event(set)` or `Event(unset)`. */
  toString(): string {
    return `Event(${this.isSet() ? "set" : "unset"})`;
  }
}

registerSharedClass("Event", Event);
