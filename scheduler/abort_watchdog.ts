/**
 * Tasks that have begun and whose results are no longer wanted.
 *
 * @module
 */

import { Encoder } from "../codec/encoder.ts";
import { unrefTimer } from "../base/platform.ts";
import type { Task } from "./task.ts";

/** An aborted task. */
export interface AbortedTask {
  /** The task. */
  readonly task: Task;
  /** The reason of the abort. */
  readonly reason: unknown;
  /** When its worker is ended if the task still runs, by `performance.now()`. */
  readonly due: number;
  /** True once its worker was told. */
  told: boolean;
}

/** The time until a task is looked at again whose worker is not known so far, in milliseconds. */
const SOON = 1;
/** The longest time that a timer can be set to, in milliseconds. */
const LONGEST = 0x7fffffff;

/** Tells workers of aborted tasks, and ends those that do not heed it. */
export class AbortWatchdog {
  readonly #aborted = new Map<Task, AbortedTask>();
  readonly #tell: (aborted: AbortedTask) => boolean;
  readonly #end: (aborted: AbortedTask) => boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `tell` tells the worker of a task that the task was aborted, `end` ends that worker. Both return false if it is not known which
   * worker has the task.
   */
  constructor(tell: (aborted: AbortedTask) => boolean, end: (aborted: AbortedTask) => boolean) {
    this.#tell = tell;
    this.#end = end;
  }

  /** Aborts a task. Its worker is ended if the task has not ended after `grace` milliseconds. */
  add(task: Task, reason: unknown, grace: number): void {
    if (this.#aborted.has(task)) return;
    const aborted: AbortedTask = { task, reason, due: performance.now() + grace, told: false };
    this.#aborted.set(task, aborted);
    this.check();
  }

  /** Called when a task has ended. */
  remove(task: Task): void {
    if (this.#aborted.size > 0) this.#aborted.delete(task);
  }

  /** Does what is due. */
  check(): void {
    for (const aborted of [...this.#aborted.values()]) {
      const { task, due } = aborted;
      if (task.settled) {
        this.#aborted.delete(task);
        continue;
      }
      aborted.told ||= this.#tell(aborted);
      if (due <= performance.now() && this.#end(aborted)) this.#aborted.delete(task);
    }
    this.#watch();
  }

  /** Returns the time until something is due, in milliseconds. */
  untilNext(): number {
    let next = Infinity;
    const now = performance.now();
    for (const { due, told } of this.#aborted.values()) {
      next = Math.min(next, told && due > now ? due - now : SOON);
    }
    return next;
  }

  #watch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.untilNext();
    if (next === Infinity) return;
    this.#timer = setTimeout(() => this.check(), Math.min(LONGEST, Math.ceil(next)));
    unrefTimer(this.#timer);
  }

  /** Forgets all tasks. */
  stop(): void {
    this.#aborted.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Returns a reason as bytes; that of `undefined`, for which the signal has an error of its own, if the reason cannot be sent. */
export function encodedReason(reason: unknown): ArrayBuffer {
  const encoder = new Encoder(Infinity);
  try {
    const { bytes, refs } = encoder.encode(reason);
    if (refs.length === 0) return bytes.slice().buffer;
  } catch {
    // It is only for the task to read.
  }
  return encoder.encode(undefined).bytes.slice().buffer;
}
