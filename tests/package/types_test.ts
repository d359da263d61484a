/**
 * What compiles, and what must not.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  asCompleted,
  asCompletedSync,
  type AsyncResult,
  type Executor,
  type Future,
  type MapOptions,
  Pool,
  type PoolOptions,
  Process,
  type ProcessOptions,
  ProcessPoolExecutor,
  type ProcessPoolExecutorOptions,
  type ResultIterator,
  type ResultIteratorSync,
  type SharedType,
  Thread,
  ThreadPool,
  transfer,
  Value,
  type Waited,
  waitSync,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** Compiles only if the type of `value` is exactly `T`. */
function typed<T>(): <U>(value: U, same: Same<T, U>) => void {
  return () => {};
}

const fib = (n: number): number => n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
const label = (name: string, n = 1): string => name + n;
const later = async (n: number): Promise<Date> => await Promise.resolve(new Date(n));

test("results are typed by the function", async () => {
  await using pool = new Pool(1);
  typed<Promise<number[]>>()(pool.map(fib, [1, 2]), true);
  typed<Promise<number>>()(pool.apply(fib, [1]), true);
  typed<Promise<Date>>()(pool.apply(later, [1]), true);
  typed<Promise<string>>()(pool.apply(label, ["a"]), true);
  typed<Promise<string[]>>()(pool.starmap(label, [["a", 1], ["b"]]), true);
  typed<Promise<number>>()(pool.apply(Math.random), true);
  typed<Promise<number[]>>()(pool.map((n) => n + 1, [1, 2]), true);
  typed<Promise<number[]>>()(pool.map(Math.sqrt, new Float64Array(2)), true);
  typed<Promise<number[]>>()(pool.broadcast(() => 1), true);
  typed<string[]>()(pool.mapSync((s: string) => s, new Set(["a"])), true);
  typed<Date>()(await pool.applyAsync(later, [1]).get(), true);
  typed<string[]>()(await pool.mapAsync((s: string) => s, ["a"], { callback: (value) => value.length }).get(), true);
  for await (const date of pool.imap(later, [1])) typed<Date>()(date, true);
  for await (const text of pool.istarmapUnordered(label, [["a", 1]] as const)) typed<string>()(text, true);
  const floats = new Float64Array(2);
  typed<Promise<number>>()(pool.apply((a: Float64Array) => a.length, [transfer(floats, [floats.buffer])]), true);
});

test("calls of executors are typed by the function, from all iterables", async () => {
  await using executor = new ProcessPoolExecutor(1);
  typed<Future<number>>()(executor.submit(fib, 1), true);
  typed<Future<Date>>()(executor.submit(later, 1), true);
  typed<Future<string>>()(executor.submit(label, "a"), true);
  for await (const n of executor.map((x, y) => x + y.length, [1, 2], new Set(["a"]))) typed<number>()(n, true);
  for await (const text of executor.map(label, ["a"], { chunksize: 2 })) typed<string>()(text, true);
  for await (const text of executor.map(label, ["a"], [1], { chunksize: 2 })) typed<string>()(text, true);
  for await (const date of executor.map(later, new Float64Array(1))) typed<Date>()(date, true);
  for (const n of executor.mapSync((x: number, y: number) => x * y, [1], [2])) typed<number>()(n, true);
  for await (const future of asCompleted([executor.submit(fib, 1)])) typed<number>()(await future.result(), true);
  const any: Executor = executor;
  typed<Future<number>>()(any.submit(fib, 1), true);
});

// What follows is checked by the compiler alone, and never called.

export function returnedErrorsAreTyped(pool: Pool, threads: ThreadPool, sometimes: boolean, given: MapOptions): void {
  const on = { returnExceptions: true } as const;
  const numbers: [number, number][] = [[1, 2]];
  typed<Promise<(number | Error)[]>>()(pool.map(fib, [1], on), true);
  typed<Promise<(number | Error)[]>>()(pool.map((n) => n + 1, [1], { chunksize: 2, returnExceptions: true }), true);
  typed<Promise<(Date | Error)[]>>()(pool.map(later, [1], on), true);
  typed<(number | Error)[]>()(pool.mapSync(fib, [1], on), true);
  typed<AsyncResult<(number | Error)[]>>()(pool.mapAsync(fib, [1], on), true);
  typed<Promise<(number | Error)[]>>()(pool.starmap((a, b) => a + b, numbers, on), true);
  typed<(number | Error)[]>()(pool.starmapSync((a, b) => a + b, numbers, on), true);
  typed<AsyncResult<(number | Error)[]>>()(pool.starmapAsync((a, b) => a + b, numbers, on), true);
  typed<ResultIterator<number | Error>>()(pool.imap(fib, [1], on), true);
  typed<ResultIterator<number | Error>>()(pool.imapUnordered(fib, [1], on), true);
  typed<ResultIterator<string | Error>>()(pool.istarmap(label, [["a", 1]], on), true);
  typed<ResultIterator<string | Error>>()(pool.istarmapUnordered(label, [["a", 1]], on), true);
  typed<ResultIteratorSync<number | Error>>()(pool.imapSync(fib, [1], on), true);
  typed<ResultIteratorSync<number | Error>>()(pool.imapUnorderedSync(fib, [1], on), true);
  typed<ResultIteratorSync<string | Error>>()(pool.istarmapSync(label, [["a", 1]], on), true);
  typed<ResultIteratorSync<string | Error>>()(pool.istarmapUnorderedSync(label, [["a", 1]], on), true);
  typed<Promise<(number | Error)[]>>()(threads.map(fib, [1], on), true);
  typed<ResultIterator<number | Error>>()(threads.imap(fib, [1], on), true);
  // Callbacks are told the same, wherever they stand.
  pool.mapAsync(fib, [1], { callback: (values) => typed<(number | Error)[]>()(values, true), returnExceptions: true });
  pool.mapAsync(fib, [1], { returnExceptions: true, callback: (values) => typed<(number | Error)[]>()(values, true) });
  pool.mapAsync(fib, [1], { callback: (values) => typed<number[]>()(values, true) });
  // What may be true is taken for true.
  typed<Promise<(number | Error)[]>>()(pool.map(fib, [1], { returnExceptions: sometimes }), true);
  typed<Promise<(number | Error)[]>>()(pool.map(fib, [1], given), true);
  typed<Promise<number[]>>()(pool.map(fib, [1], { returnExceptions: false }), true);
  typed<Promise<number[]>>()(pool.map(fib, [1], { returnExceptions: undefined }), true);
  typed<Promise<number[]>>()(pool.map(fib, [1], {}), true);
  // @ts-expect-error: the results may be errors
  const _: Promise<number[]> = pool.map(fib, [1], on);
}

export function parametersAreInferred(pool: Pool, executor: ProcessPoolExecutor): void {
  typed<Promise<number[]>>()(pool.starmap((a, b) => a * b, [[1, 2]]), true);
  typed<Promise<string[]>>()(pool.starmap((a, b) => a.toUpperCase() + b, [["a", 1], ["b", 2]]), true);
  typed<Promise<number[]>>()(pool.starmap((a, b) => a * b, new Map([[1, 2]])), true);
  typed<Promise<string[]>>()(pool.starmap(label, [["a", 1], ["b"]]), true);
  typed<Promise<number[]>>()(pool.starmap((mode: "a" | "b") => mode.length, [["a"], ["b"]]), true);
  typed<Promise<number[]>>()(pool.starmap((...all: number[]) => all.length, [[1, 2], [3]]), true);
  typed<number[]>()(pool.starmapSync((a, b) => a * b, [[1, 2]]), true);
  typed<AsyncResult<number[]>>()(pool.starmapAsync((a, b) => a * b, [[1, 2]]), true);
  typed<ResultIterator<number>>()(pool.istarmap((a, b) => a * b, [[1, 2]]), true);
  typed<ResultIteratorSync<number>>()(pool.istarmapUnorderedSync((a, b) => a * b, [[1, 2]]), true);
  typed<Promise<number>>()(pool.apply((a, b) => a * b, [1, 2]), true);
  typed<Promise<number>>()(pool.apply((n = 1) => n * 2), true);
  typed<Promise<number>>()(pool.apply(Math.max), true);
  typed<Promise<number>>()(pool.apply(() => 1, [], { taskTimeout: 1 }), true);
  typed<number>()(pool.applySync((a, b) => a * b, [1, 2]), true);
  typed<ResultIteratorSync<number>>()(pool.imapSync((n) => n + 1, [1]), true);
  typed<Waited<Future<number>>>()(waitSync([executor.submit(fib, 1)]), true);
  typed<IterableIterator<Future<number>, undefined>>()(asCompletedSync([executor.submit(fib, 1)]), true);
  // @ts-expect-error: too few
  pool.starmap((a: number, b: number) => a + b, [[1]]);
  // @ts-expect-error: too many
  pool.starmap((a: number) => a, [[1, 2]]);
  // @ts-expect-error: not a tuple
  pool.starmap((a: number) => a, [1]);
  // @ts-expect-error: too many
  pool.apply(() => 1, [2]);
  // @ts-expect-error: of a wrong type
  pool.broadcast((a: number) => a, ["a"]);
  // @ts-expect-error: none at all
  pool.applyAsync((a: number) => a);
}

export function initargsFitTheInitializer(pool: (pool: Pool) => void, maybe: ((n: number) => void) | undefined): void {
  const start = (name: string, n: number): string => name + n;
  pool(new Pool(2, { initializer: start, initargs: ["a", 1] }));
  pool(new Pool({ initializer: () => {} }));
  pool(new Pool({ initializer: label, initargs: ["a"] }));
  pool(new Pool({ initializer: (...all: number[]) => all.length, initargs: [1, 2] }));
  pool(new Pool({ initializer: maybe, initargs: [1] }));
  new ProcessPoolExecutor({ initializer: start, initargs: ["a", 1] });
  const options: PoolOptions = { initializer: start, initargs: ["a", 1] };
  pool(new Pool(options));
  pool(new Pool(2, options));
  const others: ProcessPoolExecutorOptions = { initializer: start, initargs: ["a", 1] };
  const executor: Executor = new ProcessPoolExecutor(2, others);
  void executor;
  const kinds = [Pool, ThreadPool];
  for (const Kind of kinds) new Kind(2);
  // @ts-expect-error: none
  new Pool(2, { initializer: start });
  // @ts-expect-error: too few
  new Pool(2, { initializer: start, initargs: ["a"] });
  // @ts-expect-error: too many
  new Pool({ initializer: () => {}, initargs: [1] });
  // @ts-expect-error: in a wrong order
  new Pool({ initializer: start, initargs: [1, "a"] });
  // @ts-expect-error: of a wrong type
  new ProcessPoolExecutor({ initializer: start, initargs: ["a", "b"] });
  // @ts-expect-error: none
  new ProcessPoolExecutor(2, { initializer: start });
  // @ts-expect-error: options twice
  new Pool({}, {});
}

export function argsFitTheTarget(): void {
  const greet = (name: string, n = 1): string => name + n;
  new Process({ target: greet, args: ["a"] });
  new Thread({ target: greet, args: ["a", 2] });
  new Process({ target: (n, text) => text.repeat(n), args: [1, "a"] });
  new Process({ target: () => {} });
  new Process({ target: (n?: number) => n });
  new Process({ args: [1] });
  new Process();
  const options: ProcessOptions<[number]> = { target: (n: number) => n, args: [1] };
  void options;
  // @ts-expect-error: none
  new Process({ target: greet });
  // @ts-expect-error: none
  new Thread({ target: greet, name: "a" });
  // @ts-expect-error: too few
  new Process({ target: greet, args: [] });
  // @ts-expect-error: of a wrong type
  new Process({ target: greet, args: [1] });
  // @ts-expect-error: too many
  new Process({ target: () => {}, args: [1] });
}

export function onlyIntegersHaveAtomicOperations<T extends "i" | "Q">(any: Value, some: Value<T>): void {
  typed<number>()(new Value("i").add(1), true);
  typed<bigint>()(new Value("q").compareExchange(1n, 2n), true);
  const either: Value<"i" | "u8"> = new Value("i");
  either.add(1);
  some.exchange(some.value);
  const wide: Value<SharedType> = new Value("d");
  void wide;
  // @ts-expect-error: a float
  new Value("d").add(1);
  // @ts-expect-error: a float
  new Value("f32").exchange(1);
  // @ts-expect-error: a string
  new Value("z").xor("a");
  // @ts-expect-error: perhaps a float
  any.sub(1);
  // @ts-expect-error: of another type
  new Value("q").add(1);
}

const WRONG: [what: string, code: string, error: string][] = [
  ["an item of a wrong type", `pool.map((n: number) => n, ["a"])`, "not assignable"],
  ["an argument of a wrong type", `pool.apply((n: number) => n, ["a"])`, "not assignable"],
  ["a missing argument", `pool.apply((a: number, b: number) => a + b, [1])`, "not assignable"],
  ["no arguments where some are needed", `pool.apply((a: number) => a)`, "Expected"],
  ["an argument too many", `pool.apply((a: number) => a, [1, 2])`, "not assignable"],
  ["a tuple of a wrong type", `pool.starmap((a: number, b: string) => b + a, [[1, 2]])`, "not assignable"],
  ["what is not iterable", `pool.map((n: number) => n, 5)`, "not assignable"],
  ["a result of another type", `const x: string[] = await pool.map((n: number) => n, [1])`, "not assignable"],
  [
    "an async iterable for a blocking call",
    `pool.mapSync((n: number) => n, (async function* () { yield 1; })())`,
    "not",
  ],
  ["an unknown option", `pool.map((n: number) => n, [1], { chunkSize: 2 })`, "chunkSize"],
  ["a wrong option of the pool", `new Pool({ processes: "2" })`, "not assignable"],
  ["a wrong argument of submit()", `new ProcessPoolExecutor().submit((n: number) => n, "a")`, "not assignable"],
  ["a missing argument of submit()", `new ProcessPoolExecutor().submit((n: number) => n)`, "Expected"],
  ["a wrong iterable", `new ProcessPoolExecutor().map((n: number, s: string) => s + n, [1], [2])`, "overload"],
  ["an unknown option of map()", `new ProcessPoolExecutor().map((n: number) => n, [1], { chunkSize: 2 })`, "chunkSize"],
  ["a blocking call on a thread pool", `new ThreadPool(1).mapSync((n: number) => n, [1])`, "mapSync"],
  ["a blocking stream of a thread pool", `new ThreadPool(1).imapSync((n: number) => n, [1])`, "imapSync"],
  ["a blocking end of a thread pool", `new ThreadPool(1).joinSync()`, "joinSync"],
  ["a blocking end of a thread executor", `new ThreadPoolExecutor(1).shutdownSync()`, "shutdownSync"],
  ["what is private to a stream", `pool.imap((n: number) => n, [1]).nextSync()`, "nextSync"],
  ["an atomic operation of a float", `new Value("d").add(1)`, "Value<"],
];

/** What the checker says of all of these, each in a line of its own: one run, as each takes seconds. */
const checked = (async (): Promise<{ success: boolean; faults: Map<number, string> }> => {
  const snippets = [`await pool.map((n: number) => n, [1])`, ...WRONG.map(([, code]) => code)];
  const functions = snippets.map((code, i) =>
    `export async function _${i}(pool: Pool): Promise<void> { ${code}; await pool; }`
  );
  const library = new URL("../../mod.ts", import.meta.url);
  const program = `import { Pool, ProcessPoolExecutor, ThreadPool, ThreadPoolExecutor, Value } from "${library}";
${functions.join("\n")}
export const all = [Pool, ProcessPoolExecutor, ThreadPool, ThreadPoolExecutor, Value];`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--check", program],
    env: { NO_COLOR: "1" },
  }).output();
  const faults = new Map<number, string>();
  for (const fault of new TextDecoder().decode(stderr).split(/\n(?=TS\d+ \[ERROR\])/)) {
    const line = /^ {4}at \S+:(\d+):\d+$/m.exec(fault)?.[1];
    if (line !== undefined) faults.set(Number(line) - 2, (faults.get(Number(line) - 2) ?? "") + fault);
  }
  return { success, faults };
})();

test("what is right compiles", async () => {
  assertEquals((await checked).faults.get(0), undefined);
});

WRONG.forEach(([what, code, error], i) => {
  test(`${what} does not compile`, async () => {
    const { success, faults } = await checked;
    assertEquals(success, false);
    const fault = faults.get(i + 1);
    assert(fault !== undefined, code);
    assertStringIncludes(fault, error);
  });
});
