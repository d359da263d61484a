/**
 * Handing tasks over: from the queue of the calling thread to the submission ring, or to one worker by message.
 *
 * @module
 */

import { Deque } from "../../base/deque.ts";
import type { Encoded } from "../../codec/encoder.ts";
import { postStored, type StoredPayload } from "../../codec/payload.ts";
import { SerializationError } from "../../errors.ts";
import { argumentsMoved } from "../../scheduler/failures.ts";
import type { Lifecycle } from "../../scheduler/lifecycle.ts";
import { MODE_NUMBERS, type Outcome, type Task } from "../../scheduler/task.ts";
import type { TaskEncoder } from "../../scheduler/task_encoder.ts";
import { LACKS_ARGUMENTS, LACKS_EXPORT, LACKS_FUNCTION, NEED_PAYLOAD } from "../shared/messages.ts";
import { SLOTS, type SubmissionRing } from "../shared/submission_ring.ts";
import type { InFlightTasks } from "./in_flight.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import type { WorkerSet } from "./worker_set.ts";

/** With more unclaimed tasks than this on the submission ring, handing over more of them can wait. */
const PLENTY = SLOTS - 64;

/** The parts of a scheduler that a dispatcher works with. */
export interface DispatcherParts {
  /** The ring that the workers claim tasks from. */
  readonly submissions: SubmissionRing;
  /** The tasks that were handed over. */
  readonly inFlight: InFlightTasks;
  /** Encodes functions and arguments. */
  readonly taskEncoder: TaskEncoder;
  /** The workers. */
  readonly workerSet: WorkerSet;
  /** The state of the scheduler. */
  readonly life: Lifecycle;
  /** Returns whether the thread is blocked, so that nothing asynchronous can be found out. */
  readonly isBlocked: () => boolean;
  /** Settles a task. */
  readonly settle: (task: Task, outcome: Outcome) => void;
  /** Calls workers to the submission ring. */
  readonly callWorkers: () => void;
  /** Called after tasks were handed over. */
  readonly afterWork: () => void;
}

/** The queue of a scheduler, and the way from there to the workers. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #queue = new Deque<Task>();
  /** Tasks on their way from the queue to the submission ring. */
  readonly #encoding: Task[] = [];
  /** Whether the workers were told that this thread keeps tasks. */
  #more = false;
  /** Tasks in the queue that were cancelled there. */
  #cancelled = 0;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** The number of tasks in the queue that were not cancelled. */
  get queued(): number {
    return this.#queue.size - this.#cancelled;
  }

  /** The tasks whose arguments are being read, by code further up the stack. */
  get encoding(): readonly Task[] {
    return this.#encoding;
  }

  /** Queues a task, and hands over what can be. */
  submit(task: Task): void {
    this.#queue.push(task);
    if (this.#parts.inFlight.kept > 0) this.answerWaiting();
    // If there is no room, whoever makes room hands over more.
    if (this.#queue.size === 1 ? this.canHandOver() : this.shouldHandOver()) return this.handOver(true);
    if (this.#more) return;
    this.#tellMore();
    if (this.shouldHandOver()) this.handOver(true); // they may have claimed much before they were told
  }

  /** Takes note that a task that is not in flight was cancelled: its turn in the queue is skipped. */
  noteCancelled(task: Task): void {
    if (!this.#encoding.includes(task)) this.#cancelled++;
  }

  /** Empties the queue. Returns the tasks that were in it and were not cancelled. */
  takeQueued(): Task[] {
    const tasks: Task[] = [];
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
      if (task.settled) this.#cancelled--;
      else tasks.push(task);
    }
    return tasks;
  }

  /** Moves tasks from the queue to the submission ring as long as there is room, and sees to it that workers take them. */
  handOver(more: boolean = this.shouldHandOver()): void {
    while (more && this.canHandOver()) {
      const task = this.#queue.shift()!;
      if (task.settled) {
        this.#cancelled--;
        continue;
      }
      this.#encoding.push(task); // getters of its arguments may ask for anything meanwhile
      if (this.#prepare(task)) this.#fillSlot(task);
      this.#encoding.pop();
    }
    this.#tellMore();
    this.#parts.callWorkers();
    this.#parts.afterWork();
  }

  /** Tells the workers whether this thread keeps tasks: then they call it when there is little left on the submission ring. */
  #tellMore(): void {
    const more = !this.#queue.empty;
    if (more === this.#more) return;
    this.#more = more;
    this.#parts.submissions.setMore(more);
  }

  /** Numbers a task and its function; false, and the task settled, when the function cannot be sent. */
  #prepare(task: Task): boolean {
    try {
      this.#parts.taskEncoder.number(task);
    } catch (error) {
      this.#parts.settle(task, { ok: false, error });
      return false;
    }
    this.#parts.inFlight.number(task);
    return true;
  }

  #fillSlot(task: Task): void {
    let encoded: Encoded | undefined;
    if (task.payload === undefined) {
      encoded = this.#pack(task);
      if (encoded === undefined) return;
      const beside = encoded.refs.length > 0 || encoded.transfers.length > 0;
      if (beside || !this.#parts.inFlight.reserve(task, encoded.length)) {
        if (!this.#settleIfThrows(task, () => this.#parts.taskEncoder.keep(task, encoded!))) return;
      }
    }
    if (this.#overtaken(task)) return this.#parts.inFlight.free(task);
    if (!this.#parts.submissions.hasRoom()) {
      this.#parts.inFlight.free(task);
      return this.#queue.unshift(task);
    }
    this.#parts.inFlight.fill(task, task.payload === undefined ? encoded : undefined);
  }

  /** Undefined, and the task settled, when it cannot be sent. */
  #pack(task: Task): Encoded | undefined {
    try {
      return this.#parts.taskEncoder.pack(task, this.#parts.workerSet.handles);
    } catch (error) {
      this.#parts.settle(task, { ok: false, error });
      return undefined;
    }
  }

  /** Does something for a task, which fails with what that throws: whether it went well. */
  #settleIfThrows(task: Task, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.#parts.settle(task, { ok: false, error });
      return false;
    }
  }

  /** Getters of the arguments have run meanwhile: whether one has cancelled the task, or ended the pool. */
  #overtaken(task: Task): boolean {
    if (!this.#parts.life.running) this.#parts.settle(task, this.#parts.life.refusal());
    return task.settled;
  }

  /** Posts a task to one worker. */
  post(handle: WorkerHandle, task: Task): void {
    if (!this.#prepare(task)) return;
    const encoded = this.#pack(task);
    if (encoded === undefined || !this.#settleIfThrows(task, () => this.#parts.taskEncoder.keep(task, encoded))) return;
    if (this.#overtaken(task)) return;
    const kept = task.payload!;
    task.payload = undefined;
    this.#parts.inFlight.addDirect(task);
    handle.directTasks.add(task);
    const header = { taskId: task.taskId, fn: task.functionId, mode: MODE_NUMBERS[task.mode], limit: task.limit };
    const sent = this.#settleIfThrows(
      task,
      () => postStored(kept, (parcel, transfers) => handle.postTask({ type: "task", header, parcel }, transfers)),
    );
    if (!sent) handle.directTasks.delete(task);
  }

  /** Workers that ask for arguments get them while more tasks are handed over; whatever else they say is for later. */
  answerWaiting(): void {
    for (const handle of this.#parts.workerSet.handles) {
      const record = handle.completions.peek();
      if (record === undefined || record.kind !== NEED_PAYLOAD) continue;
      handle.completions.consume();
      this.answer(handle, record.taskId, record.detail);
    }
  }

  /** Gives a worker what it lacks for a task it holds. */
  answer(handle: WorkerHandle, taskId: number, lacks: number): void {
    const task = this.#parts.inFlight.get(taskId);
    if (task === undefined) return handle.post({ type: "drop", taskId }, []);
    if ((lacks & LACKS_EXPORT) !== 0) {
      const blocked = this.#parts.isBlocked();
      return this.#parts.taskEncoder.packExport(task, blocked, (kept) => this.#give(handle, task, kept));
    }
    let kept = task.payload;
    if ((lacks & LACKS_ARGUMENTS) !== 0 && kept !== undefined) {
      task.payload = undefined;
      this.#parts.inFlight.kept--;
    } else if ((lacks & LACKS_FUNCTION) !== 0) {
      kept = this.#parts.taskEncoder.packFunction(task);
    }
    this.#give(handle, task, kept);
  }

  #give(handle: WorkerHandle, task: Task, kept: StoredPayload | undefined): void {
    const { taskId } = task;
    if (!this.#parts.workerSet.handles.has(handle)) return; // it was asked for before that ended
    if (this.#parts.inFlight.get(taskId) !== task) return handle.post({ type: "drop", taskId }, []);
    const sent = this.#settleIfThrows(task, () => {
      if (kept === undefined) throw new SerializationError(`Worker '${handle.name}' asks for arguments that were sent`);
      postStored(kept, (parcel, transfers) => handle.post({ type: "payload", taskId, parcel }, transfers));
      handle.given = taskId;
    });
    if (!sent) handle.post({ type: "drop", taskId }, []);
  }

  requeue(tasks: readonly Task[]): void {
    for (const task of [...tasks].sort((a, b) => b.taskId - a.taskId)) {
      this.#parts.inFlight.requeue(task);
      if (task.moved && task.payload === undefined) this.#parts.settle(task, argumentsMoved());
      else this.#queue.unshift(task);
    }
  }

  canHandOver(): boolean {
    return !this.#queue.empty && this.#parts.submissions.hasRoom() &&
      this.#parts.inFlight.kept <= 2 * this.#parts.workerSet.size;
  }

  /** Whether it is worth the while: as long as the workers have plenty to claim, tasks wait to be handed over in handfuls. */
  shouldHandOver(): boolean {
    return this.#parts.submissions.unclaimed() <= PLENTY && this.canHandOver();
  }
}
