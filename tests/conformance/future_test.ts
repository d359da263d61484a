/** Futures, as CPython's own suites assert them: their states, their callbacks, and those of one's own. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  asCompleted,
  BrokenProcessPoolError,
  CancelledError,
  Event,
  Future,
  InvalidStateError,
  ProcessPoolExecutor,
  ThreadPoolExecutor,
  TimeoutError,
  wait,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { both, collect, failAt3, occupy } from "./executors.ts";
import { add } from "./helpers.ts";

test("the states of a future", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const running = await occupy(executor, go);
  const pending = executor.submit(add, 1, 2);
  const cancelled = executor.submit(add, 1, 2);
  const failing = executor.submit(failAt3, 3);
  const waiter = assertRejects(() => cancelled.result(), CancelledError);
  assert(cancelled.cancel() && cancelled.cancel());
  await waiter;
  const states = (future: Future<unknown>) => [future.done(), future.running(), future.cancelled()];
  assertEquals([running, pending, cancelled].map(states), [
    [false, true, false],
    [false, false, false],
    [true, false, true],
  ]);
  assertEquals(running.cancel(), false);
  for (const future of [running, pending]) {
    await assertRejects(() => future.result(0), TimeoutError);
    await assertRejects(() => future.exception(0), TimeoutError);
    assertThrows(() => future.resultSync(1), TimeoutError);
  }
  await assertRejects(() => cancelled.exception(), CancelledError);
  assertThrows(() => cancelled.resultSync(), CancelledError);
  const soon = pending.result(20_000);
  go.set();
  assertEquals([await soon, await pending.exception(), pending.cancel()], [3, null, false]);
  assertInstanceOf(await failing.exception(), RangeError);
  await assertRejects(() => failing.result(), RangeError);
  assertEquals([pending, failing].map(states), [[true, false, false], [true, false, false]]);
  assertEquals([String(pending), String(failing), String(cancelled)], [
    "Future(finished, returned number)",
    "Future(finished, threw RangeError)",
    "Future(cancelled)",
  ]);
});

both(
  "callbacks run once each, in order, late ones at once, and one that throws harms nobody",
  async (make) => {
    await using executor = make(1);
    const go = new Event();
    await occupy(executor, go);
    const log: string[] = [];
    const { error } = console;
    const printed: unknown[] = [];
    console.error = (...all: unknown[]) => void printed.push(...all);
    try {
      const [good, bad, dropped] = [
        executor.submit(add, 1, 2),
        executor.submit(failAt3, 3),
        executor.submit(add, 1, 2),
      ];
      for (const [name, future] of Object.entries({ good, bad, dropped })) {
        future.addDoneCallback((given: Future<unknown>) => log.push(`${name} 1 ${given === future}`));
        future.addDoneCallback(() => {
          throw new URIError(name);
        });
        future.addDoneCallback(() => log.push(`${name} 2`));
      }
      assert(dropped.cancel());
      assertEquals(log, ["dropped 1 true", "dropped 2"]);
      go.set();
      await wait([good, bad]);
      for (const future of [good, bad, dropped]) future.addDoneCallback(() => log.push("late"));
      good.addDoneCallback(() => {
        throw new URIError("late");
      });
      assertEquals(log.slice(2).toSorted(), ["bad 1 true", "bad 2", "good 1 true", "good 2", "late", "late", "late"]);
      assertEquals(printed.filter((one) => one instanceof URIError).length, 4);
      assertEquals(await good.result(), 3);
      assertThrows(() => good.addDoneCallback(3 as never), TypeError);
    } finally {
      console.error = error;
    }
  },
);

test("futures of one's own", async () => {
  const future = new Future<number>();
  assertEquals([future.setRunningOrNotifyCancel(), future.running(), future.cancel()], [true, true, false]);
  assertThrows(() => future.setRunningOrNotifyCancel(), InvalidStateError);
  assertThrows(() => future.resultSync(), InvalidStateError);
  future.setResult(3);
  assertThrows(() => future.setResult(4), InvalidStateError);
  assertThrows(() => future.setException(new Error()), InvalidStateError);
  assertEquals([await future.result(), future.resultSync()], [3, 3]);
  const cancelled = new Future<number>();
  cancelled.cancel();
  assertEquals(cancelled.setRunningOrNotifyCancel(), false);
  assertThrows(() => cancelled.setResult(1), InvalidStateError);
  await using executor = new ProcessPoolExecutor(1);
  const theirs = executor.submit(add, 1, 2);
  assertThrows(() => theirs.setResult(1), InvalidStateError, "belongs to an executor");
  assertEquals(await theirs.result(), 3);
});

test("what waits in shared memory can be cancelled; only what a worker has taken cannot", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  await occupy(executor, go);
  const futures = Array.from({ length: 100 }, (_, i) => executor.submit(add, i, i));
  assertEquals(futures.filter((future) => future.running()).length, 0);
  assert(futures.every((future) => future.cancel()));
  go.set();
});

test("failures that nobody asks for are no unhandled rejections", async () => {
  const unhandled: unknown[] = [];
  let reported: PromiseWithResolvers<void> | undefined;
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
    reported?.resolve();
  };
  addEventListener("unhandledrejection", note);
  try {
    await using executor = new ProcessPoolExecutor(1);
    const future = executor.submit(failAt3, 3);
    const results = executor.map(failAt3, [3, 3]);
    await executor.shutdown();
    const last = new Error("the last one to be reported");
    reported = Promise.withResolvers<void>();
    Promise.reject(last);
    await reported.promise; // rejections are reported in the order in which they happened
    assertEquals(unhandled, [last]);
    await assertRejects(() => future.result(), RangeError);
    await assertRejects(() => results.next(), RangeError);
  } finally {
    removeEventListener("unhandledrejection", note);
  }
});

test("exception() gives what was thrown just after its time as a late one; wrong times throw at once", async () => {
  const future = new Future();
  const early = future.exception(0);
  future.setException(new RangeError("x"));
  await assertRejects(() => early, TimeoutError, "0 ms");
  assertThrows(() => void future.exception(NaN), TypeError);
});

both("a console that throws, and a callback that rejects, harm nobody", async (make) => {
  await using executor = make(1);
  const { error } = console;
  let calls = 0;
  const twice = Promise.withResolvers<void>();
  console.error = () => {
    if (++calls === 2) twice.resolve();
    throw new Error("no console");
  };
  try {
    const [a, b] = [executor.submit(add, 1, 2), executor.submit(add, 3, 4)];
    let told = false;
    a.addDoneCallback(() => {
      throw new Error("callback");
    });
    a.addDoneCallback(() => Promise.reject(new Error("later")));
    a.addDoneCallback(() => void (told = true));
    assertEquals([await a.result(), await b.result(), told], [3, 7, true]);
    await twice.promise;
    assertEquals(calls, 2);
  } finally {
    console.error = error;
  }
});

test("a callback may block for another call, also when a worker died, a limit passed, or all were cancelled", async () => {
  for (const first of [() => Deno.exit(1), () => new Promise(() => {})]) {
    const executor = new ProcessPoolExecutor({ maxWorkers: 1, taskTimeout: 100 });
    const [a, b] = [executor.submit(first as () => unknown), executor.submit(add, 1, 1)];
    const got: number[] = [];
    a.addDoneCallback(() => got.push(b.resultSync()));
    await wait([a, b]);
    assertEquals(got, [2]);
    await executor.shutdown();
  }
  const executor = new ProcessPoolExecutor(1);
  const go = new Event();
  await occupy(executor, go);
  const [b, c, d] = [1, 2, 3].map((n) => executor.submit(add, n, n)) as [Future, Future, Future];
  const seen: unknown[] = [];
  b.addDoneCallback(() => {
    assertThrows(() => c.resultSync(), CancelledError);
    seen.push(d.cancel(), d.cancelled());
  });
  const end = executor.shutdown({ cancelFutures: true });
  assertEquals(seen, [true, true]);
  go.set();
  await end;
  const ended = new ProcessPoolExecutor(2);
  const [e, f] = [await occupy(ended, new Event()), await occupy(ended, new Event())];
  e.addDoneCallback(() => assertThrows(() => f.resultSync(), BrokenProcessPoolError));
  ended.terminateWorkers();
  assert(e.done() && f.done());
});

test("10,000 futures with random cancels, callbacks and waits settle exactly once", async () => {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2 ** 31));
  let state = seed;
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % n;
  };
  console.log(`SEED=${seed}`);
  const workers = new ProcessPoolExecutor(3);
  const here = new ThreadPoolExecutor(4);
  const call = (n: number): unknown => {
    if (n % 7 === 3) throw new RangeError(String(n));
    if (n % 2500 === 1) Deno.exit(1);
    return n % 5 === 0 ? Promise.resolve(n) : n;
  };
  const quick = (n: number): number => {
    if (n % 7 === 3) throw new RangeError(String(n));
    return n;
  };
  const settled = new Int32Array(10_000);
  const told = new Int32Array(10_000);
  const futures: Future<unknown>[] = [];
  const waits: Promise<unknown>[] = [];
  for (let n = 0; n < 10_000; n++) {
    const future = random(4) === 0 ? here.submit(quick, n) : workers.submit(call, n);
    futures.push(future);
    future.addDoneCallback(() => void told[n]!++);
    const number = n;
    waits.push(future.result().then(() => void settled[number]!++, () => void settled[number]!++));
    switch (random(8)) {
      case 0:
        futures[random(n + 1)]!.cancel();
        break;
      case 1:
        waits.push(future.result(random(20)).catch(() => {}));
        break;
      case 2:
        future.addDoneCallback(() => void futures[random(n + 1)]!.cancel());
        break;
      case 3:
        if (random(50) === 0) await wait(futures.slice(-20), { returnWhen: "FIRST_COMPLETED" });
        break;
      case 4:
        if (random(100) === 0) waits.push(collect(asCompleted(futures.slice(-50))));
    }
  }
  await Promise.all([workers.shutdown(), here.shutdown()]);
  assert(futures.every((future) => future.done()));
  await Promise.all(waits);
  assertEquals([...settled].filter((count) => count !== 1), []);
  assertEquals([...told].filter((count) => count !== 1), []);
  for (const [n, future] of futures.entries()) {
    if (future.cancelled()) continue;
    const error = await future.exception();
    if (n % 7 === 3) assertInstanceOf(error, RangeError);
    else if (error === null) assertEquals(future.resultSync(), n);
    else assertInstanceOf(error, BrokenProcessPoolError);
  }
});
