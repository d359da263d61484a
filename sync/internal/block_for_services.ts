/**
 * Blocking a thread while its pools go on.
 *
 * @module
 */

import { refuseToBlockForMessages } from "../../base/platform.ts";
import { memberOf } from "./current_thread.ts";

/**
 * Blocks the thread until `done()` returns true, at most until the time `deadline` of `performance.now()`. The services of the thread,
 * which are those of its pools, may make it true. Returns whether it is. `instead` names the calls that can be awaited.
 *
 * The thread sleeps on its event count, which every worker notifies when it wakes its caller.
 *
 * @throws {CancelledError} If this thread is a worker that was terminated.
 * @throws {InvalidStateError} If the thread would have to sleep, and must not.
 */
export function blockForServices(done: () => boolean, deadline: number, instead: string): boolean {
  const member = memberOf();
  const { threadTable, thread } = member;
  for (;;) {
    const heard = member.prepareWait(); // before the check, so that a notification after it ends the sleep at once
    member.check();
    // One pool may have made work for another that was already prepared for the sleep: then all of them are served again.
    let next: number;
    do {
      next = Infinity;
      // A pool of another copy of this library may return nothing.
      for (const serve of thread.services) next = Math.min(next, serve() ?? Infinity);
      if (done()) return true;
    } while (next === 0);
    const left = deadline - performance.now();
    if (!(left > 0)) return false;
    refuseToBlockForMessages(instead);
    const { graceLeft } = threadTable;
    threadTable.wait(member.slot, heard, Math.min(left, next, graceLeft > 0 ? graceLeft : Infinity));
    thread.sharer.serve();
  }
}
