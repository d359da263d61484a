/**
 * From open to gone: what both schedulers do alike.
 *
 * @module
 */

import { BrokenProcessPoolError, CancelledError, ClosedError, InvalidStateError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";

/** A call that hands over its tasks little by little, and so outlives `close()`. */
export interface TaskProducer {
  /**
   * Whether it is reading its input: on the event loop of this thread, or by code of the input further up the stack. Neither can
   * go on while the thread is blocked.
   */
  readonly reading: boolean;
  /** Whether it has settled, and only tells so at the moment. */
  readonly over: boolean;
  /** Told that nothing will run any more. */
  fail(error: unknown): void;
  /** Told that someone waits for the end: what is still to come should be handed over without waiting for a reader. */
  drain(): void;
}

/** Who has a scheduler. */
export type Owner = "pool" | "executor" | "process";

/** The states of a scheduler, its long calls, and the promise of its end. */
export class Lifecycle {
  /** `"closed"` takes no new calls; the other two run nothing any more. */
  state: "open" | "closed" | "terminated" | "broken" = "open";
  readonly #owner: Owner;
  readonly #producers = new Set<TaskProducer>();
  readonly #end = Promise.withResolvers<void>();
  /** Whether the workers are gone and everything has settled. */
  hasEnded = false;
  #joined = false;
  #cause: unknown;

  /** `owner` is what messages call the one who has the scheduler. */
  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /**
   * Throws unless new calls are taken.
   *
   * @throws {ClosedError} If it is closed or terminated.
   * @throws {BrokenProcessPoolError} If it is broken.
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

  /** Throws unless tasks of calls taken earlier still run. */
  refuseUnlessRunning(): void {
    if (this.state === "terminated" || this.state === "broken") this.refuseUnlessOpen();
  }

  /** A long call begins; it must end by {@linkcode remove}. */
  add(producer: TaskProducer): void {
    this.refuseUnlessOpen();
    this.#producers.add(producer);
  }

  /** A long call has handed over all its tasks. */
  remove(producer: TaskProducer): void {
    this.#producers.delete(producer);
  }

  /** Takes no new calls; with `cut`, the long calls get that error, and hand over no more. */
  close(cut: Error | undefined): void {
    this.state = "closed";
    if (cut === undefined) return;
    for (const producer of [...this.#producers]) producer.fail(cut);
  }

  /** Whether no task can come any more. */
  get complete(): boolean {
    return this.state !== "open" && this.#producers.size === 0;
  }

  /** The workers are gone and everything has settled. */
  ended(): void {
    this.hasEnded = true;
    this.#end.resolve();
  }

  /**
   * This thread is about to block for the end: what is still to be read of the input is read now. `encoding` tells whether the
   * arguments of a task are being read, by code further up the stack.
   *
   * @throws {InvalidStateError} If that would be for ever.
   */
  prepareToBlock(encoding: boolean): void {
    let reads = encoding ? "argument" : undefined;
    for (const producer of [...this.#producers]) {
      if (producer.over) this.#producers.delete(producer); // it would say so itself, but for what it has called
      else if (producer.reading) reads = "input";
    }
    if (reads !== undefined) {
      const what = `Cannot block for the end of the ${this.#owner}`;
      throw new InvalidStateError(`${what} while the ${reads} of a call is read on this very thread`);
    }
    void this.join();
  }

  /** Resolves after {@linkcode ended}. */
  join(): Promise<void> {
    if (!this.#joined && this.state === "closed") {
      this.#joined = true;
      for (const producer of [...this.#producers]) producer.drain();
    }
    return this.#end.promise;
  }

  /** Nothing runs any more, for `cause` if it is broken: tells the long calls. */
  abandon(state: "terminated" | "broken", cause?: unknown): void {
    this.state = state;
    this.#cause = cause;
    const calls = [...this.#producers];
    this.#producers.clear();
    for (const producer of calls) producer.fail(this.refusal().error);
  }

  /** What a task ends with that was pending then; each has an error of its own. */
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
