/**
 * Locks, values and queues in shared memory, for the main thread, the workers of pools, processes, and Workers of your
 * own.
 *
 * Each of these objects can be a task argument, a result, an entry of `scope`, a queue item, or part of another value.
 * Every copy stands for the same object. Each blocking operation has two forms: `acquire()` blocks the thread, the main
 * thread included; `acquireAsync()` waits in the event loop.
 *
 * @example Change two shared values under one lock
 * ```ts
 * import { Lock, SharedArray, Value } from "@manycore/parallel/sync";
 * import { assertEquals } from "@std/assert";
 *
 * const lock = new Lock();
 * const counter = new Value("i", 0);
 * const names = new SharedArray("z", 3);
 * {
 *   using _ = lock.hold();
 *   names.set(counter.value, "Ada");
 *   counter.value += 1;
 * }
 * assertEquals(names.at(0), "Ada");
 * ```
 *
 * @module
 */

export type { AcquireOptions, AsyncAcquireOptions, AsyncWaitOptions, WaitOptions } from "./internal/wait.ts";
export type { AsyncHeld, Held, ReentrantAsyncHeld } from "./internal/hold.ts";
export type { Handle } from "../codec/handles.ts";
export type {
  BigIntType,
  IntegerType,
  NumberType,
  SharedType,
  StringType,
  ValueOf,
  ViewOf,
} from "./internal/value_types.ts";
export { Barrier, type BarrierOptions } from "./barrier.ts";
export { Condition } from "./condition.ts";
export { Event } from "./event.ts";
export { Lock } from "./lock.ts";
export { Connection, Pipe, type PipeOptions } from "./pipe.ts";
export { JoinableQueue, Queue } from "./queue.ts";
export { RLock } from "./rlock.ts";
export { BoundedSemaphore, Semaphore } from "./semaphore.ts";
export { type AsyncSharedOptions, shared, sharedAsync, type SharedOptions } from "./shared.ts";
export { SharedArray, SharedArray as Array } from "./shared_array.ts";
export { type SharedValueOptions, Value } from "./value.ts";
