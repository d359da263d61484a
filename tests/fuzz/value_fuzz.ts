/** Shared values and arrays. */

import { assertEquals } from "@std/assert";
import { SharedArray, Value } from "../../mod.ts";
import { type Fuzz, isOn, label, wrong } from "./fuzz.ts";
import { input } from "./iterables.ts";
import { ANY, options } from "./options.ts";
import { called } from "./steps.ts";
import { PRIMITIVES, type Sample, sample } from "./values.ts";

/** Mostly what may fit into a value. */
function scalar(fuzz: Fuzz): Sample {
  if (fuzz.chance(3)) return sample(fuzz);
  const value = fuzz.pick(PRIMITIVES);
  return { name: label(value), value };
}

/** What is read of a value that was stored. */
function stored(type: unknown, value: unknown): unknown {
  if (typeof value !== "number" || type === "d" || type === "f64") return value;
  return type === "f" ? Math.fround(value) : value + 0; // integers have no -0
}

const TYPES = ["b", "u8", "h", "u16", "i", "l", "I", "L", "q", "u64", "f", "d", "f64", "z"] as const;

export async function values(fuzz: Fuzz): Promise<void> {
  const odd = sample(fuzz);
  const type = fuzz.chance(4) ? wrong<"i">(odd.value) : wrong<"i">(fuzz.pick(TYPES));
  const first = fuzz.chance(8) ? { name: "null", value: null } : scalar(fuzz);
  // Found once: `null` as the first value is taken for none.
  const initial = first.value === null && !isOn("null") ? undefined : first.value;
  const chosen = options(fuzz, {
    lock: ANY,
    maxBytes: { good: () => 64, refuses: (n) => n === undefined ? undefined : "either" },
  });
  const what = `new Value(${label(type)}, ${first.name}, ${chosen.text})`;
  const roomy = chosen.text.includes("maxBytes: 2") ? undefined : chosen.value; // not that much memory
  const made = await fuzz.attempt(what, () => new Value(type, wrong(initial), wrong(roomy)));
  if (made.ok) {
    const value = made.value as Value<"i">;
    if (initial === null) fuzz.fail("takes null");
    const integer = !["f", "d", "f64", "z"].includes(type);
    if (initial !== undefined) fuzz.same(value.value, stored(type, initial));
    const before = value.value;
    const n = scalar(fuzz);
    const set = await fuzz.attempt(`value = ${n.name}`, () => {
      value.value = wrong(n.value);
    });
    fuzz.same(value.value, set.ok ? stored(type, n.value) : before);
    const operations = ["add", "sub", "and", "or", "xor", "exchange"] as const;
    const current = value.value;
    const operation = fuzz.pick(operations);
    const done = await fuzz.attempt(`${operation}(${n.name})`, () => value[operation](wrong(n.value)));
    fuzz.same(done.ok ? done.value : value.value, current);
    const swap = await fuzz.attempt(
      `compareExchange(${n.name})`,
      () => value.compareExchange(wrong(n.value), wrong(first.value)),
    );
    if (swap.ok && !integer) fuzz.fail("changes a float in one step");
    await fuzz.must("toString", () => String(value));
  }
  const good = new Value("i", 4);
  await fuzz.must("add", () => good.add(3), 4);
  await fuzz.must("getLock", () => good.getLock().acquire({ block: false }), true);
}

export async function arrays(fuzz: Fuzz): Promise<void> {
  const type = wrong<"i">(fuzz.chance(6) ? sample(fuzz).value : fuzz.pick(TYPES));
  const items = input(fuzz, false);
  const size = fuzz.chance(2) ? items : fuzz.chance(2) ? { name: "3", value: 3 } : sample(fuzz);
  const isHuge = typeof size.value === "number" && size.value > 1e6 && size.value < 1e300;
  const chosen = options(fuzz, { lock: ANY });
  const what = `new SharedArray(${label(type)}, ${size.name}, ${chosen.text})`;
  const made = await called(
    fuzz,
    what,
    chosen,
    () => new SharedArray(type, wrong(isHuge ? 2 ** 52 : size.value), wrong(chosen.value)),
  );
  if (made.ok) {
    const array = made.value as SharedArray<"i">;
    const at = scalar(fuzz);
    const n = scalar(fuzz);
    const before = array.value;
    const set = await fuzz.attempt(`set(${at.name}, ${n.name})`, () => array.set(wrong(at.value), wrong(n.value)));
    if (set.ok && !Number.isInteger(at.value)) fuzz.fail("takes an index that is none");
    if (!set.ok) fuzz.same(array.value, before);
    else fuzz.same(array.at(wrong(at.value)), stored(type, n.value));
    await fuzz.attempt(`at(${at.name})`, () => array.at(wrong(at.value)));
    const all = array.value;
    const fits = wrong<unknown>(type) === "z" ? "x" : typeof all[0] === "bigint" ? 1n : 1;
    const mixture = [...all.slice(1).fill(wrong(fits)), {}];
    const more = fuzz.chance(4) ? { name: "a mixture", value: mixture } : input(fuzz, false);
    const whole = await fuzz.attempt(`value = ${more.name}`, () => {
      array.value = wrong(more.value);
    });
    // Found once: strings are set one by one up to the first that does not fit; numbers all or none.
    if (!whole.ok && (wrong<unknown>(type) !== "z" || isOn("partial"))) fuzz.same(array.value, all);
    if (array.length !== array.value.length) fuzz.fail("has changed its length");
    await fuzz.attempt("view", () => array.view);
    await fuzz.must("toString", () => String(array));
  }
  assertEquals(new SharedArray("i", [1, 2, 3]).value, [1, 2, 3]);
}
