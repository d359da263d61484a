/** Options of calls: mostly good ones, some that have to be refused, in objects of all sorts. */

import { Lock } from "../../mod.ts";
import { type Fuzz, isOn, LIMIT } from "./fuzz.ts";
import { PRIMITIVES, sample, tiring } from "./values.ts";

type Refusal = "TypeError" | "RangeError" | "either";

/** What an option may be. */
export interface Kind {
  /** A value that is right. */
  readonly good: (fuzz: Fuzz) => unknown;
  /** What has to be thrown for a value, if anything. */
  readonly refuses: (value: unknown) => Refusal | undefined;
}

export type Kinds = Readonly<Record<string, Kind>>;

function kindOf(
  type: string,
  good: Kind["good"],
  range: (value: never) => Refusal | undefined = () => undefined,
): Kind {
  return {
    good,
    refuses: (value) =>
      value === undefined ? undefined : (typeof value) as string !== type ? "TypeError" : range(value as never),
  };
}

export const COUNT: Kind = kindOf(
  "number",
  (fuzz) => 1 + fuzz.next(5),
  (value: number) => Number.isSafeInteger(value) && value > 0 ? undefined : "RangeError",
);

export const LONG_LIMIT: Kind = kindOf("number", () => LIMIT, (value: number) => value > 0 ? undefined : "RangeError");
export const TIMEOUT: Kind = kindOf(
  "number",
  () => LIMIT,
  (value: number) => Number.isNaN(value) ? "either" : undefined,
);
export const FUNCTION: Kind = kindOf("function", () => () => {});
export const FLAG: Kind = kindOf("boolean", (fuzz) => fuzz.chance(2));
export const NAME: Kind = kindOf("string", () => "name");

export const ARGS: Kind = {
  good: () => [],
  refuses: (value) => value === undefined || Array.isArray(value) ? undefined : "TypeError",
};

export const SIGNAL: Kind = {
  good: () => new AbortController().signal,
  refuses: (value) => value === undefined || value instanceof AbortSignal ? undefined : "TypeError",
};

export const SCOPE: Kind = {
  good: () => ({ a: 1, f: (x: unknown) => x, lock: new Lock() }),
  refuses: (value) => value === undefined || (typeof value === "object" && value !== null) ? undefined : "TypeError",
};

export const MODULE: Kind = {
  good: () => undefined,
  refuses: (value) =>
    value === undefined || typeof value === "object" || typeof value === "string" ? undefined : "TypeError",
};

/** What may be anything, or is not checked. */
export const ANY: Kind = { good: () => true, refuses: () => undefined };

// Found once: `returnExceptions` and `trace` are taken whatever they are.
export const SOFT_FLAG: Kind = isOn("flags") ? FLAG : ANY;

export const ACQUIRE: Kinds = { timeout: TIMEOUT, block: FLAG };
export const ACQUIRE_ASYNC: Kinds = { ...ACQUIRE, signal: SIGNAL };

export interface Options {
  readonly value: unknown;
  readonly text: string;
  /** Whether the call has to fail for them. */
  readonly refused: boolean;
  /** Whether the call has to succeed as far as they go. */
  readonly good: boolean;
}

/** `refuses` of a hostile value can fail itself. */
export function isRefused(kind: Kind, value: unknown): boolean | undefined {
  try {
    return kind.refuses(value) !== undefined;
  } catch {
    return undefined;
  }
}

/** Options of the given kinds: mostly good, some of them odd, in objects of all sorts; or something else. */
export function options(fuzz: Fuzz, kinds: Kinds): Options {
  if (fuzz.chance(12)) {
    const { name, value } = sample(fuzz);
    if (value === undefined) return { value, text: "undefined", refused: false, good: true };
    const refused = typeof value !== "object" || value === null;
    return { value, text: name, refused, good: false };
  }
  const values: Record<string, unknown> = {};
  const texts: string[] = [];
  let refused = false;
  let good = true;
  for (const [key, kind] of Object.entries(kinds)) {
    if (!fuzz.chance(3)) continue;
    if (fuzz.chance(2)) {
      values[key] = kind.good(fuzz);
      continue;
    }
    const { name, value } = sample(fuzz);
    values[key] = value;
    texts.push(`${key}: ${name}`);
    const verdict = isRefused(kind, value);
    if (verdict !== undefined && verdict) refused = true;
    if (value !== undefined) good = false;
  }
  if (fuzz.chance(4)) {
    const value = fuzz.pick(PRIMITIVES);
    const name = fuzz.pick(["unknown", "then", "constructor", "timeOut"]);
    values[name] = value;
    texts.push(`${name}: ${typeof value}`);
    if (value !== undefined) [refused, good] = [true, false];
  }
  const forms: readonly (() => [unknown, string, sure: boolean])[] = [
    () => [values, "", true],
    () => [values, "", true],
    () => [Object.assign(Object.create(null), values), "without a prototype", true],
    () => [Object.create(values), "inherited", true],
    () => [new Proxy(values, {}), "by proxy", true],
    () => [Object.freeze(values), "frozen", true],
    () => [tiring(values, fuzz.next(8)), "tiring", false],
    () => [changing(fuzz, values), "changing", false],
    // Found once: options are read again after they were checked, some of them when the call has ended.
  ];
  const usable = isOn("rereads") ? forms : forms.slice(0, 6);
  const [value, form, sure] = fuzz.pick(usable)();
  return { value, text: `{ ${texts.join(", ")} } ${form}`, refused: refused && sure, good: good && sure };
}

/** Options whose values are other ones each time they are read. */
function changing(fuzz: Fuzz, values: Readonly<Record<string, unknown>>): object {
  const object = {};
  for (const [key, value] of Object.entries(values)) {
    let reads = fuzz.next(3);
    Object.defineProperty(object, key, { get: () => reads-- === 0 ? 5 : value, enumerable: true });
  }
  return object;
}
