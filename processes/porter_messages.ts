/**
 * The messages between a scheduler and its porter.
 *
 * @module
 */

import type { ChildEnd } from "./direct_line.ts";
import type { Launch } from "./launch.ts";

/** The first message to a porter. */
export interface PorterInit {
  /** Its end of the channel. */
  readonly port: MessagePort;
  /** The number of messages that the porter has sent, in shared memory. */
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
  | { readonly type: "written"; readonly id: number; readonly count: number }
  | { readonly type: "ended"; readonly id: number; readonly end: ChildEnd }
  | { readonly type: "failed"; readonly id: number; readonly message: string };
