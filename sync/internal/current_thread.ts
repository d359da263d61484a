/**
 * The state of this thread: its memberships in thread tables, and the data that its program provides.
 *
 * @module
 */

import { EMPTY_ENVIRONMENT, type Environment } from "../../codec/functions.ts";
import { ResourceSharer } from "./resource_sharer.ts";
import { Member } from "./member.ts";
import { ThreadTable } from "./thread_table.ts";

/** A task, as the function sees it that runs in it. */
export interface CurrentTask {
  /**
   * The number of the task, unique among those that a pool or an executor has at the same time. On the machines of a fleet it is a
   * string that is unique among the tasks of all programs, and the same in each attempt.
   */
  readonly id: number | string;
  /** The index of the item in the input of its map; 0 for a single call. */
  readonly index: number;
  /** How often the task was begun, from 1. Workers and processes begin each task once; the machines of a fleet may begin it again. */
  readonly attempt: number;
  /** Aborts when the caller does not want the result any more: see {@linkcode CallOptions.signal}. */
  readonly signal: AbortSignal;
}

/** The state of a thread, filled in by the program that runs it. */
export interface ThreadState {
  /** The members that represent this thread, by the key of the thread table. */
  readonly members: Map<number, Member>;
  /** The thread table of the objects that are made on this thread. */
  home: ThreadTable | undefined;
  /** The ID, in the table `home`, of the thread that started this one; 0 for none. */
  parent: number;
  /** Called for each new membership of this thread, and for each new ID. */
  joined: (member: Member) => void;
  /** Called with memory, other than a thread table, on which this thread is going to block. */
  blocksOn: (memory: SharedArrayBuffer) => void;
  /** Returns whether this thread must end. */
  stopped: () => boolean;
  /** Callbacks that run while this thread is blocked: its pools send arguments and receive results. */
  readonly services: Set<() => number | undefined>;
  /** The critical sections that this thread is inside of. */
  readonly guards: { abandon(): void }[];
  /** Returns the environment of functions that are sent by their source. */
  environment: () => Environment;
  /** Passes on, between threads, the values that bytes cannot hold. */
  readonly sharer: ResourceSharer;
  /** The number of processes that were started on this thread and must end before it does. */
  children: number;
  /** Called when `children` changes. */
  childrenChanged: () => void;
  /** The name and number of the process that this thread is; `undefined` on the main thread. */
  process: { readonly name: string; readonly pid: number } | undefined;
  /** Returns the task that runs on this thread; undefined if none does, or if it is not known which. */
  task: () => CurrentTask | undefined;
  /** The number of `unwarned()` calls that are making an object. */
  naming: number;
}

const STATE = Symbol.for("@manycore/parallel/thread");

/**
 * Returns the state of this thread. The state belongs to the thread, not to this module: in a worker, the worker
 * program and a module of the user may each have a copy of this library, and both run on the same thread.
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
      task: () => undefined,
      naming: 0,
    };
    Object.defineProperty(scope, STATE, { value: state });
  }
  return state;
}

/** Returns the thread table of the objects that are made on this thread. */
export function homeThreadTable(): ThreadTable {
  const thread = thisThread();
  if (thread.home === undefined) {
    thread.home = new ThreadTable();
    thread.sharer.isRoot = true;
  }
  return thread.home;
}

/** Returns the member for this thread in the thread table in `memory`; by default in the table of its own objects. */
export function memberOf(memory?: SharedArrayBuffer): Member {
  const thread = thisThread();
  const threadTable = memory === undefined ? homeThreadTable() : new ThreadTable(memory);
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
 * Cleans up after code on this thread was interrupted, perhaps in the middle of a step or while it held locks. To other
 * threads this thread looks as if it had ended and a new one had begun.
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
