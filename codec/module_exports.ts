/**
 * Finding a function among the exports of the user's module, in the worker.
 *
 * The worker cannot know the function itself, only its name and its text. The exports of one factory (`export const double =
 * times(2), triple = times(3)`) share both, so who sends one may have to say which it is.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { nameOf, textOf } from "./runtime_functions.ts";

/** What a module exports. */
export type Namespace = Readonly<Record<string, unknown>>;

/** The exports that may be the function looked for. */
export interface Candidates {
  /** Each of them, and a name that it is exported under: its own if that is one. */
  readonly exports: ReadonlyMap<AnyFunction, string>;
  /** Whether it can only be the one: of several alike, or of one under another name, the sender has to say whether it is. */
  readonly sure: boolean;
}

/** Looks for a function by its name and its text; undefined if the module exports none like it. */
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

/** A name that a function is exported under; undefined if it is none of the exports. */
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
