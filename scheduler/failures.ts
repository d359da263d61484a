/**
 * How tasks end that did not end by themselves, and what comes with those that did.
 *
 * @module
 */

import { BrokenProcessPoolError, SerializationError, TimeoutError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";
import { hasThen, thenRefused } from "../codec/foreign.ts";
import { AT_TARGET, type ChunkValue, type Outcome, type Task, type TraceEvent, type WorkerEnd } from "./task.ts";

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
export function workerLost(worker: string, how: string, task: Task, end: WorkerEnd): Outcome {
  const { exitCode, uncaught } = end;
  const cause = uncaught === undefined ? {} : { cause: uncaught[0] };
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  // On Deno 2.5 an interruption can come just too late, and ends the worker instead of the call.
  const error = task.limit !== 0 && how.includes("execution terminated")
    ? new TimeoutError(`Worker '${worker}' was ended at the limit of ${task.limit} ms while it ran ${what}`)
    : new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it ran ${what}`, { exitCode, ...cause });
  return { ok: false, error, end };
}

/** A task that no worker can read. */
export function unreadable(worker: string, how: string, task: Task, exitCode: number | undefined): Outcome {
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  const message = `Worker '${worker}' ended ${how} while it read ${what}, as another one did before`;
  return { ok: false, error: new BrokenProcessPoolError(message, { exitCode }) };
}

/** A task whose time is over. */
export function timedOut(task: Task): Outcome {
  const error = new TimeoutError(`The ${nameOf(task)} was ended as it ran longer than its limit of ${task.limit} ms`);
  return { ok: false, error };
}

/** Why no worker can be started that comes to its first task in time. */
export function startOverdue(worker: string, limit: number): TimeoutError {
  return new TimeoutError(`Worker '${worker}' was ended as it did not start within the limit of ${limit} ms`);
}

/** A task that cannot go to another worker. */
export function argumentsMoved(): Outcome {
  const error = new BrokenProcessPoolError("The worker ended with the arguments, which had been moved to it");
  return { ok: false, error };
}

/** Takes the times out of a reply, which travel with it when there is a trace. */
export function takeTimes(worker: number, task: Task, reply: Outcome, events: TraceEvent[]): Outcome {
  const carried = reply.ok ? reply.value : reply.error;
  if (!Array.isArray(carried) || carried.length !== 3) return reply;
  const [start, end, value] = carried as unknown[];
  if (typeof start !== "number" || typeof end !== "number") return reply;
  events.push({ worker, name: task.name, calls: task.calls, start, duration: end - start });
  return reply.ok ? { ok: true, value } : { ok: false, error: value };
}

/** What a worker has answered, so that nothing of it is called on its way to the program. */
export function received(task: Task, reply: Outcome): Outcome {
  if (!reply.ok) return hasThen(reply.error) ? { ok: false, error: thrown(reply.error) } : reply;
  const { value } = reply;
  if (typeof value !== "object" || value === null) {
    return task.mode === "apply" || task.mode === "run" ? reply : wrong();
  }
  if (task.mode === "apply") return hasThen(value) ? { ok: true, value, thenable: true } : reply;
  if (task.mode === "run") return reply;
  return isChunk(value, task.calls) ? reply : wrong();
}

/** Whether it is what a worker answers to a chunk of calls. What was thrown is made fit to be handed on. */
function isChunk(value: unknown, calls: number): value is ChunkValue {
  if (value === AT_TARGET) return true;
  if (!Array.isArray(value)) return false;
  const [failures, results] = value as unknown[];
  if (!Array.isArray(results) || results.length !== calls) return false;
  if (failures === undefined) return true;
  if (!Array.isArray(failures)) return false;
  for (let i = 0; i < failures.length; i++) {
    const failure: unknown = failures[i];
    if (!Array.isArray(failure) || !Number.isInteger(failure[0]) || failure[0] < 0 || failure[0] >= calls) return false;
    if (hasThen(failure[1])) failure[1] = thrown(failure[1]);
  }
  return true;
}

/** Errors are handed from promise to promise, so one of them must not be called by any. */
function thrown(cause: unknown): SerializationError {
  return thenRefused("what the task threw", "it is the cause of this error", { cause });
}

function wrong(): Outcome {
  return { ok: false, error: new SerializationError("Cannot read the results of a worker: they are not a chunk") };
}
