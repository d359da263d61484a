/**
 * From open to gone: what both schedulers do alike.
 *
 * @module
 */

import { BrokenProcessPoolError, CancelledError, ClosedError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";

/** A call that hands over its tasks little by little, and so outlives `close()`. */
export interface LongCall {
  /** Told that nothing will run any more. */
  abandon(error: unknown): void;
  /** Told that someone waits for the end: what is still to come should be handed over without waiting for a reader. */
  hurry(): void;
}

/** The states of a scheduler, its long calls, and the promise of its end. */
export class Lifecycle {
  /** `"closed"` takes no new calls; the other two run nothing any more. */
  state: "open" | "closed" | "terminated" | "broken" = "open";
  readonly #calls = new Set<LongCall>();
  readonly #end = Promise.withResolvers<void>();
  #joined = false;
  #cause: unknown;

  /**
   * Throws unless new calls are taken.
   *
   * @throws {ClosedError} If the pool is closed or terminated.
   * @throws {BrokenProcessPoolError} If it is broken.
   */
  refuseUnlessOpen(): void {
    if (this.state === "open") return;
    throw this.state === "broken"
      ? this.#brokenError()
      : new ClosedError(`Cannot take work as the pool is ${this.state}`);
  }

  /** Throws unless tasks of calls taken earlier still run. */
  refuseUnlessRunning(): void {
    if (this.state === "terminated" || this.state === "broken") this.refuseUnlessOpen();
  }

  /** A long call begins; it must end by {@linkcode remove}. */
  add(call: LongCall): void {
    this.refuseUnlessOpen();
    this.#calls.add(call);
  }

  /** A long call has handed over all its tasks. */
  remove(call: LongCall): void {
    this.#calls.delete(call);
  }

  /** Takes no new calls; with `cut`, the long calls get that error, and hand over no more. */
  close(cut: Error | undefined): void {
    this.state = "closed";
    if (cut === undefined) return;
    for (const call of [...this.#calls]) call.abandon(cut);
  }

  /** Whether no task can come any more. */
  get complete(): boolean {
    return this.state !== "open" && this.#calls.size === 0;
  }

  /** The workers are gone and everything has settled. */
  ended(): void {
    this.#end.resolve();
  }

  /** Resolves after {@linkcode ended}. */
  join(): Promise<void> {
    if (!this.#joined && this.state === "closed") {
      this.#joined = true;
      for (const call of [...this.#calls]) call.hurry();
    }
    return this.#end.promise;
  }

  /** Nothing runs any more, for `cause` if it is broken: tells the long calls. */
  abandon(state: "terminated" | "broken", cause?: unknown): void {
    this.state = state;
    this.#cause = cause;
    const calls = [...this.#calls];
    this.#calls.clear();
    for (const call of calls) call.abandon(this.refusal().error);
  }

  /** What a task ends with that was pending then; each has an error of its own. */
  refusal(): { readonly ok: false; readonly error: Error } {
    const error = this.state === "broken"
      ? this.#brokenError()
      : new CancelledError("The task was given up as its pool was terminated");
    return { ok: false, error };
  }

  #brokenError(): Error {
    const why = this.#cause instanceof BrokenProcessPoolError
      ? this.#cause.message
      : `its workers cannot start: ${messageOf(this.#cause)}`;
    return new BrokenProcessPoolError(`The pool is broken: ${why}`, { cause: this.#cause });
  }
}
