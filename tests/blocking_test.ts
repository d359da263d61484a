/**
 * The blocking methods: on pools and executors in every state, with and without a timeout, and where nothing could end the wait.
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  asCompletedSync,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  Event,
  Future,
  InvalidStateError,
  Pool,
  ProcessPoolExecutor,
  ThreadPoolExecutor,
  TimeoutError,
  Value,
  waitSync,
} from "../mod.ts";
import { arriveAndBlock, liveWorkers, reaches, release, test, words } from "../testing/counted_workers.ts";
import { BROKEN, failAt2, square, waits } from "./blocking.ts";

// joinSync and shutdownSync.

test("joinSync() blocks until all work is done and the workers are gone", () => {
  const pool = new Pool(2);
  const results = [pool.applyAsync(square, [3]), pool.mapAsync(square, [1, 2, 3])];
  const unread = pool.imap(square, Array(100).fill(2), { buffersize: 1 });
  assertThrows(() => pool.joinSync(), InvalidStateError, "still open");
  pool.close();
  assertEquals(pool.joinSync(), true);
  assertEquals(results.map((result) => result.ready()), [true, true]);
  assertEquals(liveWorkers(), 0);
  assertEquals(pool.joinSync(), true);
  assertEquals(pool.joinSync(0), true);
  return Array.fromAsync(unread).then((all) => assertEquals(all.length, 100));
});

test("joinSync() times out, and goes on the next time", () => {
  const pool = new Pool(1);
  const go = new Event();
  const result = pool.applyAsync(waits, [go]);
  pool.close();
  assertEquals(pool.joinSync(20), false);
  assertEquals(pool.joinSync(0), false);
  assertThrows(() => pool.joinSync("1" as unknown as number), TypeError, "'timeout'");
  go.set();
  assertEquals(pool.joinSync(), true);
  assertEquals(result.getSync(0), true);
});

test("joinSync() of a pool that was terminated or is broken returns at once", () => {
  const terminated = new Pool(1);
  const result = terminated.applyAsync(() => new Promise(() => {}));
  terminated.terminate();
  assertEquals(terminated.joinSync(), true);
  assertThrows(() => result.getSync(), CancelledError);
  const broken = new Pool(1, BROKEN);
  const lost = broken.applyAsync(square, [1]);
  broken.close();
  assertEquals(broken.joinSync(), true);
  assertThrows(() => lost.getSync(), BrokenProcessPoolError);
});

test("joinSync() is refused while the input of a call needs this thread", async () => {
  const pool = new Pool(1);
  async function* numbers(): AsyncGenerator<number> {
    for (let i = 1; i < 4; i++) yield await Promise.resolve(i);
  }
  const results = [pool.map(square, numbers()), Array.fromAsync(pool.imap(square, numbers()))];
  let refused: unknown;
  function* own(): Generator<number> {
    yield 1;
    pool.close();
    try {
      pool.joinSync();
    } catch (error) {
      refused = error;
    }
  }
  results.push(pool.map(square, own()));
  assertInstanceOf(refused, InvalidStateError);
  assertThrows(() => pool.joinSync(), InvalidStateError, "while the input of a call is read");
  assertEquals(await Promise.all(results), [[1, 4, 9], [1, 4, 9], [1]]);
  assertEquals(pool.joinSync(), true);
});

test("joinSync() is refused while an argument is read", async () => {
  const pool = new Pool(1);
  let refused: unknown;
  const argument = {
    get value(): number {
      pool.close();
      try {
        pool.joinSync();
      } catch (error) {
        refused = error;
      }
      return 3;
    },
  };
  assertEquals(await pool.apply((given: { value: number }) => given.value, [argument]), 3);
  assertInstanceOf(refused, InvalidStateError);
  assertEquals(pool.joinSync(), true);
});

test("a callback may block for the end of its pool", () => {
  for (const items of [[], [1], [1, 2, 3]]) {
    const pool = new Pool(1);
    let joined = false;
    const result = pool.mapAsync(square, items, {
      chunksize: 1,
      callback: () => {
        pool.close();
        joined = pool.joinSync();
      },
    });
    assertEquals(result.getSync(), items.map(square));
    assert(joined);
  }
  const pool = new Pool(1);
  const done: number[] = [];
  const result = pool.mapAsync(square, [1, 2, 3], {
    chunksize: 1,
    onProgress: (n) => {
      done.push(n);
      pool.close();
      assertEquals(pool.joinSync(), true);
    },
  });
  assertEquals(result.getSync(), [1, 4, 9]);
  assertEquals(done, [1, 2, 3]);
});

test("shutdownSync() waits, cancels, times out, or does not wait", () => {
  const executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const begun = new Event();
  const running = executor.submit((go: Event, begun: Event) => (begun.set(), go.wait()), go, begun);
  begun.wait();
  const queued = executor.submit(square, 3);
  assertEquals(executor.shutdownSync({ cancelFutures: true, timeout: 20 }), false);
  assertEquals([queued.cancelled(), running.done()], [true, false]);
  assertThrows(() => executor.submit(square, 1), ClosedError, "the executor was shut down");
  assertEquals(executor.shutdownSync({ wait: false }), false);
  go.set();
  assertEquals(executor.shutdownSync(), true);
  assertEquals(running.resultSync(0), true);
  assertEquals(executor.shutdownSync({ timeout: 0 }), true);
  const idle = new ProcessPoolExecutor(1);
  assertEquals(idle.shutdownSync({ wait: false }), true);
});

test("shutdownSync() of an executor that is broken or was terminated returns at once", () => {
  const broken = new ProcessPoolExecutor(1, BROKEN);
  const lost = broken.submit(square, 1);
  assertInstanceOf(lost.exceptionSync(), BrokenProcessPoolError);
  assertEquals(broken.shutdownSync(), true);
  const terminated = new ProcessPoolExecutor(1);
  const given = terminated.submit(() => new Promise(() => {}));
  terminated.terminateWorkers();
  assertEquals(terminated.shutdownSync(), true);
  assert(given.done());
});

// exceptionSync, waitSync, asCompletedSync.

test("exceptionSync() gives what was thrown, and throws for a cancelled future and for time", async () => {
  await using executor = new ProcessPoolExecutor(1);
  assertEquals(executor.submit(square, 2).exceptionSync(), null);
  const failed = executor.submit(failAt2, 2);
  assertInstanceOf(failed.exceptionSync(), RangeError);
  assertEquals(failed.exceptionSync(), await failed.exception());
  const thrown = executor.submit(() => {
    throw "no error";
  });
  assertEquals(thrown.exceptionSync(), "no error");
  const go = new Event();
  const late = executor.submit(waits, go);
  assertThrows(() => late.exceptionSync(10), TimeoutError, "10 ms");
  assertThrows(() => late.exceptionSync(odd("1")), TypeError, "'timeout'");
  const queued = executor.submit(square, 1);
  queued.cancel();
  assertThrows(() => queued.exceptionSync(), CancelledError);
  go.set();
  assertEquals(late.exceptionSync(), null);
  assertThrows(() => new Future().exceptionSync(), InvalidStateError, "this very thread");
});

function odd<T>(value: unknown): T {
  return value as T;
}

test("waitSync() returns when all are done, at the first, at the first failure, and when the time is up", async () => {
  await using executor = new ProcessPoolExecutor(2);
  const futures = [1, 2, 3].map((n) => executor.submit(square, n));
  assertEquals(waitSync([...futures, ...futures]), { done: new Set(futures), notDone: new Set() });
  assertEquals(waitSync([]), { done: new Set(), notDone: new Set() });
  const go = new Event();
  const slow = executor.submit(waits, go);
  const quick = executor.submit(square, 2);
  const first = waitSync(new Set([slow, quick]), { returnWhen: "FIRST_COMPLETED" });
  assertEquals([[...first.done], [...first.notDone]], [[quick], [slow]]);
  const failing = executor.submit(failAt2, 2);
  const failed = waitSync([slow, failing], { returnWhen: "FIRST_EXCEPTION" });
  assertEquals([[...failed.done], [...failed.notDone]], [[failing], [slow]]);
  // The failing call has failed already.
  assertEquals(waitSync([slow, failing], { returnWhen: "FIRST_EXCEPTION" }).notDone.size, 1);
  assertEquals(waitSync([slow], { timeout: 20 }).notDone.size, 1);
  assertEquals(waitSync([slow], { timeout: 0 }).notDone.size, 1);
  go.set();
  while (waitSync([slow], { timeout: 0 }).notDone.size > 0); // a timeout of 0 still reads the replies each time
  assertThrows(() => waitSync(odd<Future[]>(5)), TypeError, "'futures'");
  assertThrows(() => waitSync([odd<Future>(5)]), TypeError, "not a future");
  assertThrows(() => waitSync([], { returnWhen: odd("SOME") }), RangeError, "returnWhen");
});

test("waitSync() waits for two executors at once, whichever is the later", async () => {
  await using one = new ProcessPoolExecutor(1);
  await using two = new ProcessPoolExecutor(1);
  await using three = new ProcessPoolExecutor(1);
  const relay = (mine: Event, next: Event): boolean => {
    const came = mine.wait();
    next.set();
    return came;
  };
  for (let round = 0; round < 20; round++) {
    const [a, b, c, end] = [new Event(), new Event(), new Event(), new Event()];
    const futures = [one.submit(relay, a, b), two.submit(relay, b, c), one.submit(relay, c, end)];
    three.submit((a: Event) => a.set(), a);
    const order = round % 2 === 0 ? futures : futures.toReversed();
    if (round % 4 < 2) {
      assertEquals(waitSync(order).notDone.size, 0);
    } else {
      assertEquals([...asCompletedSync(order)].length, 3);
    }
  }
});

test("waiting for two executors loses no wake-up", async () => {
  await using one = new ProcessPoolExecutor(1);
  await using two = new ProcessPoolExecutor(2);
  for (let round = 0; round < 300; round++) {
    const futures = [one.submit(square, round), two.submit(square, round), one.submit(square, 1)];
    const { done } = waitSync(futures, { returnWhen: "FIRST_COMPLETED" });
    assert(done.size > 0);
    assertEquals(waitSync(futures).notDone.size, 0);
  }
});

test("a callback may give work to another executor while the thread blocks for others", async () => {
  await using one = new ProcessPoolExecutor(1);
  await using two = new ProcessPoolExecutor(1);
  await using three = new ProcessPoolExecutor(1);
  one.submit(square, 1).resultSync(); // so that it has a worker before the rounds
  const times: number[] = [];
  for (let round = 0; round < 31; round++) {
    const start = performance.now();
    const [first, go] = [new Event(), new Event()];
    const waiting = three.submit(waits, go);
    const giving = two.submit(waits, first);
    let told = false;
    giving.addDoneCallback(() => {
      one.submit(square, 3).addDoneCallback((future) => {
        told = future.resultSync() === 9;
        go.set();
      });
    });
    one.submit((first: Event) => first.set(), first);
    assertEquals(waitSync([waiting, giving]).notDone.size, 0);
    assert(told);
    times.push(performance.now() - start);
  }
  // If a wake-up is lost, the thread wakes only for the next check of the workers, hundreds of milliseconds later.
  assert(times.sort((a, b) => a - b)[15]! < 100, `${times}`);
});

test("a call that ignores its limit is ended though the thread blocks for two executors", async () => {
  await using one = new ProcessPoolExecutor(1, { taskTimeout: 50 });
  await using two = new ProcessPoolExecutor(1);
  const go = new Event();
  const stubborn = one.submit(async (go: Event) => {
    await Promise.resolve();
    while (!go.isSet()); // after an await, only the calling side can end it
  }, go);
  const other = two.submit(waits, go);
  const { done } = waitSync([stubborn, other], { returnWhen: "FIRST_EXCEPTION" });
  assertEquals([...done] as unknown[], [stubborn]);
  assertInstanceOf(stubborn.exceptionSync(), TimeoutError);
  go.set();
});

test("a future that this thread has to settle is no reason to hang", async () => {
  await using executor = new ProcessPoolExecutor(1);
  await using here = new ThreadPoolExecutor(1);
  const own = new Future<number>();
  for (const future of [own, here.submit(square, 2)]) {
    assertThrows(() => waitSync([future]), InvalidStateError, "settled on this very thread");
    assertThrows(() => waitSync([future], { timeout: 60_000 }), InvalidStateError);
    assertEquals(waitSync([future], { timeout: 0 }).notDone.size, 1);
    const results = asCompletedSync([future]);
    assertThrows(() => results.next(), InvalidStateError, "settled on this very thread");
    assertEquals(results.next().done, true);
  }
  const done = executor.submit(square, 3);
  assertThrows(() => waitSync([own, done]), InvalidStateError, "a future that is settled on this very thread");
  assert(done.done(), "the others are waited for");
  const next = executor.submit(square, 3);
  assertEquals([...waitSync([own, next], { returnWhen: "FIRST_COMPLETED" }).done], [next]);
  // Callbacks of the other futures can settle it.
  const last = executor.submit(square, 4);
  last.addDoneCallback(() => own.setResult(1));
  assertEquals(waitSync([own, last]).notDone.size, 0);
});

test("asCompletedSync() gives each future once, those that are done first", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const done = executor.submit(square, 1);
  done.resultSync();
  const go = new Event();
  const late = executor.submit(waits, go);
  const results = asCompletedSync<Future<unknown>>([late, done, done]);
  assertEquals(results.next().value, done);
  go.set();
  assertEquals(results.next().value, late);
  assertEquals(results.next(), { done: true, value: undefined });
  assertEquals([...asCompletedSync([])], []);
  const many = Array.from({ length: 2000 }, (_, i) => executor.submit(square, i));
  assertEquals(new Set(asCompletedSync(many)).size, 2000);
});

test("asCompletedSync() times out from its call on, and is over then; leaving it early cancels nothing", async () => {
  await using executor = new ProcessPoolExecutor(1);
  const go = new Event();
  const quick = executor.submit(square, 2);
  const slow = executor.submit(waits, go);
  assertEquals(quick.resultSync(), 4);
  const results = asCompletedSync<Future<unknown>>([quick, slow], { timeout: 50 });
  assertEquals(results.next().value, quick);
  assertThrows(() => results.next(), TimeoutError, "1 (of 2) futures unfinished");
  assertEquals(results.next().done, true);
  for (const future of asCompletedSync<Future<unknown>>([quick, slow])) {
    assertEquals(future, quick);
    break;
  }
  assertEquals(slow.cancelled(), false);
  go.set();
  assertEquals(slow.resultSync(), true);
});

test("futures of executors that are broken, were terminated or cancelled are done", () => {
  const broken = new ProcessPoolExecutor(1, BROKEN);
  const other = new ProcessPoolExecutor(1);
  const futures = [broken.submit(square, 1), broken.submit(square, 2), other.submit(square, 2)];
  assertEquals(waitSync(futures).notDone.size, 0);
  assertInstanceOf(futures[0]!.exceptionSync(), BrokenProcessPoolError);
  const pending = [other.submit(() => new Promise(() => {})), other.submit(() => new Promise(() => {}))];
  pending[1]!.cancel();
  other.terminateWorkers();
  assertEquals([...asCompletedSync(pending)].length, 2);
  broken.shutdownSync();
});

test("all of it works inside a worker, over pools of its own", async () => {
  await using pool = new Pool({ processes: 1, module: import.meta.url });
  assertEquals(await pool.apply(nested), {
    items: [1, 4, 9],
    joined: true,
    done: 2,
    completed: 2,
    exception: "two",
    ended: true,
    refused: "InvalidStateError",
  });
});

/** A task for a worker that imports this module: uses the blocking methods there. */
export function nested(): Record<string, unknown> {
  const pool = new Pool(1);
  const [one, two] = [new ProcessPoolExecutor(1), new ProcessPoolExecutor(1)];
  // All workers are started before this thread blocks.
  const results = pool.imapSync(square, [1, 2, 3]);
  const futures = [one.submit(square, 1), two.submit(square, 2)];
  const items = [...results];
  pool.close();
  const joined = pool.joinSync();
  const { done } = waitSync(futures);
  const completed = [...asCompletedSync([one.submit(square, 1), two.submit(square, 2)])];
  const exception = one.submit(failAt2, 2).exceptionSync() as Error;
  let refused = "";
  try {
    waitSync([new Future()]);
  } catch (error) {
    refused = (error as Error).name;
  }
  return {
    items,
    joined,
    done: done.size,
    completed: completed.length,
    exception: exception.message,
    ended: [one.shutdownSync(), two.shutdownSync()].every(Boolean),
    refused,
  };
}

test("a worker that blocks in them ends when its pool is terminated", async () => {
  const pool = new Pool({ processes: 1, module: import.meta.url });
  const flags = words(2);
  const result = pool.apply(blockForTwo, [flags]);
  await reaches(flags, 0, 2);
  pool.terminate();
  await assertRejects(() => result, CancelledError);
  release(flags);
  await pool.join();
});

/** A task for a worker that imports this module: blocks for two executors until `flags` are released. */
export function blockForTwo(flags: Int32Array): number {
  const [one, two] = [new ProcessPoolExecutor(1), new ProcessPoolExecutor(1)];
  const { done } = waitSync([one.submit(arriveAndBlock, flags), two.submit(arriveAndBlock, flags)]);
  return done.size;
}

test("a pool goes on while the thread blocks for two executors", async () => {
  await using pool = new Pool(1);
  await using one = new ProcessPoolExecutor(1);
  await using two = new ProcessPoolExecutor(1);
  const counter = new Value("i");
  const go = new Event();
  // More tasks than fit on the submission ring, so that the calling thread has to hand over the rest meanwhile.
  const counted = pool.map(
    (args: [Value<"i">, Event]) => {
      if (args[0].add(1) === 999) args[1].set();
    },
    Array<[Value<"i">, Event]>(1000).fill([counter, go]),
    { chunksize: 1 },
  );
  assertEquals(waitSync([one.submit(waits, go), two.submit(waits, go)]).notDone.size, 0);
  await counted;
  assertEquals(counter.value, 1000);
});
