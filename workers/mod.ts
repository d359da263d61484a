/**
 * The default backend, which runs calls on Web Workers.
 *
 * @module
 */

import type { SchedulerBackend } from "../scheduler/backend.ts";
import { WorkerScheduler } from "./caller/worker_scheduler.ts";

/** Runs calls on Web Workers of this program. */
export const webWorkers: SchedulerBackend = {
  open: (config) => new WorkerScheduler(config),
};
