/**
 * Objects of the platform, as the encoder sees them: the built-in getters are used, as a class may override them.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { messageOf } from "./error_fields.ts";
import { runtimeClass } from "./runtime_functions.ts";

const { isPrototypeOf } = Object.prototype;

const arrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;

function getterOf<T>(key: PropertyKey): (this: ArrayBufferView) => T {
  return Object.getOwnPropertyDescriptor(arrayPrototype, key)!.get as (this: ArrayBufferView) => T;
}

/** Getters of typed arrays. */
export const arrayTag: (this: ArrayBufferView) => string | undefined = getterOf<string | undefined>(Symbol.toStringTag);
/** See {@linkcode arrayTag}. */
export const arrayLength: (this: ArrayBufferView) => number = getterOf<number>("length");
/** See {@linkcode arrayTag}. */
export const arrayOffset: (this: ArrayBufferView) => number = getterOf<number>("byteOffset");
/** See {@linkcode arrayTag}. */
export const arrayBuffer: (this: ArrayBufferView) => ArrayBufferLike = getterOf<ArrayBufferLike>("buffer");

function getterOfRegExp<T>(key: string): (this: RegExp) => T {
  return Object.getOwnPropertyDescriptor(RegExp.prototype, key)!.get as (this: RegExp) => T;
}

const regexpSource = getterOfRegExp<string>("source");
/** The flags of regular expressions that this runtime knows, each with its getter. */
const FLAGS = ([
  ["hasIndices", "d"],
  ["global", "g"],
  ["ignoreCase", "i"],
  ["multiline", "m"],
  ["dotAll", "s"],
  ["unicode", "u"],
  ["unicodeSets", "v"],
  ["sticky", "y"],
] as const).filter(([key]) => key in RegExp.prototype)
  .map(([key, flag]): [(this: RegExp) => boolean, string] => [getterOfRegExp(key), flag]);

/** The prototypes of objects that wrap primitive values, and the methods that return the values. */
const BOXES = [Number, String, Boolean, BigInt]
  .map(({ prototype }): [object, (this: object) => unknown] => [prototype, prototype.valueOf]);

/** Returns the primitive value that an object wraps; undefined for any other object. */
export function unboxed(value: object): unknown {
  for (const [prototype, valueOf] of BOXES) {
    if (!isPrototypeOf.call(prototype, value)) continue;
    try {
      return valueOf.call(value);
    } catch {
      return undefined; // it only inherits from the class
    }
  }
  return undefined;
}

/** Returns the source and the flags of a regular expression; undefined for an object that only inherits from one. */
export function regexpParts(value: RegExp): { readonly source: string; readonly flags: string } | undefined {
  try {
    const source = regexpSource.call(value);
    return { source, flags: FLAGS.filter(([get]) => get.call(value)).map(([, flag]) => flag).join("") };
  } catch {
    return undefined;
  }
}

/** Returns whether the platform can clone this object, and without a loss. Instances of a user's class travel as their fields. */
export function isPlatformObject(value: object): boolean {
  const tag = Object.prototype.toString.call(value);
  if (tag === "[object Object]") {
    const type = runtimeClass(Object.getPrototypeOf(value));
    if (type === undefined) return false;
    throw new SerializationError(`Cannot send a ${type} to another thread as it would lose what it holds`);
  }
  const name = tag.slice(8, -1);
  let clone: unknown;
  try {
    clone = structuredClone(value);
  } catch (error) {
    throw new SerializationError(`Cannot send a ${name} to another thread: ${messageOf(error)}`, { cause: error });
  }
  if (Object.prototype.toString.call(clone) === tag) return true;
  const platform = (globalThis as Record<string, unknown>)[name];
  if (typeof platform === "function" && value instanceof platform) {
    throw new SerializationError(`Cannot send a ${name} to another thread as it would lose what it holds`);
  }
  return false;
}

/** Returns the error for a value that only threads of one process can share. */
export function unreachable(kind: string): SerializationError {
  return new SerializationError(
    `Cannot send ${
      /^[AEIOU]/.test(kind) ? "an" : "a"
    } ${kind} to another process, which shares no memory with this one: ` +
      "use a pool, executor or process without 'backend'",
  );
}

/** Returns whether a key of an array is an index. */
export function isIndex(key: string): boolean {
  return String(Number(key) >>> 0) === key && key !== "4294967295";
}

/** Returns the error for a value that cannot be sent, as reading it has thrown. */
export function cannotSend(error: unknown): SerializationError {
  if (error instanceof SerializationError) return error;
  return new SerializationError(`Cannot send the value to another thread: ${messageOf(error)}`, { cause: error });
}
