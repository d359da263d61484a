/**
 * The places in the program where calls are made.
 *
 * @module
 */

/** The place of a call. Its stack becomes text only when the property is read. */
export interface CallSite {
  /** The stack of the call, as text. */
  readonly stack?: string;
}

/** The `Error` constructor of V8, and of other engines with the same properties. */
interface Capturing {
  captureStackTrace?: (target: object, above: unknown) => void;
  stackTraceLimit?: number;
}

const { captureStackTrace } = Error as Capturing;

/** A number of frames that reaches the user's call below the frames of this library. */
export const FRAMES = 20;

/** Returns the place where this function is called. The cost is about one function call for each frame. */
export function callSite(): CallSite {
  const site = {};
  captureStackTrace?.(site, callSite);
  return site;
}

/** As {@linkcode callSite}, with at least `frames` frames even if the program's limit is lower; a limit of 0 stays. */
export function deepCallSite(frames: number): CallSite {
  const { stackTraceLimit = 0 } = Error as Capturing;
  if (stackTraceLimit >= frames || stackTraceLimit === 0) return callSite();
  Reflect.set(Error, "stackTraceLimit", frames);
  try {
    return callSite();
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/** Returns the current stack as text. */
export function stackHere(): string {
  return callSite().stack ?? "";
}

const OWN = /^(.*\/)base\/call_site(\.[jt]s)$/.exec(import.meta.url);
/** The folders of this library. */
const ROOMS =
  "base|calls|codec|runner|scheduler|sync|sync/internal|workers|workers/caller|workers/program|workers/shared";
/** Matches the files of this library, except its tests. Undefined in a bundle, whose file also holds other code. */
const LIBRARY = OWN === null
  ? undefined
  : new RegExp(`${escape(OWN[1]!)}(?:(?:${ROOMS})/)?(?!\\w*_test\\.)\\w+${escape(OWN[2]!)}:`);

function escape(text: string): string {
  return text.replace(/[^\w/]/g, "\\$&");
}

/** A stack without the frames of this library. */
export interface UserStack {
  /** The library function that the user called, as the stack names it; undefined if unknown. */
  readonly method: string | undefined;
  /** The frames from that call on. */
  readonly frames: readonly string[];
}

/** Returns a stack without the frames of this library at its top, and without all frames of the runtime. */
export function userStack(stack: string): UserStack {
  const frames = stack.split("\n").filter((line) => /^\s+at (?!.*\b(?:ext|node):)/.test(line));
  let top = 0;
  while (LIBRARY !== undefined && top < frames.length && LIBRARY.test(frames[top]!)) top++;
  const called = top === 0 ? undefined : /^\s+at (?:async )?(?:new )?([\w$.]+) /.exec(frames[top - 1]!)?.[1];
  return { method: called, frames: frames.slice(top) };
}
