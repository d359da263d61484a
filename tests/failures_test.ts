/**
 * Failures as callers get them: their causes, the errors that replace thrown values, and their messages.
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BrokenProcessPoolError,
  ClosedError,
  Pool,
  ProcessPoolExecutor,
  SerializationError,
  ThreadPool,
  ThreadPoolExecutor,
} from "../mod.ts";
import { rejection, test } from "../testing/counted_workers.ts";

const fail = (what: string): never => {
  throw new RangeError(what);
};

/** Returns the error of a call that fails, and whose `errorCallback` throws the value that `thrown` returns. */
async function afterCallback(thrown: (failure: unknown) => unknown): Promise<unknown> {
  await using pool = new ThreadPool(1);
  const result = pool.applyAsync(fail, ["first"], {
    errorCallback: (failure) => {
      throw thrown(failure);
    },
  });
  return await rejection(result.get());
}

test("an errorCallback that throws keeps the failure as the cause of its error", async () => {
  await using pool = new Pool(1);
  const errorCallback = (): void => {
    throw new TypeError("in the callback");
  };
  for (
    const result of [
      pool.applyAsync(fail, ["first"], { errorCallback }),
      pool.mapAsync(fail, ["first"], { errorCallback }),
      pool.starmapAsync(fail, [["first"]], { errorCallback }),
    ]
  ) {
    const error = await rejection(result.get()) as Error;
    assertEquals([error.name, error.message], ["TypeError", "in the callback"]);
    assertInstanceOf(error.cause, RangeError);
    assertEquals(error.cause.message, "first");
    assertEquals(Object.keys(error), [], "a cause is not enumerable");
  }
});

test("an onProgress that throws keeps a failure as the cause of its error", async () => {
  await using pool = new Pool(1);
  const onProgress = (): void => {
    throw new TypeError("in the callback");
  };
  const mapped = await rejection(pool.map(fail, ["first"], { onProgress })) as Error;
  assertEquals((mapped.cause as Error).message, "first");
  const streamed = await rejection(pool.imap(fail, ["first"], { onProgress }).next()) as Error;
  assertEquals((streamed.cause as Error).message, "first");
  const fine = await rejection(pool.map(Math.sqrt, [4], { onProgress })) as Error;
  assertEquals("cause" in fine, false);
  const returned = await rejection(pool.map(fail, ["first"], { onProgress, returnExceptions: true })) as Error;
  assertEquals("cause" in returned, false);
});

test("what an errorCallback throws is the result, whether it can have a cause or not", async () => {
  const own = new Error("own", { cause: "mine" });
  assertStrictEquals(await afterCallback(() => own), own);
  assertEquals(own.cause, "mine");
  const none = new Error("none", { cause: undefined });
  assertEquals([(await afterCallback(() => none) as Error).cause, none.cause], [undefined, undefined]);
  const frozen = Object.freeze(new Error("frozen"));
  assertStrictEquals(await afterCallback(() => frozen), frozen);
  assertEquals("cause" in frozen, false);
  for (const thrown of ["text", 5, null, undefined, Symbol.iterator, { message: "no error" }]) {
    assertStrictEquals(await afterCallback(() => thrown), thrown);
  }
  const guarded = new Proxy(new Error("guarded"), {
    has() {
      throw new Error("refused");
    },
    defineProperty: () => false,
  });
  assertStrictEquals(await afterCallback(() => guarded), guarded);
  class Chained extends Error {
    override get cause(): string {
      return "of the class";
    }
  }
  const chained = await afterCallback(() => new Chained("x")) as Error;
  assertEquals(chained.cause, "of the class");
});

test("no error becomes its own cause, however far the way", async () => {
  const same = await afterCallback((failure) => failure) as Error;
  assertEquals([same.message, "cause" in same], ["first", false]);
  const below = new Error("below");
  await using pool = new ThreadPool(1);
  const deep = (): never => {
    throw new Error("top", { cause: new Error("middle", { cause: below }) });
  };
  const result = pool.applyAsync(deep, [], {
    errorCallback: () => {
      throw below;
    },
  });
  assertStrictEquals(await rejection(result.get()), below);
  assertEquals("cause" in below, false);
  const round = new Error("round");
  round.cause = round;
  const endless = pool.applyAsync(
    () => {
      throw round;
    },
    [],
    { errorCallback: () => fail("outside of it") },
  );
  assertEquals((await rejection(endless.get()) as Error).message, "outside of it");
});

test("returnExceptions gives errors, whatever was thrown", async () => {
  const odd = (n: number): number => {
    if (n === 1) throw "text";
    if (n === 2) throw new RangeError("two");
    if (n === 3) throw null;
    return n;
  };
  for (const pool of [new Pool(1), new ThreadPool(1)]) {
    await using _ = pool;
    const lists = [
      await pool.map(odd, [0, 1, 2, 3], { returnExceptions: true }),
      await pool.starmap(odd, [[0], [1], [2], [3]], { returnExceptions: true, chunksize: 2 }),
      await pool.mapAsync(odd, [0, 1, 2, 3], { returnExceptions: true }).get(),
      await Array.fromAsync(pool.imap(odd, [0, 1, 2, 3], { returnExceptions: true })),
      pool instanceof Pool ? pool.mapSync(odd, [0, 1, 2, 3], { returnExceptions: true }) : [],
      pool instanceof Pool ? [...pool.imapSync(odd, [0, 1, 2, 3], { returnExceptions: true })] : [],
    ];
    for (const results of lists.filter((results) => results.length > 0)) {
      const [zero, text, two, nothing] = results;
      assertEquals(zero, 0);
      assertInstanceOf(text, Error);
      assertEquals([text.message, text.cause], ['The call threw something that is not an error: "text"', "text"]);
      assertInstanceOf(two, RangeError);
      assertInstanceOf(nothing, Error);
      assertStrictEquals(nothing.cause, null);
    }
    // A promise rejects with the value as it was thrown.
    assertEquals(await rejection(pool.map(odd, [1])), "text");
  }
});

test("messages speak of who is asked: a pool or an executor", async () => {
  const initializer = (): never => {
    throw new RangeError("cannot begin");
  };
  for (
    const [make, who] of [
      [() => new Pool(1, { initializer }), "pool"],
      [() => new ThreadPool(1, { initializer }), "pool"],
    ] as const
  ) {
    const broken = make();
    await assertRejects(() => broken.apply(Math.sqrt, [1]), BrokenProcessPoolError, `The ${who} is broken`);
    broken.terminate();
    const closed = make();
    closed.close();
    await assertRejects(() => closed.apply(Math.sqrt, [1]), ClosedError, `Cannot take work as the ${who} is closed`);
    await closed.join();
  }
  for (const Kind of [ProcessPoolExecutor, ThreadPoolExecutor]) {
    const broken = new Kind({ maxWorkers: 1, initializer });
    const error = await broken.submit(Math.sqrt, 1).exception();
    assertInstanceOf(error, BrokenProcessPoolError);
    assert(error.message.startsWith("The executor is broken"), error.message);
    assertThrows(() => broken.submit(Math.sqrt, 1), BrokenProcessPoolError, "The executor is broken");
    await broken.shutdown();
    const closed = new Kind(1);
    await closed.shutdown();
    assertThrows(() => closed.submit(Math.sqrt, 1), ClosedError, "Cannot take work as the executor was shut down");
    assertThrows(() => closed.map(Math.sqrt, [1]), ClosedError, "Cannot take work as the executor was shut down");
  }
});

test("a bound function without a name is called an anonymous function", async () => {
  await using pool = new Pool(1);
  const anonymous = (() => (n: number) => n)();
  for (const bound of [anonymous.bind(null), anonymous.bind(null).bind(null)]) {
    await assertRejects(
      () => pool.apply(bound, [1]),
      SerializationError,
      "Cannot send an anonymous function to a worker as it is a bound function",
    );
  }
  await assertRejects(
    () => pool.apply(fail.bind(null), ["x"]),
    SerializationError,
    "Cannot send 'bound fail' to a worker",
  );
});
