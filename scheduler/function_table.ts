/**
 * The functions that a scheduler has sent, each under a number.
 *
 * @module
 */

import { describeFunction, type FunctionSpec, specKey } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { type CallSite, deepCallSite, FRAMES } from "../base/call_site.ts";
import { ModuleLookup } from "./module_lookup.ts";

/** How many functions are remembered; an older one simply gets a new number. */
const CAPACITY = 1000;

/** A function under its number. */
export interface SentFunction {
  /** Its number: the same text always has the same, unless it is that of several exports. */
  readonly number: number;
  /** What is sent of it. */
  readonly spec: FunctionSpec;
  /** The function that was sent first. */
  readonly first: WeakRef<AnyFunction>;
  /** Where that was. */
  readonly site: CallSite;
}

/** Numbers functions by what they are sent as: closures made anew from the same text are one. */
export class FunctionTable {
  /** The module of the user, from which the workers take its exports. */
  readonly module: ModuleLookup;
  readonly #sent = new Map<string, SentFunction>();
  /** The same by function, as its text takes longer to look up. An entry stays good when it has left the other map. */
  #knownFunctions = new WeakMap<AnyFunction, SentFunction>();
  #next = 0;

  /** `module`: the address of the module of the user, if there is one. */
  constructor(module: string | undefined) {
    this.module = new ModuleLookup(module, () => this.#forget());
  }

  /** From now on it is knownFunctions which function is which export: those that are several get numbers of their own. */
  #forget(): void {
    this.#sent.clear();
    this.#knownFunctions = new WeakMap();
  }

  /**
   * What is sent of `fn`, with all that is knownFunctions of it.
   *
   * @throws {SerializationError} If it cannot be sent.
   */
  readonly describe = (fn: AnyFunction): FunctionSpec => {
    const spec = describeFunction(fn, this.module.exists);
    if (spec.kind !== "source" && spec.kind !== "export") return spec;
    const key = this.module.keyOf(fn);
    return key === undefined ? spec : { ...spec, key };
  };

  /**
   * The entry of `fn`.
   *
   * @throws {SerializationError} If it cannot be sent.
   */
  get(fn: AnyFunction): SentFunction {
    const knownFunctions = this.#knownFunctions.get(fn);
    if (knownFunctions !== undefined) return knownFunctions;
    const spec = this.describe(fn);
    const key = specKey(spec);
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      if (this.#sent.size >= CAPACITY) this.#sent.delete(this.#sent.keys().next().value!);
      const site = deepCallSite(FRAMES); // never for each task
      this.#sent.set(key, sent = { number: this.#next++, spec, first: new WeakRef(fn), site });
    }
    this.#knownFunctions.set(fn, sent);
    return sent;
  }

  /** Where `fn` was sent first, if none with its text was before. */
  firstCall(fn: AnyFunction): CallSite | undefined {
    const sent = this.#knownFunctions.get(fn);
    return sent?.first.deref() === fn ? sent.site : undefined;
  }
}
