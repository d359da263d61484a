/**
 * A pipe: values go from one end to the other.
 *
 * Memory, in 32-bit words: 0 the object number; 1 DUPLEX: 0 or 1; for each end, UNDERWAY: the number of its copies on
 * their way to other threads, and for each slot the ID of the thread that has the end open; then for each direction a
 * ring (`internal/record_ring.ts`) and the wait sets of the threads that receive and send. The values of each direction
 * have separate memory.
 *
 * ```
 *   open ──── close, in every thread that has the end, or their end ────▶ closed
 *    │ the other end closed                                                 (every call: ClosedError)
 *    ▼
 *   what was sent before can be received, then ClosedError; send: ClosedError
 * ```
 *
 * @module
 */

import { ofThread } from "../base/copies.ts";
import { ClosedError, InvalidStateError, TimeoutError } from "../errors.ts";
import { checkSignal, checkTimeout } from "../base/checks.ts";
import { checkedFlag, OptionsSchema } from "../base/options_schema.ts";
import { atomics } from "./internal/atomics.ts";
import { checkHandle, FIRST, type Handle, registerSharedClass, SharedObject } from "./internal/shared_object.ts";
import { copyOf, ItemCodec } from "./internal/item_codec.ts";
import { SLOTS } from "./internal/thread_table.ts";
import { RecordRing, RING, type RingItem, ringMemory, type RingRecord } from "./internal/record_ring.ts";
import { type AsyncWaitOptions, waitFor, waitForAsync, waitOptions } from "./internal/wait.ts";
import { HINTED_WAIT_SET, HintedWaitSet, type WaitSet } from "./internal/wait_set.ts";

const DUPLEX = FIRST;
const ENDS = FIRST + 1;
const UNDERWAY = 0;
const USERS = 1;
const END = 1 + SLOTS;
const DIRECTIONS = ENDS + 2 * END;
const RECEIVERS = RING;
const SENDERS = RING + HINTED_WAIT_SET;
const DIRECTION = RING + 2 * HINTED_WAIT_SET;
const SIZE = DIRECTIONS + 2 * DIRECTION - FIRST;
/** The limit of a ring without one: the greatest number of values. */
const UNLIMITED = 0x7fffffff;
/** The methods that errors suggest in place of `recv()` and `poll()`. */
const RECV = "'recvAsync()'";
const POLL = "'pollAsync()'";

/** Options of {@linkcode Pipe}. */
export interface PipeOptions {
  /**
   * True if both ends send and receive. If false, the first end only receives and the second only sends.
   *
   * @default {true}
   */
  duplex?: boolean;
}

/** One direction of the pipe, as an end uses it. */
interface Direction {
  readonly ring: RecordRing;
  readonly receivers: WaitSet;
  readonly senders: WaitSet;
}

/**
 * Returns how many open connections this thread has for each end, in all copies of this library: an end that is closed
 * in one copy may still be open in another.
 */
function openedHere(): Map<number, number> {
  return ofThread("connections", () => new Map<number, number>());
}

/**
 * One end of a {@linkcode Pipe}.
 *
 * - **Whole values**: each `recv()` returns the value of one `send()`, in order. Several threads that use the same end
 *   never get parts of a value.
 * - **Closing**: once the other end is closed in every thread that has it, or those threads have ended, `send()` throws
 *   a {@linkcode ClosedError}, and so does `recv()` after the last value.
 * - **Full**: with 64 MiB in the pipe, `send()` and `sendAsync()` wait. Values of one thread arrive in the order of its
 *   calls.
 *
 * A copy that was sent to another thread is open and closed independently: closing the end here leaves the copy open.
 * Blocking methods may be used on the same threads as those of a {@linkcode Lock}.
 *
 * Source: `multiprocessing.connection.Connection`.
 *
 * Differs from Python: a `ClosedError` reports both the end of file and a broken pipe; there is no `sendBytes`, since
 * `send()` takes typed arrays.
 *
 * @example Ask a worker a question, and receive its answer
 * ```ts
 * import { type Connection, Pipe, Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const [here, there] = Pipe();
 * await using pool = new Pool(1);
 * const done = pool.apply((end: Connection) => end.send(end.recv() as number * 2), [there]);
 * here.send(21);
 * assertEquals(here.recv(), 42);
 * await done;
 * ```
 */
export class Connection {
  readonly #object: SharedObject;
  readonly #end: 0 | 1;
  readonly #out: Direction;
  readonly #in: Direction;
  readonly #items: ItemCodec;
  /** The waits of this end in the event loop. */
  readonly #waits = new Set<AbortController>();
  #closed = false;

  /**
   * Opens the end of a handle. {@linkcode Pipe} creates new ends.
   *
   * @param handle The handle of an end.
   * @throws {TypeError} If `handle` is not the handle of an end.
   */
  constructor(handle: Handle) {
    this.#object = new SharedObject("Connection", checkHandle("Connection", handle), SIZE, undefined, 3);
    this.#end = handle.data === 1 ? 1 : 0;
    const { words, member } = this.#object;
    const direction = (index: 0 | 1): Direction => {
      const at = DIRECTIONS + index * DIRECTION;
      const place = (n: number): number => this.#object.place(4 * index + n);
      return {
        ring: new RecordRing(words, at, handle.memory[1 + index]!, member, place(0)),
        receivers: new HintedWaitSet(words, at + RECEIVERS, member, place(2)),
        senders: new HintedWaitSet(words, at + SENDERS, member, place(3)),
      };
    };
    this.#out = direction(this.#end);
    this.#in = direction(this.#end === 0 ? 1 : 0);
    this.#items = new ItemCodec(member);
    const opened = openedHere();
    const key = this.#object.place(this.#end);
    opened.set(key, (opened.get(key) ?? 0) + 1);
    // First this thread has the end open, then the copy is no longer underway: at each moment the end counts as open.
    atomics.store(words, this.#at(this.#end, USERS + member.slot), member.id);
    this.#arrive();
  }

  #at(end: 0 | 1, word: number): number {
    return ENDS + end * END + word;
  }

  #arrive(): void {
    const at = this.#at(this.#end, UNDERWAY);
    for (;;) {
      const underway = atomics.load(this.#object.words, at);
      if (underway === 0 || atomics.compareExchange(this.#object.words, at, underway, underway - 1) === underway) {
        return;
      }
    }
  }

  /** Returns the end of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): Connection {
    return new Connection(handle);
  }

  /** True if this end receives. */
  get readable(): boolean {
    return this.#end === 0 || this.#object.words[DUPLEX] === 1;
  }

  /** True if this end sends. */
  get writable(): boolean {
    return this.#end === 1 || this.#object.words[DUPLEX] === 1;
  }

  /** True if this end is closed on this thread. */
  get closed(): boolean {
    return this.#closed;
  }

  #refuse(what: "send" | "receive"): void {
    if (this.#closed) throw new ClosedError(`Cannot ${what} as the connection is closed`);
    if (what === "send" ? this.writable : this.readable) return;
    throw new InvalidStateError(
      `Cannot ${what} as this end of the pipe only ${what === "send" ? "receives" : "sends"}`,
    );
  }

  /** Returns whether a thread has the other end open, or a copy is on its way to one. */
  #otherIsOpen(): boolean {
    const { words, member: { threadTable } } = this.#object;
    const other = this.#end === 0 ? 1 : 0;
    if (atomics.load(words, this.#at(other, UNDERWAY)) > 0) return true;
    const { used } = threadTable;
    for (let slot = 0; slot < used; slot++) {
      const id = atomics.load(words, this.#at(other, USERS + slot));
      if (id !== 0 && threadTable.alive(id)) return true;
    }
    return false;
  }

  /**
   * Sends a value. Blocks this thread while the pipe is full; otherwise throws as {@linkcode Event.wait}.
   *
   * @param value The value. It is copied.
   * @param timeout The longest time to wait, in milliseconds, as for {@linkcode Event.wait}.
   * @throws {TimeoutError} If the pipe was full until `timeout`. Nothing is sent.
   * @throws {ClosedError} If this end or the other one is closed.
   * @throws {InvalidStateError} If this end only receives.
   * @throws {SerializationError} If the value cannot be sent.
   * @throws {RangeError} If the value takes more than 1 GiB, or there is not enough memory for it.
   */
  send(value: unknown, timeout?: number): void {
    const time = checkTimeout(timeout);
    this.#refuse("send");
    const packed = this.#items.pack(value);
    let done = false;
    try {
      done = this.#putInTurn(packed);
      if (!done && time > 0) {
        const item = copyOf(packed);
        done = waitFor(this.#object.member, this.#out.senders, () => this.#putInTurn(item), time, "'sendAsync()'");
      }
    } finally {
      if (!done) this.#items.withdraw(packed);
    }
    if (!done) throw notSent(time);
    this.#items.sent(packed);
  }

  /**
   * Sends a value. Waits in the event loop while the pipe is full; otherwise as {@linkcode Connection.send}.
   *
   * @param value The value. It is copied before this method returns the promise.
   * @param options The longest time to wait, and a signal, as for {@linkcode Event.waitAsync}.
   * @throws {ClosedError} Also if this end is closed during the wait.
   * @throws {TypeError} If an option is of the wrong type.
   *
   * @example Stop waiting to send when nobody receives
   * ```ts
   * import { Pipe, TimeoutError } from "@manycore/parallel";
   * import { assertRejects } from "@std/assert";
   *
   * const [, writer] = Pipe({ duplex: false });
   * await writer.sendAsync(new Uint8Array(64 * 2 ** 20)); // fills it
   * await assertRejects(() => writer.sendAsync("more", { timeout: 10 }), TimeoutError);
   * ```
   */
  async sendAsync(value: unknown, options?: number | AsyncWaitOptions): Promise<void> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    this.#refuse("send");
    const packed = this.#items.pack(value);
    let done = false;
    try {
      done = this.#putInTurn(packed);
      if (!done && time > 0) {
        const item = copyOf(packed);
        done = await this.#waitAsync(this.#out.senders, () => this.#put(item), time, signal);
      }
    } finally {
      if (!done) this.#items.withdraw(packed);
    }
    if (!done) throw notSent(time);
    this.#items.sent(packed);
  }

  /**
   * Sends an item if there is room. It does not overtake earlier items of this thread that wait in the event loop.
   * Returns whether the item was sent.
   */
  #putInTurn(item: RingItem): boolean {
    return this.#object.member.serveFirst(this.#out.senders) && this.#put(item);
  }

  #put(item: RingItem): boolean {
    if (!this.#otherIsOpen()) throw new ClosedError("Cannot send as the other end of the pipe is closed");
    if (!this.#out.ring.put(item, UNLIMITED, () => {})) return false;
    this.#out.receivers.wakeOne();
    return true;
  }

  /** Waits in the event loop. The wait fails when this end is closed. */
  async #waitAsync(
    place: WaitSet,
    attempt: () => boolean,
    time: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const wait = new AbortController();
    const abort = (): void => wait.abort(signal!.reason);
    signal?.addEventListener("abort", abort);
    this.#waits.add(wait);
    try {
      return await waitForAsync(this.#object.member, place, attempt, time, wait.signal);
    } finally {
      this.#waits.delete(wait);
      signal?.removeEventListener("abort", abort);
    }
  }

  #take(keep: boolean): RingRecord | undefined {
    const open = this.#otherIsOpen(); // read before the ring: after a close nothing more is sent
    const record = this.#items.takeDeferred() ?? this.#in.ring.get(keep);
    if (record !== undefined) this.#in.senders.wakeOne();
    else if (!open) throw new ClosedError("Cannot receive as the other end of the pipe is closed, and nothing is left");
    return record;
  }

  /**
   * Receives a value. Blocks this thread until one arrives; otherwise throws as {@linkcode Event.wait}.
   *
   * @param timeout The longest time to wait, in milliseconds, as for {@linkcode Event.wait}.
   * @returns The value.
   * @throws {TimeoutError} If no value arrived within `timeout`.
   * @throws {ClosedError} If this end is closed, or the other one is closed and no value is left.
   * @throws {InvalidStateError} If this end only sends.
   * @throws {SerializationError} If the value cannot be read on this thread. It is removed all the same.
   */
  recv(timeout?: number): unknown {
    const time = checkTimeout(timeout);
    this.#refuse("receive");
    let record: RingRecord | undefined;
    const attempt = (): boolean => (record = this.#take(false)) !== undefined;
    if (!attempt() && time > 0) waitFor(this.#object.member, this.#in.receivers, attempt, time, RECV);
    if (record === undefined) throw new TimeoutError(`Nothing was received within ${time} ms`);
    return this.#items.unpack(record, RECV);
  }

  /**
   * Receives a value. Waits in the event loop until one arrives; otherwise as {@linkcode Connection.recv}.
   *
   * @param options The longest time to wait, and a signal, as for {@linkcode Event.waitAsync}.
   * @returns The value.
   * @throws {ClosedError} Also if this end is closed during the wait.
   * @throws {SerializationError} Also if the value is an object with a method `then`, which a promise would call. It is
   * removed all the same.
   */
  async recvAsync(options?: number | AsyncWaitOptions): Promise<unknown> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    this.#refuse("receive");
    let record: RingRecord | undefined;
    const attempt = (): boolean => (record = this.#take(true)) !== undefined;
    if (!attempt() && time > 0) await this.#waitAsync(this.#in.receivers, attempt, time, signal);
    if (record === undefined) throw new TimeoutError(`Nothing was received within ${time} ms`);
    return await this.#items.unpackAsync(record);
  }

  /**
   * Returns whether `recv()` would return or throw at once. With a `timeout` above 0, blocks this thread until it
   * would; otherwise throws as {@linkcode Event.wait}.
   *
   * @param timeout The longest time to wait, in milliseconds, as for {@linkcode Event.wait}, but 0 by default.
   * @returns True if a value can be received, or the other end is closed. False only after `timeout`.
   * @throws {ClosedError} If this end is closed.
   * @throws {InvalidStateError} If this end only sends.
   */
  poll(timeout: number = 0): boolean {
    const time = checkTimeout(timeout);
    this.#refuse("receive");
    if (this.#hasSome()) return true;
    if (!(time > 0) || !waitFor(this.#object.member, this.#in.receivers, this.#hasSome, time, POLL)) return false;
    this.#in.receivers.wakeOne(); // this thread only looked: the value is for a thread that receives
    return true;
  }

  /**
   * Waits in the event loop until a value can be received; otherwise as {@linkcode Connection.poll}.
   *
   * @param options The longest time to wait, and a signal, as for {@linkcode Event.waitAsync}, but 0 by default.
   * @returns True if a value can be received, or the other end is closed.
   * @throws {ClosedError} Also if this end is closed during the wait.
   */
  async pollAsync(options: number | AsyncWaitOptions = 0): Promise<boolean> {
    const { timeout, signal } = waitOptions(options);
    const time = checkTimeout(timeout);
    checkSignal(signal);
    signal?.throwIfAborted();
    this.#refuse("receive");
    if (this.#hasSome()) return true;
    if (!(time > 0) || !await this.#waitAsync(this.#in.receivers, this.#hasSome, time, signal)) return false;
    this.#in.receivers.wakeOne(); // as in poll()
    return true;
  }

  readonly #hasSome = (): boolean => this.#items.hasLeft || this.#in.ring.size > 0 || !this.#otherIsOpen();

  /** Closes this end on this thread. Copies in other threads stay open. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { words, member } = this.#object;
    const opened = openedHere();
    const key = this.#object.place(this.#end);
    const others = (opened.get(key) ?? 1) - 1;
    opened.set(key, others);
    if (others === 0) {
      opened.delete(key);
      atomics.compareExchange(words, this.#at(this.#end, USERS + member.slot), member.id, 0);
    }
    for (const wait of this.#waits) wait.abort(new ClosedError("Cannot wait as the connection was closed meanwhile"));
    this.#out.receivers.wakeAll();
    this.#in.senders.wakeAll();
  }

  /** Closes this end at the end of the block: `using end = …`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The handle of the end; see {@linkcode Lock.handle}. The end counts as open until the receiving thread has opened
   * it.
   *
   * @throws {ClosedError} If this end is closed.
   */
  get handle(): Handle {
    if (this.#closed) throw new ClosedError("Cannot send the connection to another thread as it is closed");
    atomics.add(this.#object.words, this.#at(this.#end, UNDERWAY), 1);
    return this.#object.handle;
  }
}

const PIPE_OPTIONS = new OptionsSchema({ duplex: checkedFlag });

/**
 * Creates a pipe: two ends, each of which can be sent to another thread.
 *
 * Source: `multiprocessing.Pipe`.
 *
 * @param options The option `duplex`, or its value.
 * @returns The two ends. With `duplex: false` the first only receives and the second only sends.
 * @throws {TypeError} If an option is of the wrong type.
 *
 * @example Create a pipe for one direction only
 * ```ts
 * import { Pipe } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const [reader, writer] = Pipe({ duplex: false });
 * writer.send({ n: 1 });
 * assertEquals(reader.recv(), { n: 1 });
 * ```
 */
export function Pipe(options?: PipeOptions | boolean): [Connection, Connection] {
  const { duplex = true } = typeof options === "boolean" ? { duplex: options } : PIPE_OPTIONS.read(options, "Pipe()");
  const cell = new SharedObject(
    "Connection",
    undefined,
    SIZE,
    () => ({ memory: [ringMemory(), ringMemory()], data: 0 }),
  );
  cell.words[DUPLEX] = duplex ? 1 : 0;
  return [new Connection(cell.handle), new Connection({ ...cell.handle, data: 1 })];
}

function notSent(time: number): TimeoutError {
  return new TimeoutError(`Nothing was sent within ${time} ms as the pipe is full`);
}

registerSharedClass("Connection", Connection);
