/**
 * The options that all who have workers share, checked.
 *
 * @module
 */

import { checkArgs, checkCount, checkLimit, checkOptionalFunction, checkOptions, show } from "./_options.ts";
import { type AnyFunction, isIdentifier } from "./codec/functions.ts";
import type { WorkerOptions } from "./worker/setup.ts";

/** How long idle workers are kept, unless told otherwise, in milliseconds. */
const IDLE_TIMEOUT = 10_000;

/** What can be wished of workers. */
export interface WorkerWishes {
  readonly initializer?: AnyFunction | undefined;
  readonly initargs?: readonly unknown[] | undefined;
  readonly maxTasksPerChild?: number | undefined;
  readonly module?: string | URL | undefined;
  readonly scope?: Readonly<Record<string, unknown>> | undefined;
  readonly idleTimeout?: number | undefined;
  readonly trace?: boolean | undefined;
}

/** Checks the wishes for `size` workers, called `name`. */
export function workerOptions(size: number, name: unknown, wishes: WorkerWishes): WorkerOptions {
  checkOptionalFunction("initializer", wishes.initializer);
  const { initargs = [], scope = {}, trace = false } = wishes;
  checkArgs("initargs", initargs);
  checkScope(scope);
  return {
    size,
    name: checkName(name),
    module: moduleUrl(wishes.module),
    scope,
    initializer: wishes.initializer,
    initargs,
    maxTasks: checkCount("maxTasksPerChild", wishes.maxTasksPerChild) ?? 0,
    idleTimeout: checkLimit("idleTimeout", wishes.idleTimeout, IDLE_TIMEOUT),
    trace,
  };
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
