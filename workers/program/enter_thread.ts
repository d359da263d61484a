/**
 * What the shared objects are told of a worker.
 *
 * @module
 */

import { SLOTS, ThreadTable } from "../../sync/internal/thread_table.ts";
import { thisThread, type ThreadState } from "../../sync/internal/current_thread.ts";
import type { Init, WorkerNote } from "../shared/messages.ts";

/** What the program of a worker does for them. */
export interface ThreadHooks extends Pick<ThreadState, "stopped" | "environment"> {
  /** Tells the calling side of a wait. */
  readonly post: (note: WorkerNote) => void;
  /** Wakes the calling thread, which may sleep in its event loop, or in a call of its pool. */
  readonly wakeParent: () => void;
  /** Told how many processes that were started here it has to wait for. */
  readonly childrenChanged: (count: number) => void;
}

/** Tells the shared objects which thread this is. Gives what rings the calling thread, wherever it is blocked. */
export function enterThread(init: Init, hooks: ThreadHooks): () => void {
  const thread = thisThread();
  const home = thread.home = new ThreadTable(init.threadTable);
  const slot = init.parent & (SLOTS - 1);
  thread.parent = init.parent;
  thread.process = { name: init.name, pid: init.pid };
  for (const [name, handle] of init.named) thread.sharer.made.set(name, handle);
  // Bun tells a worker its name in another way.
  if (self.name === undefined) Object.defineProperty(self, "name", { value: init.name, configurable: true });
  thread.stopped = hooks.stopped;
  thread.environment = hooks.environment;
  thread.joined = (member) => {
    hooks.post({ type: "joined", threadTable: member.threadTable.memory, id: member.id });
    if (member.threadTable.key !== home.key) return;
    thread.sharer.connect(member, { port: init.sharer, slot, wake: hooks.wakeParent }, true);
  };
  thread.blocksOn = (submissions) => hooks.post({ type: "blocks", submissions });
  thread.childrenChanged = () => hooks.childrenChanged(thread.children);
  return () => home.notify(slot);
}

declare const self: { readonly name: string | undefined };
