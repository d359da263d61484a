import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Pool } from "../pool.ts";
import {
  Barrier,
  BoundedSemaphore,
  Condition,
  type Connection,
  Event,
  JoinableQueue,
  Lock,
  Pipe,
  Queue,
  RLock,
  Semaphore,
  SharedArray,
  Value,
} from "./mod.ts";
import {
  BrokenBarrierError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  QueueEmptyError,
  QueueFullError,
  SerializationError,
  TimeoutError,
} from "../errors.ts";
import { test } from "../testing/counted_workers.ts";

test("a lock is acquired once, gives up after its timeout, and is released once", async () => {
  const lock = new Lock();
  assert(lock.acquire());
  assert(!lock.acquire({ block: false }));
  assert(!lock.acquire({ timeout: 5 }));
  assert(!await lock.acquireAsync({ timeout: 5 }));
  assertEquals(String(lock), "Lock(locked)");
  lock.release();
  assertThrows(() => lock.release(), InvalidStateError);
  assert(lock.acquire({ timeout: 5 }));
  lock.release();
});

test("five that wait pass one at a time, and count exactly", async () => {
  const scope = { lock: new Lock(), inside: new Value("i"), wrong: new Value("i"), count: new Value("i") };
  const { lock, inside, wrong, count } = scope;
  lock.acquire();
  const pool = new Pool(5, { scope });
  const all = pool.map(
    () => {
      for (let i = 0; i < 200; i++) {
        using _ = lock.hold();
        if (inside.add(1) !== 0) wrong.add(1);
        count.value += 1;
        inside.sub(1);
      }
    },
    Array(5),
    { chunksize: 1 },
  );
  assertEquals(count.value, 0);
  lock.release();
  await all;
  assertEquals([count.value, wrong.value], [1000, 0]);
  await pool[Symbol.asyncDispose]();
});

test("leaving the block releases the lock, also by an error; awaiting functions take turns", async () => {
  const lock = new Lock();
  assertThrows(
    () => {
      using _ = lock.hold();
      throw new Error("Out");
    },
    Error,
    "Out",
  );
  assert(!lock.locked());
  const order: number[] = [];
  await Promise.all([1, 2, 3].map(async (n) => {
    await using _ = await lock.holdAsync();
    order.push(n);
    await Promise.resolve();
    order.push(n);
  }));
  assertEquals(order, [1, 1, 2, 2, 3, 3]);
});

test("a wait that is aborted rejects with the reason, and takes nothing", async () => {
  const lock = new Lock();
  lock.acquire();
  const controller = new AbortController();
  const waiting = lock.acquireAsync({ signal: controller.signal });
  controller.abort(new RangeError("Enough"));
  await assertRejects(() => waiting, RangeError, "Enough");
  lock.release();
  assert(lock.acquire({ block: false }));
  await assertRejects(() => lock.acquireAsync({ signal: AbortSignal.abort(new RangeError("Before")) }), RangeError);
});

test("an RLock is its thread's, as deep as it was acquired", async () => {
  const lock = new RLock();
  for (let i = 0; i < 3; i++) assert(lock.acquire());
  await using pool = new Pool(1);
  const other = await pool.apply((lock: RLock) => {
    let refused = "";
    try {
      lock.release();
    } catch (error) {
      refused = (error as Error).name;
    }
    return [lock.acquire({ block: false }), refused];
  }, [lock]);
  assertEquals(other, [false, "InvalidStateError"]);
  for (let i = 0; i < 3; i++) {
    assert(lock.locked());
    lock.release();
  }
  assertThrows(() => lock.release(), InvalidStateError);
});

test("permits go down and up; a bounded semaphore refuses one too many", () => {
  const semaphore = new Semaphore(2);
  assert(semaphore.acquire() && semaphore.acquire());
  assert(!semaphore.acquire({ block: false }));
  assert(!semaphore.acquire({ timeout: 5 }));
  semaphore.release(3);
  assertEquals(semaphore.getValue(), 3);
  const bounded = new BoundedSemaphore();
  assertThrows(() => bounded.release(), InvalidStateError);
  assertThrows(() => new Semaphore(-1), RangeError);
  assertThrows(() => new Semaphore("1" as never), TypeError);
  assertThrows(() => semaphore.release(0), RangeError);
});

test("notify() lets exactly so many go, and is not remembered", async () => {
  const scope = { condition: new Condition(), waiting: new Semaphore(0), awake: new Queue<boolean>() };
  const { condition, waiting, awake } = scope;
  await using pool = new Pool(3, { scope });
  condition.acquire();
  condition.notifyAll();
  assertEquals(condition.wait(5), false);
  condition.release();
  const all = pool.map(
    () => {
      using _ = condition.hold();
      waiting.release();
      awake.put(condition.wait());
    },
    Array(3),
    { chunksize: 1 },
  );
  for (let i = 0; i < 3; i++) waiting.acquire();
  {
    using _ = condition.hold();
    condition.notify();
  }
  assertEquals(awake.get(), true);
  assertThrows(() => awake.get({ timeout: 30 }), QueueEmptyError);
  {
    await using _ = await condition.holdAsync();
    condition.notify(2);
  }
  assertEquals([await awake.getAsync(), await awake.getAsync()], [true, true]);
  await all;
  assertThrows(() => condition.notify(), InvalidStateError);
  assertThrows(() => condition.wait(), InvalidStateError);
});

test("waitFor() looks again after each notification, and gives up after its time in all", async () => {
  const condition = new Condition();
  const value = new Value("i");
  await using pool = new Pool(1, { scope: { condition, value } });
  const counting = pool.apply(() => {
    for (let i = 0; i < 4; i++) {
      using _ = condition.hold();
      value.value += 1;
      condition.notify();
    }
  });
  using _ = condition.hold();
  assertEquals(condition.waitFor(() => value.value === 4 && "four"), "four");
  assertEquals(condition.waitFor(() => false, 5), false);
  assertEquals(await condition.waitForAsync(() => Promise.resolve(0), 5), 0);
  await counting;
});

test("an event wakes all, even if it is cleared at once", async () => {
  const event = new Event();
  assertEquals([event.isSet(), event.wait(0), event.wait(5), String(event)], [false, false, false, "Event(unset)"]);
  const waiting = [event.waitAsync(), event.waitAsync(), event.waitAsync({ timeout: 20_000 })];
  event.set();
  event.clear();
  assertEquals(await Promise.all(waiting), [true, true, true]);
  event.set();
  event.set();
  assertEquals([event.wait(), String(event)], [true, "Event(set)"]);
});

test("parties pass in step, each with an index; one that is missing breaks the barrier", async () => {
  const barrier = new Barrier(3);
  await using pool = new Pool(3);
  const rounds = await pool.map((barrier: Barrier) => Array.from({ length: 100 }, () => barrier.wait()), [
    barrier,
    barrier,
    barrier,
  ], { chunksize: 1 });
  for (let i = 0; i < 100; i++) assertEquals(rounds.map((indices) => indices[i]!).toSorted(), [0, 1, 2]);
  const lost = barrier.waitAsync();
  lost.catch(() => {});
  assertThrows(() => barrier.wait(5), BrokenBarrierError);
  await assertRejects(() => lost, BrokenBarrierError);
  assert(barrier.broken);
  barrier.reset();
  assert(!barrier.broken);
  assertEquals(new Barrier(1).wait(), 0);
  assertThrows(() => new Barrier(0), RangeError);
});

test("an action, abort() and reset()", async () => {
  let ran = 0;
  const barrier = new Barrier(2, { action: () => void ran++ });
  assertEquals((await Promise.all([barrier.waitAsync(), barrier.waitAsync()])).toSorted(), [0, 1]);
  assertEquals(ran, 1);
  const first = barrier.waitAsync();
  barrier.abort();
  await assertRejects(() => first, BrokenBarrierError);
  barrier.reset();
  const second = barrier.waitAsync();
  barrier.reset();
  await assertRejects(() => second, BrokenBarrierError);
  assertEquals([barrier.broken, barrier.nWaiting], [false, 0]);
});

test("what a worker writes is read here, for each type", async () => {
  await using pool = new Pool(1);
  for (const type of ["b", "B", "h", "H", "i", "I", "l", "L", "u8", "i32", "f", "d", "f64"] as const) {
    const value = new Value(type, 3);
    await pool.apply((value: Value<"i">) => void (value.value += 4), [value as never]);
    assertEquals(value.value, 7);
  }
  for (const type of ["q", "Q", "i64", "u64"] as const) {
    const value = new Value(type, 3n);
    await pool.apply((value: Value<"q">) => value.add(4n), [value as never]);
    assertEquals(value.value, 7n);
  }
  const text = new Value("z", "Zoë", { maxBytes: 8 });
  await pool.apply((text: Value<"z">) => void (text.value += "€"), [text]);
  assertEquals(text.value, "Zoë€");
  assertThrows(() => text.value = "too long for it", RangeError);
  assertEquals(text.value, "Zoë€");
});

test("what does not fit is an error, and changes nothing", () => {
  const byte = new Value("b", 127);
  assertThrows(() => byte.value = 128, RangeError);
  assertThrows(() => byte.value = 1.5, TypeError);
  assertThrows(() => byte.value = "1" as never, TypeError);
  assertThrows(() => byte.add(1), RangeError);
  assertEquals([byte.value, byte.sub(255), byte.value], [127, 127, -128]);
  assertThrows(() => new Value("f", 1e300), RangeError);
  assertThrows(() => new Value("x" as never), RangeError);
  assertThrows(() => new Value("q", 1 as never), TypeError);
  assertThrows(() => (new Value("d", 1) as Value as Value<"i">).add(1), TypeError);
  const bits = new Value("i", 12);
  assertEquals([bits.and(10), bits.or(1), bits.xor(3), bits.exchange(5), bits.compareExchange(5, 6), bits.value], [
    12,
    8,
    9,
    10,
    5,
    6,
  ]);
});

test("an array behaves as a list of fixed length, on memory of all threads", async () => {
  const array = new SharedArray("d", 4);
  assertEquals(array.value, [0, 0, 0, 0]);
  await using pool = new Pool(2, { scope: { array } });
  await pool.map((i: number) => void (array.view[i] = i * i), [0, 1, 2, 3]);
  assertEquals([...array], [0, 1, 4, 9]);
  assertEquals([array.at(-1), array.length], [9, 4]);
  assertThrows(() => array.at(4), RangeError);
  assertThrows(() => array.set(0, "x" as never), TypeError);
  assertThrows(() => array.value = [1], RangeError);
  assertThrows(() => new SharedArray("i", -1), RangeError);
  const names = new SharedArray("z", ["James", "Tom"], { maxBytes: 8 });
  await pool.apply((names: SharedArray<"z">) => names.set(1, "Łódź"), [names]);
  assertEquals(names.value, ["James", "Łódź"]);
  assertThrows(() => names.view, TypeError);
});

test("many producers and consumers, each item once, those of a producer in order", async () => {
  const queue = new Queue<[number, number, Uint8Array] | null>(50);
  await using pool = new Pool(4);
  const consumers = [1, 2].map(() =>
    pool.apply((queue: Queue<[number, number, Uint8Array] | null>) => {
      const got: [number, number, boolean][] = [];
      for (let item = queue.get(); item !== null; item = queue.get()) {
        const [producer, i, bytes] = item;
        got.push([producer, i, bytes.every((byte) => byte === (i & 255))]);
      }
      return got;
    }, [queue])
  );
  const producers = [0, 1].map((producer) =>
    pool.apply((queue: Queue<unknown>, producer: number) => {
      for (let i = 0; i < 1000; i++) {
        queue.put([producer, i, new Uint8Array(i % 100 === 0 ? 300_000 : i % 50).fill(i)]);
      }
    }, [queue, producer])
  );
  await Promise.all(producers);
  queue.put(null);
  queue.put(null);
  const got = await Promise.all(consumers);
  assertEquals(got.flat().length, 2000);
  assertEquals(new Set(got.flat().map(([producer, i]) => producer * 1000 + i)).size, 2000);
  assert(got.flat().every(([, , whole]) => whole));
  for (const list of got) {
    for (const producer of [0, 1]) {
      const order = list.filter(([p]) => p === producer).map(([, i]) => i);
      assertEquals(order, order.toSorted((a, b) => a - b));
    }
  }
});

test("full, empty, and null as an item", async () => {
  const queue = new Queue<unknown>(2);
  queue.put(null);
  queue.put(undefined);
  assert(queue.full() && !queue.empty());
  assertThrows(() => queue.put(1, { block: false }), QueueFullError);
  assertThrows(() => queue.put(1, { timeout: 5 }), QueueFullError);
  await assertRejects(() => queue.putAsync(1, { timeout: 5 }), QueueFullError);
  assertEquals([queue.get(), queue.get()], [null, undefined]);
  assertThrows(() => queue.get({ block: false }), QueueEmptyError);
  await assertRejects(() => queue.getAsync({ timeout: 5 }), QueueEmptyError);
});

test("a blocked get() wakes for a put(), a blocked put() for a get()", async () => {
  const there = new Queue<number>(1);
  const back = new Queue<number>(1);
  await using pool = new Pool(1, { scope: { there, back } });
  const echo = pool.apply(() => {
    for (let i = 0; i < 300; i++) back.put(there.get() + 1);
  });
  for (let i = 0; i < 100; i++) {
    there.put(i);
    assertEquals(back.get(), i + 1);
  }
  const puts = Promise.all(Array.from({ length: 200 }, (_, i) => there.putAsync(i)));
  for (let i = 0; i < 200; i++) assertEquals(await back.getAsync(), i + 1);
  await puts;
  await echo;
});

test("what cannot be sent throws from put(), and the queue is as before", () => {
  const queue = new Queue<unknown>(1);
  assertThrows(() => queue.put(Symbol("x")), SerializationError);
  assert(queue.empty());
  queue.put(1);
  assertEquals(queue.get(), 1);
});

test("a closed queue takes nothing, gives what is left, and wakes those who wait", async () => {
  const queue = new Queue<number>();
  const other = new Queue<number>();
  const blocked = other.getAsync();
  queue.put(1);
  queue.close();
  queue.close();
  other.close();
  await assertRejects(() => blocked, ClosedError);
  assertThrows(() => queue.put(2), ClosedError);
  assertEquals(queue.get(), 1);
  assertThrows(() => queue.get(), ClosedError);
  const controller = new AbortController();
  const aborted = new Queue<number>().getAsync({ signal: controller.signal });
  controller.abort();
  await assertRejects(() => aborted, DOMException);
});

test("join() returns after the last taskDone(), of which there may not be too many", async () => {
  const queue = new JoinableQueue<number>();
  assert(queue.join());
  for (let i = 0; i < 10; i++) queue.put(i);
  assert(!queue.join(5));
  await using pool = new Pool(2);
  await pool.map(
    (queue: JoinableQueue<number>) => {
      for (let i = 0; i < 5; i++) {
        queue.get();
        queue.taskDone();
      }
    },
    [queue, queue],
    { chunksize: 1 },
  );
  assert(queue.join());
  assert(await queue.joinAsync());
  assertThrows(() => queue.taskDone(), InvalidStateError);
});

test("a pipe gives whole values in order, then the end", async () => {
  const [here, there] = Pipe();
  assertEquals([here.poll(), here.poll(5), here.poll(-1)], [false, false, false]);
  const large = new Uint8Array(16_000_000).fill(7);
  await using pool = new Pool(1);
  const echo = pool.apply((end: Connection) => {
    for (let i = 0; i < 4; i++) end.send(end.recv());
    end.close();
  }, [there]);
  for (const value of [null, "", [1, { two: 2 }], large]) here.send(value);
  assertEquals([here.recv(), await here.recvAsync(), here.recv()], [null, "", [1, { two: 2 }]]);
  assertEquals((here.recv() as Uint8Array).length, large.length);
  await echo;
  assertThrows(() => here.recv(5), TimeoutError); // this thread has the other end too
  there.close();
  assert(here.poll());
  assertThrows(() => here.recv(), ClosedError);
  assertThrows(() => here.send(1), ClosedError);
});

test("one way only", () => {
  const [reader, writer] = Pipe({ duplex: false });
  assertThrows(() => reader.send(1), InvalidStateError);
  assertThrows(() => writer.recv(), InvalidStateError);
  writer.send(1);
  writer.close();
  assertEquals(reader.recv(), 1);
  assertThrows(() => reader.recv(), ClosedError);
  assertThrows(() => writer.send(1), ClosedError);
});

test("shared objects travel: as results, in queues, inside one another, to Workers by their handles", async () => {
  const queue = new Queue<unknown>();
  const lock = new Lock();
  await using pool = new Pool(2, { scope: { Lock } });
  lock.acquire();
  queue.put({ deep: [lock, queue] });
  const seen = await pool.apply((queue: Queue<{ deep: [Lock, Queue] }>) => {
    const { deep: [lock, same] } = queue.get();
    same.put(lock);
    return [lock.locked(), lock] as const;
  }, [queue as never]);
  assertEquals(seen[0], true);
  assert(seen[1].locked() && (queue.get() as Lock).locked());
  lock.release();
  assert(!seen[1].locked());
  assert(!Lock.fromHandle(structuredClone(lock.handle)).locked());
  assertThrows(() => Lock.fromHandle(queue.handle), TypeError);
});

test("a worker that is terminated while it waits ends its wait, and the program goes on", async () => {
  const scope = { lock: new Lock(), begun: new Semaphore(0) };
  const { lock, begun } = scope;
  lock.acquire();
  const pool = new Pool(2, { scope });
  const all = pool.map(
    () => {
      begun.release();
      lock.acquire();
    },
    Array(2),
    { chunksize: 1 },
  );
  all.catch(() => {});
  begun.acquire();
  begun.acquire();
  pool.terminate();
  await assertRejects(() => all, CancelledError);
  await pool.join();
  lock.release();
  assert(lock.acquire({ timeout: 1000 }));
});

test("a task that is ended at its limit while it holds a lock frees it", async () => {
  const lock = new Lock();
  await using pool = new Pool(1, { scope: { lock } });
  await assertRejects(
    () =>
      pool.apply(
        () => {
          lock.acquire();
          for (;;);
        },
        [],
        { taskTimeout: 100 },
      ),
    TimeoutError,
  );
  assert(lock.acquire({ timeout: 5000 }));
  assert(lock.recovered);
});
