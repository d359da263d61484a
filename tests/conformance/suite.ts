/**
 * What every backend has to do, whatever it runs calls on: one suite, which `backends_test.ts` runs for each.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  CancelledError,
  ClosedError,
  InvalidStateError,
  type Pool,
  type ProcessPoolExecutor,
  type ThreadPool,
  TimeoutError,
} from "../../mod.ts";
import { rejection, test } from "../../testing/counted_workers.ts";
import { addLater, echo, never, refuseOdd, square } from "./functions.ts";

/** A pool of any kind. */
export type AnyPool = Pool | ThreadPool;
/** An executor of any kind. */
export type AnyExecutor = Pick<ProcessPoolExecutor, "submit" | "map" | "shutdown">;

/** What is put to the suite. */
export interface Candidate {
  /** Its name, in front of the names of the tests. */
  readonly name: string;
  /** Returns a new pool of `size` workers. */
  pool(size: number): AnyPool;
  /** Returns a new executor of `size` workers. */
  executor(size: number): AnyExecutor;
  /** True if its tasks are handed over, perhaps begun, as soon as they are submitted, to workers that it does not know. */
  readonly remote?: boolean;
}

/** Ends a pool and waits for that. */
async function end(pool: AnyPool): Promise<void> {
  pool.close();
  await pool.join();
}

/** Registers the suite for one candidate. */
export function conforms({ name, pool: newPool, executor: newExecutor, remote = false }: Candidate): void {
  const check = (what: string, run: () => Promise<void>): void => test(`${name}: ${what}`, run);

  check("apply() returns what the function returns, a promise included", async () => {
    const pool = newPool(2);
    assertEquals(await pool.apply(square, [7]), 49);
    assertEquals(await pool.apply(addLater, [1, 2]), 3);
    await end(pool);
  });

  check("apply() rejects with what the function throws", async () => {
    const pool = newPool(1);
    const error = await rejection(pool.apply(refuseOdd, [3]));
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, "odd: 3");
    assertEquals(await pool.apply(refuseOdd, [4]), 4);
    await end(pool);
  });

  check("map() keeps the order, for every chunksize", async () => {
    const pool = newPool(2);
    const items = Array.from({ length: 20 }, (_, i) => i);
    for (const chunksize of [undefined, 1, 3, 20, 100]) {
      assertEquals(await pool.map(square, items, { chunksize }), items.map(square));
    }
    assertEquals(await pool.map(square, []), []);
    await end(pool);
  });

  check("map() rejects with the error of the lowest index, or returns the errors", async () => {
    const pool = newPool(2);
    const error = await rejection(pool.map(refuseOdd, [0, 3, 1, 2], { chunksize: 1 }));
    assertEquals((error as Error).message, "odd: 3");
    const results = await pool.map(refuseOdd, [0, 1, 2], { returnExceptions: true });
    assertEquals([results[0], results[1] instanceof RangeError, results[2]], [0, true, 2]);
    await end(pool);
  });

  check("map() over many numbers changes neither the input nor the order", async () => {
    const pool = newPool(2);
    const items = Array.from({ length: 30_000 }, (_, i) => i);
    const mapped = pool.map(echo<number>, items);
    items.reverse();
    assertEquals(await mapped, Array.from({ length: 30_000 }, (_, i) => i));
    await end(pool);
  });

  check("starmap() spreads its tuples", async () => {
    const pool = newPool(2);
    assertEquals(await pool.starmap(addLater, [[1, 2], [3, 4]]), [3, 7]);
    await end(pool);
  });

  check("imap() gives results in order, imapUnordered() all of them", async () => {
    const pool = newPool(2);
    assertEquals(await Array.fromAsync(pool.imap(square, [1, 2, 3, 4])), [1, 4, 9, 16]);
    const unordered = await Array.fromAsync(pool.imapUnordered(square, [1, 2, 3, 4], { chunksize: 2 }));
    assertEquals(unordered.toSorted((a, b) => a - b), [1, 4, 9, 16]);
    await end(pool);
  });

  check("an input that throws fails its map, and the pool goes on", async () => {
    const pool = newPool(1);
    function* input(): Generator<number> {
      yield 1;
      throw new Error("no more");
    }
    await assertRejects(() => pool.map(square, input()), Error, "no more");
    assertEquals(await pool.apply(square, [2]), 4);
    await end(pool);
  });

  check("values arrive as structuredClone() copies them", async () => {
    const pool = newPool(1);
    const value = {
      map: new Map([[1, new Set(["x"])]]),
      date: new Date(0),
      big: 2n ** 70n,
      bytes: new Uint8Array([1, 2]),
    };
    assertEquals(await pool.apply(echo<unknown>, [value]), value);
    assertEquals(await pool.apply(echo<unknown>, [undefined]), undefined);
    await end(pool);
  });

  check("a signal ends a call that has not begun", async () => {
    const pool = newPool(1);
    const controller = new AbortController();
    const first = pool.apply(addLater, [1, 1]);
    const second = rejection(pool.apply(square, [2], { signal: controller.signal }));
    controller.abort("changed my mind");
    assertEquals(await second, "changed my mind");
    assertEquals(await first, 2);
    await end(pool);
  });

  check("a closed pool takes no calls, and ends those that it has", async () => {
    const pool = newPool(1);
    const results = [1, 2, 3].map((n) => pool.apply(square, [n]));
    pool.close();
    assertInstanceOf(await rejection(pool.apply(square, [4])), ClosedError);
    await pool.join();
    assertEquals(await Promise.all(results), [1, 4, 9]);
  });

  check("terminate() settles everything, what runs and what waits", async () => {
    const pool = newPool(1);
    const results = [pool.apply(never), pool.apply(square, [1]), pool.map(square, [1, 2], { chunksize: 1 })].map(
      rejection,
    );
    while (pool.stats().running === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    pool.terminate();
    for (const error of await Promise.all(results)) assertInstanceOf(error, CancelledError);
    await pool.join();
  });

  check("broadcast() runs once on each worker, or is refused", async () => {
    const pool = newPool(3);
    if (remote) {
      assertInstanceOf(await rejection(pool.broadcast(square, [3])), InvalidStateError);
      return await end(pool);
    }
    assertEquals(await pool.broadcast(square, [3]), [9, 9, 9]);
    await end(pool);
  });

  check("applyAsync() tells when it is there, and what came", async () => {
    const pool = newPool(1);
    const seen: unknown[] = [];
    const result = pool.applyAsync(square, [3], { callback: (value) => seen.push(value) });
    assertThrows(() => result.successful());
    await result.wait();
    assert(result.ready() && result.successful());
    assertEquals([await result.get(), seen], [9, [9]]);
    await assertRejects(() => pool.applyAsync(never).get(5), TimeoutError);
    pool.terminate();
    await pool.join();
  });

  check("stats() counts what has ended", async () => {
    const pool = newPool(2);
    await pool.map(square, [1, 2, 3], { chunksize: 1 });
    const { finished, queued, running } = pool.stats();
    assertEquals([finished, queued, running], [3, 0, 0]);
    await end(pool);
  });

  check("a thousand calls of every kind settle once each", async () => {
    const pool = newPool(2);
    const results = await Promise.allSettled(
      Array.from(
        { length: 1000 },
        (_, i) =>
          i % 3 === 0
            ? pool.apply(square, [i])
            : i % 3 === 1
            ? pool.apply(refuseOdd, [i])
            : pool.apply(echo<number>, [i]),
      ),
    );
    results.forEach((result, i) => {
      const fails = i % 3 === 1 && i % 2 === 1;
      assertEquals(result.status, fails ? "rejected" : "fulfilled");
      if (result.status === "fulfilled") assertEquals(result.value, i % 3 === 0 ? i * i : i);
    });
    await end(pool);
  });

  check("an executor: submit(), map() in order, and its end", async () => {
    const executor = newExecutor(2);
    const future = executor.submit(square, 5);
    assertEquals(await future.result(), 25);
    assert(future.done() && !future.running());
    assertInstanceOf(await executor.submit(refuseOdd, 1).exception(), RangeError);
    assertEquals(await Array.fromAsync(executor.map(square, [1, 2, 3], { chunksize: 2 })), [1, 4, 9]);
    await executor.shutdown();
    assertThrows(() => executor.submit(square, 1), ClosedError);
  });

  check("an executor that is shut down with cancelFutures drops what has not begun", async () => {
    const executor = newExecutor(1);
    const futures = [1, 2, 3, 4].map((n) => executor.submit(addLater, n, n));
    await executor.shutdown({ cancelFutures: true });
    for (const future of futures) assert(future.done());
    if (!remote) assertInstanceOf(await rejection(futures[3]!.result()), CancelledError);
    for (const [i, future] of futures.entries()) {
      if (future.cancelled()) assertInstanceOf(await rejection(future.result()), CancelledError);
      else assertEquals(await future.result(), 2 * (i + 1));
    }
  });
}
