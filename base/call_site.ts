/**
 * Where calls are made.
 *
 * @module
 */

/** The place of a call; its stack becomes text only when it is read. */
export interface CallSite {
  /** The stack there. */
  readonly stack?: string;
}

/** Errors of V8, and others that can do the same. */
interface Capturing {
  captureStackTrace?: (target: object, above: unknown) => void;
  stackTraceLimit?: number;
}

const { captureStackTrace } = Error as Capturing;

/** Enough frames to find the call of the user below those of this library. */
export const FRAMES = 20;

/** Takes down where this is called; costs as long as a function call for each frame. */
export function callSite(): CallSite {
  const site = {};
  captureStackTrace?.(site, callSite);
  return site;
}

/** The same with `frames` frames, where the limit of the program is lower. */
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

/** The stack here, as text. */
export function stackHere(): string {
  return callSite().stack ?? "";
}

const OWN = /^(.*\/)base\/call_site(\.[jt]s)$/.exec(import.meta.url);
/** The folders of this library. */
const ROOMS = "base|calls|codec|scheduler|sync|sync/internal|workers|workers/caller|workers/shared";
/** The files of this library, but for its tests. In a bundle it cannot be told from the rest. */
const LIBRARY = OWN === null
  ? undefined
  : new RegExp(`${escape(OWN[1]!)}(?:(?:${ROOMS})/)?(?!\\w*_test\\.)\\w+${escape(OWN[2]!)}:`);

function escape(text: string): string {
  return text.replace(/[^\w/]/g, "\\$&");
}

/** A stack without the part that is in this library. */
export interface UserStack {
  /** What the user has called, as the stack names it; undefined if that cannot be told. */
  readonly method: string | undefined;
  /** The frames from there on. */
  readonly frames: readonly string[];
}

/** Takes the frames of this library off the top of a stack, and those of the runtime off its end. */
export function userStack(stack: string): UserStack {
  const frames = stack.split("\n").filter((line) => /^\s+at (?!.*\b(?:ext|node):)/.test(line));
  let top = 0;
  while (LIBRARY !== undefined && top < frames.length && LIBRARY.test(frames[top]!)) top++;
  const called = top === 0 ? undefined : /^\s+at (?:async )?(?:new )?([\w$.]+) /.exec(frames[top - 1]!)?.[1];
  return { method: called, frames: frames.slice(top) };
}
