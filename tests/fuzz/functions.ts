/** Functions for tasks: most of them give their argument back; some cannot be sent, or are none. */

import { throwOwn } from "./errors.ts";
import { type Fuzz, isOn, known } from "./fuzz.ts";
import { Point, revoked, sample, swapped, throwing } from "./values.ts";

export type AnyFunction = (...args: unknown[]) => unknown;

interface Callable {
  readonly name: string;
  readonly fn: unknown;
  /** Whether it gives its argument back, here and in a worker. */
  readonly identity: boolean;
}

class Methods {
  static #secret(x: unknown): unknown {
    return x;
  }
  static secret = Methods.#secret;
  static plain(x: unknown): unknown {
    return x;
  }
  get value(): unknown {
    return 1;
  }
}

function named(name: unknown, fn: AnyFunction = (x) => x): AnyFunction {
  return Object.defineProperty(fn, "name", { value: name });
}

const CALLABLES: readonly (() => Callable)[] = [
  () => ({ name: "an arrow", fn: (x: unknown) => x, identity: true }),
  () => ({ name: "an async arrow", fn: async (x: unknown) => await x, identity: true }),
  () => ({
    name: "a function",
    fn: function again(x: unknown, deep = 2): unknown {
      return deep > 0 ? again(x, deep - 1) : x;
    },
    identity: true,
  }),
  () => ({ name: "made from text", fn: new Function("x", "return x"), identity: true }),
  () => ({
    name: "with defaults",
    fn: (x: unknown, { y = 1 } = {}, ...[z = y]: unknown[]) => z === y ? x : y,
    identity: true,
  }),
  () => ({
    name: "a method",
    fn: {
      method(x: unknown): unknown {
        return x;
      },
    }.method,
    identity: true,
  }),
  () => ({
    name: "an async method",
    fn: {
      async method(x: unknown): Promise<unknown> {
        return await x;
      },
    }.method,
    identity: true,
  }),
  () => ({ name: "a static method", fn: Methods.plain, identity: true }),
  () => ({ name: "a private method", fn: Methods.secret, identity: false }),
  () => ({ name: "a computed method", fn: { ["a b"]: (x: unknown) => x }["a b"], identity: true }),
  () => ({ name: "a getter", fn: Object.getOwnPropertyDescriptor(Methods.prototype, "value")!.get, identity: false }),
  () => ({ name: "a generator function", fn: function* () {}, identity: false }),
  () => ({ name: "an async generator function", fn: async function* () {}, identity: false }),
  () => ({ name: "a class", fn: Point, identity: false }),
  () => ({ name: "bound", fn: ((x: unknown) => x).bind(null), identity: false }),
  () => ({ name: "native", fn: Math.max, identity: false }),
  () => ({ name: "native, with this", fn: Array.of, identity: false }),
  () => ({ name: "a method of a prototype", fn: Array.prototype.map, identity: false }),
  () => ({ name: "a proxy", fn: new Proxy((x: unknown) => x, {}), identity: false }),
  () => ({ name: "toString of its own", fn: Object.assign((x: unknown) => x, { toString: throwOwn }), identity: true }),
  () => ({ name: "without a prototype", fn: swapped((x: unknown) => x, null), identity: true }),
  () => ({ name: "named bound x", fn: named("bound x"), identity: true }),
  () => ({ name: "named with lines", fn: named("a\nb */ `${"), identity: true }),
  () => ({ name: "named globalThis", fn: named("globalThis"), identity: true }),
  () => ({ name: "named __proto__", fn: named("__proto__"), identity: true }),
  () => ({ name: "named by a number", fn: named(5), identity: true }),
  () => ({ name: "named by a symbol", fn: named(Symbol("s")), identity: true }),
  () => ({
    name: "it throws",
    fn: () => {
      throw new RangeError("thrown", { cause: "own" });
    },
    identity: false,
  }),
  () => ({
    name: "it throws undefined",
    fn: () => {
      throw Object.assign(new Error("own"), { name: "Own", cause: Symbol("s") });
    },
    identity: false,
  }),
  // Found once: a function whose name is a reserved word, such as every `export default`, does not compile in a worker.
  ...known<() => Callable>(
    "reserved",
    () => ({ name: "named default", fn: named("default"), identity: true }),
    () => ({ name: "named delete", fn: named("delete"), identity: true }),
    () => ({ name: "named arguments", fn: named("arguments"), identity: true }),
  ),
  // Found once: a name that is half a character is a URIError.
  ...known<() => Callable>(
    "surrogates",
    () => ({ name: "named by half a character", fn: named("\ud800"), identity: true }),
  ),
  // Found once: a name that cannot be read ends the calls of a pool that traces or limits them.
  ...known<() => Callable>("names", () => ({
    name: "a name that throws",
    fn: Object.defineProperty((x: unknown) => x, "name", { get: throwOwn }),
    identity: false,
  })),
  ...known<() => Callable>("names", () => ({ name: "a throwing proxy", fn: throwing(() => 1), identity: false })),
  ...known<() => Callable>("names", () => ({ name: "a revoked proxy", fn: revoked(() => 1), identity: false })),
];

/** Returns a function, or another value that the call has to refuse. */
export function callable(fuzz: Fuzz): Callable & { readonly refused: boolean } {
  if (!fuzz.chance(4)) return { name: "identity", fn: (x: unknown) => x, identity: true, refused: false };
  if (!fuzz.chance(4)) return { ...fuzz.pick(CALLABLES)(), refused: false };
  const { name, value } = sample(fuzz);
  const refused = typeof value !== "function";
  // Found once: see "names".
  return refused || isOn("names")
    ? { name, fn: value, identity: false, refused }
    : { name: "5", fn: 5, identity: false, refused: true };
}
