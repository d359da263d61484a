/**
 * What a scheduler and its Web Workers say to each other.
 *
 * @module
 */

import type { Handle } from "../../codec/handles.ts";
import type { Payload } from "../../codec/payload.ts";
import type { TaskHeader } from "../../scheduler/messages.ts";

/** Added to the mode when the payload did not fit into the slot and is to be fetched. */
export const PAYLOAD_BY_MESSAGE = 4;

/** The worker holds the task and asks for what it lacks; `detail`: {@linkcode LACKS_ARGUMENTS} and others. */
export const NEED_PAYLOAD = 3;
/** The worker ends; `detail`: its exit code. */
export const EXITING = 4;
/** `detail`: whether (1) or not (0) processes live that the worker has to wait for, as they were started on it, + 2 × a number that rises. */
export const CHILDREN = 6;

/** Detail of a fetch. */
export const LACKS_FUNCTION = 1;
/** Detail of a fetch. */
export const LACKS_ARGUMENTS = 2;
/** Detail of a fetch: which export of the module the function is. */
export const LACKS_EXPORT = 4;

/** A message from the calling side. `null` only wakes. */
export type ToWorker =
  | null
  | { readonly type: "task"; readonly header: TaskHeader; readonly parcel: Payload }
  | { readonly type: "payload"; readonly taskId: number; readonly parcel: Payload }
  | { readonly type: "drop"; readonly taskId: number };

/** A message from a worker. */
export type FromWorker = WorkerRecord | WorkerNote;

/** What a worker has to say about a task or its start. */
export type WorkerRecord =
  | {
    readonly type: "record";
    readonly kind: number;
    readonly taskId: number;
    readonly detail: number;
    readonly parcel: Payload;
  }
  | { readonly type: "broken"; readonly parcel: Payload };

/** What a worker says of the waits that have to be ended with it. */
export type WorkerNote =
  | { readonly type: "joined"; readonly threadTable: SharedArrayBuffer; readonly id: number }
  | { readonly type: "blocks"; readonly submissions: SharedArrayBuffer };

/** The first message to a worker. */
export interface Init {
  /** The pool's submission ring. */
  readonly submissions: SharedArrayBuffer;
  /** The worker's control block and completions. */
  readonly control: SharedArrayBuffer;
  /** The worker's end of the channel. */
  readonly port: MessagePort;
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** When the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded {@linkcode Setup}. */
  readonly setup: Payload;
  /** How long each part of the preparation may take, in milliseconds; 0 for no limit. */
  readonly limit: number;
  /** The threads that share memory: see `sync/internal/thread_table.ts`. */
  readonly threadTable: SharedArrayBuffer;
  /** The ID of the calling thread among them. */
  readonly parent: number;
  /** The number of the worker among all processes and workers. */
  readonly pid: number;
  /** The shared objects that have a name so far. */
  readonly named: ReadonlyMap<string, Handle>;
  /** The worker's end of its line to the post sharer. */
  readonly sharer: MessagePort;
}
