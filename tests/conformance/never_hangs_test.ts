/** Hostile or unlucky tasks never keep their caller waiting, and their pool goes on. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type AsyncResult,
  Barrier,
  BrokenProcessPoolError,
  CancelledError,
  Event as SharedEvent,
  InvalidStateError,
  Pool,
  TimeoutError,
  Value,
} from "../../mod.ts";
import { arriveAndBlock, reaches, rejection, release, test, words } from "../../testing/counted_workers.ts";
import { goesOn, square } from "./helpers.ts";

test("a getter of an argument may block for the pool itself, or end it", async () => {
  await using pool = new Pool(1);
  const blocking = {
    get value(): number {
      return pool.applySync(square, [3]);
    },
  };
  assertEquals(await pool.apply((x: { value: number }) => x.value, [blocking]), 9);
  const ending = {
    get value(): number {
      pool.terminate();
      return 1;
    },
  };
  await assertRejects(() => pool.apply((x: { value: number }) => x.value, [ending]), CancelledError);
});

test("a getter of an argument may use the pool itself", async () => {
  await using pool = new Pool(1);
  let inner: Promise<number> | undefined;
  const argument = {
    get value(): number {
      inner = pool.apply(square, [3]);
      return 1;
    },
  };
  assertEquals(await pool.apply((x: { value: number }) => x.value, [argument]), 1);
  assertEquals(await inner, 9);
});

test("a getter of an argument may abort its own call", async () => {
  await using pool = new Pool(1);
  for (const call of ["apply", "map"] as const) {
    const controller = new AbortController();
    const trap = {
      get value(): number {
        controller.abort("stop");
        return 1;
      },
    };
    const { signal } = controller;
    const run = (x: unknown): unknown => x;
    const promise = call === "apply" ? pool.apply(run, [trap], { signal }) : pool.map(run, [trap], { signal });
    assertEquals(await rejection(promise), "stop");
  }
  await goesOn(pool);
});

test("broadcast() runs once on each worker even where workers are replaced after each task", async () => {
  await using pool = new Pool(2, { maxTasksPerChild: 1 });
  const flags = words(1);
  for (let i = 1; i <= 20; i++) {
    assertEquals((await pool.broadcast((w: Int32Array) => Atomics.add(w, 0, 1), [flags])).length, 2);
    assertEquals(flags[0], 2 * i);
    assert(pool.stats().workers <= 2);
  }
});

for (
  const [what, run] of [
    ["self.close()", () => self.close()],
    ["Deno.exit(3)", () => Deno.exit(3)],
    ["process.exit(3)", () => (globalThis as unknown as { process: typeof Deno }).process.exit(3)],
    ["Deno.exit(3) after an await", async () => {
      await Promise.resolve();
      Deno.exit(3);
    }],
    ["Deno.exit(3) in a timer", () => new Promise(() => setTimeout(() => Deno.exit(3), 1))],
  ] as [string, () => unknown][]
) {
  test(`a task that calls ${what} fails with BrokenProcessPoolError, and the pool goes on`, async () => {
    await using pool = new Pool(2);
    for (let i = 0; i < 3; i++) {
      const error = await rejection(pool.apply(run));
      assertInstanceOf(error, BrokenProcessPoolError);
      assertStringIncludes(error.message, "ended with code");
      await goesOn(pool);
    }
    assertInstanceOf(await rejection(pool.map(run, [1, 2, 3], { chunksize: 1 })), BrokenProcessPoolError);
    const results = pool.imap(run, [1]);
    assertInstanceOf(await rejection(results.next()), BrokenProcessPoolError);
    assertEquals((await results.next()).done, true);
    await goesOn(pool);
  });
}

test("a worker that ends between tasks costs no task", async () => {
  await using pool = new Pool(1);
  for (let i = 0; i < 5; i++) {
    const name = await pool.apply(() => {
      setTimeout(() => Deno.exit(5), 1);
      return self.name;
    });
    while (
      await pool.apply(() => new Promise((done) => setTimeout(() => done(self.name), 0))).catch(() => name) === name
    );
  }
  await goesOn(pool);
});

test("large results sent before the worker ends are not lost", async () => {
  await using pool = new Pool(1, { maxTasksPerChild: 1 });
  const large = (n: number): Uint8Array => new Uint8Array(200_000).fill(n);
  const results = await pool.map(large, [1, 2, 3, 4], { chunksize: 1 });
  assertEquals(results.map((r) => r[199_999]), [1, 2, 3, 4]);
  const parting = await pool.apply(() => {
    setTimeout(() => Deno.exit(0), 0);
    return new Uint8Array(300_000).fill(9);
  });
  assertEquals(parting[299_999], 9);
});

test("an initializer that ends its worker breaks the pool instead of starting workers for ever", async () => {
  await using pool = new Pool(2, { initializer: () => Deno.exit(4) });
  await assertRejects(() => pool.apply(square, [1]), BrokenProcessPoolError, "while it started");
  await assertRejects(() => pool.apply(square, [1]), BrokenProcessPoolError);
});

test("a task that never returns is left behind by terminate()", async () => {
  for (const wait of [0, 5]) {
    const pool = new Pool(1);
    const pending = rejection(pool.apply(() => new Promise(() => {})));
    if (wait > 0) await pool.apply(square, [1], { signal: AbortSignal.timeout(wait) }).catch(() => {});
    pool.terminate();
    assertInstanceOf(await pending, CancelledError);
    await pool.join();
  }
});

test("terminate() at any moment settles everything", async () => {
  for (let round = 0; round < 40; round++) {
    const pool = new Pool(2);
    const pending = [
      ...Array.from({ length: 30 }, (_, i) => pool.apply(square, [i])),
      pool.map(square, [1, 2, 3], { chunksize: 1 }),
      pool.apply(() => new Promise((done) => setTimeout(done, 1))),
      pool.apply((a: Uint8Array) => a.length, [new Uint8Array(50_000)]),
      Array.fromAsync(pool.imap(square, [1, 2, 3])),
    ].map((p) => p.then(() => undefined, (error) => error));
    // From before the workers start to after the last task has ended.
    for (const end = performance.now() + round; performance.now() < end;) await new Promise((r) => setTimeout(r, 0));
    pool.terminate();
    for (const error of await Promise.all(pending)) {
      if (error !== undefined) assertInstanceOf(error, CancelledError);
    }
    await pool.join();
  }
});

test("a task sees no way to what the caller listens to", async () => {
  await using pool = new Pool(1);
  assertEquals(
    await pool.apply(() => {
      // As it were a reply, or a first message.
      (self as unknown as { postMessage(m: unknown): void }).postMessage({
        type: "record",
        kind: 1,
        taskId: 1,
        detail: 0,
      });
      (self as unknown as { onmessage: unknown }).onmessage = () => {};
      Atomics.store = Atomics.load as unknown as typeof Atomics.store;
      Atomics.notify = () => 0;
      return "still";
    }),
    "still",
  );
  assertEquals(await pool.apply(square, [4]), 16);
});

test("a signal that aborts at any moment settles the call once", async () => {
  await using pool = new Pool(2);
  for (let round = 0; round < 60; round++) {
    const controller = new AbortController();
    const calls = [
      pool.apply(square, [round], { signal: controller.signal }),
      pool.map(square, [1, 2, 3, round], { signal: controller.signal, chunksize: 1 }),
      Array.fromAsync(pool.imap(square, [1, 2, round], { signal: controller.signal })),
    ].map((p) => p.then((value) => value, () => "aborted"));
    for (let i = 0; i < round % 20; i++) await Promise.resolve();
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    controller.abort();
    const [one, list, stream] = await Promise.all(calls);
    assert(one === "aborted" || one === round * round);
    assert(list === "aborted" || (list as number[])[3] === round * round);
    assert(stream === "aborted" || (stream as number[]).length === 3);
  }
  await goesOn(pool);
});

test("a pool that nobody closes does not keep the program from ending", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--no-check",
      `
      import { Pool } from "${new URL("../../mod.ts", import.meta.url)}";
      const pool = new Pool(2, { idleTimeout: 50 });
      console.log(await pool.map((n) => n + 1, [1, 2]));
      pool.applyAsync(() => { throw new Error("nobody asks") });
      new Pool(2);
    `,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals([new TextDecoder().decode(stdout).trim(), code], ["[ 2, 3 ]", 0]);
});

test("code that loops after an await is left behind at its limit, and the pool goes on", async () => {
  await using pool = new Pool(1, { taskTimeout: 30 });
  const loop = async (): Promise<void> => {
    await Promise.resolve();
    for (const end = performance.now() + 2000; performance.now() < end;);
  };
  const queued = pool.map(square, [1, 2, 3], { taskTimeout: 5000 });
  const error = await rejection(pool.apply(loop));
  assertInstanceOf(error, TimeoutError);
  assertEquals(await pool.apply(square, [5]), 25);
  assertEquals(await queued, [1, 4, 9]);
  // Where the runtime cannot stop it, it is counted until it comes to its end.
  while (pool.stats().zombies > 0) await new Promise((resolve) => setTimeout(resolve, 10));
});

test("a closed pool ends though its last call had to be left behind, before that comes to its end", async () => {
  const over = new Value("i");
  const pool = new Pool(1, { taskTimeout: 30, scope: { over } });
  const result = rejection(pool.apply(async () => {
    await Promise.resolve();
    for (const end = performance.now() + 4000; performance.now() < end;);
    over.value = 1;
  }));
  pool.close();
  assertInstanceOf(await result, TimeoutError);
  await pool.join();
  assertEquals(over.value, 0);
});

test("a closed pool ends whenever an input begins to throw, at the first look at it or at a later one", async () => {
  /** An array that throws from the look of this number on. */
  const tiring = (looks: number): number[] =>
    new Proxy([1, 2, 3], {
      get(target, key, receiver) {
        if (looks-- <= 0) throw new RangeError("tired");
        return Reflect.get(target, key, receiver);
      },
    });
  const calls: ((pool: Pool, items: number[]) => unknown)[] = [
    (pool, items) => pool.map(square, items),
    (pool, items) => pool.mapAsync(square, items).get(),
    (pool, items) => pool.mapSync(square, items),
    (pool, items) => pool.starmap(square, items.map((n): [number] => [n])),
    (pool, items) => pool.imap(square, items).next(),
    (pool, items) => pool.imapUnordered(square, items, { chunksize: 2 }).next(),
  ];
  for (const call of calls) {
    const pool = new Pool(1);
    let failures = 0;
    for (let looks = 0; looks <= 12; looks++) {
      try {
        await call(pool, tiring(looks));
      } catch (error) {
        assertInstanceOf(error, RangeError);
        failures++;
      }
    }
    assert(failures >= 4, `${failures} failures`);
    pool.close();
    await pool.join();
  }
});

test("a worker that a forgotten timer has taken is left behind, and its pool goes on", async () => {
  await using pool = new Pool(1);
  await pool.apply(() => {
    setTimeout(() => {
      for (const end = performance.now() + 2500; performance.now() < end;);
    }, 5);
  });
  await new Promise((resolve) => setTimeout(resolve, 30)); // it loops now
  assertEquals(await pool.apply(square, [3]), 9);
  assertEquals((await pool.broadcast(() => 1)).length, 1);
});

test("a worker that a timer takes between two tasks is left behind, and its pool goes on", async () => {
  const over = new Value("i");
  await using pool = new Pool(1, { scope: { over } });
  const slow = (n: number): number => {
    if (n === 0) {
      setTimeout(() => {
        for (const end = performance.now() + 5000; performance.now() < end;);
        over.value = 1;
      });
    }
    for (const end = performance.now() + 1; performance.now() < end;);
    return n;
  };
  const numbers = Array.from({ length: 50 }, (_, i) => i); // longer than a worker goes on without its event loop
  assertEquals(await pool.map(slow, numbers, { chunksize: 1 }), numbers);
  assertEquals(over.value, 0);
});

test("an input that fails to close does not hide why the stream ended", async () => {
  await using pool = new Pool(1);
  const bad = function* (): Generator<number> {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      // deno-lint-ignore no-unsafe-finally -- the fault that is tested
      throw new Error("while closing");
    }
  };
  const badLater = async function* (): AsyncGenerator<number> {
    yield* bad();
  };
  for (const input of [bad, badLater]) {
    const controller = new AbortController();
    const aborted = pool.imap(square, input(), { signal: controller.signal });
    assertEquals((await aborted.next()).value, 0);
    controller.abort("stop");
    assertEquals(await rejection(aborted.next()), "stop");
    assertEquals((await aborted.next()).done, true);
    const failing = pool.imap(square, input(), {
      onProgress: () => {
        throw new RangeError("progress");
      },
    });
    assertInstanceOf(await rejection(failing.next()), RangeError);
    const left = pool.imap(square, input());
    await assertRejects(() => left.return(), Error, "while closing");
  }
  await goesOn(pool);
});

test("what 'scope' holds is copied when the pool is made", async () => {
  const big = new Uint8Array(10_000);
  await using pool = new Pool(1, { scope: { big }, maxTasksPerChild: 1 });
  structuredClone(big.buffer, { transfer: [big.buffer] });
  for (let i = 0; i < 3; i++) assertEquals(await pool.apply(() => big.length), 10_000);
});

test("blocking for a result in its own callback is refused, not hung", async () => {
  await using pool = new Pool(1);
  let error: unknown;
  const result: AsyncResult<number> = pool.applyAsync(square, [2], {
    callback: () => {
      try {
        result.getSync();
      } catch (e) {
        error = e;
      }
    },
  });
  assertEquals(await result.get(), 4);
  assertInstanceOf(error, InvalidStateError);
});

test("large replies survive workers that are replaced all the time", async () => {
  for (let round = 0; round < 8; round++) {
    await using pool = new Pool(2, { maxTasksPerChild: 3 });
    const large = (n: number): Uint8Array => new Uint8Array(20_000).fill(n);
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, i) => i % 3 === 0 ? pool.apply(square, [i]) : pool.apply(large, [i])),
    );
    results.forEach((result, i) => assertEquals(typeof result === "number" ? result / i || 0 : result[19_999], i));
  }
});

test("cancelling a full submission ring leaves room for what comes after", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const busy = pool.apply(arriveAndBlock, [flags]);
  await reaches(flags, 0, 1);
  for (const count of [256, 2000]) {
    const controller = new AbortController();
    const mapped = rejection(pool.map(square, new Array(count).fill(1), { chunksize: 1, signal: controller.signal }));
    controller.abort("stop");
    assertEquals(await mapped, "stop");
  }
  const after = pool.apply(square, [7]);
  release(flags);
  await busy;
  assertEquals(await after, 49);
});

test("a limit next to the length of the call gives a value or a TimeoutError, nothing else", async () => {
  await using pool = new Pool(1, { name: "Edge" });
  const edge = (ms: number): number => {
    for (const end = performance.now() + ms; performance.now() < end;);
    return ms;
  };
  for (let i = 0; i < 200; i++) {
    const ms = 2.8 + (i % 7) / 10;
    const result = await pool.apply(edge, [ms], { taskTimeout: 3 }).catch((error) => error);
    assert(result === ms || result instanceof TimeoutError, String(result));
  }
  // An interruption that comes after the call's end would have cost its worker.
  assertEquals(pool.stats().zombies, 0);
  assertEquals(await pool.apply(() => self.name), "Edge-1");
});

test("a limit may be as long as a timer can be", async () => {
  await using pool = new Pool(1);
  const later = async (n: number): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return n;
  };
  for (const taskTimeout of [0x7fffffff, 0x7fffffff - 50, 2 ** 40, Infinity]) {
    assertEquals(await pool.apply(later, [1], { taskTimeout }), 1);
    assertEquals(await pool.apply(square, [2], { taskTimeout }), 4);
  }
});

test("a full submission ring and a full completion ring lose nothing", async () => {
  await using pool = new Pool(2);
  const flags = words(2);
  const gates = pool.map(arriveAndBlock, [flags, flags], { chunksize: 1 });
  await reaches(flags, 0, 2);
  const text = (n: number): string => String(n).repeat(1000);
  const results = Array.from({ length: 5000 }, (_, i) => pool.applyAsync(text, [i % 10]));
  release(flags);
  await gates;
  // The replies pile up while this thread does nothing.
  Atomics.wait(words(1), 0, 0, 200);
  for (const [i, result] of results.entries()) assertEquals((await result.get()).length, String(i % 10).length * 1000);
});

test("more functions than a worker keeps are all found again", async () => {
  await using pool = new Pool(1);
  const make = (n: number): () => number => new Function(`return ${n}`) as () => number;
  const functions = Array.from({ length: 1500 }, (_, i) => make(i));
  assertEquals(await Promise.all(functions.map((fn) => pool.apply(fn))), functions.map((_, i) => i));
  assertEquals(await Promise.all(functions.map((fn) => pool.apply(fn))), functions.map((_, i) => i));
});

test("1000 large arguments at once, on workers that are replaced all the time, all arrive", async () => {
  await using pool = new Pool(2, { maxTasksPerChild: 20 });
  const sum = (a: Uint8Array, n: number): number => a.length + n;
  const tuples = Array.from({ length: 300 }, (_, i): [Uint8Array, number] => [new Uint8Array(20_000), i]);
  assertEquals(await pool.starmap(sum, tuples, { chunksize: 1 }), tuples.map((_, i) => 20_000 + i));
});

test("Pool: two tasks that wait for each other are both begun, each time, by a pool of two", async () => {
  const gate = new Barrier(2);
  const pool = new Pool(2, { scope: { gate }, idleTimeout: Infinity });
  const meet = (): number => gate.wait(20_000);
  for (let round = 0; round < 300; round++) {
    assertEquals((await Promise.all([pool.apply(meet), pool.apply(meet)])).toSorted(), [0, 1]);
  }
  for (let round = 0; round < 100; round++) {
    assertEquals((await pool.map(meet, Array(2), { chunksize: 1 })).toSorted(), [0, 1]);
    assertEquals(pool.mapSync(meet, Array(2), { chunksize: 1 }).toSorted(), [0, 1]);
    assertEquals((await Array.fromAsync(pool.imap(meet, Array(2)))).toSorted(), [0, 1]);
  }
  pool.terminate();
  await pool.join();
});

test("Pool: a second worker is started for a task that the first one waits for", async () => {
  for (let round = 0; round < 20; round++) {
    const event = new SharedEvent();
    const pool = new Pool(2, { scope: { event } });
    await pool.apply(() => {});
    const waits = pool.apply(() => event.wait(20_000));
    const sets = pool.apply(() => event.set());
    assertEquals(await waits, true);
    await sets;
    pool.terminate();
    await pool.join();
  }
});
