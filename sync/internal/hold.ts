/**
 * Locks for the length of a block: `using` and `await using`.
 *
 * @module
 */

import type { AsyncAcquireOptions } from "./wait.ts";

/** What can be acquired and released. */
export interface Acquirable {
  /** Blocks until it has it. */
  acquire(): boolean;
  /** Waits in the event loop until it has it. */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean>;
  /** Gives it back. */
  release(): void;
}

/** Holds what it was made from until the block that declared it is left. */
export interface Held extends Disposable {
  /** Gives it back earlier; the end of the block then does nothing. */
  release(): void;
}

/** The same for `await using`. */
export interface AsyncHeld extends AsyncDisposable {
  /** Gives it back earlier; the end of the block then does nothing. */
  release(): void;
}

/** An awaiting hold of an `RLock`: the lock belongs to this guard, which alone can hold it again. */
export interface ReentrantAsyncHeld extends AsyncHeld {
  /**
   * Gives the lock back once.
   *
   * @throws {InvalidStateError} If the lock is not this guard's: while `waitAsync()` of a condition has released it, or after
   * an interruption at a time limit.
   */
  release(): void;
  /**
   * Holds the lock once more, for what is called by the one who has the guard. It never waits.
   *
   * @param options A signal that has not aborted.
   * @returns A guard of its own: the lock is free when all of them have been released.
   * @throws {InvalidStateError} If this guard was released, or the lock is not its.
   */
  holdAsync(options?: { signal?: AbortSignal }): Promise<ReentrantAsyncHeld>;
}

class Hold implements Held, AsyncHeld {
  #held: Acquirable | undefined;

  constructor(held: Acquirable) {
    this.#held = held;
  }

  release(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}

/** Acquires for a block. */
export function hold(target: Acquirable): Held {
  target.acquire();
  return new Hold(target);
}

/** Acquires for a block, waiting in the event loop. */
export async function holdAsync(target: Acquirable, signal: AbortSignal | undefined): Promise<AsyncHeld> {
  await target.acquireAsync(signal === undefined ? undefined : { signal });
  return new Hold(target);
}

/** What a condition does with its lock. */
export interface LockCore {
  /** Whether this thread holds it. */
  readonly mine: boolean;
  /** Gives it back, however often it was acquired. Gives what makes it held in the same way, once it is acquired again. */
  releaseAll(): () => void;
  /** Acquires it again, blocking. */
  reacquire(restore: () => void): void;
  /** The same in the event loop. */
  reacquireAsync(restore: () => void): Promise<void>;
}

type CoreReader = (lock: object) => LockCore | undefined;

const coreReaders: CoreReader[] = [];

/** A class of locks says how to get at their inside. A WeakMap would keep each lock, and its memory, through minor collections. */
export function readsCores(reader: CoreReader): void {
  coreReaders.push(reader);
}

/** The inside of a lock, for conditions; undefined for what is none. */
export function coreOf(lock: unknown): LockCore | undefined {
  if (typeof lock !== "object" || lock === null) return undefined;
  for (const read of coreReaders) {
    const core = read(lock);
    if (core !== undefined) return core;
  }
  return undefined;
}
