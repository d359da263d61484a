/**
 * The parts of the library that packages with a backend of their own may import. These parts change without notice: such
 * packages pin the exact version.
 *
 * @module
 */

export type { SchedulerBackend } from "./scheduler/backend.ts";
export { packSetup, type WorkerConfig } from "./scheduler/worker_config.ts";
export { Lifecycle, type TaskProducer } from "./scheduler/lifecycle.ts";
export { PendingSettlements } from "./scheduler/settlements.ts";
export { TaskEncoder } from "./scheduler/task_encoder.ts";
export { ReplyDecoder } from "./scheduler/reply_decoder.ts";
export { type LocalOptions, LocalScheduler } from "./scheduler/local_scheduler.ts";
export {
  type Outcome,
  type Scheduler,
  type SchedulerStats,
  Task,
  type TaskMode,
  type TraceEvent,
  type WorkerInfo,
} from "./scheduler/task.ts";
