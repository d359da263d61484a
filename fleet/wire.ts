/**
 * The messages of a fleet: their subjects and headers.
 *
 * A task and a result are each one message: headers, and bytes of the codec of `@manycore/parallel`. What decides whether a worker
 * takes a task is in the headers, so that nothing is decoded before.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { headers, type MsgHdrs } from "@nats-io/transport-node";

/** The version of the messages. A worker refuses tasks of another version. */
export const PROTOCOL = "1";
/** The version of the package, whose codec both sides must share. */
export const PACKAGE = "0.1.0";
/** The function of a task that brings its source text. */
export const BY_SOURCE = "source";

/** The names that the server uses for one fleet. */
export interface Names {
  /** The stream of tasks. */
  readonly tasks: string;
  /** The stream of results, each of which is removed once its client has read it. */
  readonly results: string;
  /** The stream of results of jobs, which stay. */
  readonly jobs: string;
  /** The bucket of payloads that are too large for a message. */
  readonly payloads: string;
  /** The consumer that all workers share. */
  readonly workers: string;
  /** The subject of a task of a client, or of a job. "*" stands for any. */
  taskSubject(client: string, task: string): string;
  /** The subject of the result of a task of a client. */
  resultSubject(client: string, task: string): string;
  /** The subject of the result of a task of a job. */
  jobSubject(job: string, task: string): string;
  /** The subject on which workers say that they are there. */
  readonly presence: string;
  /** The subject on which workers are asked whether they are there. */
  readonly rollCall: string;
  /** The subject on which clients abort tasks. */
  readonly aborts: string;
}

/** Returns the names for a fleet. */
export function namesOf(fleet: string): Names {
  const root = `parallel.${fleet}`;
  return {
    tasks: `parallel_${fleet}_tasks`,
    results: `parallel_${fleet}_results`,
    jobs: `parallel_${fleet}_jobs`,
    payloads: `parallel_${fleet}_payloads`,
    workers: "workers",
    taskSubject: (client, task) => `${root}.tasks.${client}.${task}`,
    resultSubject: (client, task) => `${root}.results.${client}.${task}`,
    jobSubject: (job, task) => `${root}.jobs.${job}.${task}`,
    presence: `${root}.presence`,
    rollCall: `${root}.rollcall`,
    aborts: `${root}.aborts`,
  };
}

/** Checks the name of a fleet or of a job, which becomes a part of subjects. */
export function checkToken(name: unknown, option: string): string {
  if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
    throw new TypeError(
      `Cannot use '${option}' as it must be 1 to 64 letters, digits, "_" or "-": current value is ${
        Deno.inspect(name)
      }`,
    );
  }
  return name;
}

/** What the headers of a task say. */
export interface TaskInfo {
  /** The number of the task at its client. */
  readonly id: string;
  /** The client, or the job. */
  readonly client: string;
  /** True if the task is one of a job: its result stays. */
  readonly job: boolean;
  /** The function: `module#name`, or {@linkcode BY_SOURCE}. */
  readonly fn: string;
  /** The hash of the text of the function; empty if it is sent as source text. */
  readonly code: string;
  /** The name of the function, for messages. */
  readonly name: string;
  /** The use of the arguments. */
  readonly mode: string;
  /** The limit of one call, in milliseconds; 0 means none. */
  readonly limit: number;
  /** The index of the first item in the input of its map. */
  readonly first: number;
  /** True if the bytes are in the bucket of payloads. */
  readonly stored: boolean;
}

/** The header with the versions of the protocol and of the package. */
const VERSION = "Parallel-Version";
/** The header with everything else, as JSON: a single one is read faster than many. */
const INFO = "Parallel-Info";

/** The value of {@linkcode VERSION}. */
const VERSIONS = `${PROTOCOL}/${PACKAGE}`;

function newHeaders(info: TaskInfo | ResultInfo): MsgHdrs {
  const all = headers();
  all.set(VERSION, VERSIONS);
  // Header values are Latin-1 without line breaks.
  all.set(INFO, JSON.stringify(info).replace(/[^\x20-\x7e]/g, escapeUnit));
  return all;
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function readInfo(all: MsgHdrs | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(all?.get(INFO) ?? "");
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // It is not from a fleet.
  }
  return {};
}

/** Returns the headers of a task. */
export function taskHeaders(task: TaskInfo): MsgHdrs {
  return newHeaders(task);
}

/** A task whose headers no worker of this version can take. */
export class UnreadableTask extends Error {
  override readonly name = "UnreadableTask";
  /** The client and the number of the task, if at least these can be read. */
  readonly from: Pick<TaskInfo, "client" | "id"> | undefined;

  constructor(message: string, from: Pick<TaskInfo, "client" | "id"> | undefined) {
    super(message);
    this.from = from;
  }
}

/**
 * Returns what the headers of a task say.
 *
 * @throws {UnreadableTask} If they are of another version, or not those of a task.
 */
export function readTaskHeaders(all: MsgHdrs | undefined): TaskInfo {
  const info = readInfo(all);
  const { id, client, job, fn, code, name, mode, limit, first, stored } = info;
  const isToken = (text: unknown): boolean => typeof text === "string" && /^[\w-]{1,64}$/.test(text);
  const from = isToken(client) && isToken(id) ? { client: client as string, id: id as string } : undefined;
  const versions = all?.get(VERSION) ?? "";
  if (versions === "") throw new UnreadableTask("it is not a task of a fleet", from);
  if (versions !== VERSIONS) {
    throw new UnreadableTask(
      `its client has version ${versions} of the protocol and the package, not ${VERSIONS}`,
      from,
    );
  }
  const texts = [fn, code, name].every((text) => typeof text === "string");
  const numbers = [limit, first].every((number) => typeof number === "number" && number >= 0);
  const known = ["apply", "map", "starmap", "run"].includes(mode as string);
  if (from === undefined || !texts || !numbers || !known || typeof stored !== "boolean" || typeof job !== "boolean") {
    throw new UnreadableTask("its headers cannot be read", from);
  }
  return info as unknown as TaskInfo;
}

/** What the headers of a result say. */
export interface ResultInfo {
  /** True if the task failed: the bytes are the error. */
  readonly failed: boolean;
  /** The exit code of the process that has ended with the task, and the signal that has ended it, if known. */
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  /** How often the task was delivered. */
  readonly attempt: number;
  /** The name of the worker machine. */
  readonly worker: string;
  /** When the task was begun, in milliseconds since 1970. */
  readonly start: number;
  /** When it ended. */
  readonly end: number;
  /** True if the bytes are in the bucket of payloads. */
  readonly stored: boolean;
}

/** Returns the headers of a result. */
export function resultHeaders(result: ResultInfo): MsgHdrs {
  return newHeaders(result);
}

/** Returns what the headers of a result say. */
export function readResultHeaders(all: MsgHdrs | undefined): ResultInfo {
  const { failed, exitCode, signal, attempt, worker, start, end, stored } = readInfo(all);
  return {
    failed: failed !== false,
    exitCode: typeof exitCode === "number" ? exitCode : undefined,
    signal: typeof signal === "string" ? signal : undefined,
    attempt: Number(attempt) || 1,
    worker: String(worker),
    start: Number(start) || 0,
    end: Number(end) || 0,
    stored: stored === true,
  };
}

/** What a worker machine says of itself. */
export interface Presence {
  /** The worker. */
  readonly id: string;
  /** Its name for people. */
  readonly name: string;
  /** The number of tasks that it can run at once. */
  readonly slots: number;
  /** The number of tasks that it runs. */
  readonly running: number;
  /** The number of tasks that have ended there. */
  readonly finished: number;
  /** The number of tasks that have failed there. */
  readonly failed: number;
  /** The time until it says so again, in milliseconds; 0 if it leaves. */
  readonly next: number;
}

/** Returns what a worker says of itself; undefined if the message is none of that. */
export function readPresence(text: string): Presence | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // from a program that does not belong here
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { id, name, slots, running, finished, failed, next } = value as Record<string, unknown>;
  const numbers = [slots, running, finished, failed, next];
  if (typeof id !== "string" || typeof name !== "string" || !numbers.every((n) => Number.isFinite(n))) return undefined;
  return value as Presence;
}

/** The abort of a task. */
export interface Abort {
  /** The client. */
  readonly client: string;
  /** The number of the task at its client. */
  readonly id: string;
  /** The reason, as text. */
  readonly reason: string;
  /** The time that the task has to end by itself, in milliseconds. */
  readonly grace: number;
}

/** Returns an abort; undefined if the message is none. */
export function readAbort(text: string): Abort | undefined {
  try {
    const { client, id, reason, grace } = JSON.parse(text) as Record<string, unknown>;
    if (typeof client !== "string" || typeof id !== "string" || typeof reason !== "string") return undefined;
    return typeof grace === "number" && grace >= 0 ? { client, id, reason, grace } : undefined;
  } catch {
    return undefined; // from a program that does not belong here
  }
}

/** Returns a hash of the text of a function, which tells whether client and worker have the same code. */
export function codeOf(fn: (...args: never[]) => unknown): string {
  return createHash("sha256").update(Function.prototype.toString.call(fn)).digest("base64url").slice(0, 16);
}
