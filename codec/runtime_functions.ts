/**
 * Functions of the runtime, which travel by their path from the global object.
 *
 * Many of them have a source, as functions that a program assigns to the global object have, but the source works only
 * inside the runtime. The sender therefore sends both, path and text. The receiver takes its own function at the path
 * if that function had the same text when its thread began.
 *
 * @module
 */

import { isDeno } from "../base/platform.ts";
import type { AnyFunction } from "../base/values.ts";

/** The one or two keys that lead from the global object to a function. */
export type Path = readonly string[];

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

/** The most paths that are sent of a function. */
const MOST_PATHS = 4;

/** Global objects whose functions may have names that differ from their keys. */
const LOOSELY_NAMED: readonly string[] = ["Deno", "Function", "console", "performance", "process"];

/** Globals that Deno may load when they are touched, which takes long, and the names of their functions. */
const LAZY: Readonly<Record<string, readonly string[]>> = {
  Buffer: [
    "alloc",
    "allocUnsafe",
    "allocUnsafeSlow",
    "byteLength",
    "compare",
    "concat",
    "copyBytesFrom",
    "from",
    "isBuffer",
    "isEncoding",
    "of",
  ],
  DOMMatrix: ["fromFloat32Array", "fromFloat64Array", "fromMatrix"],
  DOMMatrixReadOnly: ["fromFloat32Array", "fromFloat64Array", "fromMatrix"],
  DOMPoint: ["fromPoint"],
  DOMPointReadOnly: ["fromPoint"],
  DOMQuad: ["fromQuad", "fromRect"],
  DOMRect: ["fromRect"],
  DOMRectReadOnly: ["fromRect"],
  ReadableStream: ["from"],
  Response: ["error", "json", "redirect"],
  crypto: ["getRandomValues", "randomUUID"],
};

/** Globals of a main thread that workers lack, or have in another form. */
const OTHERWISE_IN_WORKERS = ["Location", "Navigator", "Window", "alert", "close", "confirm", "prompt"];

/** Functions that the runtime itself replaces after its start, or has on a main thread only. */
const REPLACED = [
  "console.Console",
  "Deno.bench",
  "Deno.test",
  "MessageChannel",
  "MessagePort",
  "process._debugEnd",
  "process._debugProcess",
];

/** Functions that certainly belong to the runtime, although their text may differ on another thread. */
const certain = new WeakSet<object>();

/** Makes a function count as the function of the runtime that it replaces. */
export function standsForRuntime(fn: object): void {
  certain.add(fn);
}

for (const key of OTHERWISE_IN_WORKERS) addCertain(dataAt(globalThis, key));
for (const key of Object.getOwnPropertyNames(globalThis.console ?? {})) addCertain(dataAt(globalThis.console, key));

function addCertain(value: unknown): void {
  if (typeof value === "function") certain.add(value);
}

/** Returns the source of a function, or the text that the engine has in its place. */
export function textOf(fn: AnyFunction): string {
  return Function.prototype.toString.call(fn);
}

/** Returns the name of a function; empty if it has none. */
export function nameOf(fn: AnyFunction): string {
  const { name } = fn;
  return typeof name === "string" ? name : "";
}

/** Returns whether the text of a function says that it has no source. */
export function isNative(text: string): boolean {
  return NATIVE.test(text);
}

/** Returns whether the function at `paths` certainly belongs to the runtime, even if its text differs elsewhere. */
export function isCertain(fn: AnyFunction, paths: readonly Path[]): boolean {
  return certain.has(fn) ||
    paths.some(([first, second]) =>
      REPLACED.includes(second === undefined ? first! : `${first}.${second}`) ||
      (second === undefined && OTHERWISE_IN_WORKERS.includes(first!) && isGetter(first!))
    );
}

/** Returns whether a global has a getter, as those have that the runtime loads on demand. An assignment removes it. */
function isGetter(key: string): boolean {
  return Reflect.getOwnPropertyDescriptor(globalThis, key)?.get !== undefined;
}

/** Returns the value of a property without calling anything; undefined for a getter. */
function dataAt(holder: object, key: string): unknown {
  const property = Reflect.getOwnPropertyDescriptor(holder, key);
  return property !== undefined && "value" in property ? property.value : undefined;
}

/** As {@linkcode dataAt}, including inherited properties, which `crypto` and `performance` have. */
function inheritedAt(holder: object, key: string): unknown {
  for (let object: object | null = holder; object !== null; object = Reflect.getPrototypeOf(object)) {
    const property = Reflect.getOwnPropertyDescriptor(object, key);
    if (property !== undefined) return "value" in property ? property.value : undefined;
  }
  return undefined;
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Returns the global `space`; undefined if it would have to be loaded, unless it may have a function called `name`. */
function spaceAt(space: string, name: string): unknown {
  const property = Reflect.getOwnPropertyDescriptor(globalThis, space);
  if (property === undefined || "value" in property) return property?.value;
  const loaded = space === "process" ? processIsLoaded() : LAZY[space]?.includes(name);
  return loaded === true ? Reflect.get(globalThis, space) : undefined;
}

/** Returns whether Deno has loaded `process`, which takes 12 ms. A program with one of its functions has loaded it. */
function processIsLoaded(): boolean {
  const { Deno } = globalThis as { Deno?: Record<symbol, unknown> & { readonly internal?: symbol } };
  const internal = Deno?.internal === undefined ? undefined : Deno[Deno.internal];
  return isObject(internal) && "__nodeProcessBootstrapped" in internal;
}

/** Returns the paths from the global object to a function. Calls only getters of the runtime. */
export function pathsOf(fn: AnyFunction): Path[] {
  const paths: Path[] = [];
  const name = nameOf(fn);
  if (name !== "" && name !== "globalThis" && Reflect.get(globalThis, name) === fn) paths.push([name]);
  for (const space of Object.getOwnPropertyNames(globalThis)) {
    if (paths.length === MOST_PATHS) break;
    const holder = spaceAt(space, name);
    if (!isObject(holder) || holder === globalThis) continue;
    if (holder === fn && space !== name) paths.push([space]);
    if (name !== "") {
      const plain = typeof holder === "function" || Reflect.getPrototypeOf(holder) === Object.prototype;
      const held = plain ? dataAt(holder, name) : inheritedAt(holder, name);
      if (held === fn) paths.push([space, name]);
    }
    if (!LOOSELY_NAMED.includes(space)) continue;
    for (const key of Object.getOwnPropertyNames(holder)) {
      // The runtime loads some functions on demand, by a getter with the name of the function.
      const held = dataAt(holder, key) ?? (isDeno() && key === name ? Reflect.get(holder, key) : undefined);
      if (held === fn && (key !== name || dataAt(holder, key) === undefined)) paths.push([space, key]);
    }
  }
  return paths;
}

type Properties = ReadonlyMap<string, PropertyDescriptor>;

/** The properties of the global object and of `Deno` when this thread began. */
let atStart: { readonly globals: Properties; readonly deno: Properties } | undefined;

/** Remembers the functions of the runtime. Must run before any code of the user, which may replace some of them. */
export function rememberRuntime(): void {
  const { Deno } = globalThis as { Deno?: object };
  atStart = { globals: propertiesOf(globalThis), deno: propertiesOf(Deno ?? {}) };
}

/** Returns the own properties of an object. They are read one by one, as all at once would take ten times as long. */
function propertiesOf(holder: object): Properties {
  const properties = new Map<string, PropertyDescriptor>();
  for (const key of Object.getOwnPropertyNames(holder)) {
    properties.set(key, Reflect.getOwnPropertyDescriptor(holder, key)!);
  }
  return properties;
}

function remembered(properties: Properties | undefined, holder: object, key: string): unknown {
  const property = properties?.get(key);
  if (property === undefined) return Reflect.get(holder, key);
  return property.get === undefined ? property.value : Reflect.apply(property.get, holder, []);
}

/** Returns the value at a path when this thread began, if that is known; else the current value. */
function originalAt([first, second]: Path): unknown {
  const holder = remembered(atStart?.globals, globalThis, first!);
  if (second === undefined || !isObject(holder)) return second === undefined ? holder : undefined;
  return remembered(first === "Deno" ? atStart?.deno : undefined, holder, second);
}

/** Matches the text of functions that exist in workers only to report that workers lack them. */
const STUB = /^function ?\(\) ?\{\s*throw new /;

/**
 * Returns the first of some paths at which this thread has the function of the runtime that another thread has there.
 *
 * @param paths The paths.
 * @param text The function's text on the other thread.
 * @param certainly Whether the function certainly belongs to the runtime.
 */
export function runtimePath(paths: readonly Path[], text: string, certainly: boolean): Path | undefined {
  return paths.find((path) => {
    const original = originalAt(path);
    if (typeof original !== "function") return false;
    const own = textOf(original as AnyFunction);
    if (certainly || own === text || (path[0] === "process" && STUB.test(own))) return true;
    // Native code with the name of its key belongs to the runtime; a task has replaced it on this thread.
    return isNative(text) && text.startsWith(`function ${path.at(-1)}(`);
  });
}

/** Returns the current function at a path, bound to its holder as some need `this`; undefined if there is none. */
export function functionAt(path: Path): AnyFunction | undefined {
  let holder: unknown = undefined;
  let value: unknown = globalThis;
  for (const key of path) {
    if (value === null || value === undefined) return undefined;
    holder = value;
    value = (value as Record<string, unknown>)[key];
  }
  if (typeof value !== "function") return undefined;
  const fn = value as (...args: unknown[]) => unknown;
  return (...args: unknown[]) => Reflect.apply(fn, holder, args);
}

const ofRuntime = new WeakMap<object, boolean>();

/**
 * Returns the name of the runtime's class that has this prototype or that the prototype inherits from; undefined for a
 * class of the user. Instances of a runtime's class hold data outside of their properties. A class belongs to the
 * runtime if it is a global that is not enumerable, as an assigned one would be, or a member of `Deno`, or if its
 * constructor is native code, such as that of `DatabaseSync` of `node:sqlite`.
 */
export function runtimeClass(prototype: object): string | undefined {
  for (let p: object | null = prototype; p !== null && p !== Object.prototype; p = Reflect.getPrototypeOf(p)) {
    const type = dataAt(p, "constructor");
    if (typeof type !== "function") continue;
    let own = ofRuntime.get(type);
    if (own === undefined) {
      ofRuntime.set(type, own = isRuntimeClass(type as AnyFunction));
    }
    if (own) return nameOf(type as AnyFunction);
  }
  return undefined;
}

function isRuntimeClass(type: AnyFunction): boolean {
  const name = nameOf(type);
  if (isNative(textOf(type))) return true;
  const property = Reflect.getOwnPropertyDescriptor(globalThis, name);
  if (property?.enumerable === false && Reflect.get(globalThis, name) === type) return true;
  const { Deno } = globalThis as { Deno?: object };
  return Deno !== undefined && Object.hasOwn(Deno, name) && Reflect.get(Deno, name) === type;
}
