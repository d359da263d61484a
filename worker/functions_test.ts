/** How functions reach a worker, and which one runs there. */

import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { Pool, SerializationError } from "../mod.ts";
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
