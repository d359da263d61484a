/**
 * Classes whose instances cannot be sent.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { refuseClass } from "./functions.ts";

/**
 * The property that holds why instances of a class cannot be sent. Every copy of this library knows it; a copy that did
 * not would send the fields of the instances.
 */
const REFUSED = Symbol.for("@manycore/parallel/refused");

/** Makes a class and its instances unsendable, as they mean nothing on other threads. Instances fail with `reason`. */
export function refuseInstances(prototype: object, reason: string): void {
  Object.defineProperty(prototype, REFUSED, { value: reason });
  refuseClass(prototype.constructor as AnyFunction);
}

/** Returns why an instance of such a class cannot be sent; undefined for any other object. */
export function refusedReason(value: object): string | undefined {
  const reason = (value as { readonly [REFUSED]?: unknown })[REFUSED];
  return typeof reason === "string" ? reason : undefined;
}
