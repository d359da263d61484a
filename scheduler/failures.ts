/**
 * Outcomes of tasks that did not end by themselves, and checks of the replies of those that did.
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

/** The end of a worker that has not reported it. */
export const SILENT: WorkerEnd = { exitCode: undefined, uncaught: undefined };

/**
 * Describes the end of a worker by an error that nothing caught. `reply` holds the error, if the worker sent it.
 * `others` tells whether the worker has run other tasks, as one of them may have caused the error.
 */
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

/** Returns the error for a worker that ended before it looked for tasks. */
export function lostAtStart(worker: string, how: string, { exitCode, signal }: WorkerEnd): BrokenProcessPoolError {
  return new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it started`, { exitCode, signal });
}

/** Returns the outcome of a task whose worker ended. */
export function workerLost(worker: string, how: string, task: Task, end: WorkerEnd): Outcome {
  const { exitCode, signal, uncaught } = end;
  const cause = uncaught === undefined ? {} : { cause: uncaught[0] };
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  // On Deno 2.5 an interruption can come just too late and end the worker instead of the call.
  const error = task.limit !== 0 && how.includes("execution terminated")
    ? new TimeoutError(`Worker '${worker}' was ended at the limit of ${task.limit} ms while it ran ${what}`)
    : new BrokenProcessPoolError(`Worker '${worker}' ended ${how} while it ran ${what}`, {
      exitCode,
      signal,
      ...cause,
    });
  return { ok: false, error, end };
}

/** Warns that a worker or a process could not be started, while `count` of `size` go on. */
export function warnOfStart(
  what: "worker" | "process",
  name: string,
  error: unknown,
  count: number,
  size: number,
): void {
  console.warn(
    `Cannot start another ${what} of '${name}': ${
      messageOf(error)
    }. It goes on with ${count} of ${size}, and tries again`,
  );
}

/** Returns the outcome of a task whose worker was ended because of another of its tasks. */
export function endedBeside(worker: string, how: string, task: Task): Outcome {
  return workerLost(worker, how, task, SILENT);
}

/** Returns the outcome of a task that no worker can read. */
export function unreadable(worker: string, how: string, task: Task, exitCode: number | undefined): Outcome {
  const what = task.name === "" ? "a task" : `the ${nameOf(task)}`;
  const message = `Worker '${worker}' ended ${how} while it read ${what}, as at least one other did before`;
  return { ok: false, error: new BrokenProcessPoolError(message, { exitCode }) };
}

/** Returns the outcome of a task that exceeded its time limit. */
export function timedOut(task: Task): Outcome {
  const error = new TimeoutError(`The ${nameOf(task)} was ended as it ran longer than its limit of ${task.limit} ms`);
  return { ok: false, error };
}

/** Returns the error for a worker that did not reach its first task within the limit. */
export function startOverdue(worker: string, limit: number): TimeoutError {
  return new TimeoutError(`Worker '${worker}' was ended as it did not start within the limit of ${limit} ms`);
}

/** Returns the outcome of a task whose arguments were moved to a worker that ended: no other worker can run it. */
export function argumentsMoved(): Outcome {
  const error = new BrokenProcessPoolError("The worker ended with the arguments, which had been moved to it");
  return { ok: false, error };
}

/** Returns a reply without its times, which it carries when tracing is on; adds them to `events`. */
export function takeTimes(worker: number, task: Task, reply: Outcome, events: TraceEvent[]): Outcome {
  const carried = reply.ok ? reply.value : reply.error;
  if (!Array.isArray(carried) || carried.length !== 3) return reply;
  const [start, end, value] = carried as unknown[];
  if (typeof start !== "number" || typeof end !== "number") return reply;
  events.push({ worker, name: task.name, calls: task.calls, start, duration: end - start });
  return reply.ok ? { ok: true, value } : { ok: false, error: value };
}

/** Returns a worker's reply in a form of which nothing is called before the program has it. */
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

/** Returns whether `value` is a reply to a chunk of calls. Replaces thrown values that a promise would call. */
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

/** Returns an error in place of a thrown value with a method `then`, which promises would call as they pass it on. */
function thrown(cause: unknown): SerializationError {
  return thenRefused("what the task threw", "it is the cause of this error", { cause });
}

function wrong(): Outcome {
  return { ok: false, error: new SerializationError("Cannot read the results of a worker: they are not a chunk") };
}
