/**
 * The functions that a worker has been sent, by the numbers of its caller.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { type Environment, type FunctionSpec, isUnsure } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";

/** How many functions a worker keeps; the oldest is asked for again. */
const CAPACITY = 1000;

/** A function that a worker has. */
export interface KnownFunction {
  readonly spec: FunctionSpec;
  readonly call: (...args: unknown[]) => unknown;
  /** Whether the caller has to say first which export of the module it is. */
  readonly unsure: boolean;
}

/** In place of a function of which the caller has to say which it is. */
const NOT_KNOWN = (): never => {
  throw new SerializationError("Cannot call a function before it is known which export of the module it is");
};

/** Keeps the functions of one worker. */
export class KnownFunctions {
  readonly #functions = new Map<number, KnownFunction>();

  /** The function of this number. */
  get(number: number): KnownFunction | undefined {
    return this.#functions.get(number);
  }

  /**
   * The function of this number, made by `compile` as `spec` says unless it is known.
   *
   * @throws {SerializationError} If it cannot be made here.
   */
  learn(
    number: number,
    spec: FunctionSpec,
    environment: Environment,
    compile: (spec: FunctionSpec) => AnyFunction,
  ): KnownFunction {
    const known = this.#functions.get(number);
    const asked = "asked" in spec && spec.asked === true;
    if (known !== undefined && !asked) return known;
    const unsure = isUnsure(spec, environment.module);
    const call = unsure ? NOT_KNOWN : compile(spec) as KnownFunction["call"];
    const fn = { spec, call, unsure };
    // Several exports alike may have one number: then the answer is for one task only.
    if (asked && spec.key !== undefined) return fn;
    if (this.#functions.size >= CAPACITY) this.#functions.delete(this.#functions.keys().next().value!);
    this.#functions.set(number, fn);
    return fn;
  }
}
