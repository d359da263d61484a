/**
 * Stacks of errors that users see.
 *
 * @module
 */

import { isError, readText } from "../codec/error_fields.ts";

/** How the frames of this program are told from others; its address may be very long, and Bun puts something before it. */
const OURS = `(${import.meta.url.replace("file:///blob:", "blob:").slice(0, 60)}`;

/** Leaves the frames of this program out of a stack: they say nothing to the user. */
export function trimStack(error: unknown): void {
  if (!isError(error)) return;
  const lines = readText(error, "stack").split("\n");
  const ours = lines.findIndex((line) => line.includes(OURS));
  if (ours > 0) Reflect.defineProperty(error, "stack", { value: lines.slice(0, ours).join("\n"), configurable: true });
}
