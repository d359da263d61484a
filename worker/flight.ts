/**
 * Tasks on their way: handed over to workers, and not settled.
 *
 * @module
 */

import { type Encoded, NOTHING_ENCODED } from "../codec/encoder.ts";
import { type Board, SEQ_MASK } from "./board.ts";
import type { CallLimits } from "./call_limits.ts";
import { MODES, REMOTE, type Task } from "./task.ts";

/** The tasks that one scheduler has handed over. */
export class Flight {
  readonly #board: Board;
  readonly #limits: CallLimits;
  readonly #tasks = new Map<number, Task>();
  /** The task in each slot of the board, as last filled. */
  readonly #slots: (Task | undefined)[] = [];
  #seq = 0;
  /** How many payloads wait to be fetched. */
  parcels = 0;

  constructor(board: Board, limits: CallLimits) {
    this.#board = board;
    this.#limits = limits;
  }

  /** How many there are. */
  get size(): number {
    return this.#tasks.size;
  }

  /** The task of this number. */
  get(seq: number): Task | undefined {
    return this.#tasks.get(seq);
  }

  /** Whether a task is one of them. */
  has(task: Task): boolean {
    return this.#tasks.get(task.seq) === task;
  }

  /** All of them, at this moment. */
  all(): Task[] {
    return [...this.#tasks.values()];
  }

  /** Gives a task its number. */
  number(task: Task): void {
    if (task.seq >= 0) return;
    do this.#seq = (this.#seq + 1) & SEQ_MASK; while (this.#tasks.has(this.#seq));
    task.seq = this.#seq;
  }

  /** Puts a task on the board, which has room; without `encoded`, its payload is to be fetched. */
  fill(task: Task, encoded: Encoded | undefined): void {
    const remote = encoded === undefined;
    if (remote) this.parcels++;
    const mode = MODES.indexOf(task.mode) | (remote ? REMOTE : 0);
    this.#tasks.set(task.seq, task);
    task.slot = this.#board.push(task.seq, task.fnNumber, mode, task.limit, encoded ?? NOTHING_ENCODED);
    this.#slots[task.slot] = task;
    this.#limits.enter(task.limit); // last: it uses a timer, see touchLazyGlobals()
  }

  /** A task was posted to one worker. */
  enter(task: Task): void {
    this.#tasks.set(task.seq, task);
    this.#limits.enter(task.limit);
  }

  /** A task has ended, or goes back to the queue. */
  leave(task: Task): void {
    if (!this.#tasks.delete(task.seq)) return;
    if (task.parcel !== undefined) this.parcels--;
    task.parcel = undefined;
    if (this.#slots[task.slot] === task) this.#slots[task.slot] = undefined; // or it would keep the arguments
    this.#limits.leave(task.limit);
  }

  /** Takes a task back from the board: false when a worker has taken it. */
  cancel(task: Task): boolean {
    if (!this.#isInSlot(task) || !this.#board.cancel(task.slot)) return false;
    this.leave(task);
    return true;
  }

  /** Whether a worker has taken it. */
  isTaken(task: Task): boolean {
    return this.has(task) && !(this.#isInSlot(task) && this.#board.isWaiting(task.slot));
  }

  #isInSlot(task: Task): boolean {
    return task.slot >= 0 && this.#slots[task.slot] === task;
  }

  /** Takes back what a worker, told to stop, had claimed and not begun. */
  repossess(worker: number): Task[] {
    const tasks: Task[] = [];
    for (const slot of this.#board.repossess(worker)) {
      const task = this.#slots[slot];
      if (task !== undefined && !task.settled) tasks.push(task);
    }
    return tasks;
  }
}
