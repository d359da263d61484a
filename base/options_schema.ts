/**
 * Objects of options: one table for each call or constructor, of what it takes.
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

/** Checks the value of an option, which is never `undefined`, and returns it as it is used. */
export type Check<V> = (value: unknown, name: string) => V;

/** What a call takes: a check for each name. */
export type Checks = Readonly<Record<string, Check<unknown>>>;

/** Options that were read: what was not given, or given as `undefined`, is `undefined`. */
export type OptionsOf<C extends Checks> = { readonly [K in keyof C]: ReturnType<C[K]> | undefined };

/** Reads the options of one call or constructor: an {@linkcode OptionsSchema}, by the type of what it returns. */
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
   * Reads the options that `whose` was given, if any. Each property is read once, so that what is checked is what is used,
   * whatever a getter returns later.
   *
   * Inherited options count, as they do where the platform takes some. What is `undefined` is not given, whatever its name;
   * symbols and the members of classes are no unknown options.
   *
   * @throws {TypeError} If it is no object of options, has an option that is none of `whose`, or one of a wrong kind.
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
    // A signal, a Map or a promise in place of the options: that its properties are unknown says little, or it has none.
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

  /** Whether an object has any of the options, be it as `undefined`. */
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

/** Whether an object belongs to a class: what it has is no option by itself, such as the `abort` of an AbortController. */
function isPrototype(object: object): boolean {
  return Object.hasOwn(object, "constructor") && typeof object.constructor === "function";
}

/** Whether an object is one of the platform's classes, such as a Map or a promise. */
function isBuiltIn(value: object): boolean {
  return Object.prototype.toString.call(value) !== "[object Object]";
}

/** The known name that was probably meant, if any is near. */
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

/** Python's `max_workers` is as near as `maxworkers`. */
function withoutCase(name: string): string {
  return name.slice(0, 40).toLowerCase().replaceAll(/[_-]/g, "");
}

/** How many letters have to be added, removed, replaced or swapped with the next to make `b` of `a`. */
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

/** A whole number of at least 1. */
export const checkedCount: Check<number> = (value, name) => checkCount(name, value as number)!;

/** A time limit in milliseconds, above 0, possibly `Infinity`. */
export const checkedLimit: Check<number> = (value, name) => checkLimit(name, value as number, Infinity);

/** A number of milliseconds to wait. */
export const checkedTimeout: Check<number> = (value) => checkTimeout(value as number);

/** A function. */
export const checkedFunction: Check<AnyFunction> = (value, name) => {
  checkFunction(name, value);
  return value as AnyFunction;
};

/** A function of a type that cannot be checked. */
export function checkedFunctionOf<F extends AnyFunction>(): Check<F> {
  return checkedFunction as Check<F>;
}

/** An abort signal. */
export const checkedSignal: Check<AbortSignal> = (value) => {
  checkSignal(value);
  return value as AbortSignal;
};

/** An array of arguments. */
export const checkedArgs: Check<readonly unknown[]> = (value, name) => {
  checkArgs(name, value);
  return value as readonly unknown[];
};

/** A boolean. */
export const checkedFlag: Check<boolean> = (value, name) => {
  if (typeof value === "boolean") return value;
  throw new TypeError(`Cannot use '${name}' as it must be a boolean: current value is ${show(value)}`);
};
