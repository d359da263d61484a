/**
 * Tasks on their way: handed over to workers, and not settled.
 *
 * @module
 */

import { type Encoded, NOTHING_ENCODED } from "../../codec/encoder.ts";
import { Arena } from "./arena.ts";
import { PAYLOAD, SLOTS, type SubmissionRing } from "../shared/submission_ring.ts";
import { TASK_ID_MASK } from "../shared/control_block.ts";
import { FETCHING } from "../../scheduler/messages.ts";
import type { DeadlineWatchdog } from "./deadline_watchdog.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import type { StoredPayload } from "../../codec/payload.ts";
import { MODE_NUMBERS, type Task } from "../../scheduler/task.ts";
import { PAYLOAD_BY_MESSAGE } from "../shared/messages.ts";

/** How many numbers in a row have a place each; mostly no more are on their way. */
const NEAR = 1024;

/** The tasks that one scheduler has handed over. */
export class InFlightTasks {
  readonly #submissions: SubmissionRing;
  readonly #deadlines: DeadlineWatchdog;
  /** Each in the place of its number, or, when an older one has that, in the other: a map alone makes much garbage. */
  readonly #near: (Task | undefined)[] = new Array(NEAR).fill(undefined);
  readonly #far = new Map<number, Task>();
  /** The number of the task in each slot of the submission ring, as last filled. */
  readonly #slots = new Int32Array(SLOTS).fill(-1);
  readonly #arena = new Arena();
  /** The block of the arena that the payload of a task is in, for the few that have one. */
  readonly #blocks = new Map<Task, number>();
  #taskId = 0;
  /** How many payloads wait until a worker asks for them. */
  kept = 0;

  constructor(submissions: SubmissionRing, deadlines: DeadlineWatchdog) {
    this.#submissions = submissions;
    this.#deadlines = deadlines;
  }

  /** How many there are. */
  size = 0;

  /** The task of this number. */
  get(taskId: number): Task | undefined {
    const task = this.#near[taskId & (NEAR - 1)];
    return task?.taskId === taskId ? task : this.#far.get(taskId);
  }

  /** Whether a task is one of them. */
  has(task: Task): boolean {
    return this.get(task.taskId) === task;
  }

  /** All of them, at this moment, in the order of their numbers. */
  all(): Task[] {
    const near = this.#near.filter((task) => task !== undefined);
    return [...near, ...this.#far.values()].sort((a, b) => a.taskId - b.taskId);
  }

  #add(task: Task): void {
    const place = task.taskId & (NEAR - 1);
    if (this.#near[place] === undefined) this.#near[place] = task;
    else this.#far.set(task.taskId, task);
    this.size++;
  }

  #delete(task: Task): boolean {
    const place = task.taskId & (NEAR - 1);
    if (this.#near[place] === task) this.#near[place] = undefined;
    else if (this.#far.get(task.taskId) !== task || !this.#far.delete(task.taskId)) return false;
    this.size--;
    return true;
  }

  /** The number that was given last. */
  get numbered(): number {
    return this.#taskId;
  }

  /** Gives a task its number. */
  number(task: Task): void {
    if (task.taskId >= 0) return;
    do this.#taskId = (this.#taskId + 1) & TASK_ID_MASK; while (this.get(this.#taskId) !== undefined);
    task.taskId = this.#taskId;
  }

  /** Whether there is room in shared memory for a payload of `length` bytes; if so, it is kept for `task`. */
  reserve(task: Task, length: number): boolean {
    if (length <= PAYLOAD) return true;
    const block = this.#arena.take(length);
    if (block >= 0) this.#blocks.set(task, block);
    return block >= 0;
  }

  /** Gives that back. */
  free(task: Task): void {
    if (this.#blocks.size === 0) return;
    const block = this.#blocks.get(task);
    if (block === undefined) return;
    this.#blocks.delete(task);
    this.#arena.free(block);
  }

  /** The payload of a task, taken out of its block of the arena if it has one. */
  #payloadOf(task: Task): StoredPayload | undefined {
    if (!this.#blocks.has(task)) return task.payload;
    return { bytes: this.#submissions.payloadOf(this.#slotOf(task)), refs: [], moves: [] };
  }

  /** Puts a task on the submission ring, which has room; without `encoded`, its payload is to be fetched. */
  fill(task: Task, encoded: Encoded | undefined): void {
    const remote = encoded === undefined;
    if (remote) this.kept++;
    const mode = MODE_NUMBERS[task.mode] | (remote ? PAYLOAD_BY_MESSAGE : 0);
    this.#add(task);
    const slot = this.#submissions.push(
      task.taskId,
      task.functionId,
      mode,
      task.limit,
      encoded ?? NOTHING_ENCODED,
      this.#blocks.size === 0 ? -1 : this.#blocks.get(task) ?? -1,
    );
    this.#slots[slot] = task.taskId;
    task.range = undefined; // its numbers are in shared memory
    this.#deadlines.enter(task.limit); // last: it uses a timer, see touchLazyGlobals()
  }

  /** A task was directTasks to one worker. */
  addDirect(task: Task): void {
    this.#add(task);
    this.#deadlines.enter(task.limit);
  }

  /** A task has ended, or goes back to the queue. */
  remove(task: Task): void {
    if (!this.#delete(task)) return;
    if (task.payload !== undefined) this.kept--;
    task.payload = undefined;
    this.free(task);
    this.#deadlines.leave(task.limit);
  }

  /** Takes a task back from the submission ring: false when a worker has taken it. */
  cancel(task: Task): boolean {
    const slot = this.#slotOf(task);
    if (slot < 0 || !this.#submissions.cancel(slot)) return false;
    this.remove(task);
    return true;
  }

  /** Whether a worker has taken it. */
  isTaken(task: Task): boolean {
    if (!this.has(task)) return false;
    const slot = this.#slotOf(task);
    return slot < 0 || !this.#submissions.isWaiting(slot);
  }

  /** The slot of the submission ring that a task was put into last; -1 if it is there no more. */
  #slotOf(task: Task): number {
    return this.has(task) ? this.#slots.indexOf(task.taskId) : -1;
  }

  /**
   * Takes back what a worker, told to stop, had claimed or held, and not begun; not what was directTasks to it alone. `read` is what it
   * was reading then, wherever that came from.
   */
  takeBack({ number, control, directTasks, given }: WorkerHandle): { unbegun: Task[]; read: Task | undefined } {
    const tasks = new Set<Task>();
    let read: Task | undefined;
    const slots = this.#submissions.repossess(number, (slot) => read = this.get(this.#slots[slot]!));
    for (const slot of slots) {
      const task = this.get(this.#slots[slot]!);
      if (task !== undefined && !task.settled) tasks.add(task);
    }
    const held = this.get(control.revoke());
    if (held !== undefined && !directTasks.has(held)) tasks.add(held);
    // It had all of it, or was about to read the rest, and did not come to begin it.
    if (held !== undefined && (control.stage !== FETCHING || given === held.taskId)) read = held;
    return { unbegun: [...tasks], read: read?.settled === false ? read : undefined };
  }

  /** A task goes back to the queue, with its payload as far as that is still here. */
  requeue(task: Task): void {
    const payload = this.#payloadOf(task);
    const slot = this.#slotOf(task);
    if (slot >= 0) this.#slots[slot] = -1; // it may be put into another one
    this.remove(task);
    task.payload = payload;
  }
}
