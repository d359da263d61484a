/**
 * How tasks end that did not end by themselves, and what comes with those that did.
 *
 * @module
 */

import { BrokenProcessPoolError, TimeoutError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";
import type { Outcome, Task, TraceEvent, WorkerEnd } from "./task.ts";

function nameOf(task: Task): string {
  return task.name === "" ? "task" : `task '${task.name}'`;
}

/** The end of a worker that has said nothing of it. */
export const SILENT: WorkerEnd = { exitCode: undefined, uncaught: undefined };

/** How a worker ends by an error that nothing caught, with its reply; `others`: it has run other tasks, of which the error may be. */
export function byUncaught(
  reply: Outcome | undefined,
  others: boolean,
): [how: string, runsOn: false, end: WorkerEnd] {
  const how = "by an error that nothing caught";
  if (reply === undefined) return [how, false, SILENT];
  const error = reply.ok ? reply.value : reply.error;
  const whose = others ? ", perhaps of an earlier task" : "";
  return [`${how}${whose} (${messageOf(error)})`, false, { exitCode: undefined, uncaught: [error] }];
}

/** Why there is a worker less that had not begun to look for tasks. */
export function lostAtStart(worker: string, how: string, { exitCode }: WorkerEnd): BrokenProcessPoolError {
  return new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it started`, { exitCode });
}

/** A task whose worker ended. */
export function lost(worker: string, how: string, task: Task, end: WorkerEnd): Outcome {
  const { exitCode, uncaught } = end;
  const cause = uncaught === undefined ? {} : { cause: uncaught[0] };
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  // On Deno 2.5 an interruption can come just too late, and ends the worker instead of the call.
  const error = task.limit !== 0 && how.includes("execution terminated")
    ? new TimeoutError(`Worker '${worker}' was ended at the limit of ${task.limit} ms while it ran ${what}`)
    : new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it ran ${what}`, { exitCode, ...cause });
  return { ok: false, error, end };
}

/** A task whose time is over. */
export function overdue(task: Task): Outcome {
  const error = new TimeoutError(`The ${nameOf(task)} was ended as it ran longer than its limit of ${task.limit} ms`);
  return { ok: false, error };
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
