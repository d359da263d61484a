/**
 * The seam between the classes that take calls and the backends that run them.
 *
 * `Pool`, the executors and `Process` ask a {@linkcode Backend} for a {@linkcode Scheduler}, once, and hold nothing else of it. What
 * a scheduler promises:
 *
 * - **Each task settles exactly once**, with its result, its error, or the reason why it has none; never before `submit` returns
 *   unless the task cannot be sent, and never out of `cancel`.
 * - **Order.** Tasks begin in the order in which they were submitted, as workers become free. They may end in any order.
 * - **One worker, one task**: a task runs on one worker at a time. A worker that ends takes no task with it but the one that it
 *   runs, and at most two workers are lost to a task that they cannot even read.
 * - **Blocking.** With `canBlock`, the thread that owns the scheduler may block in `block` and `joinSync` while its tasks run;
 *   without, these throw `InvalidStateError`.
 * - **The end.** After `close` the tasks that were taken run to their end, and `join` resolves when the workers are gone. `terminate`
 *   and `abort` settle everything at once.
 *
 * @module
 */

import type { Backend } from "../base/backend.ts";
import type { Scheduler } from "./task.ts";
import type { WorkerConfig } from "./worker_config.ts";

/** A {@linkcode Backend}, as those see it who implement one. */
export interface SchedulerBackend extends Backend {
  /**
   * Returns a new scheduler. No worker starts before the first task.
   *
   * @throws {TypeError} If an option makes no sense for this backend.
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   */
  open(config: WorkerConfig): Scheduler;
}

/** Opens a scheduler at a backend. */
export function openScheduler(backend: Backend, config: WorkerConfig): Scheduler {
  return (backend as SchedulerBackend).open(config);
}
