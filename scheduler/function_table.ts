/**
 * The functions that a scheduler has sent, each under a number.
 *
 * @module
 */

import { describeFunction, type FunctionSpec, specKey } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { type CallSite, deepCallSite, FRAMES } from "../base/call_site.ts";
import { ModuleLookup } from "./module_lookup.ts";

/** The number of functions that are remembered. A function that was dropped gets a new number when it is used again. */
const CAPACITY = 1000;

/** A function and its number. */
export interface SentFunction {
  /** The number of the function. Functions with the same text share a number, unless several exports have that text. */
  readonly number: number;
  /** The description that is sent. */
  readonly spec: FunctionSpec;
  /** The function that was sent first under this number. */
  readonly first: WeakRef<AnyFunction>;
  /** The place of the call that sent it first. */
  readonly site: CallSite;
}

/** Numbers functions by their descriptions: closures that are made anew from the same text have one number. */
export class FunctionTable {
  /** The module of the user, from which the workers take its exports. */
  readonly module: ModuleLookup;
  readonly #sent = new Map<string, SentFunction>();
  /** The entries by function, as a text takes longer to look up. An entry stays valid after it has left `#sent`. */
  #knownFunctions = new WeakMap<AnyFunction, SentFunction>();
  #next = 0;

  /** `module`: the URL of the user's module, if there is one. */
  constructor(module: string | undefined) {
    this.module = new ModuleLookup(module, () => this.#forget());
  }

  /** Called when the exports of the module become known. Exports with equal texts get separate numbers from then on. */
  #forget(): void {
    this.#sent.clear();
    this.#knownFunctions = new WeakMap();
  }

  /**
   * Returns the description of `fn`, with the name of its export if that is known.
   *
   * @throws {SerializationError} If `fn` cannot be sent.
   */
  readonly describe = (fn: AnyFunction): FunctionSpec => {
    const spec = describeFunction(fn, this.module.exists);
    if (spec.kind !== "source" && spec.kind !== "export") return spec;
    const key = this.module.keyOf(fn);
    return key === undefined ? spec : { ...spec, key };
  };

  /**
   * Returns the entry of `fn`.
   *
   * @throws {SerializationError} If `fn` cannot be sent.
   */
  get(fn: AnyFunction): SentFunction {
    const knownFunctions = this.#knownFunctions.get(fn);
    if (knownFunctions !== undefined) return knownFunctions;
    const spec = this.describe(fn);
    const key = specKey(spec);
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      if (this.#sent.size >= CAPACITY) this.#sent.delete(this.#sent.keys().next().value!);
      const site = deepCallSite(FRAMES); // once for a function, as it is too slow for each task
      this.#sent.set(key, sent = { number: this.#next++, spec, first: new WeakRef(fn), site });
    }
    this.#knownFunctions.set(fn, sent);
    return sent;
  }

  /** Returns where `fn` was sent first; undefined if another function with its text was sent before. */
  firstCall(fn: AnyFunction): CallSite | undefined {
    const sent = this.#knownFunctions.get(fn);
    return sent?.first.deref() === fn ? sent.site : undefined;
  }
}
