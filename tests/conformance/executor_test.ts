import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { delay } from "@std/async";
import {
  asCompleted,
  Barrier,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  Event,
  type Executor,
  Future,
  InvalidStateError,
  ProcessPoolExecutor,
  Semaphore,
  SerializationError,
  ThreadPoolExecutor,
  TimeoutError,
  Value,
  wait,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";

const KINDS: [kind: string, make: (maxWorkers?: number) => Executor][] = [
  ["on workers", (maxWorkers) => new ProcessPoolExecutor(maxWorkers ?? 2)],
  ["here", (maxWorkers) => new ThreadPoolExecutor(maxWorkers)],
];

/** A test of every kind of executor. */
function both(name: string, run: (make: (maxWorkers?: number) => Executor) => Promise<void>): void {
  for (const [kind, make] of KINDS) test(`${name} (${kind})`, () => run(make));
}

/** A future that is under way until `go` is set, on the one worker of `executor`. */
async function occupy(executor: Executor, go: Event): Promise<Future<unknown>> {
  const begun = new Event();
  const future = executor.submit((begun: Event, go: Event) => (begun.set(), go.waitAsync()), begun, go);
  await begun.waitAsync();
  return future;
}

const collect = <T>(items: AsyncIterable<T>): Promise<T[]> => Array.fromAsync(items);
const add = (a: number, b: number): number => a + b;
const failAt3 = (n: number): number => {
  if (n === 3) throw new RangeError("three");
  return n;
};

// C. submit, map, shutdown.

both("C48: submit() gives a future at once, and refuses what is no function", async (make) => {
  await using executor = make();
  const future = executor.submit(add, 1, 2);
  assertInstanceOf(future, Future);
  assertEquals(future.done(), false);
  assertEquals(await future.result(), 3);
  assertThrows(() => executor.submit(3 as unknown as () => void), TypeError, "'fn'");
});

both("C49: map() zips, stops at the shortest, and is empty of nothing", async (make) => {
  await using executor = make();
  assertEquals(await collect(executor.map(add, [1, 2, 3], new Set([10, 20]))), [11, 22]);
  assertEquals(await collect(Reflect.apply(executor.map, executor, [add])), []);
  assertEquals(await collect(executor.map((n: number) => n, new Uint8Array(2))), [0, 0]);
  async function* numbers() {
    for (let i = 0; i < 3; i++) yield await Promise.resolve(i);
  }
  assertEquals(await collect(executor.map(add, numbers(), [5, 6, 7, 8])), [5, 7, 9]);
  assertThrows(() => executor.map(add, [1], 5 as unknown as number[]), TypeError, "iterable 1");
});

both("C50: chunks give the same in the same order; a wrong chunksize throws at once", async (make) => {
  await using executor = make();
  const items = Array.from({ length: 40 }, (_, i) => i);
  for (const chunksize of [1, 3, 6, 40, 50]) {
    assertEquals(await collect(executor.map((n: number) => n * n, items, { chunksize })), items.map((n) => n * n));
  }
  assertThrows(() => executor.map((n: number) => n, items, { chunksize: 0 }), RangeError, "chunksize");
});

both("C51: map() hands its calls over although nobody reads", async (make) => {
  await using executor = make();
  const calls = new Value("i");
  executor.map((calls: Value<"i">) => calls.add(1), [calls, calls, calls]);
  await executor.shutdown();
  assertEquals(calls.value, 3);
});

both("C52, C53: a failed call rejects in its place, and the iteration goes on", async (make) => {
  await using executor = make();
  for (const chunksize of [1, 2]) {
    const results = executor.map(failAt3, [1, 2, 3, 4, 5], { chunksize });
    assertEquals([await results.next(), await results.next()].map(({ value }) => value), [1, 2]);
    await assertRejects(() => results.next(), RangeError, "three");
    assertEquals(await collect(results), [4, 5]);
  }
});

both("C54: the timeout of map() is for all of it", async (make) => {
  await using executor = make(1);
  const go = new Event();
  const waits = async (go: Event, n: number): Promise<number> => {
    if (n === 1) await go.waitAsync();
    return n;
  };
  const results = executor.map(waits, [go, go, go], [0, 1, 2], { timeout: 300 });
  assertEquals((await results.next()).value, 0);
  await assertRejects(() => results.next(), TimeoutError);
  assertEquals((await results.next()).done, true);
  go.set();
  const none = executor.map((n: number) => n, [1], { timeout: 0 });
  await assertRejects(() => none.next(), TimeoutError);
});

test("C55: a TimeoutError of the function is an error of its item", async () => {
  await using executor = new ThreadPoolExecutor();
  const results = executor.map(
    (n: number) => {
      if (n === 1) throw new TimeoutError("mine");
      return n;
    },
    [1, 2],
    { timeout: 10_000 },
  );
  await assertRejects(() => results.next(), TimeoutError, "mine");
  assertEquals((await results.next()).value, 2);
});

test("C56: leaving the loop early drops what has not begun", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const calls = new Value("i");
  const scope = [calls, go] as const;
  const results = executor.map(
    (calls: Value<"i">, go: Event, n: number) => {
      calls.add(1);
      if (n === 1) go.wait();
      return n;
    },
    Array(50).fill(scope[0]),
    Array(50).fill(scope[1]),
    Array.from({ length: 50 }, (_, i) => i),
  );
  for await (const first of results) {
    assertEquals(first, 0);
    break;
  }
  go.set();
  await executor.shutdown();
  assert(calls.value <= 2, `${calls.value} calls`);
  assertEquals((await results.next()).done, true);
});

both("C57: an input that throws makes map() throw, and what was handed over is dropped", async (make) => {
  await using executor = make();
  function* broken() {
    yield 1;
    throw new URIError("broken input");
  }
  assertThrows(() => executor.map((n: number) => n, broken()), URIError, "broken input");
  assertEquals(await executor.submit(add, 1, 1).result(), 2);
});

both("C58, C59: buffersize bounds what is read, also of endless inputs", async (make) => {
  await using executor = make();
  for (const wrong of [0, -1, 1.5]) {
    assertThrows(() => executor.map((n: number) => n, [1], { buffersize: wrong }), RangeError, "buffersize");
  }
  assertThrows(() => executor.map((n: number) => n, [1], { buffersize: "2" as unknown as number }), TypeError);
  const items = Array.from({ length: 10 }, (_, i) => i);
  for (const buffersize of [1, 2, 10, 20]) {
    assertEquals(await collect(executor.map(add, items, items, { buffersize })), items.map((n) => 2 * n));
  }
  assertEquals(await collect(executor.map((n: number) => n, [] as number[], { buffersize: 1 })), []);
  let read = 0;
  function* endless() {
    for (;;) yield read++;
  }
  const results = executor.map((n: number) => n, endless(), { buffersize: 3 });
  assertEquals(read, 3);
  for (let i = 0; i < 100; i++) assertEquals((await results.next()).value, i);
  assertEquals(read, 103);
  await results.return!();
});

both("C60: shutdown in the middle of an endless map() ends it after what was handed over", async (make) => {
  const executor = make();
  function* endless() {
    for (let i = 0;; i++) yield i;
  }
  const results = executor.map((n: number) => n, endless(), { buffersize: 4 });
  assertEquals((await results.next()).value, 0);
  await executor.shutdown();
  const seen: number[] = [];
  await assertRejects(async () => {
    for await (const n of results) seen.push(n);
  }, ClosedError);
  assertEquals(seen, [1, 2, 3, 4]);
});

test("C61: wrong numbers of workers throw", () => {
  for (const Kind of [ProcessPoolExecutor, ThreadPoolExecutor]) {
    for (const wrong of [0, -1, 1.5]) assertThrows(() => new Kind(wrong), RangeError, "maxWorkers");
    assertThrows(() => new Kind({ maxWorkers: "2" as unknown as number }), TypeError);
    assertThrows(() => new Kind({ initializer: 3 as unknown as () => void }), TypeError);
  }
});

test("C62, C63: no more workers than allowed, and no more than needed", async () => {
  await using executor = new ProcessPoolExecutor(2);
  for (let i = 0; i < 3; i++) await executor.submit(add, i, 1).result();
  assertEquals(executor.stats().workers, 1);
  const begun = new Semaphore(0);
  const go = new Event();
  const futures = Array.from(
    { length: 30 },
    () => executor.submit((begun: Semaphore, go: Event) => (begun.release(), go.wait()), begun, go),
  );
  await begun.acquireAsync();
  await begun.acquireAsync();
  assertEquals([executor.stats().workers, executor.stats().running], [2, 2]);
  go.set();
  await wait(futures);
  assertEquals(executor.stats().workers, 2);
});

test("C64, C65: an initializer runs in each worker; one that throws breaks the executor", async () => {
  {
    const ran = new Value("i");
    await using executor = new ProcessPoolExecutor({
      maxWorkers: 2,
      initializer: (ran: Value<"i">) => void ran.add(1),
      initargs: [ran],
    });
    const both = new Barrier(2); // which one worker alone does not pass
    const meet = (both: Barrier) => both.wait();
    await wait([executor.submit(meet, both), executor.submit(meet, both)]);
    assertEquals(ran.value, 2);
  }
  const options = {
    initializer: () => {
      throw new RangeError("no start");
    },
  };
  for (const executor of [new ProcessPoolExecutor(options), new ThreadPoolExecutor(options)]) {
    const futures = [executor.submit(add, 1, 2), executor.submit(add, 1, 2)];
    for (const future of futures) {
      const error = await future.exception();
      assertInstanceOf(error, BrokenProcessPoolError);
      assertStringIncludes(error.message, "no start");
      assertInstanceOf(error.cause, RangeError);
    }
    assertThrows(() => executor.submit(add, 1, 2), BrokenProcessPoolError, "no start");
    assertThrows(() => executor.map(add, [1], [2]), BrokenProcessPoolError);
    await executor.shutdown();
    await executor.shutdown();
  }
});

both("C66, C69: after shutdown() nothing is taken; a second one does nothing", async (make) => {
  const executor = make();
  assertEquals(await executor.submit(add, 1, 2).result(), 3);
  await executor.shutdown();
  await executor.shutdown({ wait: false });
  assertThrows(() => executor.submit(add, 1, 2), ClosedError);
  assertThrows(() => executor.map(add, [1], [2]), ClosedError);
  assertThrows(() => executor.shutdown({ wait: 1 as unknown as boolean }), TypeError, "'wait'");
});

both("C67: shutdown() waits for 50 calls; without waiting they end as well", async (make) => {
  for (const waits of [true, false]) {
    const executor = make();
    const futures = Array.from({ length: 50 }, (_, i) => executor.submit(add, i, i));
    await executor.shutdown({ wait: waits });
    if (waits) assert(futures.every((future) => future.done()));
    assertEquals(await Promise.all(futures.map((future) => future.result())), futures.map((_, i) => 2 * i));
  }
});

both("C68: shutdown({ cancelFutures }) cancels what has not begun, and lets the rest end", async (make) => {
  const executor = make(1);
  const go = new Event();
  const running = await occupy(executor, go);
  const waiting = Array.from({ length: 20 }, (_, i) => executor.submit(add, i, i));
  const end = executor.shutdown({ cancelFutures: true });
  assert(waiting.every((future) => future.cancelled()));
  assert(!running.done());
  go.set();
  await end;
  assert(running.done() && !running.cancelled());
});

both("C70: leaving the block waits, also by an error", async (make) => {
  const futures: Future<number>[] = [];
  await assertRejects(async () => {
    await using executor = make();
    for (let i = 0; i < 10; i++) futures.push(executor.submit(add, i, i));
    throw new URIError("out");
  }, URIError);
  assert(futures.every((future) => future.done()));
});

test("C74, C75: a worker that dies fails the futures it ran, and says which; the others go on", async () => {
  await using executor = new ProcessPoolExecutor(2);
  const die = (n: number): number => {
    if (n % 5 === 4) Deno.exit(n);
    return n;
  };
  const futures = Array.from({ length: 20 }, (_, n) => executor.submit(die, n));
  const errors = new Set<unknown>();
  for (const [n, future] of futures.entries()) {
    if (n % 5 !== 4) {
      assertEquals(await future.result(), n);
      continue;
    }
    const error = await future.exception();
    assertInstanceOf(error, BrokenProcessPoolError);
    assertStringIncludes(error.message, "while it ran the task 'die'");
    assertEquals(error.exitCode, n);
    errors.add(error);
  }
  assertEquals(errors.size, 4);
  assertEquals(await executor.submit(add, 1, 2).result(), 3);
});

both("C77, C78: what a call throws arrives, also what is falsy", async (make) => {
  await using executor = make();
  const error = await executor.submit(failAt3, 3).exception();
  assertInstanceOf(error, RangeError);
  assertStringIncludes(error.stack!, "failAt3");
  for (const falsy of [undefined, 0, null, "", false]) {
    const future = executor.submit((value: unknown) => {
      throw value;
    }, falsy);
    assertEquals(await future.exception(), falsy);
    const [outcome] = await Promise.allSettled([future.result()]);
    assertEquals(outcome.status, "rejected");
  }
});

test("C79, C80: what cannot be sent fails its future alone", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const futures = [
    executor.submit((value: unknown) => value, new WeakMap()),
    executor.submit(() => new WeakMap()),
  ];
  for (const future of futures) assertInstanceOf(await future.exception(), SerializationError);
  assertEquals(await executor.submit(add, 1, 2).result(), 3);
});

test("C83: workers are replaced after their number of tasks, and no backlog is stranded", async () => {
  const executor = new ProcessPoolExecutor({ maxWorkers: 1, maxTasksPerChild: 3 });
  const name = () => self.name;
  const names: string[] = [];
  for (let i = 0; i < 4; i++) names.push(await executor.submit(name).result());
  assertEquals(new Set(names.slice(0, 3)).size, 1);
  assert(names[3] !== names[0]);
  const futures = Array.from({ length: 11 }, () => executor.submit(name));
  await executor.shutdown({ wait: false });
  const { notDone } = await wait(futures, { timeout: 20_000 });
  assertEquals(notDone.size, 0);
  assertThrows(() => new ProcessPoolExecutor({ maxTasksPerChild: 0 }), RangeError);
});

test("C85: terminateWorkers() ends what runs, cancels the rest, and is harmless before and after", async () => {
  const executor = new ProcessPoolExecutor(1);
  const running = await occupy(executor, new Event());
  const waiting = executor.submit(add, 1, 2);
  executor.terminateWorkers();
  assertInstanceOf(await running.exception(), BrokenProcessPoolError);
  assert(waiting.cancelled());
  assertThrows(() => executor.submit(add, 1, 2), BrokenProcessPoolError, "terminated");
  executor.terminateWorkers();
  const unused = new ProcessPoolExecutor();
  unused.terminateWorkers();
  await unused.shutdown();
});

test("mapSync() blocks, in order, and ends as map() does", () => {
  const executor = new ProcessPoolExecutor(2);
  assertEquals([...executor.mapSync(add, [1, 2, 3], [10, 20, 30], { chunksize: 2 })], [11, 22, 33]);
  const results = executor.mapSync(failAt3, [2, 3, 4]);
  assertEquals(results.next(), { done: false, value: 2 });
  assertThrows(() => results.next(), RangeError);
  assertThrows(() => executor.mapSync(() => 1, { async *[Symbol.asyncIterator]() {} } as never), TypeError, "'map()'");
  assertEquals(executor.submit(add, 1, 2).resultSync(), 3);
  const slow = executor.mapSync(() => new Promise(() => {}), [1], { timeout: 20 });
  assertThrows(() => slow.next(), TimeoutError);
  executor.terminateWorkers();
});

test("a signal ends a map()", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const controller = new AbortController();
  const results = executor.map(
    (n: number) => n,
    (function* () {
      for (let i = 0;; i++) yield i;
    })(),
    { buffersize: 2, signal: controller.signal },
  );
  assertEquals((await results.next()).value, 0);
  controller.abort(new URIError("enough"));
  await assertRejects(async () => {
    for await (const _ of results);
  }, URIError);
});

// D. Futures.

test("D90, D91, D92, D93, D94: the states of a future", async () => {
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
  "D95, D96: callbacks run once each, in order, late ones at once, and one that throws harms nobody",
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

test("D98, D99: futures of one's own", async () => {
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

test("D101: what waits in shared memory can be cancelled; only what a worker has taken cannot", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  await occupy(executor, go);
  const futures = Array.from({ length: 100 }, (_, i) => executor.submit(add, i, i));
  assertEquals(futures.filter((future) => future.running()).length, 0);
  assert(futures.every((future) => future.cancel()));
  go.set();
});

test("D102: failures that nobody asks for are no unhandled rejections", async () => {
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", note);
  try {
    await using executor = new ProcessPoolExecutor(1);
    const future = executor.submit(failAt3, 3);
    const results = executor.map(failAt3, [3, 3]);
    await executor.shutdown();
    await delay(1);
    assertEquals(unhandled, []);
    await assertRejects(() => future.result(), RangeError);
    await assertRejects(() => results.next(), RangeError);
  } finally {
    removeEventListener("unhandledrejection", note);
  }
});

// E. asCompleted and wait.

/** One of each: done well, failed, cancelled; and two that wait until `go`, which are of different executors. */
async function assortment(workers: Executor, here: Executor, go: Event) {
  const done = workers.submit(add, 1, 2);
  const failed = here.submit(failAt3, 3);
  await wait([done, failed]);
  const pending = [await occupy(workers, go), await occupy(here, go)];
  const cancelled = workers.submit(add, 1, 2);
  cancelled.cancel();
  return { finished: [done, failed, cancelled], pending };
}

test("E103, E104, E106: asCompleted() gives each future once, of any executor", async () => {
  await using workers = new ProcessPoolExecutor(1);
  await using here = new ThreadPoolExecutor(1);
  const go = new Event();
  const { finished, pending } = await assortment(workers, here, go);
  const all = [...pending, ...finished, ...finished, ...pending];
  const some = asCompleted(new Set(all), { timeout: 0 });
  const seen: unknown[] = [];
  await assertRejects(
    async () => {
      for await (const future of some) seen.push(future);
    },
    TimeoutError,
    "2 (of 5) futures unfinished",
  );
  assertEquals(seen, finished);
  assertEquals((await some.next()).done, true);
  await assertRejects(() => collect(asCompleted(pending, { timeout: 10 })), TimeoutError, "2 (of 2)");
  const everyone = asCompleted(all);
  const first: unknown[] = [];
  for (const _ of finished) first.push((await everyone.next()).value);
  assertEquals(first, finished);
  go.set();
  assertEquals(new Set(await collect(everyone)), new Set(pending));
  assertEquals(await collect(asCompleted([])), []);
  assertThrows(() => asCompleted([3 as unknown as Future]), TypeError, "not a future");
});

test("E105: leaving asCompleted() early cancels nothing; a signal ends it", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const pending = await occupy(executor, go);
  const done = new Future<number>();
  done.setResult(1);
  for await (const future of asCompleted([done, pending])) {
    assertEquals(future, done);
    break;
  }
  const iterator = asCompleted([pending]);
  const waiting = iterator.next();
  await iterator.return!();
  assertEquals((await waiting).done, true);
  const controller = new AbortController();
  const aborted = asCompleted([pending], { signal: controller.signal }).next();
  controller.abort(new URIError("enough"));
  await assertRejects(() => aborted, URIError);
  await assertRejects(() => wait([pending], { signal: controller.signal }), URIError);
  assert(!pending.done());
  go.set();
});

test("E107, E108, E109, E110: wait() until all, the first, the first failure, or the time", async () => {
  await using workers = new ProcessPoolExecutor(1);
  await using here = new ThreadPoolExecutor(1);
  const go = new Event();
  const { finished, pending } = await assortment(workers, here, go);
  const [done, failed, cancelled] = finished as [Future, Future, Future];
  const sets = ({ done, notDone }: { done: Set<Future>; notDone: Set<Future> }) => [[...done], [...notDone]];
  assertEquals(sets(await wait([...finished, ...finished])), [finished, []]);
  assertEquals(sets(await wait([...pending, ...finished], { returnWhen: "FIRST_COMPLETED" })), [finished, pending]);
  assertEquals(sets(await wait([...pending, failed], { returnWhen: "FIRST_EXCEPTION" })), [[failed], pending]);
  const patient = wait([...pending, done, cancelled], { returnWhen: "FIRST_EXCEPTION", timeout: 10 });
  assertEquals(sets(await patient), [[done, cancelled], pending]);
  for (const timeout of [0, -1, 5]) assertEquals(sets(await wait(pending, { timeout })), [[], pending]);
  assertEquals(sets(await wait([])), [[], []]);
  assertThrows(() => wait([], { returnWhen: "SOME" as "ALL_COMPLETED" }), RangeError, "returnWhen");
  const last = new Future<number>();
  const failing = wait([...pending, last], { returnWhen: "FIRST_EXCEPTION" });
  last.setException(new Error("first"));
  assertEquals(sets(await failing), [[last], pending]);
  go.set();
  assertEquals((await wait(pending)).notDone.size, 0);
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

// Callbacks and inputs that interfere.

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

both("an input that ends its own map() is closed, and nothing more of it runs", async (make) => {
  for (const how of ["abort", "return", "shutdown"]) {
    const executor = make(1);
    const controller = new AbortController();
    let closed = false;
    const calls = new Value("i");
    const input = function* () {
      try {
        yield calls;
        if (how === "abort") controller.abort(new URIError("enough"));
        else if (how === "return") void results.return!();
        else void executor.shutdown();
        yield calls;
        yield calls;
      } finally {
        closed = true;
      }
    };
    const { signal } = controller;
    const results = executor.map((calls: Value<"i">) => calls.add(1), input(), { buffersize: 1, signal });
    const ends = [];
    for (let i = 0; i < 4; i++) ends.push(await results.next().then(({ done }) => done, () => "threw"));
    assertEquals(ends, how === "return" ? [false, true, true, true] : [false, "threw", true, true], how);
    assert(closed, how);
    await executor.shutdown();
    assertEquals(calls.value, 1, how);
  }
});

both("leaving a map() whose input is being waited for does not wait for it", async (make) => {
  await using executor = make(1);
  const never = Promise.withResolvers<void>();
  async function* input() {
    yield 1;
    await never.promise;
    yield 2;
  }
  for await (const n of executor.map((n: number) => n, input())) {
    assertEquals(n, 1);
    break;
  }
  never.resolve();
});

both("shutdown() closes the input of a map() that is read no more", async (make) => {
  const executor = make(1);
  let closed = false;
  function* input() {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      closed = true;
    }
  }
  executor.map((n: number) => n, input(), { buffersize: 2 });
  await executor.shutdown();
  assert(closed);
});

both("inputs that break the rules of iteration are an error, and what was opened is closed", async (make) => {
  await using executor = make(1);
  const bad = { [Symbol.iterator]: () => ({ next: () => 5 }) } as unknown as Iterable<number>;
  assertThrows(() => executor.map((n: number) => n, bad), TypeError, "not an object");
  assertThrows(() => executor.map(add, bad, [1]), TypeError, "not an object");
  const closed: string[] = [];
  const iterable = (name: string): Iterable<number> => ({
    [Symbol.iterator]: () => ({
      next: () => ({ done: name === "c", value: 1 }),
      return: () => {
        closed.push(name);
        return { done: true, value: undefined };
      },
    }),
  });
  const broken: Iterable<number> = {
    [Symbol.iterator]: () => {
      throw new URIError("closed");
    },
  };
  assertThrows(() => executor.map(add, iterable("a"), broken), URIError);
  assertEquals(
    await collect(executor.map(
      (a: number, b: number, c: number) => a + b + c,
      iterable("a"),
      iterable("b"),
      iterable("c"),
    )),
    [],
  );
  assertEquals(closed, ["a", "a", "b"]);
  for (const wrong of [Promise.resolve([1]), new Date()]) {
    assertThrows(() => executor.map((n: number) => n, wrong as unknown as number[]), TypeError, "iterable 0");
  }
  assertEquals(await collect(executor.map((n: number) => n, [1, 2], undefined)), [1, 2]);
});

test("mapSync() goes on after a failure, and return() before the first result drops everything", async () => {
  const executor = new ProcessPoolExecutor(1);
  const results = executor.mapSync(failAt3, [2, 3, 4]);
  assertEquals(results.next().value, 2);
  assertThrows(() => results.next(), RangeError);
  assertEquals([...results], [4]);
  const go = new Event();
  await occupy(executor, go);
  executor.mapSync(add, [1, 2], [3, 4]).return!();
  assertEquals(executor.stats().queued, 0);
  go.set();
  await executor.shutdown();
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
  console.error = () => {
    calls++;
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
    await delay(1);
    assertEquals(calls, 2);
  } finally {
    console.error = error;
  }
});

test("a call that waits for the initializer has not begun", async () => {
  const ready = Promise.withResolvers<void>();
  const executor = new ThreadPoolExecutor(1, { initializer: () => ready.promise });
  const future = executor.submit(add, 1, 2);
  await delay(1);
  assertEquals([future.running(), future.cancel()], [false, true]);
  ready.resolve();
  await executor.shutdown();
});

test("a getter of an argument may cancel its own call, or shut the executor down", async () => {
  const executor = new ProcessPoolExecutor(1);
  const future: Future<unknown> = executor.submit((o: { x: number }) => o.x, {
    get x(): number {
      void executor.shutdown().then(() => ended = true);
      return 5;
    },
  });
  let ended = false;
  assertEquals(await future.result(), 5);
  assertEquals(ended, false);
  await executor.shutdown();
  const other = new ProcessPoolExecutor(1);
  const own: { future?: Future<unknown> } = {};
  const many = Array.from({ length: 1000 }, (_, i) => other.submit(add, i, 1));
  own.future = other.submit((o: unknown) => o, {
    get x(): boolean | undefined {
      return own.future?.cancel();
    },
  });
  await wait([...many, own.future]);
  assert(own.future.cancelled());
  assertEquals(other.stats().queued, 0);
  await other.shutdown();
});
