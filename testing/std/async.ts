/**
 * `@std/async` from the npm registry, with types for the functions that the tests use. Its files are imported one by
 * one, as the npm package lacks a file that its index needs.
 *
 * @module
 */

import * as untypedDeadline from "deno-std/async/deadline.js";
import * as untypedDelay from "deno-std/async/delay.js";

interface Async {
  deadline<T>(promise: Promise<T>, ms: number, options?: { signal?: AbortSignal }): Promise<T>;
  delay(ms: number, options?: { signal?: AbortSignal }): Promise<void>;
}

const std = { ...untypedDeadline, ...untypedDelay } as unknown as Async;

export const deadline: Async["deadline"] = std.deadline;
export const delay: Async["delay"] = std.delay;
