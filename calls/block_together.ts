/**
 * Blocks a thread for the tasks of several schedulers at once.
 *
 * @module
 */

import { blockForServices } from "../sync/internal/block_for_services.ts";
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
  return blockForServices(done, deadline, "'wait()' or 'asCompleted()'");
}
