/**
 * Functions on their way between threads: one side describes a function, the other side compiles it.
 *
 * A function travels as its source text, a function of the runtime as its path from the global object, and a few
 * functions of this library by name. Exports of the user's module are taken from that module; a function whose source
 * does not stand alone can only come from there. The receiving side compiles source text in strict mode (as in the
 * module it came from) with the names of `scope` around it.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { SerializationError } from "../errors.ts";
import { messageOf } from "./error_fields.ts";
import { helpersIn } from "./compiler_helpers.ts";
import { candidates, type Namespace } from "./module_exports.ts";
import {
  functionAt,
  isCertain,
  isNative,
  nameOf,
  type Path,
  pathsOf,
  runtimePath,
  textOf,
} from "./runtime_functions.ts";

/** The sender's knowledge of the export of the user's module that a function is. */
export interface ExportKnowledge {
  /** The name that it is exported under; null if it is not exported; undefined if that is not known. */
  readonly key?: string | null | undefined;
  /** Set in the answer to a worker that has asked, so that the worker does not ask again. */
  readonly asked?: true | undefined;
}

/** A function that travels by its source. */
export interface SourceSpec extends ExportKnowledge {
  readonly kind: "source";
  readonly name: string;
  readonly source: string;
  /** True if the source is that of a method. */
  readonly method: boolean;
  /** Its paths from the global object, if any: it may be a function of the runtime. */
  readonly paths?: readonly Path[] | undefined;
}

/** A function that has to be an export of the user's module. */
export interface ExportSpec extends ExportKnowledge {
  readonly kind: "export";
  readonly name: string;
  readonly source: string;
  /** The reason why it cannot travel by its source, as an error message. */
  readonly reason: string;
  /** Its paths from the global object, if any: it may be a function of the runtime. */
  readonly paths?: readonly Path[] | undefined;
}

/** The description of a function that is sent in its place. */
export type FunctionSpec =
  | SourceSpec
  | ExportSpec
  | {
    readonly kind: "path";
    readonly name: string;
    readonly paths: readonly Path[];
    /** Its text, by which the other side recognizes it. */
    readonly source: string;
    /** True if it belongs to the runtime, whatever its text is on the other side. */
    readonly certain: boolean;
  }
  | { readonly kind: "library"; readonly name: string };

/** The surroundings of a function that is compiled from its source. */
export interface Environment {
  /** The names of `scope`, in the order of `values`. */
  readonly names: readonly string[];
  /** The values of `scope`. */
  readonly values: readonly unknown[];
  /** The functions of `scope` that were compiled from their sources. */
  readonly sources?: readonly (readonly [name: string, spec: SourceSpec])[];
  /** The namespace of the user's module, if there is one. */
  readonly module?: Namespace | undefined;
}

/** An environment without names and module. */
export const EMPTY_ENVIRONMENT: Environment = { names: [], values: [] };

/** The line of a compiled text at whose first column the source of the function begins. */
export const SOURCE_LINE = 4;

/** The prefix of the names of tasks in stacks. */
export const TASK_URL = "task:";
/** The prefix of the names of functions of `scope` in stacks. */
export const SCOPE_URL = "scope:";
/** The prefix of the names of functions in stacks that came as parts of other values. */
const FUNCTION_URL = "function:";

const ACCESSOR = /^[gs]et\s+[\w$#'"[]/;
const UNNAMED_METHOD = /^(?:async\b\s*)?\*?\s*[#[]/;
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

/** The number of texts that are remembered. Functions that are made anew for each call have the same text. */
const TEXTS = 1000;

const specs = new WeakMap<AnyFunction, FunctionSpec>();
/** The property of a function that holds its description. Every copy of this library knows the property. */
const SPEC = Symbol.for("@manycore/parallel/function");
/** Descriptions by name and text, of functions that are not found from the global object. */
const byText = new Map<string, FunctionSpec>();
const libraryFunctions = new Map<string, AnyFunction>();

/** Lets a function of this library travel by its name. Both sides register it under the same name. */
export function registerLibraryFunction<F extends AnyFunction>(name: string, fn: F): F {
  libraryFunctions.set(name, fn);
  setSpec(fn, { kind: "library", name });
  return fn;
}

function setSpec(fn: AnyFunction, spec: FunctionSpec): void {
  Object.defineProperty(fn, SPEC, { value: spec });
}

function ownSpec(fn: AnyFunction): FunctionSpec | undefined {
  return Object.hasOwn(fn, SPEC) ? (fn as { readonly [SPEC]?: FunctionSpec })[SPEC] : undefined;
}

/** Marks library classes absent from the worker bundle: only a worker that imports the library has them. */
const TOO_LARGE = Symbol.for("@manycore/parallel/unsendableClasses");

/** Makes a class of this library unsendable. */
export function refuseClass(type: AnyFunction): void {
  Object.defineProperty(type, TOO_LARGE, { value: true });
}

/**
 * Returns the description of `fn` that is sent to the other side.
 *
 * @param fn The function.
 * @param hasModule Whether the other side has a module of the user, which may export functions that cannot travel by
 * source.
 * @throws {SerializationError} If the source of `fn` does not stand alone, and there is no module: for a bound
 * function, other native code, an accessor, a private method, or a function that uses `import.meta`.
 */
export function describeFunction(fn: AnyFunction, hasModule = false): FunctionSpec {
  let spec = specs.get(fn) ?? ownSpec(fn);
  if (spec === undefined) {
    if (Object.hasOwn(fn, TOO_LARGE)) {
      throw new SerializationError(
        `Cannot send the class ${fn.name}: give 'module' to the pool, executor or process, and import the class in that module`,
      );
    }
    spec = newSpec(fn);
    specs.set(fn, spec);
  }
  if (spec.kind === "export" && !hasModule && spec.paths === undefined) throw new SerializationError(spec.reason);
  return spec;
}

function newSpec(fn: AnyFunction): FunctionSpec {
  const source = textOf(fn);
  const name = nameOf(fn);
  const key = `${name}\n${source}`;
  const native = isNative(source);
  const known = native ? undefined : byText.get(key);
  if (known !== undefined) return known;
  const paths = pathsOf(fn);
  const certain = isCertain(fn, paths);
  if (paths.length > 0 && (native || certain)) {
    return { kind: "path", name: paths[0]!.join("."), paths, source, certain };
  }
  const spec = sourceSpec(name, source, paths);
  if (native || paths.length > 0) return spec;
  if (byText.size >= TEXTS) byText.delete(byText.keys().next().value!);
  byText.set(key, spec);
  return spec;
}

/** Returns a string that identifies a function: equal descriptions have equal strings. */
export function specKey(spec: FunctionSpec): string {
  switch (spec.kind) {
    case "library":
      return `l${spec.name}`;
    case "path":
      return `p${spec.name}:${spec.paths.join()}`;
    default:
      return `${spec.kind === "source" ? spec.paths?.join() ?? "" : "!"}:${spec.key}:${spec.name}:${spec.source}`;
  }
}

function labelOf(name: string): string {
  return /^(?:bound )*$/.test(name) ? "an anonymous function" : `'${name}'`;
}

function sourceSpec(name: string, source: string, paths: readonly Path[]): FunctionSpec {
  const label = labelOf(name);
  const found = paths.length === 0 ? undefined : paths;
  const byModule = (reason: string): FunctionSpec => ({ kind: "export", name, source, reason, paths: found });
  if (isNative(source)) {
    const what = name.startsWith("bound ") ? "a bound function" : "native code";
    return byModule(
      `Cannot send ${label} to a worker as it is ${what}, which has no source: wrap it in a function of its own`,
    );
  }
  const accessor = ACCESSOR.test(source) || (/^[gs]et\b/.test(source) && /^[gs]et /.test(name));
  if (accessor || UNNAMED_METHOD.test(source)) {
    return byModule(
      `Cannot send ${label} to a worker as it is an accessor, a private method or a method with a computed name`,
    );
  }
  for (const method of [false, true]) {
    if (parses(expression(source, method))) {
      return { kind: "source", name, source, method, paths: found };
    }
  }
  const what = /\bimport\s*\.\s*meta\b/.test(source) ? " without its module ('import.meta')" : "";
  return byModule(
    `Cannot send ${label} to a worker as its source does not stand alone${what}: have it exported by the module given as 'module'`,
  );
}

/** Returns whether a text is an expression, as the parser of the engine decides. The text is never run. */
function parses(text: string): boolean {
  try {
    new Function(`"use strict"; return ${text}`);
    return true;
  } catch {
    return false;
  }
}

/** Returns an expression for a source, which begins on a new line, so that stacks have the columns of the source. */
function expression(source: string, method: boolean): string {
  return method ? `Object.values({\n${source}\n})[0]` : `(\n${source}\n)`;
}

/** Returns the name by which a function can call itself; undefined if it is no free identifier, or means a global. */
function recursive(spec: SourceSpec, taken: readonly string[]): string | undefined {
  const { name } = spec;
  if (!isIdentifier(name) || taken.includes(name)) return undefined;
  return name in globalThis && meansGlobal(spec) ? undefined : name;
}

/** Code after which the following code may not run in each call. */
const CONDITION = /[?&|]|\b(?:if|for|while|do|switch|case|try|catch|function|yield|get|set|class)\b|=>/;

/**
 * Returns whether a function with the name of a global means the global by that name, and not itself, as in
 * `{ fetch: (url) => fetch(url) }`. It does if it is a method, if it is an arrow function that constructs an object by
 * that name, or if it would otherwise call itself endlessly, as no condition comes before the call.
 */
function meansGlobal({ name, source, method }: SourceSpec): boolean {
  if (method) return true; // inside a method, its name is not bound
  const head = /^(?:async\b\s*)?(?:(function|class)\b|)/.exec(source)![1];
  if (head === "class") return false;
  const word = `(?<![\\w$.])${name.replace(/\$/g, "\\$&")}`;
  if (head === undefined && new RegExp(`\\bnew\\s+${word}(?![\\w$])`, "u").test(source)) return true;
  const body = source.slice(head === undefined ? source.indexOf("=>") + 2 : source.indexOf("{") + 1);
  const call = new RegExp(`${word}\\s*\\(`, "u").exec(body);
  return call !== null && !CONDITION.test(body.slice(0, call.index));
}

/**
 * Returns the function that `spec` describes.
 *
 * For a path that leads nowhere on this thread, it returns a function that throws `SerializationError`.
 *
 * @param spec The description of the function.
 * @param environment The surroundings of the function.
 * @param url The prefix of its name in stacks.
 * @throws {SerializationError} If the text does not compile on this thread, or the function must be an export of the
 * module and is none.
 */
export function compileFunction(
  spec: FunctionSpec,
  environment: Environment,
  url: typeof TASK_URL | typeof FUNCTION_URL = FUNCTION_URL,
): AnyFunction {
  if (spec.kind === "library") {
    const fn = libraryFunctions.get(spec.name);
    if (fn === undefined) throw new SerializationError(`There is no function '${spec.name}' of this library here`);
    return fn;
  }
  if (spec.kind === "path") return ofRuntime(spec.paths, spec.source, spec.certain) ?? missing(spec.name);
  const fn = exported(spec, environment.module);
  if (fn !== undefined) return fn;
  const own = ofRuntime(spec.paths ?? [], spec.source, false);
  if (own !== undefined) return own;
  if (spec.kind === "export") throw notExported(spec, environment.module);
  return compileSource(spec, environment, url);
}

/** Returns this thread's function of the runtime at one of `paths`; undefined if none of them is it. */
function ofRuntime(paths: readonly Path[], source: string, certain: boolean): AnyFunction | undefined {
  const path = runtimePath(paths, source, certain);
  return path && functionAt(path);
}

function missing(name: string): AnyFunction {
  // It throws only when called, so that the value that contains the function still arrives.
  return () => {
    throw new SerializationError(`There is no function '${name}' on this thread`);
  };
}

/** Returns whether only the sender can tell which export of the module a function is. */
export function isUnsure(spec: FunctionSpec, module: Namespace | undefined): boolean {
  if (module === undefined || (spec.kind !== "source" && spec.kind !== "export")) return false;
  if (spec.key !== undefined || spec.asked === true) return false;
  return candidates(module, spec.name, spec.source)?.sure === false;
}

/**
 * Returns the export of the module that a function is; undefined if it is none.
 *
 * @throws {SerializationError} If several exports match and the sender does not know which one is meant, or if the
 * module lacks the export that the sender names.
 */
function exported(spec: SourceSpec | ExportSpec, module: Namespace | undefined): AnyFunction | undefined {
  if (module === undefined || spec.key === null) return undefined;
  if (spec.key !== undefined) {
    const value = Object.hasOwn(module, spec.key) ? module[spec.key] : undefined;
    if (typeof value === "function") return value as AnyFunction;
    throw new SerializationError(
      `Cannot run ${labelOf(spec.name)} as 'module' exports no function '${spec.key}' in the worker, as it does here`,
    );
  }
  const found = candidates(module, spec.name, spec.source);
  if (found === undefined) return undefined;
  const { exports } = found;
  if (exports.size === 1) return exports.keys().next().value;
  const keys = [...exports.values()].map((key) => `'${key}'`).join(", ");
  throw new SerializationError(
    `Cannot tell which export of 'module' ${
      labelOf(spec.name)
    } is, as ${keys} have the same source: export functions of ` +
      "their own that call them, or move them to a module that is not being evaluated when the call is made, and do not block",
  );
}

/** Returns whether a function is taken from the module. */
export function isExport(spec: FunctionSpec, module: Namespace | undefined): boolean {
  if (module === undefined || (spec.kind !== "source" && spec.kind !== "export") || spec.key === null) return false;
  return spec.key !== undefined || candidates(module, spec.name, spec.source) !== undefined;
}

function notExported(spec: ExportSpec, module: Namespace | undefined): SerializationError {
  return new SerializationError(
    module === undefined ? spec.reason : `${spec.reason}; 'module' exports no such function`,
  );
}

function compileSource(spec: SourceSpec, environment: Environment, url: string): AnyFunction {
  const { names, values } = environment;
  const helpers = helpersIn(spec.source, names);
  const text = expression(spec.source, spec.method);
  const own = recursive(spec, [...names, ...helpers.names]);
  const body = own === undefined ? `return ${text}` : `const ${own} = ${text}; return ${own}`;
  try {
    return new Function(
      ...helpers.names,
      ...names,
      `"use strict"; ${body}\n//# sourceURL=${url}${encodeURIComponent(spec.name.toWellFormed() || "anonymous")}`,
    )(...helpers.values, ...values);
  } catch (error) {
    throw new SerializationError(`Cannot compile '${spec.name}' in the worker`, { cause: error });
  }
}

/**
 * Returns a function that compiles what `spec` describes on its first call: data from another thread must not run code
 * when it is received. When such a function is sent on, its description is sent unchanged.
 */
export function lazyFunction(spec: FunctionSpec, environment: Environment): AnyFunction {
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
  setSpec(later, spec);
  return later;
}

/**
 * Returns the functions of `scope` in one text, so that each can use the others, and the line on which the source of
 * each begins, counted as stacks do.
 */
export function scopeText(
  functions: readonly (readonly [name: string, spec: SourceSpec])[],
  taken: readonly string[],
): { readonly text: string; readonly lines: readonly number[] } {
  const list = functions.map(([name]) => name);
  const lines: number[] = [];
  let text = '"use strict"; ';
  for (const [name, spec] of functions) {
    const expressed = expression(spec.source, spec.method);
    const own = recursive(spec, [...taken, ...list]);
    const before = text.split("\n").length;
    text += own === undefined
      ? `const ${name} = ${expressed}; `
      : `const ${name} = (() => { const ${own} = ${expressed}; return ${own}; })(); `;
    lines.push(SOURCE_LINE - 1 + before);
  }
  return { text: `${text}return [${list}]\n//# sourceURL=${SCOPE_URL}functions`, lines };
}

/**
 * Returns the environment of `scope`, in which its functions can use one another and all other names of `scope`.
 *
 * @throws {SerializationError} If a function does not compile on this thread, or must be an export of the module and is
 * none.
 */
export function buildEnvironment(
  functions: readonly (readonly [name: string, spec: FunctionSpec])[],
  others: Readonly<Record<string, unknown>>,
  module: Namespace | undefined,
): Environment {
  const names = Object.keys(others);
  const values = Object.values(others);
  const sources: [string, SourceSpec][] = [];
  for (const [name, spec] of functions) {
    const known = spec.kind === "source"
      ? ofRuntime(spec.paths ?? [], spec.source, false)
      : compileFunction(spec, { ...EMPTY_ENVIRONMENT, module });
    if (known === undefined) {
      sources.push([name, spec as SourceSpec]);
    } else {
      names.push(name);
      values.push(known);
    }
  }
  if (sources.length > 0) {
    const list = sources.map(([name]) => name);
    const helpers = helpersIn(sources.map(([, { source }]) => source).join("\n"), [...names, ...list]);
    const { text } = scopeText(sources, [...names, ...helpers.names]);
    try {
      const made: unknown[] = new Function(...helpers.names, ...names, text)(...helpers.values, ...values);
      names.push(...list);
      values.push(...made);
    } catch (error) {
      const why = `Cannot compile the functions of 'scope' in the worker, ${list.join(", ")}: ${messageOf(error)}`;
      const order = error instanceof ReferenceError
        ? "; what a class extends has to be in 'scope', before the class"
        : "";
      throw new SerializationError(why + order, { cause: error });
    }
  }
  return { names, values, sources, module };
}

/** Returns whether `name` can be the name of a variable. */
export function isIdentifier(name: string): boolean {
  if (!IDENTIFIER.test(name)) return false;
  try {
    new Function(`"use strict"; const ${name} = 0;`);
    return true;
  } catch {
    return false;
  }
}
