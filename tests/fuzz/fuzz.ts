/** One seed of the fuzzing: its random numbers, the calls that it makes, and what each of them may end with. */

import { deadline } from "@std/async";
import { random } from "../../testing/random.ts";
import { faultOf } from "./errors.ts";

/** How long a call may take, in milliseconds. */
export const LIMIT = 10_000;

/** What differs from `structuredClone` on purpose, and is left out: see "Limits" in the README. */
const LEFT_OUT = ["swapped", "tracking"];

/** Returns whether the cases of this name take part. */
export function isOn(name: string): boolean {
  return !LEFT_OUT.includes(name);
}

/** Cases that were found once. */
export function known<T>(name: string, ...cases: T[]): T[] {
  return isOn(name) ? cases : [];
}

/** Passes a value of a wrong type. */
export function wrong<T>(value: unknown): T {
  return value as T;
}

/** How a call ended. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** The number of the seed, the random numbers, and the calls so far of a step. */
export class Fuzz {
  readonly next: (below: number) => number;
  readonly #seed: number;
  #step = 0;
  #name = "";
  #calls: string[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.next = random(seed);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.next(list.length)]!;
  }

  chance(of: number): boolean {
    return this.next(of) === 0;
  }

  begin(step: number, name: string): void {
    this.#step = step;
    this.#name = name;
    this.#calls = [];
  }

  fail(what: string, cause?: unknown): never {
    const calls = this.#calls.length > 0 ? `\n  ${this.#calls.slice(-4).join("\n  ")}\n ` : "";
    throw new Error(`seed ${this.#seed}, step ${this.#step} (${this.#name}): ${calls} ${what}`, { cause });
  }

  /** Makes a call, which ends in time, well or with a fitting error. */
  async attempt(what: string, call: () => unknown): Promise<Outcome> {
    this.#calls.push(what);
    try {
      return { ok: true, value: await deadline(Promise.resolve(call()), LIMIT) };
    } catch (error) {
      if (error instanceof DOMException && error.name === "TimeoutError") this.fail("hangs");
      const fault = faultOf(error);
      return fault === undefined ? { ok: false, error } : this.fail(fault, error);
    }
  }

  /** The same for a call that has to succeed, with this value if one is given. */
  async must(what: string, call: () => unknown, expected?: unknown): Promise<unknown> {
    const outcome = await this.attempt(what, call);
    if (!outcome.ok) this.fail("fails", outcome.error);
    if (expected !== undefined) this.same(outcome.value, expected);
    return outcome.value;
  }

  same(actual: unknown, expected: unknown): void {
    const [is, should] = [show(actual), show(expected)];
    if (is !== should) this.fail(`gives ${is.slice(0, 300)}, and not ${should.slice(0, 300)}`);
  }
}

/** By text, since errors and cycles compare best that way. */
function show(value: unknown): string {
  return Deno.inspect(value, { depth: 30, iterableLimit: 300, strAbbreviateSize: 100_000 });
}

/** A value in a message, whatever it is. */
export function label(value: unknown): string {
  if (typeof value === "function" || (typeof value === "object" && value !== null)) return typeof value;
  return Deno.inspect(value, { strAbbreviateSize: 20 });
}
