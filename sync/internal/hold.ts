/**
 * Locks held for the length of a block, with `using` and `await using`.
 *
 * @module
 */

import type { AsyncAcquireOptions } from "./wait.ts";

/** An object that can be acquired and released. */
export interface Acquirable {
  /** Acquires the object. Blocks until that succeeds. */
  acquire(): boolean;
  /** Acquires the object. Waits in the event loop until that succeeds. */
  acquireAsync(options?: AsyncAcquireOptions): Promise<boolean>;
  /** Releases the object. */
  release(): void;
}

/**
 * The guard of a lock, permit or condition: releases it at the end of the block that declares the guard with `using`.
 */
export interface Held extends Disposable {
  /** Releases the lock, permit or condition before the end of the block, which then does nothing. */
  release(): void;
}

/** The guard of a lock, permit or condition that was acquired by awaiting, for `await using`; otherwise as
 * {@linkcode Held}. */
export interface AsyncHeld extends AsyncDisposable {
  /** Releases the lock, permit or condition before the end of the block, as {@linkcode Held.release}. */
  release(): void;
}

/**
 * The guard of an {@linkcode RLock} that was acquired by awaiting. The guard owns the lock; only the guard can acquire
 * it again.
 */
export interface ReentrantAsyncHeld extends AsyncHeld {
  /**
   * Releases the lock once. A second call does nothing.
   *
   * @throws {InvalidStateError} If the guard does not own the lock: while `waitAsync()` of a condition has released it,
   * or after an interruption at a time limit.
   */
  release(): void;
  /**
   * Acquires the lock once more, for a function that received the guard. It never waits.
   *
   * @param options A signal; if it is aborted, the promise rejects with its reason.
   * @returns Another guard of the same owner. The lock is free when all of them have been released.
   * @throws {InvalidStateError} If this guard was released, or does not own the lock.
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

/** Acquires `target` until the end of a block. Blocks this thread. */
export function hold(target: Acquirable): Held {
  target.acquire();
  return new Hold(target);
}

/** Acquires `target` until the end of a block. Waits in the event loop. */
export async function holdAsync(target: Acquirable, signal: AbortSignal | undefined): Promise<AsyncHeld> {
  await target.acquireAsync(signal === undefined ? undefined : { signal });
  return new Hold(target);
}

/** The operations of a lock that a condition needs. */
export interface LockCore {
  /** True if this thread holds the lock. */
  readonly mine: boolean;
  /**
   * Wakes the thread in a slot, which will want the lock: when this thread releases the lock, or at once if another
   * thread may release it. This thread holds the lock.
   */
  wakeOnRelease(slot: number): void;
  /**
   * Releases the lock, however often it was acquired. Returns a callback that restores the ownership once the lock is
   * acquired again.
   */
  releaseAll(): () => void;
  /** Acquires the lock again and calls `restore`. Blocks this thread. */
  reacquire(restore: () => void): void;
  /** As `reacquire()`, but waits in the event loop. */
  reacquireAsync(restore: () => void): Promise<void>;
}

type CoreReader = (lock: object) => LockCore | undefined;

const coreReaders: CoreReader[] = [];

/**
 * Registers how to get the core of a class of locks. A WeakMap would keep each lock, and its memory, through minor
 * collections.
 */
export function readsCores(reader: CoreReader): void {
  coreReaders.push(reader);
}

/** Returns the core of a lock, for conditions; undefined for any other value. */
export function coreOf(lock: unknown): LockCore | undefined {
  if (typeof lock !== "object" || lock === null) return undefined;
  for (const read of coreReaders) {
    const core = read(lock);
    if (core !== undefined) return core;
  }
  return undefined;
}
