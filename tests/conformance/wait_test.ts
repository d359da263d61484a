/** asCompleted() and wait(), as CPython's own suites assert them. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  asCompleted,
  Event,
  type Executor,
  Future,
  ProcessPoolExecutor,
  ThreadPoolExecutor,
  TimeoutError,
  wait,
} from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { collect, failAt3, occupy } from "./executors.ts";
import { add } from "./helpers.ts";

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

test("asCompleted() gives each future once, of any executor", async () => {
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

test("leaving asCompleted() early cancels nothing; a signal ends it", async () => {
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

test("wait() until all, the first, the first failure, or the time", async () => {
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
