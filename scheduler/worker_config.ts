/**
 * The configuration of the workers of a scheduler.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import type { Reach } from "../codec/encoded.ts";
import { Encoder } from "../codec/encoder.ts";
import { describeFunction, type FunctionSpec } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { Owner } from "./lifecycle.ts";
import type { Setup } from "./messages.ts";
import type { Payload } from "../codec/payload.ts";

/** The configuration of the workers of a scheduler. */
export interface WorkerConfig {
  /** The kind of object that owns the scheduler, for messages. */
  readonly owner: Owner;
  /** The largest number of workers. */
  readonly size: number;
  /** The name of the workers, before their number. */
  readonly name: string;
  /** True if the name stands alone, without a number. */
  readonly exactName?: boolean;
  /** The user's module. */
  readonly module: string | undefined;
  /** Names for functions sent by source. */
  readonly scope: Readonly<Record<string, unknown>>;
  /** The permissions of the workers, in the form that the runtime takes; undefined for those of this program. */
  readonly permissions: Deno.PermissionOptions | undefined;
  /** Called in each worker before its first task. */
  readonly initializer: AnyFunction | undefined;
  /** Its arguments. */
  readonly initargs: readonly unknown[];
  /** How many tasks a worker may have begun at the same time, while they await; 1 by default. */
  readonly concurrency?: number;
  /** After how many tasks a worker is replaced; 0 for never. */
  readonly maxTasks: number;
  /** The limit of each part of the preparation of a worker, in milliseconds; 0 means none. */
  readonly limit: number;
  /** The time for which idle workers are kept, in milliseconds. */
  readonly idleTimeout: number;
  /** True if the times of tasks are recorded. */
  readonly trace: boolean;
  /** True if the program may end while tasks run. */
  readonly background?: boolean;
}

/**
 * Packs what the workers need before their first task, as it is now: workers started later get the same. `reach`: where the
 * workers are.
 *
 * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
 */
export function packSetup(options: WorkerConfig, reach: Reach = "thread"): Payload {
  const describe = (fn: AnyFunction): FunctionSpec => describeFunction(fn, options.module !== undefined);
  const functions: [string, FunctionSpec][] = [];
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options.scope)) {
    if (typeof value === "function") functions.push([name, describe(value as AnyFunction)]);
    else values[name] = value;
  }
  const setup: Setup = {
    module: options.module,
    functions,
    values,
    initializer: options.initializer && describe(options.initializer),
    initargs: options.initargs,
    concurrency: options.concurrency ?? 1,
    maxTasks: options.maxTasks,
    trace: options.trace,
  };
  const { bytes, refs, transfers } = new Encoder(undefined, undefined, reach).encode(setup);
  if (transfers.length > 0) {
    throw new SerializationError("Cannot transfer 'scope' or 'initargs' as every worker needs them");
  }
  return { bytes: bytes.slice().buffer, refs: refs.length === 0 ? refs : structuredClone(refs) };
}
