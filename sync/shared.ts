/**
 * One object for all threads, by a name.
 *
 * The main thread keeps which object has which name (`_names.ts`), and a lock for each. A thread that looks for a name
 *
 * 1. asks the main thread: if the object is made, here it is; else
 * 2. acquires the lock of the name, which survives the death of its holder, and asks again;
 * 3. if nobody has made the object meanwhile, makes it, has the main thread keep it, and waits until it says so;
 * 4. releases the lock.
 *
 * Questions and answers are messages (`internal/resource_sharer.ts`), since memory can travel in nothing else.
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

/** What awaits in place of `shared()`. */
const INSTEAD = "'sharedAsync()'";

/** Options of {@linkcode shared}. */
export interface SharedOptions extends WaitOptions {
  /**
   * The class that the object must be of, as another part of the program may have made something else under the same name.
   *
   * @default any
   */
  type?: abstract new (...args: never[]) => unknown;
}

/** Options of {@linkcode sharedAsync}. */
export interface AsyncSharedOptions extends SharedOptions {
  /** Gives up the wait; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The objects that were looked for on this thread, of the classes of this copy of the library. */
const known = new Map<string, object>();

/**
 * The shared object that has a name in this program: the one that whichever thread asked first has made. Every thread gets the
 * same, so it may stand at the top level of a `module`, which each worker imports.
 *
 * - **Made once**: `make` runs in one thread, however many ask at the same moment; the others wait. If it throws, or its thread
 *   ends, the name is still free, and the next who asks makes the object.
 * - **It stays**: the name and its object last as long as the program. To be found by others, a name needs nothing but to be
 *   the same; libraries better begin theirs with their own name.
 * - **On every thread** of the program: the main thread, and workers of pools and processes at any depth. A worker that looks for
 *   a name for the first time waits until the main thread comes to its event loop, or to one of this library's calls that block.
 *   In a browser only the main thread can use it, as long as it has not to wait; {@linkcode sharedAsync} works in all threads.
 * - **No circles**: `make` may look for other names; two that look for each other's wait for ever, as with locks.
 *
 * Source: the names of `multiprocessing.shared_memory`.
 *
 * Differs from Python: any shared object can have a name; there is nothing to unlink, and no other program sees it.
 *
 * @typeParam T The type of the object. It is what `make` gives here; `type` checks it against what was really made.
 * @param name The name, not empty.
 * @param make Makes the object: a `Lock`, a `Queue`, a `SharedArray` or any other but a `Connection`, whose ends belong to who
 * has them.
 * @param options What the object must be, and how long to wait at most.
 * @returns The object: on one thread always the same.
 * @throws {TypeError} If an argument is of the wrong type, `make` gives no shared object, or the object is not of the `type`.
 * @throws {RangeError} If the name is empty.
 * @throws {TimeoutError} If the wait for another thread took longer than `timeout`.
 * @throws {InvalidStateError} If `make` looks for its own name; on a thread that must not wait for others; or in a Worker
 * that this library has not started, which is no part of the program to it.
 * @throws {CancelledError} If this worker was terminated meanwhile.
 *
 * @example At the top level of a module that workers import
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
 * @example By name in a function that goes by source
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
 * The same as {@linkcode shared}, waiting in the event loop: for threads that must not block, as all in a browser.
 *
 * @typeParam T The type of the object.
 * @param name The name, not empty.
 * @param make Makes the object.
 * @param options What the object must be, how long to wait at most, and a signal that gives up.
 * @returns The object: on one thread always the same.
 * @throws {TypeError} If an argument is of the wrong type, `make` gives no shared object, or the object is not of the `type`.
 * @throws {RangeError} If the name is empty.
 * @throws {TimeoutError} If the wait for another thread took longer than `timeout`.
 * @throws {InvalidStateError} In a Worker that this library has not started.
 *
 * @example None waits for another
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

/** Asks the main thread; with the handle of an object that was made here, has that copyOf. Gives the object, if there is one. */
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
  /** How long to wait for the answer. */
  readonly left: number;
  readonly #messageId: number;
  #answer: readonly unknown[] | undefined;

  constructor(messageId: number, left: number) {
    this.#messageId = messageId;
    this.left = left;
    this.place = anywhere(messageId);
  }

  /** Whether the answer has come. */
  readonly answered = (): boolean => (this.#answer ??= thisThread().sharer.acquire(this.#messageId)) !== undefined;

  get answer(): readonly unknown[] | undefined {
    return this.#answer;
  }

  /** Nobody waits for the answer any more. */
  close(): void {
    if (this.#answer === undefined) thisThread().sharer.forget(this.#messageId);
  }
}

/** One look for a name. */
class Search<T extends object> {
  readonly member: Member = memberOf();
  readonly #name: string;
  readonly #make: () => T;
  readonly #type: SharedOptions["type"];
  readonly #time: number;
  readonly #deadline: number;
  #lock: Lock | undefined;
  /** What was made here. */
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

  /** How much time is left, in milliseconds. */
  get left(): number {
    return this.#deadline - atomics.now();
  }

  tooLate(): TimeoutError {
    return new TimeoutError(`Nothing was shared as ${show(this.#name)} within ${this.#time} ms`);
  }

  /** The object if this thread knows it. */
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
    const lock = (this.#lock ??= withoutWarning(() => new Lock())).handle;
    thisThread().sharer.ask(messageId, { name: this.#name, lock, object: made });
    return new Question(messageId, made === undefined ? this.left : Infinity); // what was made must not be made again
  }

  /**
   * What the answer says, if there is an object.
   *
   * @throws {TimeoutError} If it has not come.
   * @throws {InvalidStateError} If it says that this is no thread of the program.
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

  /** The lock of the name, once an answer has told it. */
  get lock(): Lock {
    return this.#lock!;
  }

  /** @throws {InvalidStateError} If this thread is it that makes the object: it would wait for itself. */
  refuseIfMaking(): void {
    if (!coreOf(this.lock)!.mine) return;
    throw new InvalidStateError(
      `Cannot wait for ${show(this.#name)} as this same thread is making it: await ${INSTEAD} outside of 'make'`,
    );
  }

  /**
   * Makes the object, and gives its handle.
   *
   * @throws {TypeError} If it is no shared object, or not of the type.
   */
  make(): Handle {
    const made: unknown = withoutWarning(this.#make);
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

/** Makes objects that are not another one in each worker. */
function withoutWarning<R>(make: () => R): R {
  const thread = thisThread();
  thread.naming++;
  try {
    return make();
  } finally {
    thread.naming--;
  }
}

registerLibraryFunction("shared", shared as AnyFunction);
registerLibraryFunction("sharedAsync", sharedAsync as AnyFunction);
