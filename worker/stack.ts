/**
 * Stacks of errors that users see, in the worker.
 *
 * @module
 */

import { isError, readText } from "../codec/error_fields.ts";
import { type Environment, SCOPE_URL, scopeText, SOURCE_LINE } from "../codec/functions.ts";

/** How the frames of this program are told from others; its address may be very long, and Bun puts something before it. */
const OURS = `(${import.meta.url.replace("file:///blob:", "blob:").slice(0, 60)}`;

/** A place in a text that was compiled, as Deno writes it. */
const COMPILED = /\b(task|function|scope):([^\s:]*), <anonymous>:(\d+):(\d+)/g;

/** No deeper are the causes of an error looked at. */
const DEEPEST = 5;

/**
 * Leaves the frames of this program out of a stack, as they say nothing to the user, and counts the lines of a function from its
 * first one. The same for the causes of the error.
 */
export function trimStack(error: unknown, environment: Environment, depth = 0): void {
  if (!isError(error)) return;
  const stack = readText(error, "stack");
  const lines = stack.split("\n");
  const ours = lines.findIndex((line) => line.includes(OURS));
  const trimmed = (ours > 0 ? lines.slice(0, ours).join("\n") : stack).replace(
    COMPILED,
    (_, kind: string, name: string, line: string, column: string) =>
      placeIn(kind, name, Number(line), column, environment),
  );
  if (trimmed !== stack) Reflect.defineProperty(error, "stack", { value: trimmed, configurable: true, writable: true });
  if (depth < DEEPEST && Object.hasOwn(error, "cause")) trimStack(error.cause, environment, depth + 1);
}

function placeIn(kind: string, name: string, line: number, column: string, { sources = [] }: Environment): string {
  let first = SOURCE_LINE;
  if (`${kind}:` === SCOPE_URL) {
    const { lines } = scopeText(sources, []);
    const index = lines.findLastIndex((start) => start <= line);
    if (index >= 0) [first, name] = [lines[index]!, encodeURIComponent(sources[index]![0])];
  }
  return `${kind}:${name}:${line - first + 1}:${column}`;
}
