/**
 * The options that pools, executors and processes with workers share, and their checks.
 *
 * @module
 */

import type { Backend } from "../base/backend.ts";
import { isDeno } from "../base/platform.ts";
import { InvalidStateError } from "../errors.ts";
import { checkOptions, show, wholeLimit } from "../base/checks.ts";
import {
  type Check,
  checkedArgs,
  checkedCount,
  checkedFunction,
  checkedLimit,
  type Checks,
  nearestOf,
  type OptionsOf,
  type OptionsSchema,
} from "../base/options_schema.ts";
import { isIdentifier } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { WorkerPermissions } from "./options.ts";
import type { WorkerConfig } from "../scheduler/worker_config.ts";

/** The default of `idleTimeout`, in milliseconds. */
const IDLE_TIMEOUT = 10_000;

/** The type of {@linkcode WORKER_CHECKS}. */
export interface WorkerChecks {
  readonly [name: string]: Check<unknown>;
  readonly initializer: Check<AnyFunction>;
  readonly initargs: Check<readonly unknown[]>;
  readonly concurrency: Check<number>;
  readonly maxTasksPerChild: Check<number>;
  readonly module: Check<string>;
  readonly scope: Check<Readonly<Record<string, unknown>>>;
  readonly permissions: Check<Deno.PermissionOptions | undefined>;
  readonly taskTimeout: Check<number>;
  readonly idleTimeout: Check<number>;
  readonly name: Check<string>;
  readonly backend: Check<Backend>;
}

/** The checks of the options that everything with workers takes. */
export const WORKER_CHECKS: WorkerChecks = {
  initializer: checkedFunction,
  initargs: checkedArgs,
  concurrency: checkedCount,
  maxTasksPerChild: checkedCount,
  module: moduleUrl,
  scope: checkScope,
  permissions: checkPermissions,
  taskTimeout: checkedLimit,
  idleTimeout: checkedLimit,
  name: checkName,
  backend: checkBackend,
};

/**
 * Reads the arguments of a constructor: a number, which is the option `key`, or an options object, or both in this order.
 *
 * @throws {TypeError} If an option is given twice, and whenever {@linkcode OptionsSchema.read} throws it.
 */
export function sizeAndOptions<K extends string, C extends Checks & Readonly<Record<K, Check<number>>>>(
  schema: OptionsSchema<C>,
  whose: string,
  key: K,
  first: unknown,
  second: unknown,
): { readonly size: number | undefined; readonly options: OptionsOf<C> } {
  if (typeof first === "object" && first !== null) {
    if (second !== undefined) {
      throw new TypeError(
        `Cannot make a ${whose} of two arguments as the first one has the options: the second one is ${show(second)}`,
      );
    }
    const options = schema.read(first, whose);
    return { size: options[key], options };
  }
  const size = first === undefined ? undefined : checkedCount(first, key);
  const options = schema.read(second, whose);
  const again = options[key];
  if (size !== undefined && again !== undefined) {
    throw new TypeError(`Cannot make a ${whose} as '${key}' is given twice: current values are ${size} and ${again}`);
  }
  return { size: size ?? again, options };
}

/** Returns the configuration of a scheduler with `size` workers called `name`, made from the options. */
export function workerOptions(
  owner: WorkerConfig["owner"],
  size: number,
  name: string,
  options: OptionsOf<WorkerChecks>,
  trace: boolean,
): WorkerConfig {
  return {
    owner,
    size,
    name,
    module: options.module,
    scope: options.scope ?? {},
    permissions: options.permissions,
    initializer: options.initializer,
    initargs: options.initargs ?? [],
    concurrency: options.concurrency ?? 1,
    maxTasks: options.maxTasksPerChild ?? 0,
    idleTimeout: options.idleTimeout ?? IDLE_TIMEOUT,
    limit: wholeLimit(options.taskTimeout ?? Infinity),
    trace,
  };
}

/** The kinds of permissions. */
const KINDS: readonly string[] = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/** Checks `permissions`. Returns them in the form that the runtime takes; undefined for those of this program. */
export function checkPermissions(permissions: unknown): Deno.PermissionOptions | undefined {
  if (permissions === "inherit") return undefined;
  if (!isDeno()) throw new InvalidStateError("Cannot use 'permissions' as this runtime has none: only Deno does");
  if (permissions === "none") return permissions;
  if (typeof permissions !== "object" || permissions === null) {
    throw new TypeError(
      `Cannot use 'permissions' as it must be "inherit", "none" or an object: current value is ${show(permissions)}`,
    );
  }
  const read: WorkerPermissions = Object.fromEntries(Object.entries(permissions));
  for (const [kind, value] of Object.entries(read)) {
    if (!KINDS.includes(kind)) {
      const nearest = nearestOf(kind, KINDS);
      throw new TypeError(
        `Cannot use 'permissions' as there is no permission ${show(kind)}${
          nearest === undefined ? "" : `: the nearest is '${nearest}'`
        }`,
      );
    }
    if (typeof value === "boolean" || value === "inherit" || Array.isArray(value)) continue;
    throw new TypeError(
      `Cannot use 'permissions.${kind}' as it must be a boolean, "inherit" or an array: current value is ${
        show(value)
      }`,
    );
  }
  return read as Deno.PermissionOptions;
}

/** Checks `backend`, and returns it. */
export function checkBackend(backend: unknown): Backend {
  if (typeof backend === "object" && backend !== null && typeof (backend as Partial<Backend>).open === "function") {
    return backend as Backend;
  }
  throw new TypeError(
    `Cannot use 'backend' as it must be one that a function such as processes() returns: current value is ${
      show(backend)
    }`,
  );
}

/** Checks `name`, and returns it. */
export function checkName(name: unknown): string {
  if (typeof name === "string") return name;
  throw new TypeError(`Cannot use 'name' as it must be a string: current value is ${show(name)}`);
}

/** Checks `scope`, and returns it. Its keys must be names of variables. */
export function checkScope(scope: unknown): Readonly<Record<string, unknown>> {
  checkOptions(scope);
  for (const key of Object.keys(scope as object)) {
    if (isIdentifier(key)) continue;
    throw new RangeError(`Cannot use 'scope' as ${show(key)} cannot be the name of a variable`);
  }
  return scope as Readonly<Record<string, unknown>>;
}

/** Checks `module`. Returns its absolute URL. */
export function moduleUrl(module: unknown): string {
  if (typeof module !== "string" && !(module instanceof URL)) {
    throw new TypeError(`Cannot use 'module' as it must be a URL: current value is ${show(module)}`);
  }
  try {
    return new URL(module).href;
  } catch {
    throw new TypeError(`Cannot use 'module' as it must be an absolute URL, such as import.meta.url: ${show(module)}`);
  }
}
