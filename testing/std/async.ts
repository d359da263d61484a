/**
 * `@std/async`, as the npm registry has it, with the types of what is used here. Its files one by one, since the npm
 * package lacks one that its index needs.
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
