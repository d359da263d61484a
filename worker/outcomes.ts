/**
 * How tasks end that did not end by themselves, and what comes with those that did.
 *
 * @module
 */

import { BrokenProcessPoolError, TimeoutError } from "../errors.ts";
import type { Outcome, Task, TraceEvent } from "./task.ts";

function nameOf(task: Task): string {
  return task.name === "" ? "task" : `task '${task.name}'`;
}

/** A task whose worker ended. */
export function lost(worker: string, how: string, task: Task, exitCode: number | undefined): Outcome {
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  // On Deno 2.5 an interruption can come just too late, and ends the worker instead of the call.
  const error = task.limit !== 0 && how.includes("execution terminated")
    ? new TimeoutError(`Worker '${worker}' was ended at the limit of ${task.limit} ms while it ran ${what}`)
    : new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it ran ${what}`, { exitCode });
  return { ok: false, error };
}

/** A task that no worker can read. */
export function unreadable(worker: string, how: string, task: Task, exitCode: number | undefined): Outcome {
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  const message = `Worker '${worker}' ended ${how} while it read ${what}, as another one did before`;
  return { ok: false, error: new BrokenProcessPoolError(message, { exitCode }) };
}

/** A task whose time is over. */
export function overdue(task: Task): Outcome {
  const error = new TimeoutError(`The ${nameOf(task)} was ended as it ran longer than its limit of ${task.limit} ms`);
  return { ok: false, error };
}

/** Why no worker can be started that comes to its first task in time. */
export function startOverdue(worker: string, limit: number): TimeoutError {
  return new TimeoutError(`Worker '${worker}' was ended as it did not start within the limit of ${limit} ms`);
}

/** A task that cannot go to another worker. */
export function movedAway(): Outcome {
  const error = new BrokenProcessPoolError("The worker ended with the arguments, which had been moved to it");
  return { ok: false, error };
}

/** Takes the times out of a reply, which travel with it when there is a trace. */
export function takeTimes(worker: number, task: Task, reply: Outcome, events: TraceEvent[]): Outcome {
  const carried = reply.ok ? reply.value : reply.error;
  if (!Array.isArray(carried) || carried.length !== 3) return reply;
  const [start, end, value] = carried as [number, number, unknown];
  events.push({ worker, name: task.name, calls: task.calls, start, duration: end - start });
  return reply.ok ? { ok: true, value } : { ok: false, error: value };
}
