import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Pool } from "../pool.ts";
import { InvalidStateError, TimeoutError } from "../errors.ts";
import { Condition, Event, Lock, Queue, type ReentrantAsyncHeld, RLock, SharedArray, Value } from "./mod.ts";
import { test } from "../testing/counted_workers.ts";

/** Waits for some turns of the event loop, in which other flows could acquire the lock. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

test("an RLock held by awaiting keeps out other flows of the same thread", async () => {
  const lock = new RLock();
  let inside = 0;
  let most = 0;
  const step = async (): Promise<void> => {
    most = Math.max(most, ++inside);
    await turns();
    inside--;
  };
  const guarded = async (): Promise<void> => {
    await using _ = await lock.holdAsync();
    await step();
  };
  const bare = async (): Promise<void> => {
    assert(await lock.acquireAsync());
    await step();
    lock.release();
  };
  await Promise.all([guarded(), bare(), guarded(), bare(), guarded()]);
  assertEquals([most, lock.locked()], [1, false]);
});

test("other copies of an RLock on the same thread are the same lock", async () => {
  const lock = new RLock();
  const copy = RLock.fromHandle(structuredClone(lock.handle));
  const guard = await lock.holdAsync();
  assertEquals(await copy.acquireAsync({ timeout: 5 }), false);
  assertThrows(() => copy.release(), InvalidStateError, "guard");
  guard.release();
  assert(copy.acquire() && lock.acquire());
  copy.release();
  assert(lock.locked());
  lock.release();
  assertEquals(lock.locked(), false);
});

test("awaiting flows and threads that block for the lock of a value lose no update", async () => {
  const value = new Value("i");
  await using pool = new Pool(2, { scope: { value } });
  const workers = pool.map(
    () => {
      for (let i = 0; i < 300; i++) {
        using _ = value.getLock().hold();
        value.value += 1;
      }
    },
    Array(2),
    { chunksize: 1 },
  );
  const flow = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      await using _ = await value.getLock().holdAsync();
      const before = value.value;
      if (i % 3 === 0) await turns();
      value.value = before + 1;
    }
  };
  await Promise.all([flow(), flow(), flow(), workers]);
  assertEquals(value.value, 690);
});

test("blocking for an RLock that a flow of the same thread holds times out, or is refused instead of hanging", async () => {
  const lock = new RLock();
  for (const bare of [true, false]) {
    const guard = bare ? void await lock.acquireAsync() : await lock.holdAsync();
    assertEquals([lock.acquire({ block: false }), lock.acquire({ timeout: 5 })], [false, false]);
    assertThrows(() => lock.acquire(), InvalidStateError, "awaiting hold of the same thread");
    assertThrows(() => lock.hold(), InvalidStateError);
    assertEquals(await lock.acquireAsync({ timeout: 5 }), false);
    (guard ?? lock).release();
    assertEquals([lock.locked(), lock.acquire()], [false, true]);
    lock.release();
  }
});

test("an RLock that was acquired by blocking keeps out what awaits, until the last release", async () => {
  const lock = new RLock();
  lock.acquire();
  using held = lock.hold();
  const order: string[] = [];
  const flow = lock.holdAsync().then((guard) => (order.push("flow"), guard));
  await turns();
  held.release();
  await turns();
  order.push("release");
  lock.release();
  (await flow).release();
  assertEquals(order, ["release", "flow"]);
});

test("a guard holds its RLock again, and the lock is free after as many releases", async () => {
  const lock = new RLock();
  const outer = await lock.holdAsync();
  const inner = await outer.holdAsync();
  const innermost = await inner.holdAsync();
  assertThrows(() => lock.release(), InvalidStateError, "guard");
  outer.release();
  outer.release();
  await assertRejects(() => outer.holdAsync(), InvalidStateError, "released");
  await assertRejects(() => inner.holdAsync({ signal: AbortSignal.abort(new RangeError("Out")) }), RangeError, "Out");
  await inner[Symbol.asyncDispose]();
  assert(lock.locked());
  assertEquals(await lock.acquireAsync({ timeout: 5 }), false);
  innermost.release();
  assertEquals([lock.locked(), await lock.acquireAsync()], [false, true]);
  assertThrows(() => outer.holdAsync({ signal: 1 as never }), TypeError, "signal");
  lock.release();
  assertThrows(() => lock.release(), InvalidStateError);
});

test("a wait for an RLock that is aborted or times out takes nothing", async () => {
  const lock = new RLock();
  const guard = await lock.holdAsync();
  const controller = new AbortController();
  const waiting = lock.holdAsync({ signal: controller.signal });
  controller.abort(new RangeError("Enough"));
  await assertRejects(() => waiting, RangeError, "Enough");
  assertEquals(await lock.acquireAsync({ timeout: 1 }), false);
  guard.release();
  assert(lock.acquire({ block: false }));
  lock.release();
});

test("two flows of one thread wait at the default condition, and each takes what it was woken for", async () => {
  const condition = new Condition();
  const items: number[] = [];
  let waiting = 0;
  const consumer = async (): Promise<number> => {
    await using _ = await condition.holdAsync();
    waiting++;
    await condition.waitForAsync(() => items.length > 0, 20_000);
    await turns();
    return items.shift()!;
  };
  const both = Promise.all([consumer(), consumer()]);
  while (waiting < 2) await turns();
  for (const n of [1, 2]) {
    await using _ = await condition.holdAsync();
    items.push(n);
    condition.notify();
  }
  assertEquals((await both).toSorted(), [1, 2]);
  assert(condition.acquire({ block: false }));
  condition.release();
});

test("a flow that waits at a condition has its lock again as it had it: a guard, a bare hold, its thread", async () => {
  const lock = new RLock();
  const condition = new Condition(lock);
  const notify = async (): Promise<void> => {
    await using _ = await condition.holdAsync();
    condition.notify();
  };
  {
    const guard = await lock.holdAsync();
    const again = await guard.holdAsync();
    const other = notify();
    const waited = condition.waitAsync();
    assertThrows(() => guard.release(), InvalidStateError); // the lock is not held during the wait
    assert(await waited);
    await other;
    assertThrows(() => lock.release(), InvalidStateError, "guard");
    guard.release();
    assert(lock.locked());
    again.release();
    assert(!lock.locked());
  }
  {
    await lock.acquireAsync();
    const other = notify();
    assert(await condition.waitAsync());
    await other;
    assertEquals(lock.acquire({ block: false }), false);
    assertEquals(condition.wait(1), false);
    assertEquals(lock.acquire({ block: false }), false);
    lock.release();
    assert(!lock.locked());
  }
  {
    lock.acquire();
    lock.acquire();
    const other = notify();
    assert(await condition.waitAsync());
    assert(lock.acquire());
    for (let i = 0; i < 3; i++) lock.release();
    await other;
    assert(!lock.locked());
  }
});

test("a worker that ends while it holds an RLock by awaiting leaves it to others, recovered", async () => {
  const lock = new RLock();
  await using pool = new Pool(1, { scope: { lock } });
  await assertRejects(() =>
    pool.apply(async () => {
      const guard = await lock.holdAsync();
      await guard.holdAsync();
      self.close();
    })
  );
  assert(await lock.acquireAsync({ timeout: 10_000 }));
  assert(lock.recovered);
  lock.release();
  assertEquals([lock.locked(), lock.recovered], [false, false]);
  assert(lock.acquire() && lock.acquire());
  lock.release();
  lock.release();
  assert(!lock.locked());
});

test("a guard whose hold was lost to an interruption cannot release the hold of another flow", async () => {
  const lock = new RLock();
  await using pool = new Pool(1, { scope: { lock } });
  await pool.apply(async () => {
    (globalThis as unknown as { guard: unknown }).guard = await lock.holdAsync();
  });
  await assertRejects(
    () =>
      pool.apply(
        () => {
          for (;;);
        },
        [],
        { taskTimeout: 100 },
      ),
    TimeoutError,
  );
  const told = await pool.apply(async () => {
    const { guard } = globalThis as unknown as { guard: ReentrantAsyncHeld };
    const other = await lock.holdAsync();
    const recovered = lock.recovered;
    const errors: string[] = [];
    try {
      guard.release();
    } catch (error) {
      errors.push((error as Error).name);
    }
    await guard.holdAsync().catch((error) => errors.push(error.name));
    const locked = lock.locked();
    other.release();
    return [recovered, ...errors, locked, lock.locked()];
  });
  assertEquals(told, [true, "InvalidStateError", "InvalidStateError", true, false]);
});

test("a value and an array are held with their lock", async () => {
  const value = new Value("i");
  const array = new SharedArray("i", 2, { lock: new Lock() });
  for (const object of [value, array]) {
    {
      using _ = object.hold();
      assert(object.getLock().locked());
    }
    {
      await using _ = await object.holdAsync();
      assertEquals(object.getLock().acquire({ block: false }), false);
    }
    assert(!object.getLock().locked());
  }
  assertThrows(() => new Value("i", 0, { lock: false }).hold(), TypeError);
  assertThrows(() => new SharedArray("i", 1, { lock: false }).holdAsync(), TypeError);
});

test("a thread waits at the default condition by blocking while flows of another await there", async () => {
  const scope = { condition: new Condition(), waiting: new Queue<number>(), go: new Event(), stock: new Value("i") };
  const { condition, waiting, go, stock } = scope;
  await using pool = new Pool(1, { scope });
  const worker = pool.apply(() => {
    using _ = condition.hold();
    waiting.put(0);
    condition.waitFor(() => stock.value > 0);
    return stock.value--;
  });
  const flow = async (): Promise<number> => {
    await using _ = await condition.holdAsync();
    await waiting.putAsync(1);
    await condition.waitForAsync(() => stock.value > 0);
    await go.waitAsync();
    return stock.value--;
  };
  const flows = [flow(), flow()];
  for (let i = 0; i < 3; i++) await waiting.getAsync();
  {
    await using _ = await condition.holdAsync();
    stock.value = 3;
    condition.notifyAll();
  }
  go.set();
  assertEquals((await Promise.all([worker, ...flows])).toSorted(), [1, 2, 3]);
});
