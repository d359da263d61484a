/**
 * The messages between a scheduler and its porter.
 *
 * @module
 */

import type { ChildEnd } from "./direct_line.ts";
import type { Launch } from "./launch.ts";

/** The word with the number of messages that the porter has sent. */
export const SENT = 0;
/** The word that is 1 from when the porter has called the event loop of the calling thread until that reads the messages. */
export const CALLED = 1;
/** The fewest written bytes that the porter reports: a message for each request would take longer than the request. */
export const REPORTED: number = 2 ** 16;
/** The number of words. */
export const WORDS = 2;

/** The first message to a porter. */
export interface PorterInit {
  /** Its end of the channel. */
  readonly port: MessagePort;
  /** Shared memory with the words {@linkcode SENT} and {@linkcode CALLED}. */
  readonly sent: Int32Array<SharedArrayBuffer>;
  /** The memory of the table of threads that the calling thread belongs to, and its place there. */
  readonly threadTable: SharedArrayBuffer;
  readonly slot: number;
}

/** A message to a porter, about the child `id`. */
export type ToPorter =
  | { readonly type: "open"; readonly id: number; readonly launch: Launch }
  | {
    readonly type: "write";
    readonly id: number;
    readonly chunks: readonly Uint8Array<ArrayBuffer>[];
    readonly count: number;
  }
  | { readonly type: "fence"; readonly id: number }
  | { readonly type: "kill"; readonly id: number };

/** A message from a porter, about the child `id`. */
export type FromPorter =
  | { readonly type: "ready"; readonly id: 0 }
  | { readonly type: "started"; readonly id: number; readonly pid: number }
  | { readonly type: "data"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly type: "fenced"; readonly id: number }
  /** So many bytes were written. Reported once they are {@linkcode REPORTED} or more. */
  | { readonly type: "written"; readonly id: number; readonly count: number }
  | { readonly type: "ended"; readonly id: number; readonly end: ChildEnd }
  | { readonly type: "failed"; readonly id: number; readonly message: string };
