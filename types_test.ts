/**
 * What compiles, and what must not.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { asCompleted, type Executor, type Future, Pool, ProcessPoolExecutor, transfer } from "./mod.ts";
import { test } from "./tools/test_pool.ts";

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
];

async function compiles(code: string): Promise<[boolean, string]> {
  const program = `import { Pool, ProcessPoolExecutor, ThreadPool } from "${new URL("./mod.ts", import.meta.url)}";
    async function _never(pool: Pool, ..._: (ThreadPool | ProcessPoolExecutor)[]) { ${code}; await 0; }`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--check", program],
    env: { NO_COLOR: "1" },
  }).output();
  return [success, new TextDecoder().decode(stderr)];
}

test("what is right compiles", async () => {
  assertEquals((await compiles(`await pool.map((n: number) => n, [1])`))[0], true);
});

for (const [what, code, error] of WRONG) {
  test(`${what} does not compile`, async () => {
    const [success, output] = await compiles(code);
    assertEquals(success, false, code);
    assertStringIncludes(output, error);
  });
}
