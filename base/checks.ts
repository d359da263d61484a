/**
 * Checks of arguments. Each throws at once: `TypeError` for a wrong kind, `RangeError` for a wrong value. Objects of
 * options are read by the schemas of `base/options_schema.ts`.
 *
 * @module
 */

/** A number of milliseconds to wait; none is for ever. `setTimeout` takes no more than 24.8 days: longer is for ever too. */
export function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return Infinity;
  if (typeof timeout !== "number" || Number.isNaN(timeout)) {
    throw new TypeError(`Cannot wait as 'timeout' must be a number of milliseconds: current value is ${show(timeout)}`);
  }
  return timeout > 0x7fffffff ? Infinity : timeout;
}

/** Deadlines are kept in 32 bits, which go round: a limit of more than 12 days is none. */
const LONGEST_LIMIT = 0x3fffffff;

/** A time limit: above 0, possibly `Infinity`. */
export function checkLimit(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use '${name}' as it must be a number of milliseconds: current value is ${show(value)}`);
  }
  if (!(value > 0)) {
    throw new RangeError(`Cannot use '${name}' as it must be above 0: current value is ${show(value)}`);
  }
  return value > LONGEST_LIMIT ? Infinity : value;
}

/** A time limit as schedulers take it: in whole milliseconds, 0 for none. */
export function wholeLimit(milliseconds: number): number {
  return milliseconds === Infinity ? 0 : Math.ceil(milliseconds);
}

/** A whole number of at least 1. */
export function checkCount(name: string, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use '${name}' as it must be a number: current value is ${show(value)}`);
  }
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot use '${name}' as it must be a positive integer: current value is ${show(value)}`);
  }
  return value;
}

/** A function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") {
    throw new TypeError(`Cannot use '${name}' as it must be a function: current value is ${show(value)}`);
  }
}

/** An abort signal, if given. */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !isSignal(value)) {
    throw new TypeError(`Cannot use 'signal' as it must be an AbortSignal: current value is ${show(value)}`);
  }
}

function isSignal(value: unknown): boolean {
  try {
    return value instanceof AbortSignal && typeof value.aborted === "boolean"; // which one that only looks like it has not
  } catch {
    return false;
  }
}

/** An array of arguments. */
export function checkArgs(name: string, value: unknown): void {
  if (isArray(value)) return;
  const instead = typeof value === "object" && value !== null ? ", and options come after it" : "";
  throw new TypeError(
    `Cannot use '${name}' as it must be an array of arguments${instead}: current value is ${show(value)}`,
  );
}

/** An object with names and values. */
export function checkOptions(value: unknown): void {
  if (typeof value !== "object" || value === null || isArray(value)) {
    throw new TypeError(`Cannot use the options as they must be an object: current value is ${show(value)}`);
  }
}

/**
 * Checks that what an iterable gave is an iterator.
 *
 * @throws {TypeError} If it is not.
 */
export function checkIterator<I extends Iterator<unknown> | AsyncIterator<unknown>>(iterator: I): I {
  if ((typeof iterator === "object" || typeof iterator === "function") && iterator !== null) {
    if (typeof iterator.next === "function") return iterator;
  }
  throw new TypeError(`Cannot read the items as their iterator has no method 'next'`);
}

/** A value in a message, short and never failing. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "object":
      return value === null ? "null" : isArray(value) ? "an array" : "an object";
    case "function":
      return "a function";
    case "bigint":
      return `${value}n`;
    default:
      return Object.is(value, -0) ? "-0" : String(value);
  }
}

/** Whether `value` is an array; a proxy that was revoked is none. */
export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}
