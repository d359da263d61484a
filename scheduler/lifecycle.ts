/**
 * The lifecycle of a scheduler from open to ended, which both schedulers share.
 *
 * @module
 */

import { BrokenProcessPoolError, CancelledError, ClosedError, InvalidStateError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";

/** A call that submits its tasks little by little, and can therefore outlive `close()`. */
export interface TaskProducer {
  /**
   * True while the call reads its input: on the event loop of this thread, or by code of the input further up the
   * stack. Neither can continue while the thread is blocked.
   */
  readonly reading: boolean;
  /** True once the call has settled. It may not be detached yet, as its callbacks may still run. */
  readonly over: boolean;
  /** Called with an error when no more tasks of the call will run. */
  fail(error: unknown): void;
  /** Called when code waits for the end: the call should submit its remaining tasks without waiting for a reader. */
  drain(): void;
}

/** The kind of object that owns a scheduler, as messages name it. */
export type Owner = "pool" | "executor" | "process";

/** The state of a scheduler, its attached calls, and the promise of its end. */
export class Lifecycle {
  /** `"closed"`: takes no new calls. `"terminated"` and `"broken"`: runs no tasks any more. */
  state: "open" | "closed" | "terminated" | "broken" = "open";
  readonly #owner: Owner;
  readonly #producers = new Set<TaskProducer>();
  readonly #end = Promise.withResolvers<void>();
  /** True once the workers are gone and everything has settled. */
  hasEnded = false;
  #joined = false;
  #cause: unknown;

  /** `owner`: the kind of object that owns the scheduler, for messages. */
  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /**
   * Checks that the scheduler takes new calls.
   *
   * @throws {ClosedError} If the scheduler is closed or terminated.
   * @throws {BrokenProcessPoolError} If the scheduler is broken.
   */
  refuseUnlessOpen(): void {
    if (this.state === "open") return;
    if (this.state === "broken") throw this.#brokenError();
    const is = this.#owner === "executor" ? "was shut down" : `is ${this.state}`;
    throw new ClosedError(`Cannot take work as the ${this.#owner} ${is}`);
  }

  /** True unless it was terminated, or is broken. */
  get running(): boolean {
    return this.state === "open" || this.state === "closed";
  }

  /** Checks that tasks of calls that were taken earlier still run. Throws as {@linkcode refuseUnlessOpen} if not. */
  refuseUnlessRunning(): void {
    if (this.state === "terminated" || this.state === "broken") this.refuseUnlessOpen();
  }

  /** Adds a call that submits its tasks little by little. It must end with {@linkcode remove}. */
  add(producer: TaskProducer): void {
    this.refuseUnlessOpen();
    this.#producers.add(producer);
  }

  /** Removes a call that has submitted all its tasks. */
  remove(producer: TaskProducer): void {
    this.#producers.delete(producer);
  }

  /** Closes the scheduler for new calls. If `cut` is given, attached calls fail with it and submit no more tasks. */
  close(cut: Error | undefined): void {
    this.state = "closed";
    if (cut === undefined) return;
    for (const producer of [...this.#producers]) producer.fail(cut);
  }

  /** True if no more tasks can come. */
  get complete(): boolean {
    return this.state !== "open" && this.#producers.size === 0;
  }

  /** Called when the workers are gone and everything has settled. */
  ended(): void {
    this.hasEnded = true;
    this.#end.resolve();
  }

  /**
   * Prepares for blocking this thread until the end: attached calls read the rest of their input now. `encoding` tells
   * whether code further up the stack is reading the arguments of a task.
   *
   * @throws {InvalidStateError} If the thread would block forever.
   */
  prepareToBlock(encoding: boolean): void {
    let reads = encoding ? "argument" : undefined;
    for (const producer of [...this.#producers]) {
      if (producer.over) this.#producers.delete(producer); // it would detach itself, but its callback led here
      else if (producer.reading) reads = "input";
    }
    if (reads !== undefined) {
      const what = `Cannot block for the end of the ${this.#owner}`;
      throw new InvalidStateError(`${what} while the ${reads} of a call is read on this very thread`);
    }
    void this.join();
  }

  /** Returns a promise that resolves after {@linkcode ended}. */
  join(): Promise<void> {
    if (!this.#joined && this.state === "closed") {
      this.#joined = true;
      for (const producer of [...this.#producers]) producer.drain();
    }
    return this.#end.promise;
  }

  /** Called when no more tasks will run; `cause` is the reason of a broken scheduler. Makes all attached calls fail. */
  abandon(state: "terminated" | "broken", cause?: unknown): void {
    this.state = state;
    this.#cause = cause;
    const calls = [...this.#producers];
    this.#producers.clear();
    for (const producer of calls) producer.fail(this.refusal().error);
  }

  /** Returns the outcome of a task that was pending when the scheduler was abandoned. Each task gets a new error. */
  refusal(): { readonly ok: false; readonly error: Error } {
    const error = this.state === "broken"
      ? this.#brokenError()
      : new CancelledError(`The task was given up as its ${this.#owner} was terminated`);
    return { ok: false, error };
  }

  #brokenError(): Error {
    const why = this.#cause instanceof BrokenProcessPoolError
      ? this.#cause.message
      : `its ${this.#owner === "process" ? "worker" : "workers"} cannot start: ${messageOf(this.#cause)}`;
    return new BrokenProcessPoolError(`The ${this.#owner} is broken: ${why}`, { cause: this.#cause });
  }
}
