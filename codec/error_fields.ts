/**
 * Taking errors apart and rebuilding them, so that an error arrives with its class, message, own properties, `cause`,
 * `errors` and the stack of the thread that made it.
 *
 * @module
 */

import { sharedName } from "../base/copies.ts";
import { show } from "../base/checks.ts";
import * as libraryErrors from "../errors.ts";

type ErrorClass = new (message?: string) => Error;

const TEXTS = ["name", "message", "stack"];
/** Properties of some error classes that are not enumerable. */
const HIDDEN = ["cause", "errors", "error", "suppressed"];

let byPrototype: Map<object, string> | undefined;
let byKey: Map<string, ErrorClass> | undefined;

/** Returns the error classes that both sides have. They are collected on the first call. */
function classes(): { byPrototype: Map<object, string>; byKey: Map<string, ErrorClass> } {
  if (byPrototype === undefined || byKey === undefined) {
    byPrototype = new Map();
    byKey = new Map();
    const known = (key: string, value: unknown): void => {
      if (typeof value !== "function" || !(value.prototype instanceof Error || value === Error)) return;
      byPrototype!.set(value.prototype, key);
      byKey!.set(key, value as ErrorClass);
    };
    for (
      const name of [
        "Error",
        "TypeError",
        "RangeError",
        "SyntaxError",
        "ReferenceError",
        "EvalError",
        "URIError",
        "AggregateError",
        "SuppressedError",
        "DOMException",
      ]
    ) known(name, (globalThis as Record<string, unknown>)[name]);
    const deno = (globalThis as { Deno?: { errors?: Record<string, unknown> } }).Deno;
    for (const [name, value] of Object.entries(deno?.errors ?? {})) known(`Deno.${name}`, value);
    for (const [name, value] of Object.entries(libraryErrors)) known(`parallel.${name}`, value);
  }
  return { byPrototype, byKey };
}

/** Returns whether `value` is an error. Never throws: a revoked proxy is none. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

/** Returns the key of the most specific class of `error` that the other side has too. */
export function errorClassOf(error: Error): string {
  const known = classes().byPrototype;
  for (let p = Object.getPrototypeOf(error); p !== null; p = Object.getPrototypeOf(p)) {
    const key = known.get(p);
    if (key !== undefined) return key;
    const shared = sharedName(p); // a class of another copy of this library
    if (shared !== undefined) return `parallel.${shared}`;
  }
  return "Error";
}

/** Returns a new error of the class with this key, still without its stack and other fields. */
export function newError(key: string, message: string, name: string): Error {
  if (key === "DOMException") return new DOMException(message, name);
  if (key === "AggregateError") return renamed(new AggregateError([], message), name);
  const Class = classes().byKey.get(key) ?? Error;
  if (key === "SuppressedError") {
    const Suppressed = Class as unknown as new (error: unknown, suppressed: unknown, message: string) => Error;
    return renamed(new Suppressed(undefined, undefined, message), name);
  }
  return renamed(message === "" ? new Class() : new Class(message), name);
}

function renamed(error: Error, name: string): Error {
  if (error.name !== name) hide(error, "name", name);
  return error;
}

/** Returns the other fields of an error. A property whose getter throws is left out, as an error must always arrive. */
export function errorFields(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = { stack: readText(error, "stack") };
  for (const key of HIDDEN) {
    if (!Object.hasOwn(error, key)) continue;
    const [ok, value] = read(error, key);
    if (ok) fields[key] = value;
  }
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(error)) {
    if (TEXTS.includes(key) || HIDDEN.includes(key)) continue;
    const [ok, value] = read(error, key);
    if (ok && typeof value !== "function" && typeof value !== "symbol") own[key] = value;
  }
  if (Object.keys(own).length > 0) fields.own = own;
  return fields;
}

/** Completes an error of {@linkcode newError}. Showing it calls nothing: it has no methods, and only string texts. */
export function setErrorFields(error: Error, fields: Readonly<Record<string, unknown>>): void {
  hide(error, "stack", typeof fields.stack === "string" ? fields.stack : "");
  for (const key of HIDDEN) if (Object.hasOwn(fields, key)) hide(error, key, fields[key]);
  for (const [key, value] of Object.entries(fields.own ?? {})) {
    if (typeof value === "function" || TEXTS.includes(key) || HIDDEN.includes(key)) continue;
    Object.defineProperty(error, key, { value, writable: true, enumerable: true, configurable: true });
  }
}

/** Returns a text property of an error; `""` if it is no string or reading it throws. */
export function readText(error: Error, key: "name" | "message" | "stack"): string {
  const [, value] = read(error, key);
  return typeof value === "string" ? value : "";
}

function read(object: object, key: string): [ok: boolean, value: unknown] {
  try {
    return [true, (object as Record<string, unknown>)[key]];
  } catch {
    return [false, undefined];
  }
}

function hide(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
}

/** Returns the message of any thrown value. Its `toString` is not called, as it may have come from another thread. */
export function messageOf(error: unknown): string {
  if (isError(error)) return readText(error, "message");
  return typeof error === "string" ? error : show(error);
}
