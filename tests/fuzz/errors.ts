/** Which errors a call may throw: documented ones, thrown on purpose, or those of the hostile values themselves. */

import {
  BrokenBarrierError,
  BrokenExecutorError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  QueueEmptyError,
  QueueFullError,
  SerializationError,
  TimeoutError,
} from "../../mod.ts";

/** What the hostile values throw themselves. */
export class Own extends Error {
  override name = "Own";
  constructor() {
    super("own");
  }
}

export function throwOwn(): never {
  throw new Own();
}

const DOCUMENTED = [
  TimeoutError,
  CancelledError,
  InvalidStateError,
  ClosedError,
  SerializationError,
  BrokenExecutorError,
  BrokenBarrierError,
  QueueEmptyError,
  QueueFullError,
];

const ROOT = new URL("../../", import.meta.url).href;

/** What the engine says of the user's own objects, wherever it meets them. */
const OF_ENGINE =
  /proxy that has been revoked|incompatible receiver|called on null or undefined|this is not a typed array|on a detached |Cannot convert a BigInt value|^'\w+' on proxy:|Iterator result .* is not an object|terator method is not an object|cannot be invoked without 'new'|is not a valid property name/;

const LEAKED =
  /undefined is not (?!an object)|Cannot read prop|Cannot set prop|is not a function|^(?!Cannot spread).*is not iterable|is not a constructor|private member|Maximum call stack|Illegal invocation|Invalid atomic|Invalid value used|Cannot convert a Symbol|Cannot mix BigInt|Cannot destructure/;

const sources = new Map<string, string[]>();

function carriesOwn(error: unknown, depth = 0): boolean {
  if (error === "own") return true;
  if (typeof error !== "object" || error === null || depth > 5) return false;
  const { name, message, cause } = error as { name?: unknown; message?: unknown; cause?: unknown };
  const elsewhere = typeof message === "string" && /^(throwOwn|Own) is not defined/.test(message); // it went by source
  return name === "Own" || elsewhere || carriesOwn(cause, depth + 1);
}

/** Whether an error of a built-in class was thrown on purpose: by `new`, in a file of this library. */
function isDeliberate(error: Error): boolean {
  const frame = /^ {4}at (.*)$/m.exec(error.stack ?? "")?.[1];
  // A worker leaves out its own part: then the item comes first.
  if (frame === undefined || / \(index \d+\)$/.test(frame)) return true;
  const [, url = "", line, column] = /(file:.*):(\d+):(\d+)\)?$/.exec(frame) ?? [];
  if (frame.includes("blob:")) return true; // in a worker, whose program is one line
  if (!url.startsWith(ROOT)) return false;
  let lines = sources.get(url);
  if (lines === undefined) sources.set(url, lines = Deno.readTextFileSync(new URL(url)).split("\n"));
  return lines[Number(line) - 1]!.slice(Number(column) - 1).startsWith("new ");
}

/** Whether a value cannot be sent since it is too deep, or hides a class behind a proxy. */
function isOfTheValue(error: Error): boolean {
  return error instanceof SerializationError && /Maximum call stack|private member/.test(error.message);
}

/** Whether `Math.max`, the native function among the tasks, has thrown it: it makes numbers of what it gets. */
function isOfMax({ message, stack }: Error): boolean {
  const [, frame = ""] = stack?.split("\n    at ") ?? [];
  return message.startsWith("Cannot convert ") && /^(Math\.)?max \(<anonymous>\)/.test(frame);
}

/** What is wrong with an error; undefined for nothing. */
export function faultOf(error: unknown): string | undefined {
  if (carriesOwn(error)) return undefined;
  if (!(error instanceof Error)) return "throws what is no error";
  if (OF_ENGINE.test(error.message)) return undefined;
  if (isOfMax(error)) return undefined;
  if (error.message === "") return "throws an error without a message";
  if (LEAKED.test(error.message) && !isOfTheValue(error)) return "lets an error of its inside out";
  if (DOCUMENTED.some((type) => error instanceof type)) return undefined;
  if (error.constructor !== TypeError && error.constructor !== RangeError) {
    return "throws an error of no documented class";
  }
  return isDeliberate(error) ? undefined : "throws an error that nobody meant to throw";
}
