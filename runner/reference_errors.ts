/**
 * Explaining a `ReferenceError` in a task: a function used a name that was not sent with it.
 *
 * @module
 */

import { isHelperName } from "../codec/compiler_helpers.ts";
import { isError, readText } from "../codec/error_fields.ts";
import { type Environment, type FunctionSpec, isExport } from "../codec/functions.ts";

/**
 * Completes the message of a `ReferenceError` that occurs because a function was sent without the names that it uses.
 * The message then tells the missing name, the function that uses it, and how to provide it.
 *
 * @param error The value that the function has thrown.
 * @param spec The description of the function.
 * @param environment The surroundings of the function.
 * @param role Whether the function is a task or the initializer, which may want to set a global.
 */
export function explainReferenceError(
  error: unknown,
  spec: FunctionSpec,
  environment: Environment,
  role: "task" | "initializer" = "task",
): void {
  if (!isError(error) || !(error instanceof ReferenceError)) return;
  const message = readText(error, "message");
  const missing = /^(\S+) is not defined$/.exec(message)?.[1];
  if (missing === undefined || isExport(spec, environment.module)) return;
  const { sources = [] } = environment;
  const task = spec.kind === "source" && refersTo(spec.source, missing) ? spec : undefined;
  const [key] = task === undefined ? sources.find(([, { source }]) => refersTo(source, missing)) ?? [] : [];
  if (spec.kind !== "source" && key === undefined) return;
  const what = key !== undefined ? `'${key}' of 'scope'` : spec.name === "" ? "the function" : `'${spec.name}'`;
  const why = `${message}: ${what} went to the worker by source, without the names around it.`;
  const explained = `${why} ${cure(missing, what, key, spec, environment, role)}`;
  Reflect.defineProperty(error, "message", { value: explained, writable: true, configurable: true });
}

function cure(
  missing: string,
  what: string,
  key: string | undefined,
  spec: FunctionSpec,
  { names, module }: Environment,
  role: "task" | "initializer",
): string {
  const exported = module === undefined
    ? `have ${what} exported by the module given as 'module'`
    : `export ${what} from the pool's 'module', which has no such export`;
  if (isHelperName(missing)) {
    return `'${missing}' is a helper that the compiler keeps in the module: ${exported}, or compile for a target that needs none`;
  }
  // Bundlers append a number to the second variable of a name.
  const renamed = names.find((name) => name.length < missing.length && missing.replace(/\d+$/, "") === name);
  if (renamed !== undefined) {
    return `A bundler seems to have renamed '${renamed}' of 'scope' in it: ${exported}, or hand '${renamed}' over as an argument`;
  }
  if (key !== undefined) {
    return `It comes from a module that has '${missing}': have the task import it, with 'const { ${key} } = await import(…)', ` +
      "or export the task from a module that imports it, and give that as 'module'";
  }
  if (missing.length < 3) {
    return `Provide it with 'scope: { ${missing} }'; or, if a minifier has put '${missing}' in the place of a name, ${exported}, ` +
      "or hand over as an argument what it stands for";
  }
  if (spec.kind === "source" && spec.paths !== undefined) {
    return `Provide it with 'scope: { ${missing} }', or, if '${
      spec.paths[0]!.join(".")
    }' belongs to the runtime, wrap it in a ` +
      "function of its own: workers have it in another way";
  }
  const provide = `Provide it with 'scope: { ${missing} }', or ${exported}`;
  if (role === "initializer") {
    return `${provide}. To set a value for the tasks, assign it to 'globalThis.${missing}': a variable is not shared with them`;
  }
  return `${provide}; what comes from a module it can also get with 'await import(url)', where 'url' is absolute`;
}

/** Returns whether a source contains a name other than as the name of a property. */
function refersTo(source: string, name: string): boolean {
  const word = name.replace(/[$\\^.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`(?<![\\w$.])${word}(?![\\w$])|\\.\\.\\.${word}(?![\\w$])`, "u").test(source);
}
