/** Errors that nothing catches: each fails what runs then, with that error as the cause, and the pool goes on. */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { BrokenProcessPoolError, Pool } from "../../mod.ts";
import { rejection, test, words } from "../../testing/counted_workers.ts";
import { run } from "../../testing/run_program.ts";
import { goesOn, square } from "./helpers.ts";

test("an error outside of any task is reported with the user's frames only, and the worker goes on", async () => {
  const { code, output } = await run(`
    import { Event, Pool } from "MODULE";
    await using pool = new Pool(1);
    const over = new Event();
    function leave(over) {
      setTimeout(() => { throw new Error("in a timer"); }, 0);
      setTimeout(() => over.set(), 0);
      Promise.reject(new Error("in the background"));
      return self.name;
    }
    const name = await pool.apply(leave, [over]);
    await over.waitAsync();
    console.log(name === await pool.apply(() => new Promise((resolve) => setTimeout(resolve, 1, self.name))));
  `);
  assertEquals(code, 0, output);
  assertStringIncludes(output, "true\n");
  for (const message of ["in a timer", "in the background"]) {
    assertStringIncludes(output, `Uncaught error in PoolWorker-1, after the task 'leave': Error: ${message}\n`);
  }
  const frames = output.split("\n").filter((line) => line.startsWith("    at "));
  assert(frames.length >= 2);
  assert(frames.every((frame) => frame.includes("(task:leave:")), output);
});

/** How something may fail that no one waits for. Sent by source. */
const FAILING: Record<string, (makeError: () => unknown) => unknown> = {
  "in a timer": (makeError) =>
    setTimeout(() => {
      throw makeError();
    }),
  "in a microtask": (makeError) =>
    queueMicrotask(() => {
      throw makeError();
    }),
  "in a promise": (makeError) => void Promise.reject(makeError()),
  "in a listener": (makeError) => {
    const target = new EventTarget();
    target.addEventListener("call", () => {
      throw makeError();
    });
    setTimeout(() => target.dispatchEvent(new Event("call")));
  },
  "that it reports": (makeError) => reportError(makeError()),
};

function failLater(fail: (makeError: () => unknown) => unknown): Promise<never> {
  fail(() => Object.assign(new RangeError("lost"), { code: 7 }));
  return new Promise<never>(() => {});
}

test("an error that nothing catches fails the task that runs, with that cause, and the worker is replaced", async () => {
  await using pool = new Pool(2);
  for (const [how, fail] of Object.entries(FAILING)) {
    const [alone, inMap, other] = await Promise.all([
      rejection(pool.apply(failLater, [fail])),
      rejection(pool.map(failLater, [fail])),
      pool.apply((n: number) => n, [1]),
    ]);
    assertEquals(other, 1);
    for (const error of [alone, inMap]) {
      assertInstanceOf(error, BrokenProcessPoolError, how);
      assert(/^Worker 'PoolWorker-\d+' ended by an error that nothing caught/.test(error.message), error.message);
      assertStringIncludes(error.message, "(lost) while it ran the task 'failLater'");
      assertInstanceOf(error.cause, RangeError);
      assertEquals([error.cause.message, (error.cause as { code?: number }).code], ["lost", 7]);
      const last = error.cause.stack!.split("\n").at(-1)!;
      assert(/\((task|function):/.test(last), last); // none of the worker's, or of the runtime below
    }
  }
  assertInstanceOf(rejected(() => pool.applySync(failLater, [FAILING["in a timer"]!])), BrokenProcessPoolError);
  await goesOn(pool);
});

/** What a blocking call throws. */
function rejected(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

test("what cannot be sent of an error that nothing catches arrives as its text, or without what cannot", async () => {
  await using pool = new Pool(1, { trace: true });
  const causes: [() => unknown, (cause: unknown) => boolean][] = [
    [() => Symbol("odd"), (cause) => cause === "Symbol(odd)"],
    [() => undefined, (cause) => cause === undefined || cause === "Uncaught undefined"],
    [
      () => Object.assign(new TypeError("odd"), { port: new MessageChannel().port1 }),
      (cause) => cause instanceof TypeError && cause.message === "odd",
    ],
    [
      () => new Error("outer", { cause: new RangeError("inner") }),
      (cause) => cause instanceof Error && cause.cause instanceof RangeError,
    ],
    [() => "x".repeat(3_000_000), (cause) => typeof cause === "string" && cause.length === 3_000_000],
  ];
  for (const [makeError, isRight] of causes) {
    for (const fail of [FAILING["in a timer"]!, FAILING["in a promise"]!]) {
      const error = await rejection(pool.apply(
        (fail: typeof FAILING[string], makeError: () => unknown) => (fail(makeError), new Promise(() => {})),
        [fail, makeError] as const,
      ));
      assertInstanceOf(error, BrokenProcessPoolError);
      assert(isRight(error.cause), `${makeError}: ${Deno.inspect(error).slice(0, 500)}`);
    }
  }
});

test("an error that a task's own listener handles harms nothing", async () => {
  await using pool = new Pool(1);
  const handle = (fails: readonly ((makeError: () => unknown) => unknown)[]): Promise<string[]> =>
    new Promise((resolve) => {
      const heard: string[] = [];
      for (const type of ["error", "unhandledrejection"]) {
        addEventListener(type, (event) => {
          event.preventDefault();
          const { error, reason } = event as ErrorEvent & PromiseRejectionEvent;
          if (heard.push((error ?? reason).message) === fails.length) resolve(heard);
        });
      }
      fails.forEach((fail, i) => fail(() => new Error(String(i))));
    });
  const heard = await pool.apply(handle, [Object.values(FAILING)]);
  assertEquals(heard.toSorted(), ["0", "1", "2", "3", "4"]);
  assertEquals(await pool.apply(() => self.name), "PoolWorker-1");
});

test("an error that an earlier task has left behind fails the task that runs then, and says that it may be so", async () => {
  await using pool = new Pool(1);
  const go = words(1);
  await pool.apply((go: Int32Array) => {
    const look = (): unknown => {
      if (Atomics.load(go, 0) === 0) return setTimeout(look);
      throw new Error("left behind");
    };
    setTimeout(look);
  }, [go]);
  const wait = (go: Int32Array): Promise<never> => (Atomics.store(go, 0, 1), new Promise<never>(() => {}));
  const error = await rejection(pool.apply(wait, [go]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertStringIncludes(error.message, "perhaps of an earlier task (left behind) while it ran the task 'wait'");
  await goesOn(pool);
});

test("an error that nothing catches while workers start breaks the pool, with that cause", async () => {
  const initializer = (): Promise<never> =>
    new Promise((_, _reject) => {
      setTimeout(() => {
        throw new RangeError("lost");
      });
    });
  const module = "data:text/javascript,Promise.reject(new RangeError('lost')); await new Promise(() => {})";
  for (const options of [{ initializer }, { module }]) {
    await using pool = new Pool(1, options);
    const error = await rejection(pool.apply(square, [1]));
    assertInstanceOf(error, BrokenProcessPoolError);
    assertInstanceOf(error.cause, RangeError);
    assertEquals(error.cause.message, "lost");
  }
});
