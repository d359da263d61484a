/**
 * Hands tasks to children, and takes back those that a child has not begun.
 *
 * @module
 */

import type { Lifecycle } from "../scheduler/lifecycle.ts";
import { MODE_NUMBERS, type Outcome, type Task } from "../scheduler/task.ts";
import type { TaskEncoder } from "../scheduler/task_encoder.ts";
import type { ChildSet } from "./child_set.ts";
import { DROP, EXPORT, FUNCTION, LACKS_EXPORT, TASK } from "./frames.ts";
import type { ProcessHandle } from "./process_handle.ts";
import type { TaskQueue } from "./task_queue.ts";
import type { TaskTimes } from "./task_times.ts";

/** The parts of a scheduler that a dispatcher works with. */
export interface DispatcherParts {
  /** The tasks that no child has. */
  readonly queue: TaskQueue;
  /** The tasks that children have, by number. */
  readonly inFlight: Map<number, Task>;
  /** The children. */
  readonly children: ChildSet;
  /** Encodes functions. */
  readonly taskEncoder: TaskEncoder;
  /** The durations of the tasks of each function. */
  readonly times: TaskTimes;
  /** The state of the scheduler. */
  readonly life: Lifecycle;
  /** The number of tasks that a child may have begun at the same time. */
  readonly concurrency: number;
  /** Settles a task. */
  readonly settle: (task: Task, outcome: Outcome) => void;
  /** Called after tasks were handed over. */
  readonly handedOver: () => void;
}

/** Hands over the tasks of a scheduler. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  /** The number of tasks that were ever handed over. */
  count = 0;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Hands tasks to the children that have room for them. */
  handOver(): void {
    const { queue, children, concurrency, handedOver } = this.#parts;
    for (const handle of children.handles) {
      while (!handle.own.empty && handle.isFree && handle.inFlight < concurrency) {
        this.#hand(handle, handle.own.shift()!);
      }
    }
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      if (!queue.prepare(task) || task.settled) continue;
      const handle = this.#choose(task);
      if (handle === undefined) {
        queue.unshift(task);
        break;
      }
      this.#hand(handle, task);
    }
    handedOver();
  }

  /** Returns the child with the fewest tasks that has room for this one. */
  #choose(task: Task): ProcessHandle | undefined {
    const { children, times, concurrency } = this.#parts;
    let best: ProcessHandle | undefined;
    let fewest = concurrency > 1 ? concurrency : times.window(task.functionId);
    for (const handle of children.handles) {
      const { inFlight } = handle;
      if (inFlight >= fewest || !handle.isFree || !handle.own.empty) continue;
      best = handle;
      fewest = inFlight;
    }
    return best;
  }

  #hand(handle: ProcessHandle, task: Task): void {
    const { queue, inFlight, life, settle } = this.#parts;
    const bytes = queue.encode(task, () => {
      if (!handle.knownFunctions.has(task.functionId)) this.#sendFunction(handle, task);
    });
    if (bytes === undefined || task.settled) return void handle.posted.delete(task);
    // Getters of its arguments may have ended the pool or the child.
    if (!life.running) return settle(task, life.refusal());
    if (!handle.isFree) return this.#putBack(handle, task);
    const { taskId, functionId, mode, limit } = task;
    const detail = MODE_NUMBERS[mode] | handle.epoch << 2;
    handle.send(TASK, taskId, detail, { length: bytes.length, bytes }, functionId, limit, task.first);
    handle.hot = true;
    handle.handed.push(task);
    inFlight.set(taskId, task);
    this.count++;
  }

  #putBack(handle: ProcessHandle, task: Task): void {
    (handle.posted.has(task) ? handle.own : this.#parts.queue).unshift(task);
  }

  #sendFunction(handle: ProcessHandle, task: Task): void {
    const bytes = new Uint8Array(this.#parts.taskEncoder.packFunction(task).bytes);
    handle.send(FUNCTION, task.functionId, 0, { length: bytes.length, bytes });
    handle.knownFunctions.add(task.functionId);
  }

  /** Sends a child the part of a task that it lacks. */
  answer(handle: ProcessHandle, taskId: number, lacks: number): void {
    const { inFlight, children, taskEncoder } = this.#parts;
    const task = inFlight.get(taskId);
    if (task === undefined || !handle.running.has(task)) return handle.send(DROP, taskId);
    if (lacks !== LACKS_EXPORT) return this.#sendFunction(handle, task);
    handle.lacking = true;
    taskEncoder.packExport(task, false, ({ bytes }) => {
      handle.lacking = false;
      if (!children.handles.has(handle)) return;
      if (task.settled) handle.send(DROP, taskId);
      else handle.send(EXPORT, taskId, 0, { length: bytes.byteLength, bytes: new Uint8Array(bytes) });
      this.handOver();
    });
  }

  /** Takes back the tasks that a child has not begun; `count` of the last ones, by default all. */
  takeBack(handle: ProcessHandle, count: number = handle.handed.size): void {
    const tasks: Task[] = [];
    for (let task = handle.handed.shift(); task !== undefined; task = handle.handed.shift()) tasks.push(task);
    const back = tasks.splice(tasks.length - count);
    for (const task of tasks) handle.handed.push(task);
    for (const task of back.reverse()) {
      this.#parts.inFlight.delete(task.taskId);
      if (!task.settled) this.#putBack(handle, task);
    }
  }

  // Tasks for one child alone.

  /** Adds a task for one child alone. */
  post(handle: ProcessHandle, task: Task): void {
    handle.posted.add(task);
    handle.own.push(task);
  }

  /** Gives the tasks for one child alone, which is gone, to another one. */
  repost({ own, posted }: ProcessHandle): void {
    const { children, life, settle } = this.#parts;
    for (let task = own.shift(); task !== undefined; task = own.shift()) {
      posted.delete(task);
      if (task.settled) continue;
      if (life.running && children.hasRoom) children.start();
      const handle = [...children.handles].at(-1);
      if (handle === undefined) settle(task, life.refusal());
      else this.post(handle, task);
    }
  }

  /** Called when a task that no child has was cancelled. */
  drop(task: Task): void {
    for (const { posted, own } of this.#parts.children.handles) {
      if (!posted.delete(task)) continue;
      for (let rest = own.size; rest > 0; rest--) {
        const other = own.shift()!;
        if (other !== task) own.push(other);
      }
      return;
    }
    this.#parts.queue.noteCancelled(task);
  }

  /** Removes and returns the tasks that no child has and that have not settled. */
  takeWaiting(): Task[] {
    const tasks = this.#parts.queue.take();
    for (const { own, posted } of this.#parts.children.handles) {
      for (let task = own.shift(); task !== undefined; task = own.shift()) {
        posted.delete(task);
        tasks.push(task);
      }
    }
    return tasks;
  }
}
