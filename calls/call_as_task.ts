/**
 * Calling a function of a task on the thread of its caller.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import type { RunningCall } from "../scheduler/local_scheduler.ts";
import { thisThread } from "../sync/internal/current_thread.ts";

/** Calls a function. Until it returns or awaits, `currentTask()` returns the task. */
export function callAsTask(fn: AnyFunction, args: readonly unknown[], running: RunningCall): unknown {
  const thread = thisThread();
  const { task } = thread;
  const { id, index } = running;
  thread.task = () => ({
    id,
    index,
    attempt: 1,
    get signal() {
      return running.signal;
    },
  });
  try {
    return Reflect.apply(fn, undefined, args);
  } finally {
    thread.task = task;
  }
}
