/** Arguments and results: copied, moved, large, and not kept. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { BrokenProcessPoolError, Pool, SerializationError, transfer } from "../../mod.ts";
import { rejection, test, words } from "../../testing/counted_workers.ts";
import { run } from "../../testing/run_program.ts";
import { range, square } from "./helpers.ts";

test("values arrive as structured clone would give them", async () => {
  await using pool = new Pool(1);
  const echo = (value: unknown): unknown => value;
  const cyclic: { self?: unknown; list: number[] } = { list: [1, 2] };
  cyclic.self = cyclic;
  const shared = new Uint8Array([1, 2, 3]);
  const values: unknown[] = [
    undefined,
    null,
    true,
    -0,
    NaN,
    1e300,
    2 ** 31,
    "text",
    "żółć 🎉",
    "lone \ud800 surrogate",
    "x".repeat(10_000),
    10n ** 100n,
    -(2n ** 63n),
    [1, , 3],
    Array.from({ length: 1000 }, (_, i) => i / 3),
    { a: { b: [{}] } },
    new Map<unknown, unknown>([[{ k: 1 }, new Set([1, "a"])]]),
    new Date(0),
    /a+/gi,
    new Float32Array([1.5, -0]),
    new BigInt64Array([1n]),
    new DataView(new ArrayBuffer(4), 1, 2),
    new Uint8Array(100_000).fill(7),
    new RangeError("r", { cause: "c" }),
    [shared, shared.subarray(1)],
    Object(1n),
  ];
  for (const value of values) assertEquals(await pool.apply(echo, [value]), value);
  const back = await pool.apply(echo, [cyclic]) as typeof cyclic;
  assert(back.self === back);
  const [a, b] = await pool.apply(echo, [[shared, shared.subarray(1)]]) as Uint8Array[];
  assert(a!.buffer === b!.buffer);
  const proto = JSON.parse('{"__proto__": 1}');
  assertEquals(Object.keys(await pool.apply(echo, [proto]) as object), ["__proto__"]);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

test("transfer() moves what it names, both ways, and leaves nothing here", async () => {
  await using pool = new Pool(1, { scope: { transfer } });
  const data = new Float64Array(1000).fill(2);
  const twice = (a: Float64Array): Float64Array => transfer(a.map((n) => n * 2), [a.buffer]);
  const result = pool.apply(twice, [transfer(data, [data.buffer])]);
  assertEquals(data.length, 0);
  assertEquals(await result, new Float64Array(1000).fill(4));
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => port1.onmessage = (event) => resolve(event.data));
  await pool.apply((port: MessagePort) => {
    port.postMessage("from the worker");
    port.close();
  }, [transfer(port2, [port2])]);
  assertEquals(await answer, "from the worker");
  port1.close();
  const gone = new Uint8Array(8);
  await pool.apply((a: Uint8Array) => a.length, [transfer(gone, [gone.buffer])]);
  await assertRejects(() => pool.apply((a: Uint8Array) => a.length, [transfer(gone, [gone.buffer])]), Error);
  await assertRejects(() => pool.apply((p: MessagePort) => p, [port1]), SerializationError);
  assertThrows(() => transfer(1, 5 as unknown as []), TypeError, "'buffers'");
  assertEquals(await pool.apply(square, [3]), 9);
});

test("neither arguments nor results are kept once a task is done", async () => {
  // In a program by itself: other tests would use memory of the same process meanwhile.
  const { code, output } = await run(
    `
    import { Pool } from "MODULE";
    await using pool = new Pool(1);
    const echo = (bytes) => {
      (globalThis.refs ??= []).push(new WeakRef(bytes));
      return bytes;
    };
    const kept = async (refs = globalThis.refs) => {
      await new Promise((resolve) => setTimeout(resolve, 0)); // a WeakRef keeps its object for the rest of the turn
      gc();
      return refs.filter((ref) => ref.deref() !== undefined).length;
    };
    const refs = [];
    async function call() {
      const bytes = new Uint8Array(10_000_000);
      refs.push(new WeakRef(bytes), new WeakRef(await pool.apply(echo, [bytes])));
    }
    await pool.apply((x) => x * x, [1]);
    const before = Deno.memoryUsage().rss;
    for (let i = 0; i < 60; i++) await call();
    const there = await pool.apply(kept);
    const here = await kept(refs);
    console.log(JSON.stringify({ here, there, grown: Deno.memoryUsage().rss - before }));`,
    "--v8-flags=--expose-gc",
  );
  assertEquals(code, 0, output);
  const { here, there, grown } = JSON.parse(output);
  assertEquals({ here, there }, { here: 0, there: 0 });
  assert(grown < 400_000_000, `${grown} bytes more`); // of 1.2 GB that went through
});

test("large chunks of numbers are taken when map() is called, and arrive as they were", async () => {
  await using pool = new Pool(2);
  const kinds: Record<string, number[]> = {
    integers: Array.from({ length: 300_000 }, (_, i) => i - 150_000),
    fractions: Array.from({ length: 100_000 }, (_, i) => i / 3),
    odd: Array.from({ length: 50_000 }, (_, i) => [-0, NaN, Infinity, 2 ** 31, -(2 ** 31), i][i % 6]!),
  };
  for (const [kind, numbers] of Object.entries(kinds)) {
    for (const chunksize of [undefined, 2048, 30_001]) {
      const given = [...numbers];
      const mapped = pool.map((n: number) => n, given, { chunksize });
      given.fill(7);
      const results = await mapped;
      assertEquals(results.length, numbers.length, kind);
      const wrong = results.findIndex((n, i) => !Object.is(n, numbers[i]));
      assertEquals(wrong, -1, `${kind}: ${results[wrong]} at ${wrong}`);
    }
  }
});

test("large chunks of numbers keep the errors and the results that are no numbers in their places", async () => {
  await using pool = new Pool(2);
  const numbers = await range(20_000);
  const odd = (n: number): unknown => {
    if (n % 5000 === 1) throw new RangeError(`${n}`);
    return n % 5000 === 2 ? `${n}` : n;
  };
  const results = await pool.map(odd, numbers, { chunksize: 4000, returnExceptions: true });
  results.forEach((result, n) => {
    if (n % 5000 === 1) assertInstanceOf(result, RangeError, `${n}`);
    else assertEquals(result, n % 5000 === 2 ? `${n}` : n);
  });
  const thrown = await rejection(pool.map(
    () => {
      throw [undefined, [1, 2, 3, 4, 5, 6, 7, 8]];
    },
    numbers,
    { chunksize: 20_000 },
  ));
  assertEquals(thrown, [undefined, [1, 2, 3, 4, 5, 6, 7, 8]]);
});

test("large arguments and results go on while the caller's thread is busy", async () => {
  const flags = words();
  await using pool = new Pool(1, { scope: { flags } });
  await pool.apply(square, [1]);
  const text = "x".repeat(100_000);
  const call = (text: string): string => {
    Atomics.add(flags, 0, 1);
    Atomics.notify(flags, 0);
    return text;
  };
  const calls = Array.from({ length: 8 }, () => pool.apply(call, [text]));
  for (let seen = 0; seen < 8; seen = Atomics.load(flags, 0)) {
    assert(Atomics.wait(flags, 0, seen, 10_000) !== "timed-out", `only ${seen} of 8 ran`);
  }
  assertEquals(await Promise.all(calls), new Array(8).fill(text));
});

test("large chunks that a dead worker had not begun go to the next one, as they were", async () => {
  await using pool = new Pool(1);
  const numbers = await range(100_000);
  const given = [...numbers];
  const mapped = pool.map((n: number) => n === 0 ? Deno.exit(3) : n, given, {
    chunksize: 5000,
    returnExceptions: true,
  });
  given.fill(-1);
  const results = await mapped as unknown[];
  for (let n = 0; n < 5000; n++) assertInstanceOf(results[n], BrokenProcessPoolError);
  assertEquals(results.slice(5000), numbers.slice(5000));
});
