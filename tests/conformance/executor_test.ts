/** Executors, as CPython's own suites assert them: submit(), shutdown() and their workers. */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  Barrier,
  BrokenProcessPoolError,
  ClosedError,
  Event,
  Future,
  ProcessPoolExecutor,
  Semaphore,
  SerializationError,
  ThreadPoolExecutor,
  Value,
  wait,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { both, failAt3, occupy } from "./executors.ts";
import { add } from "./helpers.ts";

both("submit() gives a future at once, and refuses what is no function", async (make) => {
  await using executor = make();
  const future = executor.submit(add, 1, 2);
  assertInstanceOf(future, Future);
  assertEquals(future.done(), false);
  assertEquals(await future.result(), 3);
  assertThrows(() => executor.submit(3 as unknown as () => void), TypeError, "'fn'");
});

test("wrong numbers of workers throw", () => {
  for (const Kind of [ProcessPoolExecutor, ThreadPoolExecutor]) {
    for (const wrong of [0, -1, 1.5]) assertThrows(() => new Kind(wrong), RangeError, "maxWorkers");
    assertThrows(() => new Kind({ maxWorkers: "2" as unknown as number }), TypeError);
    assertThrows(() => new Kind({ initializer: 3 as unknown as () => void }), TypeError);
  }
});

test("no more workers than allowed, and no more than needed", async () => {
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

test("an initializer runs in each worker; one that throws breaks the executor", async () => {
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

both("after shutdown() nothing is taken; a second one does nothing", async (make) => {
  const executor = make();
  assertEquals(await executor.submit(add, 1, 2).result(), 3);
  await executor.shutdown();
  await executor.shutdown({ wait: false });
  assertThrows(() => executor.submit(add, 1, 2), ClosedError);
  assertThrows(() => executor.map(add, [1], [2]), ClosedError);
  assertThrows(() => executor.shutdown({ wait: 1 as unknown as boolean }), TypeError, "'wait'");
});

both("shutdown() waits for 50 calls; without waiting they end as well", async (make) => {
  for (const waits of [true, false]) {
    const executor = make();
    const futures = Array.from({ length: 50 }, (_, i) => executor.submit(add, i, i));
    await executor.shutdown({ wait: waits });
    if (waits) assert(futures.every((future) => future.done()));
    assertEquals(await Promise.all(futures.map((future) => future.result())), futures.map((_, i) => 2 * i));
  }
});

both("shutdown({ cancelFutures }) cancels what has not begun, and lets the rest end", async (make) => {
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

both("leaving the block waits, also by an error", async (make) => {
  const futures: Future<number>[] = [];
  await assertRejects(async () => {
    await using executor = make();
    for (let i = 0; i < 10; i++) futures.push(executor.submit(add, i, i));
    throw new URIError("out");
  }, URIError);
  assert(futures.every((future) => future.done()));
});

test("a worker that dies fails the futures it ran, and says which; the others go on", async () => {
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

both("what a call throws arrives, also what is falsy", async (make) => {
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

test("what cannot be sent fails its future alone", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const futures = [
    executor.submit((value: unknown) => value, new WeakMap()),
    executor.submit(() => new WeakMap()),
  ];
  for (const future of futures) assertInstanceOf(await future.exception(), SerializationError);
  assertEquals(await executor.submit(add, 1, 2).result(), 3);
});

test("workers are replaced after their number of tasks, and no backlog is stranded", async () => {
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

test("terminateWorkers() ends what runs, cancels the rest, and is harmless before and after", async () => {
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

test("a call that waits for the initializer has not begun", async () => {
  const begun = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const initializer = (): Promise<void> => {
    begun.resolve();
    return ready.promise;
  };
  const executor = new ThreadPoolExecutor(1, { initializer });
  const future = executor.submit(add, 1, 2);
  await begun.promise;
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
