/**
 * What a `ReferenceError` in a task means: a name that the function did not carry.
 *
 * @module
 */

import { isHelperName } from "./compiler_helpers.ts";
import { isError, readText } from "./error_fields.ts";
import { type Environment, type FunctionSpec, isExport } from "./functions.ts";

/**
 * Completes the message of a `ReferenceError` that comes from sending a function without what it refers to: names the
 * missing name, whose it is, and how to provide it.
 *
 * @param error What a function has thrown.
 * @param spec That function.
 * @param environment What surrounded it.
 */
export function explainReferenceError(error: unknown, spec: FunctionSpec, environment: Environment): void {
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
  const explained = `${why} ${cure(missing, what, key, spec, environment)}`;
  Reflect.defineProperty(error, "message", { value: explained, writable: true, configurable: true });
}

function cure(
  missing: string,
  what: string,
  key: string | undefined,
  spec: FunctionSpec,
  { names }: Environment,
): string {
  if (isHelperName(missing)) {
    return `'${missing}' is a helper of the compiler, which it keeps in the module: compile for a newer target ` +
      `('ESNext'), or have ${what} exported by the module given as 'module'`;
  }
  // Bundlers number the second one of a name.
  const renamed = names.find((name) => name.length < missing.length && missing.replace(/\d+$/, "") === name);
  if (renamed !== undefined) {
    return `A bundler seems to have renamed '${renamed}' of 'scope' in it: hand it over as an argument, or have ${what} ` +
      `exported by the module given as 'module'`;
  }
  if (key !== undefined) {
    return `'${missing}' is a name of the module that ${what} comes from: have the task import it, with ` +
      `'const { ${key} } = await import(…)', or export the task from the module given as 'module', and import '${key}' there`;
  }
  const runtime = spec.kind === "source" && spec.paths !== undefined
    ? ` If it is a function of the runtime ('${spec.paths[0]!.join(".")}'), workers have it in another way: wrap it.`
    : "";
  const short = missing.length < 3 ? ", which a minifier may have renamed" : "";
  return `Provide it with 'scope: { ${missing} }'${short}, or have ${what} exported by the module given as 'module'; ` +
    `what it imports it can also get by 'await import(…)'.${runtime}`.replace(/\.$/, "");
}

/** Whether a source has a name in it that is not that of a property. */
function refersTo(source: string, name: string): boolean {
  const word = name.replace(/[$\\^.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`(?<![\\w$.])${word}(?![\\w$])|\\.\\.\\.${word}(?![\\w$])`, "u").test(source);
}
