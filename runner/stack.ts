/**
 * Trimming the stacks of errors in the worker, before users see them.
 *
 * @module
 */

import { isError, readText } from "../codec/error_fields.ts";
import { type Environment, SCOPE_URL, scopeText, SOURCE_LINE } from "../codec/functions.ts";

/** The text that identifies frames of this program. The program's URL may be very long, and Bun adds a prefix to it. */
const OURS = import.meta.url.replace("file:///blob:", "blob:").slice(0, 60);

const FRAME = /^\s+at /;
/** Matches a frame of the runtime: `ext:` in Deno, `node:` in Node and Bun; some frames have no place in a file. */
const RUNTIMES = /^\s+at (?:.* \()?(?:ext:|node:|native\b|unknown\b)/;
/** Matches a place in a compiled text, as Deno writes it. */
const COMPILED = /\b(task|function|scope):([^\s:]*), <anonymous>:(\d+):(\d+)/g;

/** The number of levels of causes of an error are trimmed. */
const DEEPEST = 5;

/**
 * Removes the frames that mean nothing to the user from a stack: those of this program, and those of the runtime below
 * the last frame of the user. Also counts the lines of a function from its first line. Does the same for the causes of
 * the error.
 */
export function trimStack(error: unknown, environment: Environment, depth = 0): void {
  if (!isError(error)) return;
  const stack = readText(error, "stack");
  const lines = stack.split("\n");
  const ours = lines.findIndex((line) => line.includes(OURS) && FRAME.test(line));
  const outer = ours > 0 ? ours : lines.length;
  let end = outer;
  while (end > 0 && RUNTIMES.test(lines[end - 1]!)) end--;
  if (!FRAME.test(lines[end - 1] ?? "")) end = outer; // all frames are the runtime's, which are better than none
  const trimmed = lines.slice(0, end).join("\n").replace(
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
