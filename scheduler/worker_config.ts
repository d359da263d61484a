/**
 * How the workers of a scheduler are set up.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { Encoder } from "../codec/encoder.ts";
import { describeFunction, type FunctionSpec } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { Owner } from "./lifecycle.ts";
import type { Setup } from "./messages.ts";
import type { Payload } from "../codec/payload.ts";

/** What a scheduler is to know of its workers. */
export interface WorkerConfig {
  /** What messages call the one who has the scheduler. */
  readonly owner: Owner;
  /** How many workers at most. */
  readonly size: number;
  /** What the workers are called, before their number. */
  readonly name: string;
  /** Whether the name stands alone, without a number. */
  readonly exactName?: boolean;
  /** The user's module. */
  readonly module: string | undefined;
  /** Names for functions sent by source. */
  readonly scope: Readonly<Record<string, unknown>>;
  /** What they may do, as the runtime takes it; undefined for as much as this program. */
  readonly permissions: Deno.PermissionOptions | undefined;
  /** Called in each worker before its first task. */
  readonly initializer: AnyFunction | undefined;
  /** Its arguments. */
  readonly initargs: readonly unknown[];
  /** After how many tasks a worker is replaced; 0 for never. */
  readonly maxTasks: number;
  /** How long each part of the preparation of a worker may take, in milliseconds; 0 for no limit. */
  readonly limit: number;
  /** How long idle workers are kept, in milliseconds. */
  readonly idleTimeout: number;
  /** Whether the times of tasks are recorded. */
  readonly trace: boolean;
  /** Whether the program may end while tasks run. */
  readonly background?: boolean;
}

/**
 * Packs what the workers need before their first task, as it is now: workers started later get the same.
 *
 * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
 */
export function packSetup(options: WorkerConfig): Payload {
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
    maxTasks: options.maxTasks,
    trace: options.trace,
  };
  const { bytes, refs, transfers } = new Encoder().encode(setup);
  if (transfers.length > 0) {
    throw new SerializationError("Cannot transfer 'scope' or 'initargs' as every worker needs them");
  }
  return { bytes: bytes.slice().buffer, refs: structuredClone(refs) };
}
