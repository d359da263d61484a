/** Inputs: good ones, broken ones, and endless ones. */

import { Own, throwOwn } from "./errors.ts";
import { type Fuzz, known, label, wrong } from "./fuzz.ts";
import { MyArray, revoked, type Sample, sample, sparse, throwing, tiring } from "./values.ts";

interface Input extends Sample {
  /** What is in it, if it can be read to its end. */
  readonly items?: readonly unknown[];
  readonly isAsync?: boolean;
  readonly endless?: boolean;
}

class OddSpecies extends Array<unknown> {
  static override get [Symbol.species](): ArrayConstructor {
    return wrong(Object);
  }
}

function iteratorOf(
  next: (index: number) => unknown,
  close: () => unknown = () => ({ done: true }),
): Iterable<unknown> {
  let index = 0;
  return { [Symbol.iterator]: () => wrong({ next: () => next(index++), return: close }) };
}

function step(index: number, end: number): unknown {
  return index < end ? { done: false, value: index } : { done: true, value: undefined };
}

const INPUTS: readonly ((fuzz: Fuzz) => Input)[] = [
  () => ({ name: "an array", value: [1, 2, 3], items: [1, 2, 3] }),
  () => ({ name: "nothing", value: [], items: [] }),
  () => ({ name: "holes", value: sparse(4, 1), items: [undefined, 1, undefined, undefined] }),
  () => ({ name: "a string", value: "añ🎉", items: ["a", "ñ", "🎉"] }),
  () => ({ name: "a set", value: new Set([1, "x"]), items: [1, "x"] }),
  () => ({ name: "bytes", value: new Uint8Array([5, 6]), items: [5, 6] }),
  () => ({
    name: "numbers",
    value: Array.from({ length: 3000 }, (_, i) => i),
    items: Array.from({ length: 3000 }, (_, i) => i),
  }),
  () => ({ name: "a subclass", value: MyArray.from([1, 2]), items: [1, 2] }),
  () => ({ name: "an iterator", value: iteratorOf((i) => step(i, 3)), items: [0, 1, 2] }),
  () => ({
    name: "a function as an item",
    value: iteratorOf((i) => Object.assign(() => {}, step(i, 2))),
    items: [0, 1],
  }),
  () => ({
    name: "a generator",
    value: (function* () {
      yield* [1, 2];
    })(),
    items: [1, 2],
  }),
  () => ({
    name: "an async generator",
    value: (async function* () {
      yield 1;
      await Promise.resolve();
      yield 2;
    })(),
    items: [1, 2],
    isAsync: true,
  }),
  () => ({
    name: "values of its own",
    value: Object.assign([1, 2], {
      *[Symbol.iterator]() {
        yield 7;
      },
    }),
    items: [7],
  }),
  () => ({
    name: "an odd length",
    value: Object.assign(iteratorOf((i) => step(i, 2)), { length: "x" }),
    items: [0, 1],
  }),
  () => ({ name: "an iterable that throws", value: { [Symbol.iterator]: throwOwn } }),
  () => ({ name: "a getter as an iterable", value: Object.defineProperty({}, Symbol.iterator, { get: throwOwn }) }),
  (fuzz) => {
    const at = fuzz.next(4);
    return { name: `next throws at ${at}`, value: iteratorOf((i) => i === at ? throwOwn() : step(i, 9)) };
  },
  () => ({ name: "next throws at its close", value: iteratorOf((i) => step(i, 2), throwOwn), items: [0, 1] }),
  () => ({ name: "done throws", value: iteratorOf(() => Object.defineProperty({}, "done", { get: throwOwn })) }),
  () => ({
    name: "value throws",
    value: iteratorOf(() => Object.defineProperty({ done: false }, "value", { get: throwOwn })),
  }),
  (fuzz) => {
    const value = fuzz.pick([5, undefined, null, "x", true, 1n, Symbol("s")]);
    return { name: `next gives ${label(value)}`, value: iteratorOf((i) => i === 2 ? value : step(i, 9)) };
  },
  () => ({ name: "async next throws", value: { [Symbol.asyncIterator]: () => ({ next: throwOwn }) }, isAsync: true }),
  () => ({
    name: "async next rejects",
    value: { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Own()) }) },
    isAsync: true,
  }),
  () => ({
    name: "async next gives 5",
    value: { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(5) }) },
    isAsync: true,
  }),
  () => ({ name: "without end", value: iteratorOf((i) => step(i, Infinity)), endless: true }),
  () => ({ name: "without end, close throws", value: iteratorOf((i) => step(i, Infinity), throwOwn), endless: true }),
  () => ({ name: "without end, close gives 5", value: iteratorOf((i) => step(i, Infinity), () => 5), endless: true }),
  () => ({ name: "a throwing proxy", value: throwing([]) }),
  () => ({ name: "a revoked proxy", value: revoked([]) }),
  // Found once: `Symbol.iterator` that gives no iterator is an error of the inside of this library.
  ...known<(fuzz: Fuzz) => Input>(
    "iterators",
    () => ({ name: "no iterator", value: { [Symbol.iterator]: () => 5 } }),
    () => ({ name: "an iterator without next", value: { [Symbol.iterator]: () => ({}) } }),
    () => ({ name: "an async iterator without next", value: { [Symbol.asyncIterator]: () => ({}) }, isAsync: true }),
  ),
  // Found once: an array that throws when it is cut into chunks leaves a pool that join() waits for without end.
  ...known<(fuzz: Fuzz) => Input>(
    "slices",
    () => ({ name: "an element that throws", value: Object.defineProperty([1, 2, 3], 1, { get: throwOwn }) }),
    (fuzz) => ({ name: "a tiring array", value: tiring([1, 2, 3], fuzz.next(10)) }),
  ),
  // Found once: the species of a subclass of Array makes the chunks.
  ...known<(fuzz: Fuzz) => Input>(
    "species",
    () => ({ name: "a species", value: OddSpecies.from([1, 2, 3]), items: [1, 2, 3] }),
  ),
];

/** Returns an input, which is endless only if the caller allows that. */
export function input(fuzz: Fuzz, endless: boolean): Input {
  if (fuzz.chance(8)) {
    const { name, value } = sample(fuzz);
    return { name, value: isReadable(value) ? [] : value };
  }
  const made = fuzz.pick(INPUTS)(fuzz);
  return made.endless && !endless ? { name: "an array", value: [1], items: [1] } : made;
}

/** Whether a sample happens to be an iterable, with who knows what in it. */
function isReadable(value: unknown): boolean {
  try {
    return Symbol.iterator in Object(value) || Symbol.asyncIterator in Object(value);
  } catch {
    return false;
  }
}
