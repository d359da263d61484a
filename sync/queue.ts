/**
 * A queue of values between threads: first in, first out.
 *
 * Memory, in 32-bit words: 0 the object number; 1 MAXSIZE; 2 CLOSED: 0 or 1; 3 DONE: the number of items that were
 * reported done; then a ring (`internal/record_ring.ts`), and the wait sets of the threads that get, put and join. The
 * items have separate memory, which grows as needed.
 *
 * ```
 *              put: wake one who gets                           put: it waits
 *   empty ◀──────────────────────────▶ some items ◀──────▶ full ◀──────────────▶ full, waited for
 *     ▲  get: it waits                 get: wake one who puts
 *     └──────▶ empty, waited for                               close: wake all; no more puts, the rest can be got
 * ```
 *
 * @module
 */

import { ClosedError, InvalidStateError, QueueEmptyError, QueueFullError } from "../errors.ts";
import { checkSignal, checkTimeout, show } from "../base/checks.ts";
import { atomics } from "./internal/atomics.ts";
import {
  checkHandle,
  FIRST,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { copyOf, ItemCodec } from "./internal/item_codec.ts";
import { RecordRing, RING, type RingItem, ringMemory, type RingRecord } from "./internal/record_ring.ts";
import {
  type AcquireOptions,
  type AsyncAcquireOptions,
  type AsyncWaitOptions,
  timeAndSignal,
  timeToWait,
  waitFor,
  waitForAsync,
  waitOptions,
} from "./internal/wait.ts";
import { HINTED_WAIT_SET, HintedWaitSet, WAIT_SET, WaitSet } from "./internal/wait_set.ts";

const MAXSIZE = FIRST;
const CLOSED = FIRST + 1;
const DONE = FIRST + 2;
const RING_AT = FIRST + 3;
const GETTERS = RING_AT + RING;
const PUTTERS = GETTERS + HINTED_WAIT_SET;
const JOINERS = PUTTERS + HINTED_WAIT_SET;
const SIZE = JOINERS + WAIT_SET - FIRST;
/** MAXSIZE of a queue without a limit. */
const UNLIMITED = 0x7fffffff;
/** The method that an error suggests in place of `get()`. */
const GET = "'getAsync()'";

/** Reports one item of a queue as done. */
let reportDone: (queue: Queue) => void;
/** Blocks at most `timeout` milliseconds until all items of a queue are done. Returns whether they are. */
let waitUntilDone: (queue: Queue, timeout: number) => boolean;
/** As `waitUntilDone`, but waits in the event loop. */
let waitUntilDoneAsync: (queue: Queue, timeout: number, signal: AbortSignal | undefined) => Promise<boolean>;

/**
 * A queue of values between any threads.
 *
 * - **Order**: items of one thread are received in the order in which it put them. Each item is received once.
 * - **Items**: all values that can be task arguments, up to 1 GiB each. An item is copied when it is put. An item that
 *   cannot be sent makes `put()` throw; the queue stays unchanged.
 * - **Full**: with `maxsize` items, or 64 MiB of them, `put()` waits, so that a fast producer cannot fill the memory. A
 *   thread that fills a queue which nobody else reads waits forever.
 * - **Closing** applies to all threads: no more items can be put, and the items in the queue can still be received.
 *   After the last one `get()` throws a {@linkcode ClosedError} instead of waiting.
 * - **Robust**: if a thread ends during `put()` or `get()`, the operation has happened completely or not at all. Other
 *   threads can go on using the queue.
 *
 * Shared objects (locks, other queues, …), ports and blobs inside an item are passed on by the main thread, which must
 * run its event loop or wait in a call of this library. Blocking methods may be used on the same threads as those of a
 * {@linkcode Lock}.
 *
 * Source: `multiprocessing.Queue`.
 *
 * Differs from Python: there is no feeder thread, so an item is in the queue when `put()` returns. `close()` applies to
 * all threads.
 *
 * @typeParam T The type of the items.
 *
 * @example Feed a worker until it gets a sentinel
 * ```ts
 * import { Pool, Queue } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const scope = { tasks: new Queue<number | null>(), results: new Queue<number>() };
 * const { tasks, results } = scope;
 * await using pool = new Pool(1, { scope });
 * const worker = pool.apply(() => {
 *   for (let n = tasks.get(); n !== null; n = tasks.get()) results.put(n * n);
 * });
 * for (const task of [1, 2, 3, null]) tasks.put(task);
 * await worker;
 * assertEquals([results.get(), results.get(), results.get()], [1, 4, 9]);
 * ```
 */
export class Queue<T = unknown> {
  readonly #object: SharedObject;
  readonly #ring: RecordRing;
  readonly #items: ItemCodec;
  readonly #getters: WaitSet;
  readonly #putters: WaitSet;
  readonly #joiners: WaitSet;

  /**
   * Creates an empty queue.
   *
   * @param maxsize The greatest number of items; 0 or less, or `Infinity`, means no limit. Or the handle of an existing
   * queue.
   * @throws {TypeError} If `maxsize` is neither a number nor the handle of a queue of this class.
   * @throws {RangeError} If `maxsize` is not a whole number.
   */
  constructor(maxsize: number | Handle = 0) {
    const kind = kindOf(new.target);
    const handle = handleIn(kind, maxsize);
    const most = handle === undefined ? checkMaxsize(maxsize) : 0;
    this.#object = new SharedObject(kind, handle, SIZE, () => ({ memory: [ringMemory()] }), 2);
    const { words, member } = this.#object;
    if (handle === undefined) words[MAXSIZE] = most;
    this.#ring = new RecordRing(words, RING_AT, this.#object.handle.memory[1]!, member, this.#object.place(0));
    this.#items = new ItemCodec(member);
    this.#getters = new HintedWaitSet(words, GETTERS, member, this.#object.place(2));
    this.#putters = new HintedWaitSet(words, PUTTERS, member, this.#object.place(3));
    this.#joiners = new WaitSet(words, JOINERS, member, this.#object.place(4), true);
  }

  static {
    reportDone = (queue) => queue.#reportDone();
    waitUntilDone = (queue, timeout) => queue.#waitUntilDone(timeout);
    waitUntilDoneAsync = (queue, timeout, signal) => queue.#waitUntilDoneAsync(timeout, signal);
  }

  /**
   * Returns the queue of a handle; see {@linkcode Lock.fromHandle}.
   *
   * @typeParam T The type of the items.
   */
  static fromHandle<T = unknown>(handle: Handle): Queue<T> {
    return new this<T>(checkHandle(kindOf(this), handle));
  }

  /**
   * Puts an item. Blocks this thread while the queue is full; otherwise throws as {@linkcode Lock.acquire}.
   *
   * @param item The item. It is copied.
   * @param options The longest time to wait, and whether to wait at all, as for {@linkcode Lock.acquire}.
   * @throws {QueueFullError} If the queue was full until `timeout`, or is full and `block` is false.
   * @throws {ClosedError} If the queue is closed, or gets closed during the wait.
   * @throws {SerializationError} If the item cannot be sent.
   * @throws {RangeError} If the item takes more than 1 GiB, or there is not enough memory for it.
   */
  put(item: T, options?: AcquireOptions): void {
    const timeout = timeToWait(options);
    this.#refuseIfClosed();
    const packed = this.#items.pack(item);
    let done = false;
    try {
      done = this.#putInTurn(packed);
      if (!done && timeout > 0) {
        const item = copyOf(packed);
        done = waitFor(this.#object.member, this.#putters, () => this.#putInTurn(item), timeout, "'putAsync()'");
      }
    } finally {
      if (!done) this.#items.withdraw(packed);
    }
    if (!done) throw this.#full();
    this.#items.sent(packed);
  }

  /**
   * Puts an item. Waits in the event loop while the queue is full; otherwise as {@linkcode Queue.put}.
   *
   * @param item The item. It is copied before this method returns the promise.
   * @param options The longest time to wait, whether to wait at all, and a signal, as for
   * {@linkcode Lock.acquireAsync}.
   */
  async putAsync(item: T, options?: AsyncAcquireOptions): Promise<void> {
    const { timeout, signal } = timeAndSignal(options);
    signal?.throwIfAborted();
    this.#refuseIfClosed();
    const packed = this.#items.pack(item);
    let done = false;
    try {
      done = this.#putInTurn(packed);
      if (!done && timeout > 0) {
        const item = copyOf(packed);
        const attempt = (): boolean => this.#put(item);
        done = await waitForAsync(this.#object.member, this.#putters, attempt, timeout, signal);
      }
    } finally {
      if (!done) this.#items.withdraw(packed);
    }
    if (!done) throw this.#full();
    this.#items.sent(packed);
  }

  #full(): QueueFullError {
    return new QueueFullError(`Cannot put the item as the queue is full: it has ${this.qsize()} items`);
  }

  /**
   * Puts an item if there is room. It does not overtake earlier items of this thread that wait in the event loop.
   * Returns whether the item was put.
   */
  #putInTurn(item: RingItem): boolean {
    return this.#object.member.serveFirst(this.#putters) && this.#put(item);
  }

  #put(item: RingItem): boolean {
    if (!this.#ring.put(item, this.#object.words[MAXSIZE]!, this.#refuseIfClosed)) return false;
    this.#getters.wakeOne();
    return true;
  }

  /**
   * Removes and returns the oldest item. Blocks this thread while the queue is empty; otherwise throws as
   * {@linkcode Lock.acquire}.
   *
   * @param options The longest time to wait, and whether to wait at all, as for {@linkcode Lock.acquire}.
   * @returns The item.
   * @throws {QueueEmptyError} If the queue was empty until `timeout`, or is empty and `block` is false.
   * @throws {ClosedError} If the queue is closed and empty.
   * @throws {SerializationError} If the item cannot be read on this thread. It is removed all the same.
   */
  get(options?: AcquireOptions): T {
    const timeout = timeToWait(options);
    let record: RingRecord | undefined;
    const attempt = (): boolean => (record = this.#take(false)) !== undefined;
    if (!attempt() && timeout > 0) waitFor(this.#object.member, this.#getters, attempt, timeout, GET);
    if (record === undefined) throw new QueueEmptyError("Cannot get an item as the queue is empty");
    return this.#items.unpack(record, GET) as T;
  }

  /**
   * Removes and returns the oldest item. Waits in the event loop while the queue is empty; otherwise as
   * {@linkcode Queue.get}.
   *
   * @param options The longest time to wait, whether to wait at all, and a signal, as for
   * {@linkcode Lock.acquireAsync}.
   * @returns The item.
   * @throws {SerializationError} Also if the item is an object with a method `then`, which a promise would call. It is
   * removed all the same.
   */
  async getAsync(options?: AsyncAcquireOptions): Promise<T> {
    const { timeout, signal } = timeAndSignal(options);
    signal?.throwIfAborted();
    let record: RingRecord | undefined;
    const attempt = (): boolean => (record = this.#take(true)) !== undefined;
    if (!attempt() && timeout > 0) await waitForAsync(this.#object.member, this.#getters, attempt, timeout, signal);
    if (record === undefined) throw new QueueEmptyError("Cannot get an item as the queue is empty");
    return await this.#items.unpackAsync(record) as T;
  }

  #take(keep: boolean): RingRecord | undefined {
    let record = this.#items.takeDeferred() ?? this.#ring.get(keep);
    if (record === undefined) {
      if (atomics.load(this.#object.words, CLOSED) === 0) return undefined;
      record = this.#ring.get(keep); // an item put just before the queue was closed; none comes after it
      if (record === undefined) throw new ClosedError("Cannot get an item as the queue is closed and empty");
    }
    this.#putters.wakeOne();
    return record;
  }

  readonly #refuseIfClosed = (): void => {
    if (atomics.peek(this.#object.words, CLOSED) === 0) return; // a hint: the check in the critical section decides
    throw new ClosedError("Cannot put an item as the queue is closed");
  };

  /** Returns the number of items at this moment. */
  qsize(): number {
    return this.#ring.size;
  }

  /** Returns whether the queue is empty at this moment. */
  empty(): boolean {
    return this.#ring.size === 0;
  }

  /** Returns whether the queue has no room for another item at this moment. */
  full(): boolean {
    return this.#ring.isFull(this.#object.words[MAXSIZE]!);
  }

  /**
   * Closes the queue for all threads: no more items can be put, and the items in the queue can still be received. Waits
   * to put, and waits to get from the empty queue, fail with a {@linkcode ClosedError}. Closing again does nothing.
   */
  close(): void {
    this.#ring.excludingProducers(() => void atomics.store(this.#object.words, CLOSED, 1));
    this.#putters.wakeAll();
    this.#getters.wakeAll();
  }

  #reportDone(): void {
    const { words } = this.#object;
    for (;;) {
      const done = atomics.load(words, DONE);
      if ((this.#ring.puts - done) >>> 0 === 0) {
        throw new InvalidStateError("Cannot report an item done as all of them are: 'taskDone()' was called too often");
      }
      if (atomics.compareExchange(words, DONE, done, (done + 1) | 0) === done) break;
    }
    if (this.#allDone()) this.#joiners.wakeAll();
  }

  readonly #allDone = (): boolean => this.#ring.puts === atomics.load(this.#object.words, DONE) >>> 0;

  #waitUntilDone(timeout: number): boolean {
    if (this.#allDone()) return true;
    return timeout > 0 && waitFor(this.#object.member, this.#joiners, this.#allDone, timeout, "'joinAsync()'");
  }

  async #waitUntilDoneAsync(timeout: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#allDone()) return true;
    return timeout > 0 && await waitForAsync(this.#object.member, this.#joiners, this.#allDone, timeout, signal);
  }

  /** The handle of the queue; see {@linkcode Lock.handle}. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns the class and the number of items, such as `"Queue(3)"`. */
  toString(): string {
    return `${this.#object.handle.kind}(${this.qsize()})`;
  }
}

/**
 * A {@linkcode Queue} that also counts the items that were processed.
 *
 * Source: `multiprocessing.JoinableQueue`.
 *
 * Differs from Python: surplus calls of `taskDone()` throw an {@linkcode InvalidStateError}; `join()` takes a timeout.
 *
 * @typeParam T The type of the items.
 *
 * @example Wait until all items are processed
 * ```ts
 * import { JoinableQueue, Pool } from "@manycore/parallel";
 * import { assert } from "@std/assert";
 *
 * const queue = new JoinableQueue<number | null>();
 * await using pool = new Pool(1);
 * pool.applyAsync((queue: JoinableQueue<number | null>) => {
 *   while (queue.get() !== null) queue.taskDone();
 * }, [queue]);
 * for (let n = 0; n < 10; n++) queue.put(n);
 * assert(queue.join());
 * queue.put(null);
 * ```
 */
export class JoinableQueue<T = unknown> extends Queue<T> {
  /**
   * Reports one received item as done.
   *
   * @throws {InvalidStateError} If it is called more often than items were put.
   */
  taskDone(): void {
    reportDone(this);
  }

  /**
   * Blocks this thread until every item that was put is reported done; throws as {@linkcode Event.wait}.
   *
   * @param timeout The longest time to wait, in milliseconds, as for {@linkcode Event.wait}.
   * @returns True if all items are done. False only after `timeout`.
   */
  join(timeout?: number): boolean {
    return waitUntilDone(this, checkTimeout(timeout));
  }

  /**
   * Waits in the event loop until every item that was put is reported done; otherwise as
   * {@linkcode JoinableQueue.join}.
   *
   * @param options The longest time to wait, and a signal, as for {@linkcode Event.waitAsync}.
   * @returns True if all items are done.
   */
  async joinAsync(options?: number | AsyncWaitOptions): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    return await waitUntilDoneAsync(this, time, signal);
  }
}

/** Returns the kind, in handles, of the queues of a class. */
function kindOf(type: typeof Queue): "Queue" | "JoinableQueue" {
  const joinable = type === JoinableQueue || Object.prototype.isPrototypeOf.call(JoinableQueue, type);
  return joinable ? "JoinableQueue" : "Queue";
}

function checkMaxsize(maxsize: unknown): number {
  if (typeof maxsize !== "number") {
    throw new TypeError(`Cannot make a queue as 'maxsize' must be a number: current value is ${show(maxsize)}`);
  }
  if (maxsize === Infinity || maxsize <= 0) return UNLIMITED;
  if (!Number.isInteger(maxsize)) {
    throw new RangeError(`Cannot make a queue as 'maxsize' must be a whole number: current value is ${show(maxsize)}`);
  }
  return Math.min(maxsize, UNLIMITED);
}

registerSharedClass("Queue", Queue);
registerSharedClass("JoinableQueue", JoinableQueue);
