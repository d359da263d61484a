/**
 * The parts of the library that packages with a backend of their own may import. These parts change without notice: such
 * packages pin the exact version.
 *
 * @module
 */

export { Deque } from "./base/deque.ts";
export { Decoder, sourceOf } from "./codec/decoder.ts";
export { Encoder } from "./codec/encoder.ts";
export { messageOf } from "./codec/error_fields.ts";
export { compileFunction, EMPTY_ENVIRONMENT, type FunctionSpec, lazyFunction } from "./codec/functions.ts";
export { openScheduler, type SchedulerBackend } from "./scheduler/backend.ts";
export { received, takeTimes } from "./scheduler/failures.ts";
export { FAILURE, RESULT } from "./scheduler/messages.ts";
export { packSetup, type WorkerConfig } from "./scheduler/worker_config.ts";
export { Lifecycle, type TaskProducer } from "./scheduler/lifecycle.ts";
export { PendingSettlements } from "./scheduler/settlements.ts";
export { TaskEncoder } from "./scheduler/task_encoder.ts";
export { ReplyDecoder } from "./scheduler/reply_decoder.ts";
export { type LocalOptions, LocalScheduler } from "./scheduler/local_scheduler.ts";
export {
  CallbackTask,
  type Outcome,
  type Scheduler,
  type SchedulerStats,
  Task,
  type TaskMode,
  type TraceEvent,
  type WorkerInfo,
} from "./scheduler/task.ts";
