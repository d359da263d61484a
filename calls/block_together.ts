/**
 * Blocks a thread for the tasks of several schedulers at once.
 *
 * @module
 */

import { refuseToBlockForMessages } from "../base/platform.ts";
import { memberOf } from "../sync/internal/current_thread.ts";
import type { BlockingScheduler } from "../scheduler/task.ts";

/**
 * Blocks the thread until `done()` returns true, at most until the time `deadline` of `performance.now()`. Tasks of any of the
 * schedulers may make it true. Returns whether it is.
 *
 * Each scheduler has a separate word to sleep on. So the thread sleeps on its event count instead, which every worker notifies
 * when it wakes its caller. Workers of all other pools of the thread wake it as well, so these pools go on meanwhile.
 *
 * @throws {CancelledError} If this thread is a worker that was terminated.
 * @throws {InvalidStateError} If the thread would have to sleep, and must not.
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
    const heard = member.prepareWait(); // before the check, so that a notification after it ends the sleep at once
    member.check();
    // One scheduler may have made work for another that was already prepared for the sleep: then all of them are served again.
    let next: number;
    do {
      next = Infinity;
      // A scheduler of another copy of this library may return nothing.
      for (const serve of thread.services) next = Math.min(next, serve() ?? Infinity);
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
