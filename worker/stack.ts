/**
 * Stacks of errors that users see.
 *
 * @module
 */

import { isError, readText } from "../codec/error_fields.ts";

/** How the frames of this program are told from others; its address may be very long, and Bun puts something before it. */
const OURS = import.meta.url.replace("file:///blob:", "blob:").slice(0, 60);

const FRAME = /^\s+at /;
/** A frame of the runtime: Deno's start with `ext:`, those of Node and Bun with `node:`; some have no place in a file. */
const RUNTIMES = /^\s+at (?:.* \()?(?:ext:|node:|native\b|unknown\b)/;

/**
 * Leaves the frames of this program, and those of the runtime that are below the last one of the user, out of a stack: they say
 * nothing to the user.
 */
export function trimStack(error: unknown): void {
  if (!isError(error)) return;
  const lines = readText(error, "stack").split("\n");
  const ours = lines.findIndex((line) => line.includes(OURS) && FRAME.test(line));
  const outer = ours > 0 ? ours : lines.length;
  let end = outer;
  while (end > 0 && RUNTIMES.test(lines[end - 1]!)) end--;
  if (!FRAME.test(lines[end - 1] ?? "")) end = outer; // all are the runtime's: better than none
  if (end === lines.length) return;
  Reflect.defineProperty(error, "stack", { value: lines.slice(0, end).join("\n"), configurable: true });
}
