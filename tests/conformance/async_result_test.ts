/** AsyncResult, as CPython's own suites assert it. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { InvalidStateError, Pool, TimeoutError } from "../../mod.ts";
import { rejection, release, test, words } from "../../testing/counted_workers.ts";
import { square } from "./helpers.ts";

test("get() gives the same again and again, a value or an error", async () => {
  await using pool = new Pool(1);
  const value = pool.applyAsync(() => ({ a: 1 }));
  assert(await value.get() === await value.get());
  const failed = pool.applyAsync(() => {
    throw new RangeError("no");
  });
  assert(await rejection(failed.get()) === await rejection(failed.get()));
  assertThrows(() => failed.getSync(), RangeError, "no");
});

test("get(timeout) gives up, the work goes on; 0 and less do not wait at all", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const result = pool.applyAsync((flags: Int32Array) => {
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
    return "done";
  }, [flags]);
  for (const timeout of [5, 0, -1]) {
    await assertRejects(() => result.get(timeout), TimeoutError);
    assertThrows(() => result.getSync(timeout), TimeoutError);
    assertEquals(await result.wait(timeout), false);
    assertEquals(result.waitSync(timeout), false);
  }
  assertThrows(() => result.get("5" as unknown as number), TypeError);
  assertThrows(() => result.get(NaN), TypeError);
  release(flags);
  assertEquals(await result.get(20_000), "done");
  assertEquals(result.getSync(0), "done");
});

test("ready(), successful() and wait() tell without throwing the work's error", async () => {
  await using pool = new Pool(1);
  const good = pool.applyAsync(square, [1]);
  const bad = pool.applyAsync(() => {
    throw new Error("no");
  });
  assertEquals([good.ready(), bad.ready()], [false, false]);
  assertThrows(() => good.successful(), InvalidStateError);
  assertEquals([await good.wait(), await bad.wait()], [true, true]);
  assertEquals([good.ready(), bad.ready()], [true, true]);
  assertEquals([good.successful(), bad.successful()], [true, false]);
});

test("AsyncResult is no thenable", async () => {
  await using pool = new Pool(1);
  const result = pool.applyAsync(square, [2]);
  assert(await result === result);
});
