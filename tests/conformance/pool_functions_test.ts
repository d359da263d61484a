/** Functions, and what they find where they run: scope, modules, and pools inside workers. */

import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { BrokenProcessPoolError, Pool, SerializationError } from "../../mod.ts";
import { rejection, test } from "../../testing/counted_workers.ts";
import { square } from "./helpers.ts";

test("functions: recursion, arrows, async, methods, closures over scope, built-ins", async () => {
  const double = (n: number): number => n * two;
  const two = 2;
  const quadruple = (n: number): number => double(double(n));
  await using pool = new Pool(2, { scope: { double, two, quadruple } });
  const fact = (n: number): number => n <= 1 ? 1 : n * fact(n - 1);
  function fib(n: number): number {
    return n <= 1 ? 1 : fib(n - 1) + fib(n - 2);
  }
  const object = {
    method(n: number): number {
      return n + 1;
    },
    async later(n: number): Promise<number> {
      return await Promise.resolve(n + 1);
    },
    "odd name"(n: number): number {
      return n;
    },
  };
  class Static {
    static twice(n: number): number {
      return n * 2;
    }
  }
  assertEquals(await pool.apply(fact, [5]), 120);
  assertEquals(await pool.apply(fib, [10]), 89);
  assertEquals(await pool.apply(object.method, [1]), 2);
  assertEquals(await pool.apply(object.later, [1]), 2);
  assertEquals(await pool.apply(object["odd name"], [1]), 1);
  assertEquals(await pool.apply(Static.twice, [2]), 4);
  assertEquals(
    await pool.apply(async function (n: number) {
      return await Promise.resolve(n);
    }, [7]),
    7,
  );
  assertEquals(await pool.map(Math.sqrt, [1, 4, 9]), [1, 2, 3]);
  assertEquals(await pool.map(parseInt, ["10", "11"]), [10, 11]);
  assertEquals(await pool.apply(JSON.stringify, [{ a: 1 }]), '{"a":1}');
  assertEquals(await pool.apply(btoa, ["hi"]), "aGk=");
  assertEquals(await pool.apply(quadruple, [3]), 12);
  assertEquals(await pool.apply((f: (n: number) => number, n: number) => f(n), [double, 4]), 8);
  const made = await pool.apply(() => (n: number) => n + 1);
  assertEquals(made(1), 2);
});

test("a name that a function does not carry is named, with the two ways to provide it", async () => {
  await using pool = new Pool(1);
  const outside = 3;
  const error = await rejection(pool.apply(function uses(): number {
    return outside;
  }));
  assertInstanceOf(error, ReferenceError);
  assertStringIncludes(error.message, "outside is not defined");
  assertStringIncludes(error.message, "'scope: { outside }'");
  assertStringIncludes(error.message, "'module'");
  await using broken = new Pool(1, { initializer: () => void outside });
  const cause = (await rejection(broken.apply(square, [1])) as Error).cause as Error;
  assertStringIncludes(cause.message, "'scope: { outside }'");
});

test("scope: names that cannot be variables and values that cannot be sent are refused at once", () => {
  assertThrows(() => new Pool(1, { scope: { "a b": 1 } }), RangeError, "'scope'");
  assertThrows(() => new Pool(1, { scope: { class: 1 } }), RangeError, "'scope'");
  assertThrows(() => new Pool(1, { scope: { a: Symbol() } }), SerializationError);
  assertThrows(() => new Pool(1, { scope: { a: square.bind(null) } }), SerializationError);
  assertThrows(() => new Pool(1, { initializer: square.bind(null), initargs: [1] }), SerializationError);
});

test("module: exported functions are taken from there, others go by source", async () => {
  const url = new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url);
  const { usesHelper } = await import("../../testing/fixtures/nested_tasks.ts");
  await using pool = new Pool(1, { module: url });
  assertEquals(await pool.apply(usesHelper, [2]), 20);
  assertEquals(await pool.apply((n: number) => n + 1, [2]), 3);
  await using missing = new Pool(1, { module: new URL("./no_such_module.ts", import.meta.url).href });
  await assertRejects(() => missing.apply(square, [1]), BrokenProcessPoolError);
  assertThrows(() => new Pool(1, { module: "./relative.ts" }), TypeError, "'module'");
  assertThrows(() => new Pool(1, { module: 1 as unknown as string }), TypeError, "'module'");
});

test("a main program without its guard breaks the pool instead of starting workers for ever", async () => {
  await using pool = new Pool(1, { module: new URL("../../testing/fixtures/unguarded.ts", import.meta.url) });
  const error = await rejection(pool.apply(square, [1]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "import.meta.main");
});

test("pools work inside workers", async () => {
  await using pool = new Pool(1, { module: new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url) });
  const { nestedMap } = await import("../../testing/fixtures/nested_tasks.ts");
  assertEquals(await pool.apply(nestedMap, [[1, 2, 3]]), [1, 4, 9]);
});

test("a worker starts other workers one after the other, whatever for", async () => {
  await using pool = new Pool(4, { module: new URL("../../testing/fixtures/nested_tasks.ts", import.meta.url) });
  const { startSuccessors, successors } = await import("../../testing/fixtures/nested_tasks.ts");
  assertEquals(await pool.map(startSuccessors, Object.keys(successors), { chunksize: 1 }), [
    [2, 3],
    ["BrokenProcessPoolError", 3],
    [2, 3],
    [0, 0],
  ]);
});
