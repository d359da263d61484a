/**
 * The names by which functions are called on other machines.
 *
 * @module
 */

import { codeOf } from "./wire.ts";

type AnyFunction = (...args: never[]) => unknown;

/** Namespace objects of modules, by the names that the workers give the modules. */
export type Modules = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The functions of modules, and their names. */
export class FunctionNames {
  readonly #names = new Map<unknown, string>();
  readonly #codes = new Map<string, string>();

  /**
   * Takes the functions that the modules export now.
   *
   * @throws {TypeError} If a module is not a namespace object.
   */
  constructor(modules: Modules) {
    for (const [module, namespace] of Object.entries(modules)) {
      if (!/^[\w-]+$/.test(module)) {
        throw new TypeError(`Cannot call a module '${module}': only letters, digits, "_" and "-" are allowed`);
      }
      if (typeof namespace !== "object" || namespace === null) {
        throw new TypeError(`Cannot use 'modules.${module}' as it must be what 'import * as ${module}' gives`);
      }
      for (const [key, value] of Object.entries(namespace)) {
        if (typeof value === "function" && !this.#names.has(value)) this.#names.set(value, `${module}#${key}`);
      }
    }
  }

  /** Returns the name of a function, and the hash of its text; undefined if no module exports it. */
  find(fn: AnyFunction): { readonly fn: string; readonly code: string } | undefined {
    const name = this.#names.get(fn);
    if (name === undefined) return undefined;
    let code = this.#codes.get(name);
    if (code === undefined) this.#codes.set(name, code = codeOf(fn));
    return { fn: name, code };
  }
}
