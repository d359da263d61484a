/** Pool.imap() and its kin: order, reading ahead, failures and ends. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Pool, TimeoutError } from "../../mod.ts";
import { rejection, release, test, words } from "../../testing/counted_workers.ts";
import { breaking, breakingLater, Odd, range, square } from "./helpers.ts";

test("Pool.imap() gives single results in order, whatever the chunks, and stays exhausted", async () => {
  await using pool = new Pool(2);
  const input = await range(1000);
  assertEquals(await Array.fromAsync(pool.imap(square, input)), input.map(square));
  const results = pool.imap(square, input, { chunksize: 100 });
  for (const n of input) assertEquals(await results.next(), { done: false, value: square(n) });
  assertEquals(await results.next(), { done: true, value: undefined });
  assertEquals(await results.next(), { done: true, value: undefined });
});

test("Pool.imap() gives a result while later ones are still to come", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const wait = (n: number, flags: Int32Array): number => {
    if (n === 1) { while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0); }
    return n;
  };
  const results = pool.istarmap(wait, [[0, flags], [1, flags]]);
  assertEquals(await results.next(), { done: false, value: 0 });
  release(flags);
  assertEquals(await results.next(), { done: false, value: 1 });
});

test("Pool.imapUnordered() gives the results of map() as they come", async () => {
  await using pool = new Pool(2);
  const input = await range(300);
  for (const chunksize of [1, 53]) {
    const results = await Array.fromAsync(pool.imapUnordered(square, input, { chunksize }));
    assertEquals(results.sort((a, b) => a - b), input.map(square));
  }
  const flags = words(2);
  const wait = (n: number, flags: Int32Array): number => {
    if (n === 0) { while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0); }
    return n;
  };
  const results = pool.istarmapUnordered(wait, [[0, flags], [1, flags]]);
  assertEquals((await results.next()).value, 1);
  release(flags);
  assertEquals((await results.next()).value, 0);
});

test("next(timeout) gives up, and a later next() gets that item", async () => {
  await using pool = new Pool(1);
  const flags = words(2);
  const wait = (flags: Int32Array): string => {
    while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
    return "there";
  };
  const results = pool.imap(wait, [flags]);
  await assertRejects(() => results.next(5), TimeoutError);
  await assertRejects(() => results.next(0), TimeoutError);
  await assertRejects(() => results.next(-1), TimeoutError);
  release(flags);
  assertEquals(await results.next(), { done: false, value: "there" });
  assertEquals((await results.next()).done, true);
});

test("Pool.imap() reads endless input only as far ahead as allowed", async () => {
  await using pool = new Pool(2);
  let read = 0;
  const endless = function* (): Generator<number> {
    for (;;) yield read++;
  };
  const results = pool.imap(square, endless(), { buffersize: 10 });
  assertEquals(read, 10);
  for (let i = 0; i < 100; i++) assertEquals((await results.next()).value, i * i);
  assert(read <= 110, `read ${read}`);
  await results.return();
  assertEquals(await results.next(), { done: true, value: undefined });
});

test("Pool.imap() throws at the place of a failed item and goes on, whatever the chunks", async () => {
  await using pool = new Pool(2);
  const odd = (n: number): number => {
    if (n % 2 === 0) throw new RangeError(String(n));
    return n;
  };
  for (const chunksize of [1, 3]) {
    const results = pool.imap(odd, [1, 2, 3, 4, 5], { chunksize });
    assertEquals((await results.next()).value, 1);
    await assertRejects(() => results.next(), RangeError, "2");
    assertEquals((await results.next()).value, 3);
    await assertRejects(() => results.next(), RangeError, "4");
    assertEquals((await results.next()).value, 5);
    assertEquals((await results.next()).done, true);
  }
});

test("Pool.imap() over an iterable that throws gives all items before it, then the error, then the end", async () => {
  await using pool = new Pool(2);
  for (const input of [breaking, breakingLater]) {
    for (const chunksize of [1, 2, 4]) {
      const results = pool.imap(square, input(7), { chunksize });
      for (let i = 0; i < 7; i++) assertEquals((await results.next()).value, i * i);
      await assertRejects(() => results.next(), Odd);
      assertEquals((await results.next()).done, true);
      const unordered = pool.imapUnordered(square, input(7), { chunksize });
      const seen: number[] = [];
      assertInstanceOf(
        await rejection((async () => {
          for await (const n of unordered) seen.push(n);
        })()),
        Odd,
      );
      assertEquals(seen.sort((a, b) => a - b), [0, 1, 4, 9, 16, 25, 36]);
    }
  }
});

test("an imap() accepted before close() is read to its end by join(), read or not", async () => {
  const pool = new Pool(2);
  const results = pool.imap(square, await range(500), { buffersize: 3 });
  const unread = pool.imap(square, await range(500), { buffersize: 3 });
  pool.close();
  await pool.join();
  assertEquals((await Array.fromAsync(results)).length, 500);
  assertEquals((await unread.next()).value, 0);
});

test("leaving an imap() loop early closes the input and drops what has not begun", async () => {
  await using pool = new Pool(1);
  let closed = 0;
  const input = function* (): Generator<number> {
    try {
      for (let i = 0;; i++) yield i;
    } finally {
      closed++;
    }
  };
  for await (const n of pool.imap(square, input())) if (n === 9) break;
  assertEquals(closed, 1);
  for await (const n of pool.imapUnordered(square, input())) if (n === 9) break;
  assertEquals(closed, 2);
  assertEquals(await pool.apply(square, [2]), 4);
});
