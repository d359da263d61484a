/**
 * Blocking for the tasks of several schedulers at once.
 *
 * @module
 */

import { refuseToBlockForMessages } from "../base/platform.ts";
import { memberOf } from "../sync/internal/current_thread.ts";
import type { BlockingScheduler } from "../scheduler/task.ts";

/**
 * Blocks the thread until `done`, which tasks of any of these schedulers may bring about, at most until the time `deadline` of
 * `performance.now()`: whether it is done.
 *
 * Each scheduler sleeps on a word of its own. So the thread sleeps on its bell instead, which every worker rings that wakes its
 * caller, and which wakes it for its other pools as well: they go on meanwhile.
 *
 * @throws {CancelledError} If this thread is a worker that was terminated.
 * @throws {InvalidStateError} If it would have to sleep, and must not.
 */
export function blockTogether(
  schedulers: ReadonlySet<BlockingScheduler>,
  done: () => boolean,
  deadline: number,
): boolean {
  if (schedulers.size === 1) { for (const scheduler of schedulers) return scheduler.block(done, deadline); }
  const member = memberOf();
  const { threadTable, thread } = member;
  for (;;) {
    const heard = member.prepareWait(); // before the look, so that a ring after it ends the sleep at once
    member.check();
    // What one has done may have given work to another, which had made ready for the sleep: all of them again.
    let next: number;
    do {
      next = Infinity;
      // One of another copy of this library may return nothing.
      for (const serve of thread.services) next = Math.min(next, serve() as unknown as number | undefined ?? Infinity);
      if (done()) return true;
    } while (next === 0);
    const left = deadline - performance.now();
    if (!(left > 0)) return false;
    refuseToBlockForMessages("'wait()' or 'asCompleted()'");
    const { graceLeft } = threadTable;
    threadTable.wait(member.slot, heard, Math.min(left, next, graceLeft > 0 ? graceLeft : Infinity));
    thread.sharer.serve();
  }
}
