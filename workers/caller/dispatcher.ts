/**
 * Hands tasks over: from the queue of the calling thread to the submission ring, or to one worker by message.
 *
 * @module
 */

import { Deque } from "../../base/deque.ts";
import type { Encoded } from "../../codec/encoded.ts";
import { postStored, type StoredPayload } from "../../codec/payload.ts";
import { SerializationError } from "../../errors.ts";
import { argumentsMoved } from "../../scheduler/failures.ts";
import type { Lifecycle } from "../../scheduler/lifecycle.ts";
import { MODE_NUMBERS, type Outcome, type Task } from "../../scheduler/task.ts";
import type { TaskEncoder } from "../../scheduler/task_encoder.ts";
import type { TaskHeader } from "../../scheduler/messages.ts";
import { LACKS_ARGUMENTS, LACKS_EXPORT, LACKS_FUNCTION, NEED_PAYLOAD } from "../shared/messages.ts";
import { SLOTS, type SubmissionRing } from "../shared/submission_ring.ts";
import type { InFlightTasks } from "./in_flight.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import type { WorkerSet } from "./worker_set.ts";

/** The number of unclaimed tasks on the submission ring above which handing over more can wait. */
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
  /** Returns whether the thread is blocked, so that it cannot await anything. */
  readonly isBlocked: () => boolean;
  /** Settles a task. */
  readonly settle: (task: Task, outcome: Outcome) => void;
  /** Calls workers to the submission ring. */
  readonly callWorkers: () => void;
  /** Called after tasks were handed over. */
  readonly afterWork: () => void;
}

/** The queue of a scheduler, and the transfer of its tasks to the workers. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #queue = new Deque<Task>();
  /** Tasks on their way from the queue to the submission ring. */
  readonly #encoding: Task[] = [];
  /** True if the ring tells the workers that this thread has more tasks. */
  #more = false;
  /** The number of tasks in the queue that were cancelled there. */
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

  /** Queues a task, and hands over the tasks that can be. */
  submit(task: Task): void {
    this.#queue.push(task);
    if (this.#parts.inFlight.kept > 0) this.answerWaiting();
    // If there is no room, the code that makes room hands over more.
    if (this.#queue.size === 1 ? this.canHandOver() : this.shouldHandOver()) return this.handOver(true);
    if (this.#more) return;
    this.#tellMore();
    if (this.shouldHandOver()) this.handOver(true); // they may have claimed many tasks before the word was set
  }

  /** Called when a task that is not in flight was cancelled: its turn in the queue is skipped. */
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

  /** Moves tasks from the queue to the submission ring while it has room, and calls workers to them. */
  handOver(more: boolean = this.shouldHandOver()): void {
    while (more && this.canHandOver()) {
      const task = this.#queue.shift()!;
      if (task.settled) {
        this.#cancelled--;
        continue;
      }
      this.#encoding.push(task); // getters of its arguments may call any method of the pool meanwhile
      if (this.#prepare(task)) this.#fillSlot(task);
      this.#encoding.pop();
    }
    this.#tellMore();
    this.#parts.callWorkers();
    this.#parts.afterWork();
  }

  /** Tells the workers whether this thread has more tasks. If so, they wake it when few are left on the submission ring. */
  #tellMore(): void {
    const more = !this.#queue.empty;
    if (more === this.#more) return;
    this.#more = more;
    this.#parts.submissions.setMore(more);
  }

  /** Numbers a task and its function. If the function cannot be sent, settles the task and returns false. */
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
      if (encoded.refs.length > 0 || !this.#parts.inFlight.reserve(task, encoded.length)) {
        if (!this.#settleIfThrows(task, () => this.#parts.taskEncoder.keep(task, encoded!))) return;
      }
    }
    if (this.#overtaken(task)) return this.#parts.inFlight.free(task);
    if (task.payload !== undefined && this.#handToFree(task, task.payload)) return;
    if (!this.#parts.submissions.hasRoom()) {
      this.#parts.inFlight.free(task);
      return this.#queue.unshift(task);
    }
    const inline = task.payload === undefined ? encoded : undefined;
    if (inline !== undefined && inline.transfers.length > 0) {
      if (!this.#settleIfThrows(task, () => this.#parts.taskEncoder.move(task, inline))) {
        return this.#parts.inFlight.free(task);
      }
    }
    this.#parts.inFlight.fill(task, inline);
  }

  /**
   * Posts a task to a worker that is parked, with nothing else to do, instead of having the worker ask for the payload. Returns
   * false if there is none.
   */
  #handToFree(task: Task, stored: StoredPayload): boolean {
    const { submissions, workerSet, inFlight } = this.#parts;
    if (!this.#queue.empty || submissions.unclaimed() > 0 || !stored.refs.every(surelyArrives)) return false;
    for (const handle of workerSet.handles) {
      if (handle.retired || handle.handed !== undefined || !handle.control.isFree) continue;
      const header = this.#headerOf(task);
      const handed = handle.handTask((post) => {
        task.payload = undefined;
        inFlight.addDirect(task);
        handle.handed = task;
        return this.#settleIfThrows(
          task,
          () => postStored(stored, (payload, transfers) => post({ type: "task", header, payload }, transfers)),
        );
      });
      if (handed) return true;
      if (!task.settled) continue; // it was no longer parked
      handle.handed = undefined;
      return true;
    }
    return false;
  }

  #headerOf({ taskId, functionId, mode, limit, first }: Task): TaskHeader {
    return { taskId, fn: functionId, mode: MODE_NUMBERS[mode], limit, first };
  }

  /** Encodes a task. If it cannot be sent, settles it and returns undefined. */
  #pack(task: Task): Encoded | undefined {
    try {
      return this.#parts.taskEncoder.pack(task, this.#parts.workerSet.handles);
    } catch (error) {
      this.#parts.settle(task, { ok: false, error });
      return undefined;
    }
  }

  /** Calls `run`. If that throws, settles the task with the error. Returns whether it succeeded. */
  #settleIfThrows(task: Task, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.#parts.settle(task, { ok: false, error });
      return false;
    }
  }

  /** Returns whether a getter of the arguments, run while they were encoded, has cancelled the task or ended the pool. */
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
    const stored = task.payload!;
    task.payload = undefined;
    this.#parts.inFlight.addDirect(task);
    handle.directTasks.add(task);
    const header = this.#headerOf(task);
    const sent = this.#settleIfThrows(
      task,
      () => postStored(stored, (payload, transfers) => handle.postTask({ type: "task", header, payload }, transfers)),
    );
    if (!sent) handle.directTasks.delete(task);
  }

  /** Answers the workers whose next record asks for arguments. All other records are left for later. */
  answerWaiting(): void {
    for (const handle of this.#parts.workerSet.handles) {
      const record = handle.completions.peek();
      if (record === undefined || record.kind !== NEED_PAYLOAD) continue;
      handle.completions.consume();
      this.answer(handle, record.taskId, record.detail);
    }
  }

  /** Sends a worker the parts that it lacks of a task that it holds. */
  answer(handle: WorkerHandle, taskId: number, lacks: number): void {
    const task = this.#parts.inFlight.get(taskId);
    if (task === undefined) return handle.post({ type: "drop", taskId }, []);
    if ((lacks & LACKS_EXPORT) !== 0) {
      const blocked = this.#parts.isBlocked();
      return this.#parts.taskEncoder.packExport(task, blocked, (stored) => this.#give(handle, task, stored));
    }
    let stored = task.payload;
    if ((lacks & LACKS_ARGUMENTS) !== 0 && stored !== undefined) {
      task.payload = undefined;
      this.#parts.inFlight.kept--;
    } else if ((lacks & LACKS_FUNCTION) !== 0) {
      stored = this.#parts.taskEncoder.packFunction(task);
    }
    this.#give(handle, task, stored);
  }

  #give(handle: WorkerHandle, task: Task, stored: StoredPayload | undefined): void {
    const { taskId } = task;
    if (!this.#parts.workerSet.handles.has(handle)) return; // the worker has ended since it asked
    if (this.#parts.inFlight.get(taskId) !== task) return handle.post({ type: "drop", taskId }, []);
    const sent = this.#settleIfThrows(task, () => {
      if (stored === undefined) {
        throw new SerializationError(`Worker '${handle.name}' asks for arguments that were sent`);
      }
      postStored(stored, (payload, transfers) => handle.post({ type: "payload", taskId, payload }, transfers));
      handle.given = taskId;
    });
    if (!sent) handle.post({ type: "drop", taskId }, []);
  }

  /** Puts tasks back at the front of the queue, in the order of their numbers. A task whose arguments were moved fails. */
  requeue(tasks: readonly Task[]): void {
    for (const task of [...tasks].sort((a, b) => b.taskId - a.taskId)) {
      this.#parts.inFlight.requeue(task);
      if (task.moved && task.payload === undefined) this.#parts.settle(task, argumentsMoved());
      else this.#queue.unshift(task);
    }
  }

  /** Returns whether there is a task to hand over, and room for it. */
  canHandOver(): boolean {
    return !this.#queue.empty && this.#parts.submissions.hasRoom() &&
      this.#parts.inFlight.kept <= 2 * this.#parts.workerSet.size;
  }

  /** Returns whether handing over pays now. While the ring is well filled, tasks stay queued and move in batches. */
  shouldHandOver(): boolean {
    return this.#parts.submissions.unclaimed() <= PLENTY && this.canHandOver();
  }
}

/** Returns whether a value beside the bytes arrives in any case. A message that cannot be read is lost with its header. */
function surelyArrives(value: unknown): boolean {
  return typeof value !== "object" || value instanceof ArrayBuffer;
}
