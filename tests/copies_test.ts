/** Two copies of the library in one worker: the copy of the worker, and the copy of the module that a task comes from. */

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import * as parallel from "../mod.ts";
import { Connection, JoinableQueue, Lock, Pipe, Pool, Queue, SerializationError, Value } from "../mod.ts";
import * as tasks from "../testing/fixtures/copies_tasks.ts";
import { rejection, test } from "../testing/counted_workers.ts";

const module = new URL("../testing/fixtures/copies_tasks.ts", import.meta.url);

test("transfer() in a task of a module gives the value, and moves the memory", async () => {
  await using pool = new Pool(1, { module });
  for (const n of [3, 100_000]) {
    assertEquals(tasks.make(n).length, n); // called directly
    const made = await pool.apply(tasks.make, [n]);
    assertEquals([made.constructor, made.length, made[n - 1]], [Uint8Array, n, 7]);
    assertEquals((await pool.apply(tasks.makeLater, [n])).deep.get("bytes")?.[n - 1], 7);
    const all = await pool.map(tasks.make, [n, n, n], { chunksize: 3 });
    assertEquals(all.map((bytes) => [bytes.length, bytes[0]]), Array(3).fill([n, 7]));
    for await (const bytes of pool.imap(tasks.make, [n])) assertEquals(bytes.length, n);
  }
  const queue = new Queue<Uint8Array>(1);
  assertEquals(await pool.apply(tasks.putMade, [queue, 10]), [0, 10]);
  assertEquals(queue.get(), new Uint8Array(10).fill(7));
});

test("what a module throws arrives as the error of the caller", async () => {
  await using pool = new Pool(1, { module });
  const names = Object.entries(parallel).flatMap(([name, type]) =>
    typeof type === "function" && type.prototype instanceof Error ? [name] : []
  );
  assert(names.length >= 10);
  for (const name of names as "TimeoutError"[]) {
    const error = await rejection(pool.apply(tasks.throws, [name]));
    assertInstanceOf(error, parallel[name]);
    assertEquals([error.constructor, error.name, error.message], [parallel[name], name, `a ${name}`]);
    assertEquals((error as unknown as { code: number }).code, 5);
  }
  const error = await rejection(pool.apply(tasks.throws, ["BrokenProcessPoolError" as "TimeoutError"]));
  assertInstanceOf(error, parallel.BrokenExecutorError);
});

test("a module recognizes what its worker has made for it", async () => {
  await using pool = new Pool(1, { module });
  assertEquals(
    await pool.apply(tasks.recognizes, [new JoinableQueue(), new Lock(), new Value("i")]),
    [true, true, false, false, true, true, true, true, false],
  );
  assertEquals(await pool.apply(tasks.locksWith, [new Lock()]), [false, false]);
});

test("a module cannot send what means nothing elsewhere", async () => {
  await using pool = new Pool(1, { module });
  for (let what = 0; what < tasks.KINDS; what++) {
    const error = await rejection(pool.apply(tasks.gives, [what]));
    assertInstanceOf(error, SerializationError);
    assertStringIncludes(error.message, "Cannot send");
  }
});

test("functions of the library, and those that came from elsewhere, go on from a module as what they are", async () => {
  await using pool = new Pool(1, { module });
  assertEquals(await pool.apply(tasks.functions), [parallel.transfer, Lock, parallel.currentProcess]);
  const queue = new Queue<(n: number) => number>();
  queue.put((n) => n + 1);
  assertEquals(await pool.apply(tasks.sendsOn, [queue]), 21);
});

test("an end of a pipe that both copies have open is open until both have closed it", async () => {
  await using pool = new Pool(1, { module });
  const [here, there] = Pipe();
  const done = pool.apply(tasks.closesOne, [there]);
  there.close();
  assertEquals(await here.recvAsync(), "still open");
  await done;
  assertInstanceOf(await pool.apply(tasks.pipes), Connection);
});

test("instanceof stays what it was for heirs and for values that are none", () => {
  class Late extends parallel.TimeoutError {}
  const late = new Late("x");
  assert(late instanceof Late && late instanceof parallel.TimeoutError && late instanceof Error);
  assert(!(new parallel.TimeoutError("x") instanceof Late) && !(late instanceof parallel.CancelledError));
  for (const value of [null, undefined, 1, "TimeoutError", {}, () => {}, new Error("x"), Object.create(null)]) {
    assert(!((value as unknown) instanceof parallel.TimeoutError));
  }
  assert(Object.create(Lock.prototype) instanceof Lock);
});
