/** No code of a value that comes from another thread runs on its way. `SECURITY.md` says it in words. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  asCompleted,
  BrokenProcessPoolError,
  type Connection,
  JoinableQueue,
  Pipe,
  Pool,
  ProcessPoolExecutor,
  Queue,
  SerializationError,
  wait,
} from "../../mod.ts";
import { run } from "../../testing/run_program.ts";
import { rejection, test } from "../../testing/counted_workers.ts";

const scope = globalThis as { ran?: string };

/** What JavaScript, the runtime or this library might call of an object; in a worker it makes one with all of it. */
function traps(): Record<string, unknown> {
  const keys = ["then", "toString", "valueOf", "toJSON", "constructor", "inspect", "name", "message", "stack", "cause"];
  const more = ["errors", "map", "every", "forEach", "startsWith", "slice", "next", "return", "has", "get", "length"];
  const caught: Record<string, unknown> = {};
  for (const key of [...keys, ...more]) caught[key] = new Function(`globalThis.ran = "${key}"; throw "${key}"`);
  return caught;
}

/** For tasks: returns them, with a `then` that the worker does not see when it asks whether that is a promise. */
function giveTraps(): Record<string, unknown> {
  const caught = traps();
  const { then } = caught;
  let reads = 0;
  return Object.defineProperty(caught, "then", { enumerable: true, get: () => reads++ === 0 ? undefined : then });
}

/** For tasks. */
function throwTraps(): never {
  throw traps();
}

const withTraps = { scope: { traps, giveTraps, throwTraps } };

/** As data: nothing of it was called. */
function assertData(value: unknown, what: string): void {
  assertEquals(typeof (value as { then?: unknown }).then, "function", what);
  assertEquals(scope.ran, undefined, what);
}

/** Refused with a reason; nothing of it was called. */
async function assertRefused(promise: Promise<unknown>, what: string): Promise<SerializationError> {
  const error = await rejection(promise);
  assertInstanceOf(error, SerializationError, `${what}: ${Deno.inspect(error)}`);
  assertEquals(scope.ran, undefined, what);
  return error;
}

test("no result calls anything on its way through a pool: it is data, or a promise refuses it", async () => {
  delete scope.ran;
  for (const trace of [false, true]) {
    await using pool = new Pool(1, { ...withTraps, trace });
    const { signal } = new AbortController();
    await assertRefused(pool.apply(() => giveTraps()), "apply()");
    await assertRefused(pool.apply(async () => await Promise.resolve(1) && giveTraps()), "async task");
    await assertRefused(pool.apply(() => giveTraps(), [], { signal }), "apply() with a signal");
    assertData(pool.applySync(() => giveTraps()), "applySync()");
    const told: unknown[] = [];
    const result = pool.applyAsync(() => giveTraps(), [], { callback: (value) => told.push(value) });
    await assertRefused(result.get(), "get()");
    await assertRefused(result.get(1000), "get(timeout)");
    assertEquals([await result.wait(), result.successful()], [true, true]);
    assertData(result.getSync(), "getSync()");
    assertData(told[0], "callback");

    for (const chunksize of [1, 10]) {
      const items = Array.from({ length: 20 }, (_, i) => i);
      const tuples = items.map((): [] => []);
      for (const value of await pool.map(() => giveTraps(), items, { chunksize })) assertData(value, "map()");
      for (const value of pool.starmapSync(() => giveTraps(), tuples)) assertData(value, "starmapSync()");
      const streams = [
        pool.imap(() => giveTraps(), items, { chunksize }),
        pool.imapUnordered(() => giveTraps(), items, { chunksize }),
        pool.istarmap(() => giveTraps(), tuples, { chunksize }),
        pool.istarmapUnordered(() => giveTraps(), tuples, { chunksize }),
      ];
      for (const stream of streams) {
        assertData((await stream.next())!.value, "next()");
        assertData((await stream.next(1000))!.value, "next(timeout)");
        for await (const value of stream) assertData(value, "for await");
      }
    }
    for (const value of await pool.broadcast(() => giveTraps())) assertData(value, "broadcast()");
    assert(JSON.stringify(pool.trace()).length > 0);
  }
});

test("nothing that a task throws is called on its way through a pool", async () => {
  delete scope.ran;
  for (const trace of [false, true]) {
    await using pool = new Pool(1, { ...withTraps, trace });
    const { cause } = await assertRefused(pool.apply(() => throwTraps()), "apply()");
    assertData(cause, "cause");
    const told: unknown[] = [];
    const result = pool.applyAsync(() => throwTraps(), [], { errorCallback: (error) => told.push(error) });
    // Whoever hands the error on, as a `catch` does, calls nothing either.
    assertInstanceOf(await result.get().catch((error) => error), SerializationError);
    assertInstanceOf(told[0], SerializationError);
    await assertRefused(pool.map(() => throwTraps(), [1, 2]), "map()");
    const errors = await pool.map(() => throwTraps(), [1, 2], { returnExceptions: true });
    for (const error of errors) assertInstanceOf(error, SerializationError);
    const stream = pool.imap(() => throwTraps(), [1, 2], { returnExceptions: true });
    for await (const error of stream) assertInstanceOf(error, SerializationError);
    await assertRefused(pool.imap(() => throwTraps(), [1]).next(), "imap()");
    await assertRefused(pool.broadcast(() => throwTraps()), "broadcast()");
    // An error, whose fields are traps.
    const error = await rejection(pool.apply(() => {
      throw Object.assign(new RangeError("true"), traps(), { cause: traps(), errors: [traps()] });
    }));
    assertInstanceOf(error, RangeError);
    assertEquals([typeof error.message, typeof error.name, typeof error.stack], ["string", "string", "string"]);
    assertData(error.cause, "cause of an error");
    assertEquals([`${error}`, "then" in error, "toJSON" in error], ["", false, false]);
    assert(Deno.inspect(error).length > 0 && JSON.stringify(error).length > 0);
  }
  const pool = new Pool(1, {
    scope: { traps },
    initializer: () => {
      throw traps();
    },
  }); // deno-fmt-ignore
  const error = await rejection(pool.apply(() => 1));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertData(error.cause, "error of an initializer");
  assertEquals(scope.ran, undefined);
});

test("nothing is called on the way through an executor and its futures", async () => {
  delete scope.ran;
  await using executor = new ProcessPoolExecutor(1, withTraps);
  const given = executor.submit(() => giveTraps());
  const told = new Promise<unknown>((resolve) => given.addDoneCallback(resolve));
  await assertRefused(given.result(), "result()");
  await assertRefused(given.result(1000), "result(timeout)");
  assertData(given.resultSync(), "resultSync()");
  assertEquals([await given.exception(), await told], [null, given]);
  assert(String(given).length > 0 && Deno.inspect(given).length > 0);
  const thrown = executor.submit(() => throwTraps());
  assertInstanceOf(await thrown.exception(), SerializationError);
  assertInstanceOf(await thrown.exception(1000), SerializationError);
  await assertRefused(thrown.result(), "result() of a failure");
  assert(String(thrown).length > 0 && Deno.inspect(thrown).length > 0);
  for await (const future of asCompleted([given, thrown])) assert(future.done());
  assertEquals((await wait([given, thrown])).done.size, 2);
  for await (const value of executor.map(() => giveTraps(), [1, 2])) assertData(value, "map()");
  for (const value of executor.mapSync(() => giveTraps(), [1, 2])) assertData(value, "mapSync()");
  await assertRefused(executor.map(() => throwTraps(), [1]).next(), "map() of failures");
});

test("nothing is called on the way through a queue or a pipe; an item that a promise refuses is gone", async () => {
  delete scope.ran;
  const [here, there] = Pipe();
  const ways = [new Queue(), new JoinableQueue()].map((queue) => ({
    put: (pool: Pool) => pool.apply((queue: Queue) => void (queue.put(traps()), queue.put([traps()])), [queue]),
    get: () => queue.get(),
    getAsync: () => queue.getAsync(),
  }));
  ways.push({
    put: (pool) => pool.apply((end: Connection) => void (end.send(traps()), end.send([traps()])), [there]),
    get: () => here.recv(),
    getAsync: () => here.recvAsync(),
  });
  await using pool = new Pool(1, withTraps);
  for (const { put, get, getAsync } of ways) {
    await put(pool);
    await assertRefused(getAsync(), "getAsync()");
    assertData((await getAsync() as unknown[])[0], "in an array");
    await put(pool);
    assertData(get(), "get()");
    assertData((get() as unknown[])[0], "in an array");
    const waiting = assertRefused(getAsync(), "getAsync() that waits");
    await put(pool);
    await waiting;
    get();
  }
});

test("an item does not call anything in a worker that awaits it", async () => {
  await using pool = new Pool(1, { scope: { traps } });
  const queue = new Queue<unknown>();
  queue.put(traps());
  const seen = await pool.apply(async (queue: Queue<unknown>) => {
    const name = await queue.getAsync().catch((error) => error.name);
    return [name, typeof (globalThis as { ran?: string }).ran];
  }, [queue]);
  assertEquals(seen, ["SerializationError", "undefined"]);
});

test("a task that gets at its worker's own lists cannot have anything of them called", async () => {
  delete scope.ran;
  for (const trace of [false, true]) {
    await using pool = new Pool(1, { ...withTraps, trace });
    const items = Array.from({ length: 20 }, (_, i) => i);
    // The list of results gets methods of its own.
    const spoilt = (n: number): number => {
      const set = function (this: unknown[], value: unknown): void {
        Reflect.deleteProperty(Array.prototype, "19");
        const { length: _, ...caught } = traps();
        Object.assign(this, caught);
        Object.defineProperty(this, "19", { value, enumerable: true });
      };
      if (n === 0) Object.defineProperty(Array.prototype, "19", { configurable: true, set });
      return n;
    };
    for (
      const call of [
        () => pool.map(spoilt, items, { chunksize: 20 }),
        () => Array.fromAsync(pool.imap(spoilt, items, { chunksize: 20 })),
      ]
    ) { // deno-fmt-ignore
      await call().catch((error) => assertInstanceOf(error, SerializationError));
      assertEquals(scope.ran, undefined);
    }
    // What failed is told under a number that is none.
    const misnumbered = (): never => {
      const { push } = Array.prototype;
      Array.prototype.push = function (this: unknown[], ...values: unknown[]): number {
        for (const value of values) this[this.length] = Array.isArray(value) ? [traps(), value[1]] : value;
        return this.length;
      };
      setTimeout(() => Array.prototype.push = push);
      throw new Error("on purpose");
    };
    for (const call of [() => pool.map(misnumbered, items), () => Array.fromAsync(pool.imap(misnumbered, items))]) {
      await rejection(call());
      assertEquals(scope.ran, undefined);
    }
  }
});

test("what a process has thrown is printed, and nothing of it called", async () => {
  const { code, output } = await run(`
    import { Pool, Process } from "MODULE";
    ${traps}
    const scope = { traps };
    const targets = [
      () => { throw traps(); },
      () => { throw [traps()]; },
      () => { throw Object.assign(new RangeError("on purpose", { cause: traps() }), { toString: traps, deep: traps() }); },
      () => { throw new AggregateError([traps(), Object.assign(new Error("b"), traps())], "many"); },
    ];
    for (const target of targets) {
      const process = new Process({ target, scope });
      process.start();
      await process.join();
      console.log("ended", process.exitcode, globalThis.ran);
    }
    await using pool = new Pool(1, { scope });
    pool.apply(targets[2]); // nobody asks for it: the runtime prints it
  `);
  assertEquals(output.match(/^ended.*$/gm), Array(4).fill("ended 1 undefined"), output);
  assert(output.includes("on purpose") && !output.includes("ran ="), output);
  assertEquals(code, 1);
});
