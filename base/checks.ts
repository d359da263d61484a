/**
 * Checks of arguments. Each throws immediately: `TypeError` for a wrong kind, `RangeError` for a wrong value. The
 * schemas of `base/options_schema.ts` read objects of options.
 *
 * @module
 */

/** Returns a wait in milliseconds: `Infinity` if undefined, or above 24.8 days, the most that `setTimeout` takes. */
export function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return Infinity;
  if (typeof timeout !== "number" || Number.isNaN(timeout)) {
    const hint = typeof timeout === "object" ? "; pass the number itself, such as 1000" : "";
    throw new TypeError(
      `Cannot wait as 'timeout' must be a number of milliseconds: current value is ${show(timeout)}${hint}`,
    );
  }
  return timeout > 0x7fffffff ? Infinity : timeout;
}

/** The longest time limit, about 12 days. Deadlines are stored in 32 bits, which wrap around: a longer one is none. */
const LONGEST_LIMIT = 0x3fffffff;

/** Returns a time limit in milliseconds, above 0, possibly `Infinity`; `fallback` if `value` is undefined. */
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

/** Returns a time limit as schedulers take it, in whole milliseconds; 0 means none. */
export function wholeLimit(milliseconds: number): number {
  return milliseconds === Infinity ? 0 : Math.ceil(milliseconds);
}

/** Checks that `value` is a whole number of at least 1, or undefined, and returns it. */
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

/** Checks that `value` is a function. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") {
    throw new TypeError(`Cannot use '${name}' as it must be a function: current value is ${show(value)}`);
  }
}

/** Checks that `value` is an abort signal or undefined. */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !isSignal(value)) {
    throw new TypeError(`Cannot use 'signal' as it must be an AbortSignal: current value is ${show(value)}`);
  }
}

function isSignal(value: unknown): boolean {
  try {
    return value instanceof AbortSignal && typeof value.aborted === "boolean"; // an imitation has no working getter
  } catch {
    return false;
  }
}

/** Checks that `value` is an array of arguments. */
export function checkArgs(name: string, value: unknown): void {
  if (isArray(value)) return;
  const instead = typeof value === "object" && value !== null ? ", and options come after it" : "";
  throw new TypeError(
    `Cannot use '${name}' as it must be an array of arguments${instead}: current value is ${show(value)}`,
  );
}

/** Checks that `value` is an object of options: no array, and not null. */
export function checkOptions(value: unknown): void {
  if (typeof value !== "object" || value === null || isArray(value)) {
    throw new TypeError(`Cannot use the options as they must be an object: current value is ${show(value)}`);
  }
}

/**
 * Checks that an iterable returned an iterator, and returns that iterator.
 *
 * @throws {TypeError} If it has no method `next`.
 */
export function checkIterator<I extends Iterator<unknown> | AsyncIterator<unknown>>(iterator: I): I {
  if ((typeof iterator === "object" || typeof iterator === "function") && iterator !== null) {
    if (typeof iterator.next === "function") return iterator;
  }
  throw new TypeError(`Cannot read the items as their iterator has no method 'next'`);
}

/** Returns a short text for a value in a message. Never throws. */
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

/** Returns whether `value` is an array; a revoked proxy is none. */
export function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}
