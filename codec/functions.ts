/**
 * How a function travels: described on one side, compiled on the other.
 *
 * A function goes as its source text, a built-in as its path from the global object, and a few functions of this
 * library by name. The receiving side compiles source text in strict mode (as in the module it came from) with the
 * names of `scope` around it.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { isError, readText } from "./error_fields.ts";

/** Any function, for places that only hand it on. */
export type AnyFunction = (...args: never[]) => unknown;

/** What of a function is sent. */
export type FunctionSpec =
  | { readonly kind: "source"; readonly name: string; readonly source: string; readonly method: boolean }
  | { readonly kind: "path"; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: "library"; readonly name: string };

/** What surrounds a function that is compiled from its source. */
export interface Environment {
  /** The names of `scope`, in the order of `values`. */
  readonly names: readonly string[];
  /** The values of `scope`. */
  readonly values: readonly unknown[];
  /** The namespace of the user's module, where one was given. */
  readonly module?: Readonly<Record<string, unknown>>;
}

/** An environment with nothing in it. */
export const EMPTY_ENVIRONMENT: Environment = { names: [], values: [] };

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;
const ACCESSOR = /^(?:static\s+)?(?:get|set)\s+[\w$#'"[]/;
const UNNAMED_METHOD = /^(?:static\s+)?(?:async\b\s*)?\*?\s*[#[]/;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

const specs = new WeakMap<AnyFunction, FunctionSpec>();
const libraryFunctions = new Map<string, AnyFunction>();

/** Lets a function of this library travel by its name; both sides register it under the same one. */
export function registerLibraryFunction<F extends AnyFunction>(name: string, fn: F): F {
  libraryFunctions.set(name, fn);
  specs.set(fn, { kind: "library", name });
  return fn;
}

/** Classes of this library that need more of it than a worker has, unless it imports it. */
const tooLarge = new WeakSet<AnyFunction>();

/** Refuses to send a class of this library. */
export function keepHere(type: AnyFunction): void {
  tooLarge.add(type);
}

/**
 * Describes `fn` for the other side.
 *
 * @throws {SerializationError} If it has no source that can stand alone: a bound function, other native code, an
 * accessor, a private method.
 */
export function describeFunction(fn: AnyFunction): FunctionSpec {
  let spec = specs.get(fn);
  if (spec === undefined) {
    if (tooLarge.has(fn)) {
      throw new SerializationError(
        `Cannot send the class ${fn.name}: give 'module' to the pool, executor or process, and import the class in that module`,
      );
    }
    spec = globalPath(fn) ?? sourceSpec(fn);
    specs.set(fn, spec);
  }
  return spec;
}

/** One string for each different function, to know one again. */
export function specKey(spec: FunctionSpec): string {
  if (spec.kind === "source") return `s${spec.name}:${spec.source}`;
  return spec.kind === "path" ? `p${spec.path.join(".")}` : `l${spec.name}`;
}

/**
 * The path of a function that is reachable from the global object. It is looked for before the source, since many of
 * the runtime's own functions have a source that only works inside the runtime.
 */
function globalPath(fn: AnyFunction): FunctionSpec | undefined {
  const name = typeof fn.name === "string" ? fn.name : "";
  if (name === "" || name.startsWith("bound ")) return undefined;
  const own = (object: object, key: string): unknown => {
    const property = Object.getOwnPropertyDescriptor(object, key);
    return property !== undefined && "value" in property ? property.value : undefined;
  };
  if ((globalThis as Record<string, unknown>)[name] === fn) return { kind: "path", name, path: [name] };
  if (name === "globalThis") return undefined;
  for (const space of Object.getOwnPropertyNames(globalThis)) {
    const holder = own(globalThis, space);
    if (holder === globalThis || holder === null) continue;
    if (typeof holder !== "object" && typeof holder !== "function") continue;
    if (own(holder, name) === fn) return { kind: "path", name: `${space}.${name}`, path: [space, name] };
  }
  return undefined;
}

function sourceSpec(fn: AnyFunction): FunctionSpec {
  const source = Function.prototype.toString.call(fn).replace(/^static\s+/, "");
  const name = typeof fn.name === "string" ? fn.name : "";
  const label = /^(?:bound )*$/.test(name) ? "an anonymous function" : `'${name}'`;
  if (NATIVE.test(source)) {
    const what = name.startsWith("bound ") ? "a bound function" : "native code";
    throw new SerializationError(
      `Cannot send ${label} to a worker as it is ${what}, which has no source: wrap it in a function of its own`,
    );
  }
  if (ACCESSOR.test(source) || UNNAMED_METHOD.test(source)) {
    throw new SerializationError(
      `Cannot send ${label} to a worker as it is an accessor, a private method or a method with a computed name`,
    );
  }
  let failure: unknown;
  for (const method of [false, true]) {
    try {
      // Only parsed here, never run: whether the text stands as an expression is the parser's to say.
      new Function(strictReturn(expression(source, method)));
      return { kind: "source", name, source, method };
    } catch (error) {
      failure ??= error;
    }
  }
  throw new SerializationError(`Cannot send ${label} to a worker as its source does not stand alone`, {
    cause: failure,
  });
}

function expression(source: string, method: boolean): string {
  return method ? `Object.values({ ${source}\n})[0]` : `(${source}\n)`;
}

function strictReturn(text: string): string {
  return `"use strict"; return ${text}`;
}

/**
 * Makes the function that `spec` describes.
 *
 * A path that leads nowhere here gives a function that throws `SerializationError`.
 *
 * @throws {SerializationError} If the text does not compile here.
 */
export function compileFunction(spec: FunctionSpec, environment: Environment): AnyFunction {
  if (spec.kind === "library") {
    const fn = libraryFunctions.get(spec.name);
    if (fn === undefined) throw new SerializationError(`There is no function '${spec.name}' of this library here`);
    return fn;
  }
  if (spec.kind === "path") return functionAt(spec.path);
  const exported = environment.module?.[spec.name];
  if (typeof exported === "function" && Function.prototype.toString.call(exported) === spec.source) {
    return exported as AnyFunction;
  }
  const { names, values } = environment;
  const text = expression(spec.source, spec.method);
  const url = `\n//# sourceURL=task:${encodeURIComponent(spec.name.toWellFormed() || "anonymous")}`;
  try {
    // A function may call itself by the name it was assigned to, unless that name means something else there.
    const recursive = isIdentifier(spec.name) && !names.includes(spec.name) && !(spec.name in globalThis);
    const body = recursive ? `"use strict"; const ${spec.name} = ${text}; return ${spec.name}` : strictReturn(text);
    return new Function(...names, body + url)(...values);
  } catch (error) {
    throw new SerializationError(`Cannot compile '${spec.name}' in the worker`, { cause: error });
  }
}

/**
 * Makes the function that `spec` describes, but compiles nothing before it is called: what another thread has sent as data is not
 * run by being received. Sent on, it goes as it came.
 */
export function functionForLater(spec: FunctionSpec, environment: Environment): AnyFunction {
  if (spec.kind === "library") return compileFunction(spec, environment);
  let compiled: AnyFunction | undefined;
  const later = function (this: unknown, ...args: never[]): unknown {
    compiled ??= compileFunction(spec, environment);
    if (new.target !== undefined) {
      return Reflect.construct(compiled, args, new.target === later ? compiled : new.target);
    }
    return Reflect.apply(compiled, this, args);
  };
  Object.defineProperty(later, "name", { value: String(spec.name), configurable: true });
  specs.set(later, spec);
  return later;
}

function functionAt(path: readonly string[]): AnyFunction {
  let holder: unknown = undefined;
  let value: unknown = globalThis;
  for (const key of path) {
    holder = value;
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  if (typeof value !== "function") {
    // What it came with must arrive all the same.
    return () => {
      throw new SerializationError(`There is no function '${path.join(".")}' on this thread`);
    };
  }
  const fn = value as (...args: unknown[]) => unknown;
  // As a method of its holder, since some built-ins need their `this`.
  return (...args: unknown[]) => Reflect.apply(fn, holder, args);
}

/**
 * Builds the environment of `scope`: its functions see one another and every other name of it.
 *
 * @throws {SerializationError} If a function in it does not compile here.
 */
export function buildEnvironment(
  functions: readonly (readonly [name: string, spec: FunctionSpec])[],
  others: Readonly<Record<string, unknown>>,
  module: Readonly<Record<string, unknown>> | undefined,
): Environment {
  const names = Object.keys(others);
  const values = Object.values(others);
  const together: [string, FunctionSpec & { kind: "source" }][] = [];
  for (const [name, spec] of functions) {
    if (spec.kind === "source") {
      together.push([name, spec]);
    } else {
      names.push(name);
      values.push(compileFunction(spec, EMPTY_ENVIRONMENT));
    }
  }
  if (together.length > 0) {
    const definitions = together.map(([name, spec]) => `const ${name} = ${expression(spec.source, spec.method)};`);
    const list = together.map(([name]) => name);
    const body = `"use strict"; ${definitions.join("\n")} return [${list}]\n//# sourceURL=task:scope`;
    try {
      const made: unknown[] = new Function(...names, body)(...values);
      names.push(...list);
      values.push(...made);
    } catch (error) {
      throw new SerializationError(`Cannot compile the functions of 'scope' in the worker: ${list}`, { cause: error });
    }
  }
  return module === undefined ? { names, values } : { names, values, module };
}

/** Whether `name` can be the name of a variable. */
export function isIdentifier(name: string): boolean {
  if (!IDENTIFIER.test(name)) return false;
  try {
    new Function(`"use strict"; const ${name} = 0;`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Completes the message of a `ReferenceError` that comes from sending a function without what it refers to: names the
 * missing name and the two ways to provide it.
 */
export function explainReferenceError(error: unknown, spec: FunctionSpec): void {
  if (!isError(error) || !(error instanceof ReferenceError) || spec.kind !== "source") return;
  const message = readText(error, "message");
  const missing = /^(\S+) is not defined$/.exec(message)?.[1];
  if (missing === undefined) return;
  const what = spec.name === "" ? "the function" : `'${spec.name}'`;
  const explained = `${message}: ${what} went to the worker by source, without the names around it. Provide it with ` +
    `'scope: { ${missing} }', or have ${what} exported, under its own name, by the module given as 'module'`;
  Reflect.defineProperty(error, "message", { value: explained, writable: true, configurable: true });
}
