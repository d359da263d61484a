/**
 * The backend that runs calls on Web Workers: the one that is used unless another is asked for.
 *
 * @module
 */

import type { SchedulerBackend } from "../scheduler/backend.ts";
import { WorkerScheduler } from "./caller/worker_scheduler.ts";

/** Runs calls on Web Workers of this program. */
export const webWorkers: SchedulerBackend = {
  name: "web workers",
  open: (config) => new WorkerScheduler(config),
};
