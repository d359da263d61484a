/**
 * The options that all who have workers share, checked.
 *
 * @module
 */

import { isDeno } from "./_platform.ts";
import { InvalidStateError } from "./errors.ts";
import {
  checkArgs,
  checkBoolean,
  checkCount,
  checkLimit,
  checkOptionalFunction,
  checkOptions,
  show,
} from "./_options.ts";
import { type AnyFunction, isIdentifier } from "./codec/functions.ts";
import type { WorkerPermissions } from "./pool_types.ts";
import type { WorkerOptions } from "./worker/setup.ts";

/** How long idle workers are kept, unless told otherwise, in milliseconds. */
const IDLE_TIMEOUT = 10_000;

/** What can be wished of workers. */
export interface WorkerWishes {
  readonly initializer?: AnyFunction | undefined;
  readonly initargs?: readonly unknown[] | undefined;
  readonly maxTasksPerChild?: number | undefined;
  readonly taskTimeout?: number | undefined;
  readonly module?: string | URL | undefined;
  readonly scope?: Readonly<Record<string, unknown>> | undefined;
  readonly permissions?: WorkerPermissions | undefined;
  readonly idleTimeout?: number | undefined;
  readonly trace?: boolean | undefined;
}

/** The options of those who have workers, by name. */
export const WORKER_WISHES = [
  "initializer",
  "initargs",
  "maxTasksPerChild",
  "module",
  "scope",
  "permissions",
  "idleTimeout",
  "taskTimeout",
  "name",
  "trace",
] as const;

/** Checks the wishes for `size` workers, called `name`. */
export function workerOptions(size: number, name: unknown, wishes: WorkerWishes): WorkerOptions {
  checkOptionalFunction("initializer", wishes.initializer);
  const { initargs = [], scope = {}, trace = false } = wishes;
  checkArgs("initargs", initargs);
  checkScope(scope);
  checkBoolean("trace", trace);
  const limit = checkLimit("taskTimeout", wishes.taskTimeout, Infinity);
  return {
    size,
    name: checkName(name),
    module: moduleUrl(wishes.module),
    scope,
    permissions: checkPermissions(wishes.permissions),
    initializer: wishes.initializer,
    initargs,
    maxTasks: checkCount("maxTasksPerChild", wishes.maxTasksPerChild) ?? 0,
    idleTimeout: checkLimit("idleTimeout", wishes.idleTimeout, IDLE_TIMEOUT),
    limit: limit === Infinity ? 0 : Math.ceil(limit),
    trace,
  };
}

/** The kinds of permissions. */
const KINDS: readonly string[] = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/** What workers may do, checked; undefined for as much as this program. */
export function checkPermissions(permissions: WorkerPermissions | undefined): Deno.PermissionOptions | undefined {
  if (permissions === undefined || permissions === "inherit") return undefined;
  if (!isDeno()) throw new InvalidStateError("Cannot use 'permissions' as this runtime has none: only Deno does");
  if (permissions === "none") return permissions;
  if (typeof permissions !== "object" || permissions === null) {
    throw new TypeError(
      `Cannot use 'permissions' as it must be "inherit", "none" or an object: current value is ${show(permissions)}`,
    );
  }
  for (const [kind, value] of Object.entries(permissions)) {
    if (!KINDS.includes(kind)) throw new TypeError(`Cannot use 'permissions' as there is no permission ${show(kind)}`);
    if (typeof value === "boolean" || value === "inherit" || Array.isArray(value)) continue;
    throw new TypeError(
      `Cannot use 'permissions.${kind}' as it must be a boolean, "inherit" or an array: current value is ${
        show(value)
      }`,
    );
  }
  return { ...permissions } as Deno.PermissionOptions;
}

/** A name. */
export function checkName(name: unknown): string {
  if (typeof name === "string") return name;
  throw new TypeError(`Cannot use 'name' as it must be a string: current value is ${show(name)}`);
}

/** Names for functions sent by source. */
export function checkScope(scope: unknown): void {
  checkOptions(scope);
  for (const key of Object.keys(scope as object)) {
    if (isIdentifier(key)) continue;
    throw new RangeError(`Cannot use 'scope' as ${show(key)} cannot be the name of a variable`);
  }
}

/** The address of a module. */
export function moduleUrl(module: string | URL | undefined): string | undefined {
  if (module === undefined) return undefined;
  if (typeof module !== "string" && !(module instanceof URL)) {
    throw new TypeError(`Cannot use 'module' as it must be a URL: current value is ${show(module)}`);
  }
  try {
    return new URL(module).href;
  } catch {
    throw new TypeError(`Cannot use 'module' as it must be an absolute URL, such as import.meta.url: ${show(module)}`);
  }
}
