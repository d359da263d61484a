/**
 * The functions that a worker has received, by the numbers that the calling side uses.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { type Environment, type FunctionSpec, isUnsure } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";

/** The number of functions that a worker keeps. It drops the oldest one, and asks for it again when a task needs it. */
const CAPACITY = 1000;

/** A function that a worker has received. */
export interface KnownFunction {
  readonly spec: FunctionSpec;
  readonly call: (...args: unknown[]) => unknown;
  /** True while only the calling side can tell which export of the module it is. */
  readonly unsure: boolean;
}

/** Stands for a function while only the calling side can tell which export it is. */
const NOT_KNOWN = (): never => {
  throw new SerializationError("Cannot call a function before it is known which export of the module it is");
};

/** The functions of one worker. */
export class KnownFunctions {
  readonly #functions = new Map<number, KnownFunction>();

  /** Returns the function of this number; undefined if the worker lacks it. */
  get(number: number): KnownFunction | undefined {
    return this.#functions.get(number);
  }

  /**
   * Returns the function of this number. If it is unknown, `compile` makes it from `spec`.
   *
   * @throws {SerializationError} If the function cannot be made on this thread.
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
    // Several similar exports may have the same number, so the answer is valid for one task only.
    if (asked && spec.key !== undefined) return fn;
    if (this.#functions.size >= CAPACITY) this.#functions.delete(this.#functions.keys().next().value!);
    this.#functions.set(number, fn);
    return fn;
  }
}
