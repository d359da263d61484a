/**
 * The functions that a scheduler has sent, each under a number.
 *
 * @module
 */

import { type AnyFunction, describeFunction, type FunctionSpec, specKey } from "../codec/functions.ts";

/** How many functions are remembered; an older one simply gets a new number. */
const CAPACITY = 1000;

/** A function under its number. */
export interface SentFunction {
  /** Its number: the same text always has the same. */
  readonly number: number;
  /** What is sent of it. */
  readonly spec: FunctionSpec;
}

/** Numbers functions by what they are sent as: closures made anew from the same text are one. */
export class FunctionTable {
  readonly #sent = new Map<string, SentFunction>();
  /** The same by function, as its text takes longer to look up. An entry stays good when it has left the other map. */
  readonly #known = new WeakMap<AnyFunction, SentFunction>();
  #next = 0;

  /**
   * The entry of `fn`.
   *
   * @throws {SerializationError} If it cannot be sent.
   */
  get(fn: AnyFunction): SentFunction {
    const known = this.#known.get(fn);
    if (known !== undefined) return known;
    const spec = describeFunction(fn);
    const key = specKey(spec);
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      if (this.#sent.size >= CAPACITY) this.#sent.delete(this.#sent.keys().next().value!);
      this.#sent.set(key, sent = { number: this.#next++, spec });
    }
    this.#known.set(fn, sent);
    return sent;
  }
}
