/**
 * A mutex that its owner can acquire again: the inner workings of `RLock`.
 *
 * @module
 */

import { InvalidStateError } from "../../errors.ts";
import type { LockCore } from "./hold.ts";
import { RobustMutex } from "./robust_mutex.ts";
import type { Member, Ownership } from "./member.ts";

/**
 * A lock in shared memory that is a thread's, or a guard's.
 *
 * The memory is that of a mutex: it says which thread has it. Who has it there, and how often, only that thread has to know,
 * so it is not shared: a terminated thread that runs on for a moment would write it for the next owner. The thread notes it in
 * the same turn of its event loop in which it gets the mutex, so that none of its flows finds the one without the other.
 */
export class ReentrantMutex implements LockCore {
  readonly #mutex: RobustMutex;
  readonly #member: Member;
  readonly #key: number;
  /** Used again and again; a guard has one of its own, by which it is known. */
  readonly #threads: Ownership = { by: "thread", depth: 0 };
  readonly #flows: Ownership = { by: "flow", depth: 0 };

  /** `key` is the number of the lock, the same for all of its copies. */
  constructor(words: Int32Array, at: number, member: Member, key: number) {
    this.#member = member;
    this.#key = key;
    this.#mutex = new RobustMutex(words, at, member, key);
  }

  /** Who has it on this thread; undefined if nobody does. */
  get #owner(): Ownership | undefined {
    return this.#mutex.mine ? this.#member.owned.get(this.#key) : undefined;
  }

  #own(owner: Ownership, depth: number): void {
    owner.depth = depth;
    this.#member.owned.set(this.#key, owner);
  }

  #free(): void {
    this.#member.owned.delete(this.#key);
    this.#mutex.release();
  }

  /**
   * Acquires it for this thread, again if it has it, blocking at most `timeout` milliseconds: whether it did.
   *
   * @throws {InvalidStateError} If it would wait for ever, as a flow of this thread holds it, which cannot go on meanwhile.
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

  /** Acquires it for a guard, or for a flow that has none, waiting in the event loop: whether it did. */
  acquireAsync(timeout: number, signal: AbortSignal | undefined, guard?: Ownership): Promise<boolean> {
    return this.#mutex.acquireAsync(timeout, signal, () => this.#own(guard ?? this.#flows, 1));
  }

  /**
   * Acquires it once more for a guard that has it.
   *
   * @throws {InvalidStateError} If it has not.
   */
  acquireAgain(guard: Ownership): void {
    if (this.#owner !== guard) throw lost("hold the lock again");
    guard.depth++;
  }

  /**
   * Releases it once for a guard.
   *
   * @throws {InvalidStateError} If the guard does not have it.
   */
  releaseGuard(guard: Ownership): void {
    if (this.#owner !== guard) throw lost("release the lock");
    if (--guard.depth === 0) this.#free();
  }

  /**
   * Releases it once: what has no guard.
   *
   * @throws {InvalidStateError} If this thread does not have it, or a guard does.
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
    if (--owner.depth === 0) this.#free();
  }

  get mine(): boolean {
    return this.#mutex.mine;
  }

  releaseAll(): () => void {
    const owner = this.#owner!;
    const { depth } = owner;
    this.#free();
    return () => this.#own(owner, depth);
  }

  reacquire(restore: () => void): void {
    this.#mutex.acquire(Infinity);
    restore();
  }

  async reacquireAsync(restore: () => void): Promise<void> {
    await this.#mutex.acquireAsync(Infinity, undefined, restore);
  }

  /** Whether a living thread holds it. */
  get held(): boolean {
    return this.#mutex.held;
  }

  /** Whether its holder took it over from a thread that had ended. */
  get recovered(): boolean {
    return this.#mutex.recovered;
  }
}

function lost(what: string): InvalidStateError {
  return new InvalidStateError(`Cannot ${what} as the guard does not hold it at this moment`);
}
