/**
 * Finding a function among the exports of the user's module, in the worker.
 *
 * The worker cannot know the function itself, only its name and its text. The exports of one factory (`export const
 * double = times(2), triple = times(3)`) share both, so the sender may have to name the export.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { nameOf, textOf } from "./runtime_functions.ts";

/** The exports of a module, by name. */
export type Namespace = Readonly<Record<string, unknown>>;

/** The exports that may be the function that is sought. */
export interface Candidates {
  /** Each candidate, and a name that it is exported under: the function's own name if that is one of them. */
  readonly exports: ReadonlyMap<AnyFunction, string>;
  /** True if there is one candidate, exported under its own name. Otherwise the sender must name the export. */
  readonly sure: boolean;
}

/** Returns the exports with a certain name and text; undefined if the module has none. */
export function candidates(module: Namespace, name: string, text: string): Candidates | undefined {
  let exports: Map<AnyFunction, string> | undefined;
  for (const key of Object.keys(module)) {
    const value = module[key];
    if (typeof value !== "function") continue;
    const fn = value as AnyFunction;
    if (nameOf(fn) !== name || (exports?.has(fn) && key !== name) || textOf(fn) !== text) continue;
    exports ??= new Map();
    exports.set(fn, key);
  }
  if (exports === undefined) return undefined;
  return { exports, sure: exports.size === 1 && exports.values().next().value === name };
}

/** Returns a name that a function is exported under; undefined if it is not exported. */
export function keyOf(module: Namespace, fn: AnyFunction): string | undefined {
  const names = Reflect.ownKeys(module) as string[]; // `Object.keys()` reads the values
  return names.find((key) => {
    try {
      return module[key] === fn;
    } catch {
      return false; // not initialized yet, as the module is still being evaluated
    }
  });
}
