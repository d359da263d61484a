/**
 * The tasks that no child has, on the calling side.
 *
 * @module
 */

import { Deque } from "../base/deque.ts";
import type { Outcome, Task } from "../scheduler/task.ts";
import type { TaskEncoder } from "../scheduler/task_encoder.ts";

/** Up to this many tasks are encoded when they are submitted, as those that find room in a child are. */
const ENCODED_AHEAD = 256;
/** Larger payloads are kept as they are, not copied to be sent. */
const LARGE = 2 ** 16;
/** The numbers of tasks begin anew above this one. */
const LAST_ID = 2 ** 31 - 1;

/** The queue of a scheduler, and the encoding of its tasks. */
export class TaskQueue {
  readonly #taskEncoder: TaskEncoder;
  readonly #inFlight: ReadonlyMap<number, Task>;
  readonly #settle: (task: Task, outcome: Outcome) => void;
  readonly #tasks = new Deque<Task>();
  /** The tasks that are being read, by code further up the stack. */
  readonly #encoding: Task[] = [];
  /** The number of tasks in the queue that have settled. */
  #settled = 0;
  #taskId = 0;

  /** `inFlight`: the tasks that children have, by number. `settle` settles a task that cannot be sent. */
  constructor(
    taskEncoder: TaskEncoder,
    inFlight: ReadonlyMap<number, Task>,
    settle: (task: Task, outcome: Outcome) => void,
  ) {
    this.#taskEncoder = taskEncoder;
    this.#inFlight = inFlight;
    this.#settle = settle;
  }

  /** The number of tasks that wait. */
  get size(): number {
    return this.#tasks.size - this.#settled;
  }

  /** The tasks whose functions or arguments are being read, by code further up the stack. */
  get encoding(): readonly Task[] {
    return this.#encoding;
  }

  /** Adds a task at the end. Returns whether it is the first one. */
  push(task: Task): boolean {
    this.#tasks.push(task);
    return this.#tasks.size === 1;
  }

  /** Adds a task at the front. */
  unshift(task: Task): void {
    this.#tasks.unshift(task);
  }

  /** Removes and returns the first task that has not settled; undefined if there is none. */
  shift(): Task | undefined {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      if (!task.settled) return task;
      this.#settled--;
    }
    return undefined;
  }

  /** Called when a task that no child has was cancelled: its turn in the queue is skipped. */
  noteCancelled(task: Task): void {
    if (!this.#encoding.includes(task)) this.#settled++;
  }

  /** Removes and returns the tasks that have not settled. */
  take(): Task[] {
    const tasks: Task[] = [];
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      // One that is being encoded will be settled, and then counted as if it still were in the queue.
      if (task.settled || this.#encoding.includes(task)) this.#settled--;
      if (!task.settled) tasks.push(task);
    }
    return tasks;
  }

  /** Encodes a task that stays in the queue, so that it does not change with its arguments, unless many tasks wait. */
  encodeAhead(task: Task): void {
    if (this.#tasks.size === 0 || this.#tasks.size > ENCODED_AHEAD || this.#encoding.length > 0) return;
    if (task.settled || task.payload !== undefined) return;
    this.#reading(task, () => {
      if (this.#number(task)) this.#pack(task, true);
    });
    if (task.settled) this.#settled++; // its turn in the queue is skipped
  }

  /** Numbers a task and its function. If that cannot be sent, settles the task and returns false. */
  prepare(task: Task): boolean {
    return this.#reading(task, () => this.#number(task));
  }

  /**
   * Calls `before`, then encodes the arguments of a prepared task. Returns the bytes, which are valid until the next task is encoded.
   * If they cannot be sent, settles the task and returns undefined.
   */
  encode(task: Task, before: () => void): Uint8Array<ArrayBuffer> | undefined {
    return this.#reading(task, () => {
      if (!this.#number(task)) return undefined;
      before();
      return task.payload === undefined ? this.#pack(task, false) : new Uint8Array(task.payload.bytes);
    });
  }

  /** Calls `read`. Code of the user may run meanwhile, and call any method of the pool. */
  #reading<T>(task: Task, read: () => T): T {
    this.#encoding.push(task);
    try {
      return read();
    } finally {
      this.#encoding.pop();
    }
  }

  #number(task: Task): boolean {
    try {
      this.#taskEncoder.number(task);
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return false;
    }
    if (task.taskId >= 0) return true;
    do this.#taskId = this.#taskId === LAST_ID ? 1 : this.#taskId + 1; while (this.#inFlight.has(this.#taskId));
    task.taskId = this.#taskId;
    return true;
  }

  /** Encodes arguments. Keeps them with the task if it stays here, if they are many, or cannot be encoded again. */
  #pack(task: Task, stays: boolean): Uint8Array<ArrayBuffer> | undefined {
    try {
      const encoded = this.#taskEncoder.packArguments(task);
      if (!stays && encoded.length <= LARGE && encoded.transfers.length === 0 && task.range === undefined) {
        return encoded.bytes;
      }
      this.#taskEncoder.keep(task, encoded);
      return new Uint8Array(task.payload!.bytes);
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return undefined;
    }
  }
}
