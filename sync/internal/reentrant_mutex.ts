/**
 * A mutex that its owner can acquire again, as used by `RLock`.
 *
 * @module
 */

import { InvalidStateError } from "../../errors.ts";
import type { LockCore } from "./hold.ts";
import { RobustMutex } from "./robust_mutex.ts";
import { type Member, type Ownership, unowned } from "./member.ts";

/**
 * A re-entrant mutex in shared memory, owned by a thread, a flow or a guard.
 *
 * The memory is that of a {@linkcode RobustMutex}, which records the holding thread. Which code of the thread owns the
 * lock, and how often, only that thread needs to know. It is not shared, since a terminated thread that runs on for a
 * moment would overwrite the record of the next owner. The thread records the owner in the same turn of its event loop
 * in which it gets the mutex, so that no flow of the thread finds the mutex held but without an owner.
 */
export class ReentrantMutex implements LockCore {
  readonly #mutex: RobustMutex;
  readonly #member: Member;
  readonly #key: number;
  /** Reused for all acquisitions by blocking. Each guard has a separate one, which identifies it. */
  readonly #threads: Ownership = unowned("thread");
  readonly #flows: Ownership = unowned("flow");

  /** `key`: the number of the lock, the same for all of its copies. */
  constructor(words: Int32Array, at: number, member: Member, key: number) {
    this.#member = member;
    this.#key = key;
    this.#mutex = new RobustMutex(words, at, member, key);
  }

  /** The owner on this thread; undefined if there is none. */
  get #owner(): Ownership | undefined {
    return this.#mutex.mine ? this.#member.owned.get(this.#key) : undefined;
  }

  #own(owner: Ownership, depth: number): void {
    owner.depth = depth;
    owner.wakeUps = 0; // what is left of an interrupted ownership: the interruption woke every thread
    this.#member.owned.set(this.#key, owner);
  }

  #free(owner: Ownership): void {
    this.#member.owned.delete(this.#key);
    this.#release(owner);
  }

  #release(owner: Ownership): void {
    this.#mutex.release();
    // After the release: a thread that wakes before it finds the lock held, and sleeps a second time. If this thread
    // ends before it has woken them, its end wakes every thread.
    if (owner.wakeUps === 0) return;
    for (let i = 0; i < owner.wakeUps; i++) this.#member.threadTable.notify(owner.toWake[i]!);
    owner.wakeUps = 0;
  }

  /**
   * Acquires the lock for this thread, again if the thread owns it. Blocks at most `timeout` milliseconds. Returns
   * whether the lock was acquired.
   *
   * @throws {InvalidStateError} If the wait would never end, as a flow of this thread owns the lock and cannot continue
   * meanwhile.
   */
  acquire(timeout: number): boolean {
    const owner = this.#owner;
    if (owner?.by === "thread") {
      owner.depth++;
      return true;
    }
    if (owner !== undefined && timeout === Infinity) {
      throw new InvalidStateError(
        "Cannot block this thread for the lock as an awaiting hold of the same thread has it: " +
          "await 'acquireAsync()' or 'holdAsync()' instead",
      );
    }
    if (!this.#mutex.acquire(timeout)) return false;
    this.#own(this.#threads, 1);
    return true;
  }

  /**
   * Acquires the lock for a guard, or for a flow that has none. Waits in the event loop. Returns whether the lock was
   * acquired.
   */
  acquireAsync(timeout: number, signal: AbortSignal | undefined, guard?: Ownership): Promise<boolean> {
    return this.#mutex.acquireAsync(timeout, signal, () => this.#own(guard ?? this.#flows, 1));
  }

  /**
   * Acquires the lock once more for a guard that owns it.
   *
   * @throws {InvalidStateError} If the guard does not own the lock.
   */
  acquireAgain(guard: Ownership): void {
    if (this.#owner !== guard) throw lost("hold the lock again");
    guard.depth++;
  }

  /**
   * Releases the lock once for a guard.
   *
   * @throws {InvalidStateError} If the guard does not own the lock.
   */
  releaseGuard(guard: Ownership): void {
    if (this.#owner !== guard) throw lost("release the lock");
    if (--guard.depth === 0) this.#free(guard);
  }

  /**
   * Releases the lock once for an owner that is not a guard.
   *
   * @throws {InvalidStateError} If this thread does not hold the lock, or a guard owns it.
   */
  release(): void {
    const owner = this.#owner;
    if (owner === undefined) {
      throw new InvalidStateError(
        `Cannot release the lock as ${this.#mutex.held ? "another thread holds it" : "it is not held"}`,
      );
    }
    if (owner.by === "guard") {
      throw new InvalidStateError(
        "Cannot release the lock as a guard of 'holdAsync()' holds it: release the guard instead",
      );
    }
    if (--owner.depth === 0) this.#free(owner);
  }

  get mine(): boolean {
    return this.#mutex.mine;
  }

  wakeOnRelease(slot: number): void {
    const owner = this.#owner!;
    owner.toWake[owner.wakeUps++] = slot;
  }

  releaseAll(): () => void {
    const owner = this.#owner!;
    const { depth } = owner;
    this.#release(owner); // the note of the owner may stay: without the mutex it means nothing
    return () => this.#own(owner, depth);
  }

  reacquire(restore: () => void): void {
    this.#mutex.acquire(Infinity);
    restore();
  }

  async reacquireAsync(restore: () => void): Promise<void> {
    await this.#mutex.acquireAsync(Infinity, undefined, restore);
  }

  /** True if a living thread holds the lock. */
  get held(): boolean {
    return this.#mutex.held;
  }

  /** True if the holder took the lock over from a thread that had ended. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }
}

function lost(what: string): InvalidStateError {
  return new InvalidStateError(`Cannot ${what} as the guard does not hold it at this moment`);
}
