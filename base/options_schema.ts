/**
 * Reading objects of options, by one table of checks for each call or constructor.
 *
 * @module
 */

import {
  checkArgs,
  checkCount,
  checkFunction,
  checkLimit,
  checkSignal,
  checkTimeout,
  isArray,
  show,
} from "./checks.ts";
import type { AnyFunction } from "./values.ts";

/** Checks the value of an option, which is never `undefined`, and returns the value to use. */
export type Check<V> = (value: unknown, name: string) => V;

/** The options that a call takes: a check for each name. */
export type Checks = Readonly<Record<string, Check<unknown>>>;

/** Options that were read. An option that is missing or `undefined` is `undefined`. */
export type OptionsOf<C extends Checks> = { readonly [K in keyof C]: ReturnType<C[K]> | undefined };

/** An {@linkcode OptionsSchema}, typed by the options that it returns. */
export interface OptionsReader<T> {
  /** As {@linkcode OptionsSchema.read}. */
  read(options: unknown, whose: string): T;
  /** As {@linkcode OptionsSchema.describes}. */
  describes(options: object): boolean;
}

const NO_OPTIONS = Object.freeze({});

/** The options of one call or constructor. */
export class OptionsSchema<C extends Checks> {
  readonly #checks: C;
  readonly #names: readonly (keyof C & string)[];

  constructor(checks: C) {
    this.#checks = checks;
    this.#names = Object.keys(checks) as (keyof C & string)[];
  }

  /**
   * Reads the options of the call or constructor that messages name `whose`. Each property is read once, so that the
   * value that was checked is the value that is used, whatever a getter returns later.
   *
   * Inherited options count, as they do in the calls of the platform. A property that is `undefined` counts as missing,
   * whatever its name. Symbols and the members of classes are not reported as unknown options.
   *
   * @throws {TypeError} If `options` is no object of options, has an option that `whose` lacks, or one of a wrong kind.
   * @throws {RangeError} If a value is out of its range.
   */
  read(options: unknown, whose: string): OptionsOf<C> {
    if (options === undefined) return NO_OPTIONS as OptionsOf<C>;
    if (typeof options !== "object" || options === null || isArray(options)) throw this.#notOptions(options, whose);
    const read: Record<string, unknown> = {};
    let given = false;
    for (const name of this.#names) {
      const value = (options as Record<string, unknown>)[name];
      if (value === undefined) continue;
      read[name] = this.#checks[name]!(value, name);
      given = true;
    }
    // A signal, a Map or a promise was passed as the options. Naming its unknown properties, if any, would help little.
    if (!given && isBuiltIn(options) && !this.describes(options)) throw this.#notOptions(options, whose);
    let object: object = options;
    do {
      for (const name of Object.keys(object)) {
        if (Object.hasOwn(this.#checks, name)) continue;
        if ((options as Record<string, unknown>)[name] !== undefined) throw this.#unknown(name, whose);
      }
      object = Object.getPrototypeOf(object);
    } while (object !== null && !isPrototype(object));
    return read as OptionsOf<C>;
  }

  /** Returns whether an object has any of the options, even one that is `undefined`. */
  describes(options: object): boolean {
    return this.#names.some((name) => name in options);
  }

  #unknown(name: string, whose: string): TypeError {
    const nearest = nearestOf(name, this.#names);
    const known = nearest === undefined ? `its options are ${quotedList(this.#names)}` : `the nearest is '${nearest}'`;
    const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
    return new TypeError(`Cannot use the option '${shown}' as ${whose} has none of that name: ${known}`);
  }

  #notOptions(value: unknown, whose: string): TypeError {
    const meant = value === null ? undefined : this.#names.find((name) => passes(this.#checks[name]!, value, name));
    const text = typeof value === "object" || typeof value === "function" ? "" : `: ${show(value)}`;
    const example = meant === undefined ? "" : `, such as { ${meant}${text} }`;
    return new TypeError(
      `Cannot use the options of ${whose} as they must be an object${example}: current value is ${show(value)}`,
    );
  }
}

function passes(check: Check<unknown>, value: unknown, name: string): boolean {
  try {
    check(value, name);
    return true;
  } catch {
    return false;
  }
}

/** Returns whether an object is a class's prototype: its members, such as `AbortController.abort`, are no options. */
function isPrototype(object: object): boolean {
  return Object.hasOwn(object, "constructor") && typeof object.constructor === "function";
}

/** Returns whether an object is an instance of a class of the platform, such as a Map or a promise. */
function isBuiltIn(value: object): boolean {
  return Object.prototype.toString.call(value) !== "[object Object]";
}

/** Returns the known name that was probably meant; undefined if none is similar. */
export function nearestOf(name: string, known: readonly string[]): string | undefined {
  const wanted = withoutCase(name);
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const other = withoutCase(candidate);
    const steps = editDistance(wanted, other);
    const near = steps <= Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3)) ||
      (wanted.length >= 4 && other.includes(wanted)) || (other.length >= 4 && wanted.includes(other));
    if (near && steps < least) [nearest, least] = [candidate, steps];
  }
  return nearest;
}

/** Returns a name without case and separators, so that Python's `max_workers` is as similar as `maxworkers`. */
function withoutCase(name: string): string {
  return name.slice(0, 40).toLowerCase().replaceAll(/[_-]/g, "");
}

/** Returns how many letters have to be added, removed, replaced or swapped with the next one to turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}

function quotedList(names: readonly string[]): string {
  const quoted = names.map((name) => `'${name}'`);
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}`;
}

// The checks of single options.

/** Accepts a whole number of at least 1. */
export const checkedCount: Check<number> = (value, name) => checkCount(name, value as number)!;

/** Accepts a time limit in milliseconds, above 0, possibly `Infinity`. */
export const checkedLimit: Check<number> = (value, name) => checkLimit(name, value as number, Infinity);

/** Accepts a number of milliseconds that may be 0 or `Infinity`. */
export const checkedGrace: Check<number> = (value, name) => {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use '${name}' as it must be a number of milliseconds: current value is ${show(value)}`);
  }
  if (!(value >= 0)) {
    throw new RangeError(`Cannot use '${name}' as it must be at least 0: current value is ${show(value)}`);
  }
  return value;
};

/** Accepts a number of milliseconds to wait. */
export const checkedTimeout: Check<number> = (value) => checkTimeout(value as number);

/** Accepts a function. */
export const checkedFunction: Check<AnyFunction> = (value, name) => {
  checkFunction(name, value);
  return value as AnyFunction;
};

/** Returns a check that accepts a function, typed as `F`; only that it is a function can be checked. */
export function checkedFunctionOf<F extends AnyFunction>(): Check<F> {
  return checkedFunction as Check<F>;
}

/** Accepts an abort signal. */
export const checkedSignal: Check<AbortSignal> = (value) => {
  checkSignal(value);
  return value as AbortSignal;
};

/** Accepts an array of arguments. */
export const checkedArgs: Check<readonly unknown[]> = (value, name) => {
  checkArgs(name, value);
  return value as readonly unknown[];
};

/** Accepts a boolean. */
export const checkedFlag: Check<boolean> = (value, name) => {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot use '${name}' as it must be a boolean: current value is ${show(value)}`);
};
