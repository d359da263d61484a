/**
 * This thread among those that share memory: its memberships, and what waits in its event loop.
 *
 * @module
 */

import { EMPTY_ENVIRONMENT, type Environment } from "../../codec/functions.ts";
import { ResourceSharer } from "./resource_sharer.ts";
import { Member } from "./member.ts";
import { ThreadTable } from "./thread_table.ts";

/** What a thread is told by the program that runs it. */
export interface ThreadState {
  /** Its memberships, by the key of the threadTable. */
  readonly members: Map<number, Member>;
  /** The thread table of the objects made here. */
  home: ThreadTable | undefined;
  /** The ID, in that, of the thread that has started this one; 0 for none. */
  parent: number;
  /** Told of each membership of this thread, and of each new ID. */
  joined: (member: Member) => void;
  /** Told of memory, other than a thread table, on which this thread is going to block. */
  blocksOn: (board: SharedArrayBuffer) => void;
  /** Whether this thread is to end. */
  stopped: () => boolean;
  /** What has to go on while this thread is blocked: its pools hand out arguments and take results. */
  readonly services: Set<() => void>;
  /** The guards that it is inside of. */
  readonly guards: { abandon(): void }[];
  /** What surrounds functions that come by source. */
  environment: () => Environment;
  /** Where what bytes cannot hold is left for other threads. */
  readonly sharer: ResourceSharer;
  /** How many processes that were started on this thread have to end before it does. */
  children: number;
  /** Told of each change of that number. */
  childrenChanged: () => void;
  /** The name and number of the process that this thread is; its main thread has none. */
  process: { readonly name: string; readonly pid: number } | undefined;
  /** How many calls of `shared()` are making an object. */
  naming: number;
}

const STATE = Symbol.for("@manycore/parallel/thread");

/**
 * The state of this thread. It belongs to the thread, not to this module: in a worker, the worker program and a module
 * of the user may each have a copy of this library, and both are the same thread.
 */
export function thisThread(): ThreadState {
  const scope = globalThis as { [STATE]?: ThreadState };
  let state = scope[STATE];
  if (state === undefined) {
    state = {
      members: new Map(),
      home: undefined,
      parent: 0,
      joined: () => {},
      blocksOn: () => {},
      stopped: () => false,
      services: new Set(),
      guards: [],
      environment: () => EMPTY_ENVIRONMENT,
      sharer: new ResourceSharer(),
      children: 0,
      childrenChanged: () => {},
      process: undefined,
      naming: 0,
    };
    Object.defineProperty(scope, STATE, { value: state });
  }
  return state;
}

/** The thread table of the objects made on this thread. */
export function homeRegistry(): ThreadTable {
  const thread = thisThread();
  if (thread.home === undefined) {
    thread.home = new ThreadTable();
    thread.sharer.isRoot = true;
  }
  return thread.home;
}

/** This thread among those of the thread table in `memory`; of its own one if none is given. */
export function memberOf(memory?: SharedArrayBuffer): Member {
  const thread = thisThread();
  const threadTable = memory === undefined ? homeRegistry() : new ThreadTable(memory);
  thread.home ??= threadTable;
  let member = thread.members.get(threadTable.key);
  if (member === undefined) {
    member = new Member(threadTable, thread, threadTable.key === thread.home.key ? thread.parent : 0);
    thread.members.set(threadTable.key, member);
    thread.joined(member);
  }
  return member;
}

/**
 * Code on this thread was cut short, perhaps in the middle of a step, perhaps with locks: for the others that is as if
 * the thread had ended and another had begun.
 */
export function afterInterruption(): void {
  const thread = thisThread();
  for (const guard of thread.guards.splice(0)) guard.abandon();
  thread.naming = 0;
  for (const member of thread.members.values()) {
    member.rename();
    thread.joined(member);
  }
}
