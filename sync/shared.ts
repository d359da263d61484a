/**
 * Shared objects by name: one object of a name for all threads.
 *
 * The main thread stores the object of each name (`internal/names.ts`), and a lock for each name. A thread that looks
 * for a name
 *
 * 1. asks the main thread, which answers with the object if there is one; otherwise the thread
 * 2. acquires the lock of the name, which is robust against the death of its holder, and asks again;
 * 3. if no thread has made the object meanwhile, makes it, sends it to the main thread, and waits for the answer that
 *    the main thread has stored it;
 * 4. releases the lock.
 *
 * Questions and answers are messages (`internal/resource_sharer.ts`), since only messages can carry shared memory.
 *
 * @module
 */

import { refuseToBlock, refuseToBlockForMessages } from "../base/platform.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { checkFunction, show } from "../base/checks.ts";
import {
  type Check,
  checkedFunctionOf,
  checkedSignal,
  checkedTimeout,
  type OptionsOf,
  OptionsSchema,
} from "../base/options_schema.ts";
import { type Handle, handleOf, reviveShared } from "../codec/handles.ts";
import { registerLibraryFunction } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { atomics } from "./internal/atomics.ts";
import { coreOf } from "./internal/hold.ts";
import { anywhere } from "./internal/item_codec.ts";
import type { Named } from "./internal/names.ts";
import { unwarned } from "./internal/importing.ts";
import { memberOf, thisThread } from "./internal/current_thread.ts";
import type { Member, WaitPlace } from "./internal/member.ts";
import { waitFor, waitForAsync, type WaitOptions } from "./internal/wait.ts";
import { Lock } from "./lock.ts";

const SHARED_CHECKS = {
  timeout: checkedTimeout,
  type: checkedFunctionOf() as unknown as Check<NonNullable<SharedOptions["type"]>>,
};
const SHARED_OPTIONS = new OptionsSchema(SHARED_CHECKS);
const ASYNC_SHARED_OPTIONS = new OptionsSchema({ ...SHARED_CHECKS, signal: checkedSignal });

/** The method that an error suggests in place of `shared()`. */
const INSTEAD = "'sharedAsync()'";

/** Options of {@linkcode shared}. */
export interface SharedOptions extends WaitOptions {
  /**
   * The class of the object. The call fails if another part of the program has made an object of a different class
   * under the same name.
   *
   * @default {undefined}
   */
  type?: abstract new (...args: never[]) => unknown;
}

/** Options of {@linkcode sharedAsync}. */
export interface AsyncSharedOptions extends SharedOptions {
  /**
   * A signal that cancels the wait; see {@linkcode AsyncWaitOptions.signal}.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** The objects that were looked up on this thread, as instances of this copy of the library. */
const known = new Map<string, object>();

/**
 * Returns the shared object of a name. The first thread that asks for the name makes the object, and all threads get
 * the same one. So the call may stand at the top level of a `module`, which each worker imports.
 *
 * - **Made once**: `make` runs in one thread, however many ask at the same moment; the other threads wait. If `make`
 *   throws, or its thread ends, the name stays free, and the next thread that asks makes the object.
 * - **Permanent**: the name and its object last as long as the program. All code that uses the same name gets the same
 *   object, so a library should begin its names with its own name.
 * - **Threads**: the main thread, and workers of pools and processes at any depth. A worker that looks for a name for
 *   the first time waits until the main thread runs its event loop, or blocks in a call of this library. In a browser
 *   only the main thread can use this function, and only while it need not wait; {@linkcode sharedAsync} works on all
 *   threads.
 * - **Deadlocks**: `make` may look for other names. Two `make` functions that look for each other's names wait forever,
 *   as with locks.
 *
 * Source: the names of `multiprocessing.shared_memory`.
 *
 * Differs from Python: any shared object can have a name; there is nothing to unlink; other programs do not see the
 * name.
 *
 * @typeParam T The type of the object: that of the result of `make`. Use `type` to check that the object, which other
 * code may have made, is of it.
 * @param name The name, a string that is not empty.
 * @param make The callback that makes the object: a `Lock`, a `Queue`, a `SharedArray` or any other shared object. Only
 * a `Connection` cannot have a name, since each end of a pipe belongs to its holder.
 * @param options The class of the object, and the longest time to wait.
 * @returns The object; the same instance for all calls on one thread.
 * @throws {TypeError} If an argument is of the wrong type, `make` returns no shared object, or the object is not of the
 * class `type`.
 * @throws {RangeError} If `name` is empty.
 * @throws {TimeoutError} If the wait for other threads takes longer than `timeout`.
 * @throws {InvalidStateError} If `make` looks for its own name; if the call would have to block a thread that must not
 * block; or in a Worker that this library did not start.
 * @throws {CancelledError} If this worker is terminated during the wait.
 *
 * @example Share a counter at the top level of a module that workers import
 * ```ts
 * import { Pool, shared, Value } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * export const hits = shared("example/hits", () => new Value("i"));
 *
 * export function visit(): void {
 *   hits.add(1); // the same counter in all workers
 * }
 *
 * if (import.meta.main) {
 *   await using pool = new Pool(2, { module: import.meta.url });
 *   await pool.map(visit, Array(100));
 *   assertEquals(hits.value, 100);
 * }
 * ```
 *
 * @example Share a counter by name in a function that is sent as source text
 * ```ts
 * import { Pool, shared, Value } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * await using pool = new Pool(2, { scope: { shared, Value } });
 * await pool.map((n: number) => shared("example/sum", () => new Value("i")).add(n), [1, 2, 3]);
 * assertEquals(shared("example/sum", () => new Value("i"), { type: Value }).value, 6);
 * ```
 */
export function shared<T extends object>(name: string, make: () => T, options: SharedOptions = {}): T {
  const search = new Search(name, make, SHARED_OPTIONS.read(options, "shared()"));
  const found = search.known() ?? ask(search);
  if (found !== undefined) return found;
  const { lock } = search;
  if (!lock.acquire({ block: false })) {
    search.refuseIfMaking();
    refuseToBlock(INSTEAD);
    if (!lock.acquire({ timeout: search.left })) throw search.tooLate();
  }
  try {
    return ask(search) ?? ask(search, search.make())!;
  } finally {
    lock.release();
  }
}

/**
 * Returns the shared object of a name, and waits for it in the event loop; otherwise as {@linkcode shared}. For threads
 * that must not block, as all threads of a web page.
 *
 * @typeParam T The type of the object.
 * @param name The name, a string that is not empty.
 * @param make The callback that makes the object.
 * @param options The class of the object, the longest time to wait, and a signal that cancels the wait.
 * @returns The object; the same instance for all calls on one thread.
 *
 * @example Get one object from two calls
 * ```ts
 * import { Lock, sharedAsync } from "@manycore/parallel";
 * import { assertStrictEquals } from "@std/assert";
 *
 * const both = [1, 2].map(() => sharedAsync("example/lock", () => new Lock()));
 * assertStrictEquals(await both[0], await both[1]);
 * ```
 */
export async function sharedAsync<T extends object>(
  name: string,
  make: () => T,
  options: AsyncSharedOptions = {},
): Promise<T> {
  const read = ASYNC_SHARED_OPTIONS.read(options, "sharedAsync()");
  const { signal } = read;
  const search = new Search(name, make, read);
  signal?.throwIfAborted();
  const found = search.known() ?? await askAsync(search, signal);
  if (found !== undefined) return found;
  const { lock } = search;
  const acquired = await lock.acquireAsync({ timeout: search.left, ...(signal && { signal }) });
  if (!acquired) throw search.tooLate();
  try {
    return await askAsync(search, signal) ?? (await askAsync(search, undefined, search.make()))!;
  } finally {
    lock.release();
  }
}

/**
 * Asks the main thread for the object of a name. With the handle of an object that was made here, asks it to store that
 * one. Returns the object, if there is one.
 */
function ask<T extends object>(search: Search<T>, made?: Handle): T | undefined {
  const question = search.ask(made);
  try {
    if (!question.answered()) {
      refuseToBlockForMessages(INSTEAD);
      waitFor(search.member, question.place, question.answered, question.left, INSTEAD);
    }
    return search.read(question);
  } finally {
    question.close();
  }
}

async function askAsync<T extends object>(
  search: Search<T>,
  signal: AbortSignal | undefined,
  made?: Handle,
): Promise<T | undefined> {
  const question = search.ask(made);
  try {
    if (!question.answered()) {
      await waitForAsync(search.member, question.place, question.answered, question.left, signal);
    }
    return search.read(question);
  } finally {
    question.close();
  }
}

/** A question to the main thread. */
class Question {
  readonly place: WaitPlace;
  /** The longest time to wait for the answer, in milliseconds. */
  readonly left: number;
  readonly #messageId: number;
  #answer: readonly unknown[] | undefined;

  constructor(messageId: number, left: number) {
    this.#messageId = messageId;
    this.left = left;
    this.place = anywhere(messageId);
  }

  /** Returns whether the answer has arrived. */
  readonly answered = (): boolean => (this.#answer ??= thisThread().sharer.acquire(this.#messageId)) !== undefined;

  get answer(): readonly unknown[] | undefined {
    return this.#answer;
  }

  /** Ends the wait for the answer: an answer that arrives later is dropped. */
  close(): void {
    if (this.#answer === undefined) thisThread().sharer.forget(this.#messageId);
  }
}

/** One lookup of a name. */
class Search<T extends object> {
  readonly member: Member = memberOf();
  readonly #name: string;
  readonly #make: () => T;
  readonly #type: SharedOptions["type"];
  readonly #time: number;
  readonly #deadline: number;
  #lock: Lock | undefined;
  /** The object that was made here. */
  #made: T | undefined;

  constructor(name: string, make: () => T, { timeout = Infinity, type }: OptionsOf<typeof SHARED_CHECKS>) {
    if (typeof name !== "string") {
      throw new TypeError(`Cannot share an object as 'name' must be a string: current value is ${show(name)}`);
    }
    if (name === "") throw new RangeError("Cannot share an object as 'name' must not be empty");
    checkFunction("make", make);
    this.#name = name;
    this.#make = make;
    this.#type = type;
    this.#time = timeout;
    this.#deadline = atomics.now() + this.#time;
  }

  /** The time left, in milliseconds. */
  get left(): number {
    return this.#deadline - atomics.now();
  }

  tooLate(): TimeoutError {
    return new TimeoutError(`Nothing was shared as ${show(this.#name)} within ${this.#time} ms`);
  }

  /** Returns the object if this thread knows it already. */
  known(): T | undefined {
    const handle = thisThread().sharer.made.get(this.#name);
    return handle && this.#found(handle);
  }

  #found(handle: Handle): T {
    let object = known.get(this.#name) as T | undefined;
    if (object === undefined) known.set(this.#name, object = reviveShared(handle) as T);
    return this.#checked(object);
  }

  #checked(object: T): T {
    if (this.#type === undefined || object instanceof this.#type) return object;
    throw new TypeError(
      `Cannot share ${
        show(this.#name)
      } as it must be a ${this.#type.name}: current value is a ${object.constructor.name}`,
    );
  }

  ask(made: Handle | undefined): Question {
    const messageId = this.member.threadTable.nextMessageId();
    const lock = (this.#lock ??= unwarned(() => new Lock())).handle;
    thisThread().sharer.ask(messageId, { name: this.#name, lock, object: made });
    return new Question(messageId, made === undefined ? this.left : Infinity); // the object must not be made twice
  }

  /**
   * Returns the object of an answer, if there is one.
   *
   * @throws {TimeoutError} If the answer has not arrived.
   * @throws {InvalidStateError} If this thread is not part of the program, according to the answer.
   */
  read({ answer }: Question): T | undefined {
    if (answer === undefined) throw this.tooLate();
    const [named] = answer as readonly Named[];
    if (named === undefined) {
      throw new InvalidStateError(
        `Cannot share ${
          show(this.#name)
        } by its name as this Worker, or the one that has started it, was not started ` +
          "by this library: send it the handle of the object instead",
      );
    }
    this.#lock = Lock.fromHandle(named.lock);
    if (named.object === undefined) return undefined;
    thisThread().sharer.made.set(this.#name, named.object);
    if (named.yours) known.set(this.#name, this.#made!);
    return this.#found(named.object);
  }

  /** The lock of the name, from the first answer on. */
  get lock(): Lock {
    return this.#lock!;
  }

  /** @throws {InvalidStateError} If this same thread is making the object: it would wait for itself. */
  refuseIfMaking(): void {
    if (!coreOf(this.lock)!.mine) return;
    throw new InvalidStateError(
      `Cannot wait for ${show(this.#name)} as this same thread is making it: await ${INSTEAD} outside of 'make'`,
    );
  }

  /**
   * Makes the object. Returns its handle.
   *
   * @throws {TypeError} If it is not a shared object, or not of the class `type`.
   */
  make(): Handle {
    const made: unknown = unwarned(this.#make);
    const handle = typeof made === "object" && made !== null ? handleOf(made) : undefined;
    if (handle === undefined || handle.kind === "Connection") {
      throw new TypeError(
        `Cannot share ${show(this.#name)} as 'make' must give a shared object such as a Lock or a Queue: ` +
          `current value is ${handle === undefined ? show(made) : "an end of a pipe, which belongs to who has it"}`,
      );
    }
    this.#made = this.#checked(made as T);
    return handle;
  }
}

registerLibraryFunction("shared", shared as AnyFunction);
registerLibraryFunction("sharedAsync", sharedAsync as AnyFunction);
