/**
 * The tasks in flight: handed over to workers, and not settled.
 *
 * @module
 */

import { type Encoded, NOTHING_ENCODED } from "../../codec/encoded.ts";
import { Arena } from "./arena.ts";
import { PAYLOAD, SLOTS, type SubmissionRing } from "../shared/submission_ring.ts";
import { TASK_ID_MASK } from "../shared/control_block.ts";
import { FETCHING } from "../../scheduler/messages.ts";
import type { DeadlineWatchdog } from "./deadline_watchdog.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import type { StoredPayload } from "../../codec/payload.ts";
import { MODE_NUMBERS, type Task } from "../../scheduler/task.ts";
import { PAYLOAD_BY_MESSAGE } from "../shared/messages.ts";

/** The number of places for tasks with consecutive numbers; mostly no more tasks are in flight. */
const NEAR = 1024;

/**
 * The blame of a task for the loss of a worker that was reading it. It is three times that for a worker that was about to read the rest: in
 * the event loop, code that other tasks have left behind may have ended the worker.
 */
const READING_BLAME = 3;
/** A task with so much blame is not tried again: two workers were lost as they read it, or six before they read the rest. */
export const MOST_BLAME: number = 2 * READING_BLAME;

/** The tasks of a worker that was lost. */
export interface TakenBack {
  /** The tasks that it had not begun. */
  readonly unbegun: Task[];
  /** The task that it was reading, or about to read. */
  readonly read: Task | undefined;
  /** The blame of that task for the loss. */
  readonly blame: number;
}

/** The tasks that one scheduler has handed over. */
export class InFlightTasks {
  readonly #submissions: SubmissionRing;
  readonly #deadlines: DeadlineWatchdog;
  /** Each task is in the place of its number, or in `#far` if an older task has that place. A map alone makes much garbage. */
  readonly #near: (Task | undefined)[] = new Array(NEAR).fill(undefined);
  readonly #far = new Map<number, Task>();
  /** For each slot of the submission ring, the number of the task that was put into it last. */
  readonly #slots = new Int32Array(SLOTS).fill(-1);
  readonly #arena = new Arena();
  /** The arena block with the payload of a task, for the few tasks that have one. */
  readonly #blocks = new Map<Task, number>();
  #taskId = 0;
  /** The number of payloads that wait until a worker asks for them. */
  kept = 0;

  constructor(submissions: SubmissionRing, deadlines: DeadlineWatchdog) {
    this.#submissions = submissions;
    this.#deadlines = deadlines;
  }

  /** The number of tasks in flight. */
  size = 0;

  /** Returns the task with this number. */
  get(taskId: number): Task | undefined {
    const task = this.#near[taskId & (NEAR - 1)];
    return task?.taskId === taskId ? task : this.#far.get(taskId);
  }

  /** Returns whether a task is in flight. */
  has(task: Task): boolean {
    return this.get(task.taskId) === task;
  }

  /** Returns the tasks that are in flight now, in the order of their numbers. */
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

  /** The number of the task that was numbered last. */
  get numbered(): number {
    return this.#taskId;
  }

  /** Numbers a task, unless it has a number. */
  number(task: Task): void {
    if (task.taskId >= 0) return;
    do this.#taskId = (this.#taskId + 1) & TASK_ID_MASK; while (this.get(this.#taskId) !== undefined);
    task.taskId = this.#taskId;
  }

  /** Reserves room in shared memory for a payload of `length` bytes of `task`. Returns whether there was room. */
  reserve(task: Task, length: number): boolean {
    if (length <= PAYLOAD) return true;
    const block = this.#arena.take(length);
    if (block >= 0) this.#blocks.set(task, block);
    return block >= 0;
  }

  /** Frees the room that {@linkcode reserve} has reserved for a task. */
  free(task: Task): void {
    if (this.#blocks.size === 0) return;
    const block = this.#blocks.get(task);
    if (block === undefined) return;
    this.#blocks.delete(task);
    this.#arena.free(block);
  }

  /** Returns the payload of a task, copied out of its arena block if it has one. */
  #payloadOf(task: Task): StoredPayload | undefined {
    if (!this.#blocks.has(task)) return task.payload;
    return { bytes: this.#submissions.payloadOf(this.#slotOf(task)), refs: [], moves: [] };
  }

  /** Puts a task on the submission ring, which must have room. Without `encoded`, the worker has to fetch its payload. */
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
      task.first,
    );
    this.#slots[slot] = task.taskId;
    task.range = undefined; // its numbers are in shared memory
    this.#deadlines.enter(task.limit); // last: it uses a timer, see touchLazyGlobals()
  }

  /** Adds a task that is posted to one worker. */
  addDirect(task: Task): void {
    this.#add(task);
    this.#deadlines.enter(task.limit);
  }

  /** Removes a task that has ended or goes back to the queue. */
  remove(task: Task): void {
    if (!this.#delete(task)) return;
    if (task.payload !== undefined) this.kept--;
    task.payload = undefined;
    this.free(task);
    this.#deadlines.leave(task.limit);
  }

  /** Takes a task back from the submission ring. Returns false if a worker has taken it. */
  cancel(task: Task): boolean {
    const slot = this.#slotOf(task);
    if (slot < 0 || !this.#submissions.cancel(slot)) return false;
    this.remove(task);
    return true;
  }

  /** Returns whether a worker has taken the task. */
  isTaken(task: Task): boolean {
    if (!this.has(task)) return false;
    const slot = this.#slotOf(task);
    return slot < 0 || !this.#submissions.isWaiting(slot);
  }

  /** Returns the slot of the submission ring that a task was put into last; -1 if the task is no longer there. */
  #slotOf(task: Task): number {
    return this.has(task) ? this.#slots.indexOf(task.taskId) : -1;
  }

  /**
   * Takes back the tasks that a worker, told to stop, had claimed or held and not begun, without those posted to this worker
   * alone. `unbegun` are these tasks; `read` is the task that the worker was reading then, from the ring or posted.
   */
  takeBack({ number, control, directTasks, handed, given }: WorkerHandle): TakenBack {
    const tasks = new Set<Task>();
    let read: Task | undefined;
    const slots = this.#submissions.repossess(number, (slot) => read = this.get(this.#slots[slot]!));
    for (const slot of slots) {
      const task = this.get(this.#slots[slot]!);
      if (task !== undefined && !task.settled) tasks.add(task);
    }
    const held = this.get(control.revoke());
    if (held !== undefined && !directTasks.has(held)) tasks.add(held);
    // What was handed to the worker has begun only if it is the task that runs.
    if (handed !== undefined && !handed.settled && this.get(control.current) !== handed) tasks.add(handed);
    // The worker had the whole task, or was about to read the rest, and had not begun it.
    const fetching = control.stage === FETCHING;
    if (held !== undefined && (!fetching || given === held.taskId)) read = held;
    if (read?.settled !== false) read = undefined;
    return { unbegun: [...tasks], read, blame: fetching ? 1 : READING_BLAME };
  }

  /** Removes a task that goes back to the queue. The task keeps its payload if that is still here. */
  requeue(task: Task): void {
    const payload = this.#payloadOf(task);
    const slot = this.#slotOf(task);
    if (slot >= 0) this.#slots[slot] = -1; // the task may be put into another slot
    this.remove(task);
    task.payload = payload;
  }
}
