import { assert, assertEquals } from "@std/assert";
import { Pool } from "../pool.ts";
import { test } from "../testing/counted_workers.ts";
import { Condition, Lock, Queue, Semaphore, Value } from "./mod.ts";

const PRODUCERS = 8;
const ITEMS = 12_500;

interface Item {
  producer: number;
  number: number;
  body: Uint8Array;
}

interface Received {
  count: number;
  sum: number;
  bytes: number;
  largest: number;
  wrong: number;
}

test("100,000 items of up to 10 MB, from 8 producers to 8 consumers, each once and in order", async () => {
  const queue = new Queue<Item | null>();
  const produce = (producer: number): number => {
    let bytes = 0;
    for (let number = 0; number < ITEMS; number++) {
      const size = number % 12_000 === 700
        ? 10 * 2 ** 20 - producer
        : number % 2000 === 11
        ? 300_000 + number
        : number % 100 === 3
        ? number
        : number % 64;
      const body = new Uint8Array(size);
      body[0] = number;
      body[size >> 1] = number;
      body[size - 1] = producer;
      bytes += size;
      queue.put({ producer, number, body });
    }
    return bytes;
  };
  const consume = (): Received => {
    const received = { count: 0, sum: 0, bytes: 0, largest: 0, wrong: 0 };
    const last = new Map<number, number>();
    for (let item = queue.get(); item !== null; item = queue.get()) {
      const { producer, number, body } = item;
      const { length } = body;
      const before = last.get(producer) ?? -1;
      const right = length < 3 ||
        (body[0] === (number & 255) && body[length >> 1] === (number & 255) && body[length - 1] === producer);
      if (number <= before || !right) received.wrong++;
      last.set(producer, number);
      received.count++;
      received.sum += number;
      received.bytes += length;
      received.largest = Math.max(received.largest, length);
    }
    return received;
  };
  await using producers = new Pool(PRODUCERS, { scope: { queue, ITEMS } });
  await using consumers = new Pool(8, { scope: { queue } });
  const consumed = consumers.map(consume, Array(8), { chunksize: 1 });
  const bytes = await producers.map(produce, Array.from({ length: PRODUCERS }, (_, i) => i), { chunksize: 1 });
  for (let i = 0; i < 8; i++) await queue.putAsync(null);
  const received = await consumed;
  const total = (key: keyof Received) => received.reduce((sum, one) => sum + one[key], 0);
  assertEquals(total("wrong"), 0);
  assertEquals(total("count"), PRODUCERS * ITEMS);
  assertEquals(total("sum"), PRODUCERS * ITEMS * (ITEMS - 1) / 2);
  assertEquals(total("bytes"), bytes.reduce((a, b) => a + b));
  assert(received.some(({ largest }) => largest === 10 * 2 ** 20));
  assert(queue.empty());
});

test("a lock whose holders die again and again: who gets it next can tell, and nobody else finds half a change", async () => {
  const scope = {
    lock: new Lock(),
    a: new Value("i"),
    b: new Value("i"),
    wrong: new Value("i"),
    deathCount: new Value("i"),
  };
  const { lock, a, b, wrong, deathCount } = scope;
  const change = (seed: number): void => {
    for (let i = 0; i < 200; i++) {
      lock.acquire();
      if (a.value !== b.value) {
        if (!lock.recovered) wrong.value += 1;
        b.value = a.value;
      }
      a.value += 1;
      if ((seed * 31 + i * 7) % 97 === 0) {
        deathCount.value += 1;
        Deno.exit(1); // holds the lock and has made half of the change
      }
      b.value += 1;
      lock.release();
    }
  };
  await using pool = new Pool(4, { scope });
  const runs = await Promise.allSettled(Array.from({ length: 24 }, (_, seed) => pool.apply(change, [seed])));
  const died = runs.filter(({ status }) => status === "rejected").length;
  assertEquals([wrong.value, deathCount.value], [0, died]);
  assert(died > 10);
  assert(lock.acquire({ timeout: 10_000 }));
  assertEquals(a.value - b.value, lock.recovered ? 1 : 0);
});

test("a semaphore lets no more inside than it has permits, and all in the end", async () => {
  const scope = { permits: new Semaphore(3), inside: new Value("i"), most: new Value("i"), passed: new Value("i") };
  const { permits, inside, most, passed } = scope;
  const enter = async (asynchronous: boolean): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      if (asynchronous) await permits.acquireAsync();
      else permits.acquire();
      const now = inside.add(1) + 1;
      if (now > most.value) most.value = now;
      passed.add(1);
      if (asynchronous) await null;
      inside.sub(1);
      permits.release();
    }
  };
  await using pool = new Pool(6, { scope });
  const all = pool.map(enter, [true, false, true, false, true, false], { chunksize: 1 });
  await enter(true);
  await all;
  assertEquals([passed.value, inside.value, permits.getValue()], [700, 0, 3]);
  assert(most.value <= 3);
});

test("a condition between those who fill and those who empty, blocking and not", async () => {
  const scope = { condition: new Condition(new Lock()), stock: new Value("i"), taken: new Value("i") };
  const { condition, stock, taken } = scope;
  const fill = (): void => {
    for (let i = 0; i < 500; i++) {
      using _ = condition.hold();
      condition.waitFor(() => stock.value < 5);
      stock.value += 1;
      condition.notifyAll();
    }
  };
  const empty = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) {
      await using _ = await condition.holdAsync();
      await condition.waitForAsync(() => stock.value > 0);
      stock.value -= 1;
      taken.value += 1;
      condition.notifyAll();
    }
  };
  await using pool = new Pool(4, { scope });
  const work = [pool.apply(fill), pool.apply(empty), pool.apply(fill), pool.apply(fill), empty(), empty()];
  await Promise.all(work);
  assertEquals([stock.value, taken.value], [0, 1500]);
});
