/**
 * Sets up the thread of a worker for the shared objects.
 *
 * @module
 */

import { SLOTS, ThreadTable } from "../../sync/internal/thread_table.ts";
import { thisThread, type ThreadState } from "../../sync/internal/current_thread.ts";
import type { Init, WorkerNote } from "../shared/messages.ts";

/** The functions of the worker program that the shared objects need. */
export interface ThreadHooks extends Pick<ThreadState, "stopped" | "environment"> {
  /** Reports a wait to the calling side. */
  readonly post: (note: WorkerNote) => void;
  /** Wakes the calling thread, which may sleep in its event loop, or in a call of its pool. */
  readonly wakeParent: () => void;
  /** Called with the number of processes, started on this worker, that it has to wait for. */
  readonly childrenChanged: (count: number) => void;
}

/** Sets up this thread. Returns a function that notifies the event count of the calling thread, wherever it is blocked. */
export function enterThread(init: Init, hooks: ThreadHooks): () => void {
  const thread = thisThread();
  const home = thread.home = new ThreadTable(init.threadTable);
  const slot = init.parent & (SLOTS - 1);
  thread.parent = init.parent;
  thread.process = { name: init.name, pid: init.pid };
  for (const [name, handle] of init.named) thread.sharer.made.set(name, handle);
  // Bun does not set `self.name` in a worker.
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
