/**
 * What the shared objects are told of a worker.
 *
 * @module
 */

import { Registry, SLOTS } from "../../sync/internal/thread_table.ts";
import { thisThread, type ThreadState } from "../../sync/internal/current_thread.ts";
import type { Init, WorkerNote } from "../../scheduler/task.ts";

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
  const home = thread.home = new Registry(init.registry);
  const slot = init.parent & (SLOTS - 1);
  thread.parent = init.parent;
  thread.process = { name: init.name, pid: init.pid };
  for (const [name, handle] of init.named) thread.office.made.set(name, handle);
  // Bun tells a worker its name in another way.
  if (self.name === undefined) Object.defineProperty(self, "name", { value: init.name, configurable: true });
  thread.stopped = hooks.stopped;
  thread.environment = hooks.environment;
  thread.joined = (member) => {
    hooks.post({ type: "joined", registry: member.registry.memory, id: member.id });
    if (member.registry.key !== home.key) return;
    thread.office.connect(member, { port: init.office, slot, wake: hooks.wakeParent }, true);
  };
  thread.blocksOn = (board) => hooks.post({ type: "blocks", board });
  thread.childrenChanged = () => hooks.childrenChanged(thread.children);
  return () => home.ring(slot);
}

declare const self: { readonly name: string | undefined };
