/** How functions reach a worker, and which one runs there. */

import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { Pool, Process, ProcessPoolExecutor, Queue, SerializationError } from "../mod.ts";
import { runFile } from "../tools/run_program.ts";
import { rejection, test } from "../tools/test_pool.ts";

test("a function that a program has put on the global object runs, and not one of the runtime", async () => {
  await using pool = new Pool(1);
  const scope = globalThis as unknown as Record<string, unknown>;
  const { atob } = scope;
  const { max } = Math;
  scope.twice = function twice(n: number): number {
    return n * 2;
  };
  scope.helpers = {
    thrice: function thrice(n: number): number {
      return n * 3;
    },
  };
  scope.atob = function atob(text: string): string {
    return `mock ${text}`;
  };
  Math.max = function max(n: number): number {
    return -n;
  };
  try {
    type Helper = (n: number) => number;
    assertEquals(await pool.map(scope.twice as Helper, [1, 2]), [2, 4]);
    assertEquals(await pool.map((scope.helpers as { thrice: Helper }).thrice, [1, 2]), [3, 6]);
    assertEquals(await pool.apply(scope.atob as typeof globalThis.atob, ["YQ=="]), "mock YQ==");
    assertEquals(await pool.apply(Math.max, [5]), -5);
  } finally {
    delete scope.twice;
    delete scope.helpers;
    scope.atob = atob;
    Math.max = max;
  }
  assertEquals(await pool.apply(globalThis.atob, ["YQ=="]), "a");
  assertEquals(await pool.apply(Math.max, [5]), 5);
});

test("functions of the runtime run as the worker has them, also what an initializer has put in their place", async () => {
  await using pool = new Pool(1, {
    initializer: () => {
      Math.random = () => 4;
      globalThis.atob = () => "mock";
    },
  });
  assertEquals(await pool.apply(Math.random), 4);
  assertEquals(await pool.apply(atob, ["YQ=="]), "mock");
  assertEquals((await pool.apply(crypto.randomUUID)).length, 36);
  const missing = await rejection(pool.apply(alert, ["hi"]));
  assertInstanceOf(missing, SerializationError);
  assertStringIncludes(missing.message, "'alert'");
});

test("a recursive function that has the name of a global sees itself, and one that only calls the global that", async () => {
  await using pool = new Pool(1);
  const close = (n: number): number => n <= 0 ? 0 : close(n - 1);
  const self = (n: number): number => n <= 1 ? 1 : n * self(n - 1);
  const name = (list: unknown): number => Array.isArray(list) ? list.map(name).reduce((a, b) => a + b, 1) : 1;
  assertEquals(await pool.apply(close, [3]), 0);
  assertEquals(await pool.apply(self, [5]), 120);
  assertEquals(await pool.apply(name, [[[], [[]]]]), 4);
  const wrappers = {
    Number: (text: string) => Number(text),
    Date: (time: number) => new Date(time).toISOString(),
    structuredClone: async (value: unknown) => {
      const copy = await Promise.resolve(structuredClone(value));
      if (copy === undefined) throw new Error("no copy");
      return copy;
    },
    parseInt(text: string): number {
      return text === "" ? 0 : parseInt(text);
    },
  };
  assertEquals(await pool.apply(wrappers.Number, ["5"]), 5);
  assertEquals(await pool.apply(wrappers.Date, [0]), "1970-01-01T00:00:00.000Z");
  assertEquals(await pool.apply(wrappers.structuredClone, [[1]]), [1]);
  assertEquals(await pool.apply(wrappers.parseInt, ["7"]), 7);
});

test("a function of 'scope' sees itself by its own name too", async () => {
  const factorial = (n: number): number => n <= 1 ? 1 : n * factorial(n - 1);
  await using pool = new Pool(1, { scope: { f: factorial } });
  const f = factorial;
  assertEquals(await pool.apply(() => f(5)), 120);
});

const EXPORTS = new URL("../tools/exported_tasks.ts", import.meta.url);

test("module: a task may use 'import.meta', wherever it is called from", async () => {
  const { callEach, inModule, leaveMark, renamed } = await import("../tools/exported_tasks.ts");
  const scope = { there: inModule };
  await using pool = new Pool(1, { module: EXPORTS, initializer: leaveMark, scope });
  assertEquals(await pool.apply(inModule, ["a"]), "a");
  assertEquals(pool.applySync(inModule, ["a"]), "a");
  assertEquals(await pool.apply(callEach, [[inModule, renamed], "b"]), ["b", "true b"]);
  const there = inModule;
  assertEquals(
    await pool.apply(() => `${there("c")} ${(globalThis as { mark?: string }).mark}`),
    "c exported_tasks.ts",
  );
  await using executor = new ProcessPoolExecutor({ maxWorkers: 1, module: EXPORTS });
  assertEquals(await executor.submit(inModule, "d").result(), "d");
  const queue = new Queue<string>();
  const process = new Process({
    target: (name: string, fn: (name: string) => string, queue: Queue<string>) => queue.put(fn(name)),
    args: ["e", inModule, queue],
    module: EXPORTS,
  });
  process.start();
  assertEquals(await queue.getAsync(), "e");
  await process.join();
});

test("module: exports under other names are found, default ones, renamed ones and minified ones", async () => {
  const { default: main, renamed } = await import("../tools/exported_tasks.ts");
  await using pool = new Pool(2, { module: EXPORTS });
  assertEquals(await pool.map(main, ["a", "b"]), ["main a", "main b"]);
  assertEquals(await pool.map(renamed, ["a", "b"]), ["true a", "true b"]);
  assertEquals(pool.mapSync(renamed, ["a"]), ["true a"]);
  const module = new URL("../tools/minified_tasks.js", import.meta.url);
  const { here, task } = await import(module.href);
  await using minified = new Pool(1, { module });
  assertEquals(await minified.apply(here, ["a"]), "a");
  assertEquals(await minified.apply(task, ["a/b"]), "b!2");
});

test("module: of exports with the same source the very one runs, in all tasks at once", async () => {
  const { addFive, addSix, double, times, triple } = await import("../tools/exported_tasks.ts");
  await using pool = new Pool(2, { module: EXPORTS });
  const items = [1, 2, 3, 4];
  const all = await Promise.all([
    ...items.map((n) => pool.apply(double, [n])),
    ...items.map((n) => pool.apply(triple, [n])),
    pool.map(double, items),
    pool.map(triple, items, { chunksize: 1 }),
    pool.apply(addFive, [1]),
    pool.apply(addSix, [1]),
  ]);
  assertEquals(all, [2, 4, 6, 8, 3, 6, 9, 12, [2, 4, 6, 8], [3, 6, 9, 12], 6, 7]);
  assertEquals([pool.applySync(double, [5]), pool.applySync(triple, [5])], [10, 15]);
  // One that looks like them, and is not exported, is none of them.
  assertInstanceOf(await rejection(pool.apply(times(4), [1])), ReferenceError);
});

test("module: a function that looks like an export, but is none, is not taken for it", async () => {
  const { plusOne, unexported } = await import("../tools/exported_tasks.ts");
  await using pool = new Pool(1, { module: EXPORTS });
  assertInstanceOf(await rejection(pool.apply(unexported.plusTwo, [1])), ReferenceError);
  assertEquals(await pool.apply(plusOne, [1]), 2);
});

test("module: where it cannot be told in time which export is meant, the task fails and says what to do", async () => {
  const { double, triple } = await import("../tools/exported_tasks.ts");
  await using pool = new Pool(1, { module: EXPORTS });
  const error = assertThrows(() => pool.applySync(double, [1]), SerializationError);
  for (const part of ["'double'", "'triple'", "'module'"]) assertStringIncludes(error.message, part);
  // A call that waits for its answer must not keep a blocking one from its worker.
  const waiting = rejection(pool.apply(triple, [1]));
  assertEquals(pool.applySync((n: number) => n, [1]), 1);
  await waiting;
  assertEquals(await pool.apply(triple, [1]), 3);
  assertEquals(pool.applySync(double, [1]), 2);
});

test("module: what it does not export and cannot be sent fails its own task", async () => {
  await using pool = new Pool(1, { module: EXPORTS });
  const bound = ((n: number) => n).bind(null);
  const meta = (): string => import.meta.url;
  for (const fn of [bound, meta] as ((n: number) => unknown)[]) {
    const error = await rejection(pool.apply(fn, [1]));
    assertInstanceOf(error, SerializationError);
    assertStringIncludes(error.message, "'module' exports no such function");
  }
  assertEquals(await pool.apply((n: number) => n + 1, [1]), 2);
  await using without = new Pool(1);
  const error = await rejection(without.apply(meta));
  assertInstanceOf(error, SerializationError);
  assertStringIncludes(error.message, "import.meta");
});

test("module: a main program whose top level waits for its own tasks gets them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/main.ts`;
    await Deno.writeTextFile(
      path,
      `import { Pool } from "${new URL("../mod.ts", import.meta.url)}";
      export function here() { return import.meta.url.slice(-7); }
      export default function () { return import.meta.url.length > 0; }
      const times = (k: number) => (n: number) => n * k;
      export const double = times(2), triple = times(3);
      if (import.meta.main) {
        await using pool = new Pool(2, { module: import.meta.url });
        const main = (await Promise.all([pool.apply(here), pool.apply(here)])).join();
        console.log(main, await pool.map(double, [1]), await pool.map(triple, [1]));
      }
      export const late = times(4);
      if (import.meta.main) {
        await using pool = new Pool(2, { module: import.meta.url });
        console.log(await pool.map(late, [1]));
      }`,
    );
    const { code, output } = await runFile(path, "--allow-read");
    assertEquals(code, 0, output);
    assertEquals(output, "main.ts,main.ts [ 2 ] [ 3 ]\n[ 4 ]\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
