/**
 * Values from thread to thread, first in, first out.
 *
 * Memory, in words: 0 the number of the object; 1 MAXSIZE; 2 CLOSED: 0 or 1; 3 DONE: how many items were reported done;
 * then a ring (`_ring.ts`), and the wait sets of those who get, who put, and who join. The items are in memory of their own,
 * which grows as needed.
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
import { HintedWaitSet, RARE_WAIT_SET, WAIT_SET, WaitSet } from "./internal/wait_set.ts";

const MAXSIZE = FIRST;
const CLOSED = FIRST + 1;
const DONE = FIRST + 2;
const RING_AT = FIRST + 3;
const GETTERS = RING_AT + RING;
const PUTTERS = GETTERS + RARE_WAIT_SET;
const JOINERS = PUTTERS + RARE_WAIT_SET;
const SIZE = JOINERS + WAIT_SET - FIRST;
/** As many items as anyone can count to. */
const UNLIMITED = 0x7fffffff;
/** What awaits in place of `get()`. */
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
 * - **Order**: the items of one thread come out in the order in which it put them; each comes out once.
 * - **What it carries**: what a task argument carries, of any size up to 1 GiB; it is copied when it is put. What cannot be
 *   sent throws from `put()`, and the queue is as before.
 * - **When it is full** (`maxsize` items, or 64 MiB of them), `put()` waits. So a fast producer cannot fill the memory, but
 *   whoever puts that much and gets none of it himself waits for ever.
 * - **Closing** is for everyone: nothing more is put, what is in it can still be got, then `get()` throws
 *   {@linkcode ClosedError} instead of waiting.
 * - **Death**: a thread that ends while it puts or gets has done so or has not; the queue goes on for the others.
 *
 * Blocking forms may be used on every thread. Shared objects (locks, other queues, …), ports and blobs inside an item go by
 * way of the main thread, which must come to its event loop or wait in one of this library's calls.
 *
 * Source: `multiprocessing.Queue`.
 *
 * Differs from Python: there is no feeder thread: an item that was put is there. `close()` is for all threads.
 *
 * @typeParam T What it carries.
 *
 * @example Work for a worker, until a sentinel comes
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
   * A new queue, empty.
   *
   * @param maxsize How many items it holds at most; 0 and less: as many as there is room for. Or the handle of a queue, to
   * get that one instead.
   * @throws {TypeError} If `maxsize` is not a number, or not the handle of such a queue.
   * @throws {RangeError} If it is not a whole number.
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
   * The queue that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of a queue of this class.
   */
  static fromHandle<T = unknown>(handle: Handle): Queue<T> {
    return new this<T>(checkHandle(kindOf(this), handle));
  }

  /**
   * Puts an item, blocking this thread while the queue is full.
   *
   * @param item What to put.
   * @param options How long to wait at most.
   * @throws {QueueFullError} If there was no room within `timeout`, or at once with `block: false`.
   * @throws {ClosedError} If the queue is closed.
   * @throws {SerializationError} If the item cannot be sent.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the item takes more than 1 GiB, or there is no memory for it.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
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
   * Puts an item, waiting in the event loop while the queue is full.
   *
   * @param item What to put; it is copied at once.
   * @param options How long to wait at most, and a signal that gives up.
   * @throws {QueueFullError} If there was no room within `timeout`, or at once with `block: false`.
   * @throws {ClosedError} If the queue is closed.
   * @throws {SerializationError} If the item cannot be sent.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the item takes more than 1 GiB, or there is no memory for it.
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

  /** Puts an item if there is room, not overtaking what this thread has put before and still waits in its event loop. */
  #putInTurn(item: RingItem): boolean {
    return this.#object.member.serveFirst(this.#putters) && this.#put(item);
  }

  #put(item: RingItem): boolean {
    if (!this.#ring.put(item, this.#object.words[MAXSIZE]!, this.#refuseIfClosed)) return false;
    this.#getters.wakeOne();
    return true;
  }

  /**
   * Takes the oldest item, blocking this thread while the queue is empty.
   *
   * @param options How long to wait at most.
   * @returns The item.
   * @throws {QueueEmptyError} If there was none within `timeout`, or at once with `block: false`.
   * @throws {ClosedError} If the queue is closed and empty.
   * @throws {SerializationError} If the item cannot be read here; it is gone.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
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
   * Takes the oldest item, waiting in the event loop while the queue is empty.
   *
   * @param options How long to wait at most, and a signal that gives up.
   * @returns The item.
   * @throws {QueueEmptyError} If there was none within `timeout`, or at once with `block: false`.
   * @throws {ClosedError} If the queue is closed and empty.
   * @throws {SerializationError} If the item cannot be read here, or is an object with a method `then`, which a promise would
   * call; it is gone.
   * @throws {TypeError} If an option is of the wrong type.
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
      record = this.#ring.get(keep); // what was put before it was closed; after that nothing is
      if (record === undefined) throw new ClosedError("Cannot get an item as the queue is closed and empty");
    }
    this.#putters.wakeOne();
    return record;
  }

  readonly #refuseIfClosed = (): void => {
    if (atomics.peek(this.#object.words, CLOSED) === 0) return; // what counts is the look inside the guard
    throw new ClosedError("Cannot put an item as the queue is closed");
  };

  /** How many items there are at this moment. */
  qsize(): number {
    return this.#ring.size;
  }

  /** Whether there is no item at this moment. */
  empty(): boolean {
    return this.#ring.size === 0;
  }

  /** Whether there is no room for another item at this moment. */
  full(): boolean {
    return this.#ring.isFull(this.#object.words[MAXSIZE]!);
  }

  /**
   * Closes the queue for everyone: nothing more is put, what is in it can still be got. Those who wait to put, or to get
   * what will not come, get a {@linkcode ClosedError}. A second time it does nothing.
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

  /** What stands for the queue in a message to a Worker of your own: `fromHandle` makes it a queue there. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Such as `Queue(3)`, with the number of items. */
  toString(): string {
    return `${this.#object.handle.kind}(${this.qsize()})`;
  }
}

/**
 * A {@linkcode Queue} that knows when all its items have been dealt with.
 *
 * Source: `multiprocessing.JoinableQueue`.
 *
 * Differs from Python: `taskDone()` too often is an {@linkcode InvalidStateError}; `join()` takes a timeout.
 *
 * @typeParam T What it carries.
 *
 * @example Waiting for the work to be done
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
   * Reports that an item that was got is dealt with.
   *
   * @throws {InvalidStateError} If it is called more often than items were put.
   */
  taskDone(): void {
    reportDone(this);
  }

  /**
   * Blocks this thread until every item that was put has been reported done.
   *
   * @param timeout How long to wait at most, in milliseconds; 0 and less: not at all.
   * @returns Whether all are done: false only after `timeout`.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {InvalidStateError} If it would have to wait on the main thread of a page.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  join(timeout?: number): boolean {
    return waitUntilDone(this, checkTimeout(timeout));
  }

  /**
   * Waits in the event loop until every item that was put has been reported done.
   *
   * @param options How long to wait at most, in milliseconds, and a signal that gives up.
   * @returns Whether all are done: false only after `timeout`.
   * @throws {TypeError} If an option is of the wrong type.
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
