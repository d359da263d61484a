/**
 * The messages between a scheduler and its Web Workers.
 *
 * @module
 */

import type { Handle } from "../../codec/handles.ts";
import type { Payload } from "../../codec/payload.ts";
import type { TaskHeader } from "../../scheduler/messages.ts";

/** Added to the mode if the payload is not in shared memory and has to be fetched. */
export const PAYLOAD_BY_MESSAGE = 4;

/** The worker holds the task and asks for the parts it lacks. `detail`: {@linkcode LACKS_ARGUMENTS} and others. */
export const NEED_PAYLOAD = 3;
/** The worker ends. `detail`: its exit code. */
export const EXITING = 4;
/**
 * The worker reports whether processes live that were started on it, which it has to wait for. `detail`: 1 if so, 0 if not,
 * plus 2 × a number that rises with each report.
 */
export const CHILDREN = 6;

/** A task awaits, and the worker begins others meanwhile. `detail`: its deadline, as in the control block; 0 for none. */
export const AWAITS = 7;

/** Detail of `NEED_PAYLOAD`: the function is missing. */
export const LACKS_FUNCTION = 1;
/** Detail of `NEED_PAYLOAD`: the arguments are missing. */
export const LACKS_ARGUMENTS = 2;
/** Detail of `NEED_PAYLOAD`: the name of the module export that the function is. */
export const LACKS_EXPORT = 4;

/** A message from the calling side. `null` only wakes the worker. */
export type ToWorker =
  | null
  | { readonly type: "task"; readonly header: TaskHeader; readonly payload: Payload }
  | { readonly type: "payload"; readonly taskId: number; readonly payload: Payload }
  | { readonly type: "drop"; readonly taskId: number }
  | { readonly type: "abort"; readonly taskId: number; readonly payload: Payload };

/** A message from a worker. */
export type FromWorker = WorkerRecord | WorkerNote;

/** A message of a worker about a task or its start. */
export type WorkerRecord =
  | {
    readonly type: "record";
    readonly kind: number;
    readonly taskId: number;
    readonly detail: number;
    readonly payload: Payload;
  }
  | { readonly type: "broken"; readonly payload: Payload };

/** A message of a worker about a wait that has to be ended when the worker ends. */
export type WorkerNote =
  | { readonly type: "joined"; readonly threadTable: SharedArrayBuffer; readonly id: number }
  | { readonly type: "blocks"; readonly submissions: SharedArrayBuffer };

/** The first message to a worker. */
export interface Init {
  /** The memory of the pool's submission ring. */
  readonly submissions: SharedArrayBuffer;
  /** The memory of the worker's control block and completion ring. */
  readonly control: SharedArrayBuffer;
  /** The worker's end of the channel. */
  readonly port: MessagePort;
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** The time when the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded {@linkcode Setup}. */
  readonly setup: Payload;
  /** The time limit of each part of the preparation, in milliseconds; 0 for no limit. */
  readonly limit: number;
  /** The memory of the thread table: see `sync/internal/thread_table.ts`. */
  readonly threadTable: SharedArrayBuffer;
  /** The ID of the calling thread in the thread table. */
  readonly parent: number;
  /** The number of the worker among all processes and workers. */
  readonly pid: number;
  /** The shared objects that have a name so far. */
  readonly named: ReadonlyMap<string, Handle>;
  /** The worker's end of its channel to the resource sharer of the calling thread. */
  readonly sharer: MessagePort;
}
