/**
 * `@std/async`, as the npm registry has it, with the types of what is used here.
 *
 * @module
 */

import * as untyped from "deno-std/async/mod.js";

interface Async {
  deadline<T>(promise: Promise<T>, ms: number, options?: { signal?: AbortSignal }): Promise<T>;
  delay(ms: number, options?: { signal?: AbortSignal }): Promise<void>;
}

const std = untyped as unknown as Async;

export const deadline: Async["deadline"] = std.deadline;
export const delay: Async["delay"] = std.delay;
