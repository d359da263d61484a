/**
 * Functions of the runtime, which travel by their path from the global object.
 *
 * Many of them have a source, as those that a program puts on the global object have, but it only works inside the runtime. So the
 * sender gives both, path and text, and the receiver takes what it has at the path if that had the same text when its thread began.
 *
 * @module
 */

import { isDeno } from "../base/platform.ts";
import type { AnyFunction } from "../base/values.ts";

/** Keys that lead to a function from the global object: one, or two. */
export type Path = readonly string[];

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

/** No more paths are sent: each name of a function is one. */
const MOST_PATHS = 4;

/** Objects with functions whose name may be another one than their key. */
const LOOSELY_NAMED: readonly string[] = ["Deno", "Function", "console", "performance", "process"];

/** What Deno may load when it is touched, which takes long, and the names of its functions. */
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

/** What a main thread has that workers lack, or have otherwise. */
const OTHERWISE_IN_WORKERS = ["Location", "Navigator", "Window", "alert", "close", "confirm", "prompt"];

/** What the runtime itself replaces after its start, or only has on a main thread. */
const REPLACED = [
  "console.Console",
  "Deno.bench",
  "Deno.test",
  "MessageChannel",
  "MessagePort",
  "process._debugEnd",
  "process._debugProcess",
];

/** The same function may have another text on another thread: these belong to the runtime whatever it is. */
const certain = new WeakSet<object>();

/** Lets a function stand for one of the runtime, in whose place it is. */
export function standsForRuntime(fn: object): void {
  certain.add(fn);
}

for (const key of OTHERWISE_IN_WORKERS) addCertain(dataAt(globalThis, key));
for (const key of Object.getOwnPropertyNames(globalThis.console ?? {})) addCertain(dataAt(globalThis.console, key));

function addCertain(value: unknown): void {
  if (typeof value === "function") certain.add(value);
}

/** The source of a function, or what stands for it. */
export function textOf(fn: AnyFunction): string {
  return Function.prototype.toString.call(fn);
}

/** The name of a function; empty where it has none. */
export function nameOf(fn: AnyFunction): string {
  const { name } = fn;
  return typeof name === "string" ? name : "";
}

/** Whether a text says that there is no source. */
export function isNative(text: string): boolean {
  return NATIVE.test(text);
}

/** Whether the function on some paths is known to be the runtime's own, also if its text is another one elsewhere. */
export function isCertain(fn: AnyFunction, paths: readonly Path[]): boolean {
  return certain.has(fn) ||
    paths.some(([first, second]) =>
      REPLACED.includes(second === undefined ? first! : `${first}.${second}`) ||
      (second === undefined && OTHERWISE_IN_WORKERS.includes(first!) && isGetter(first!))
    );
}

/** Whether a global is behind a getter: there the runtime keeps what it loads on demand, and an assignment replaces that. */
function isGetter(key: string): boolean {
  return Reflect.getOwnPropertyDescriptor(globalThis, key)?.get !== undefined;
}

/** What a property holds, without calling anything: undefined for a getter. */
function dataAt(holder: object, key: string): unknown {
  const property = Reflect.getOwnPropertyDescriptor(holder, key);
  return property !== undefined && "value" in property ? property.value : undefined;
}

/** The same for the properties of the prototypes too, as `crypto` and `performance` have them. */
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

/** The object under a name of the global object; undefined if it may have to be loaded for that, unless `name` leads there. */
function spaceAt(space: string, name: string): unknown {
  const property = Reflect.getOwnPropertyDescriptor(globalThis, space);
  if (property === undefined || "value" in property) return property?.value;
  const loaded = space === "process" ? processIsLoaded() : LAZY[space]?.includes(name);
  return loaded === true ? Reflect.get(globalThis, space) : undefined;
}

/** Deno loads `process` when it is touched, which takes 12 ms. Whoever has one of its functions has touched it. */
function processIsLoaded(): boolean {
  const { Deno } = globalThis as { Deno?: Record<symbol, unknown> & { readonly internal?: symbol } };
  const internal = Deno?.internal === undefined ? undefined : Deno[Deno.internal];
  return isObject(internal) && "__nodeProcessBootstrapped" in internal;
}

/** The paths on which a function is found from the global object. Calls no getter that is not the runtime's. */
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
      // Behind a getter of the same name the runtime keeps what it loads on demand.
      const held = dataAt(holder, key) ?? (isDeno() && key === name ? Reflect.get(holder, key) : undefined);
      if (held === fn && (key !== name || dataAt(holder, key) === undefined)) paths.push([space, key]);
    }
  }
  return paths;
}

type Properties = ReadonlyMap<string, PropertyDescriptor>;

/** What the global object, and `Deno`, held when this thread began. */
let atStart: { readonly globals: Properties; readonly deno: Properties } | undefined;

/** To be called before any code of a user runs on this thread: what that replaces can be told from the runtime's own then. */
export function rememberRuntime(): void {
  const { Deno } = globalThis as { Deno?: object };
  atStart = { globals: propertiesOf(globalThis), deno: propertiesOf(Deno ?? {}) };
}

/** Its own properties. One by one, as all at once take ten times as long. */
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

/** What was at a path when this thread began, as far as that is known; else what is there now. */
function originalAt([first, second]: Path): unknown {
  const holder = remembered(atStart?.globals, globalThis, first!);
  if (second === undefined || !isObject(holder)) return second === undefined ? holder : undefined;
  return remembered(first === "Deno" ? atStart?.deno : undefined, holder, second);
}

/** Of what there is in workers only to say that they lack it. */
const STUB = /^function ?\(\) ?\{\s*throw new /;

/**
 * The first of some paths on which this thread has the function of the runtime that another thread has there.
 *
 * @param paths The paths.
 * @param text Its text there.
 * @param certainly Whether it is known to be the runtime's own.
 */
export function runtimePath(paths: readonly Path[], text: string, certainly: boolean): Path | undefined {
  return paths.find((path) => {
    const original = originalAt(path);
    if (typeof original !== "function") return false;
    const own = textOf(original as AnyFunction);
    if (certainly || own === text || (path[0] === "process" && STUB.test(own))) return true;
    // Native code under its own name is the runtime's; what is here is what a task has put in its place.
    return isNative(text) && text.startsWith(`function ${path.at(-1)}(`);
  });
}

/** The function that is on a path now, as a method of its holder, since some need their `this`. Undefined if there is none. */
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
 * The name of the class of the runtime whose prototype this is, or that it inherits from; undefined for a class of the user. Its
 * instances hold what is not in their properties. Such a class is a global that is not enumerable, as one that is assigned would
 * be, or belongs to `Deno`.
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
  const property = Reflect.getOwnPropertyDescriptor(globalThis, name);
  if (property?.enumerable === false && Reflect.get(globalThis, name) === type) return true;
  const { Deno } = globalThis as { Deno?: object };
  return Deno !== undefined && Object.hasOwn(Deno, name) && Reflect.get(Deno, name) === type;
}
