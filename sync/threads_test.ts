import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CancelledError,
  Event,
  Lock,
  Pool,
  Process,
  Queue,
  QueueEmptyError,
  SerializationError,
  type SharedArray,
  Value,
} from "../mod.ts";
import { blockInWorker, countInWorkers, takeInWorker, takeInWorkerBlocking } from "../testing/fixtures/nested_tasks.ts";
import { test } from "../testing/counted_workers.ts";

test("shared objects as initargs, and what an initializer made of them", async () => {
  const counter = new Value("i");
  const queue = new Queue<string>();
  await using pool = new Pool(2, {
    initializer: (counter: Value<"i">, nested: { queue: Queue<string> }) => {
      counter.add(1);
      nested.queue.put(self.name);
    },
    initargs: [counter, { queue }],
  });
  await pool.broadcast(() => {});
  assertEquals(counter.value, 2);
  assertEquals([queue.get(), queue.get()].sort().map((name) => name.replace(/\D+/, "")), ["1", "2"]);
});

const module = new URL("../testing/fixtures/nested_tasks.ts", import.meta.url);

test("workers of workers share the same objects, also those that a worker has made", async () => {
  const lock = new Lock();
  const sum = new Value("i");
  const made = new Queue<SharedArray<"i">>();
  const process = new Process({ target: countInWorkers, args: [lock, sum, made], module });
  process.start();
  const own = await made.getAsync();
  await process.join();
  assertEquals([process.exitcode, sum.value], [0, 4000]);
  assertEquals([...own], [1, 2, 3, 4]);
});

test("terminate() ends workers of workers that are blocked, and what they held is free", async () => {
  const held = new Lock();
  const never = new Lock();
  const ready = new Queue<number>();
  never.acquire();
  const process = new Process({ target: blockInWorker, args: [held, never, ready], module });
  process.start();
  await ready.getAsync();
  process.terminate();
  assert(await held.acquireAsync({ timeout: 10_000 }));
  assert(held.recovered);
  assertEquals(process.exitcode, -15);
});

test("a Worker of one's own joins by handles", async () => {
  const lock = new Lock();
  const queue = new Queue<number>();
  const code = `
    import { Lock, Queue } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
    self.onmessage = ({ data }) => {
      const lock = Lock.fromHandle(data.lock);
      const queue = Queue.fromHandle(data.queue);
      for (let i = 0; i < 3; i++) {
        using _ = lock.hold();
        queue.put(i);
      }
      self.close();
    };`;
  const url = URL.createObjectURL(new Blob([code], { type: "application/typescript" }));
  const worker = new Worker(url, { type: "module" });
  lock.acquire();
  worker.postMessage({ lock: lock.handle, queue: queue.handle });
  await assertRejects(() => queue.getAsync({ timeout: 20 }), QueueEmptyError);
  lock.release();
  assertEquals([await queue.getAsync(), await queue.getAsync(), await queue.getAsync()], [0, 1, 2]);
  worker.terminate();
  URL.revokeObjectURL(url);
});

test("a process whose main program lacks its guard fails, instead of starting processes for ever", async () => {
  const process = new Process({
    target: () => {},
    module: new URL("../testing/fixtures/unguarded_process.ts", import.meta.url),
  });
  const { error } = console;
  const printed: unknown[] = [];
  console.error = (...all: unknown[]) => void printed.push(...all);
  try {
    process.start();
    await process.join();
  } finally {
    console.error = error;
  }
  assertEquals(process.exitcode, 1);
  assertEquals([printed.length, (printed[1] as Error).name], [2, "InvalidStateError"]);
  assert(String(printed[1]).includes("import.meta.main"), String(printed[1]));
});

test("a task that is cancelled while it waits for a lock says so", async () => {
  const lock = new Lock();
  const begun = new Event();
  lock.acquire();
  const pool = new Pool(1);
  const waiting = pool.apply((lock: Lock, begun: Event) => (begun.set(), lock.acquire()), [lock, begun]);
  const refused = assertRejects(() => waiting, CancelledError);
  await begun.waitAsync();
  pool.terminate();
  await refused;
});

test("classes that a worker could not use are refused with a hint", () => {
  for (const scope of [{ Pool }, { Process }]) {
    assertThrows(() => new Pool(1, { scope }), SerializationError, "'module'");
  }
});

test("a thread that blocks in a shared object right after a call still hands out its arguments", async () => {
  await using pool = new Pool(2);
  await pool.apply(() => {});
  for (let i = 0; i < 100; i++) {
    const queue = new Queue<number>();
    const result = pool.applyAsync((queue: Queue<number>, n: number) => queue.put(n), [queue, i]);
    assertEquals(queue.get(), i);
    await result.get();
  }
});

test("shared objects in an item reach a worker of a worker, while that awaits its pool or blocks for it", async () => {
  const queue = new Queue<Lock>();
  for (const take of [takeInWorker, takeInWorkerBlocking] as ((queue: Queue<Lock>) => Promise<string>)[]) {
    for (const blocks of [false, true]) {
      await using pool = new Pool(1, { module });
      queue.put(new Lock());
      const result = pool.applyAsync(take, [queue]);
      assertEquals(blocks ? result.getSync(20_000) : await result.get(20_000), "Lock(unlocked)");
    }
  }
});

test("shared objects in an item reach a worker while this thread is blocked for another pool", async () => {
  const scope = { queue: new Queue<Lock>(), go: new Event(), ready: new Event(), taken: new Event() };
  const { queue, go, ready, taken } = scope;
  await using first = new Pool(1, { scope });
  await using second = new Pool(1, { scope });
  queue.put(new Lock());
  const taking = first.apply(() => {
    ready.set();
    go.wait();
    const lock = queue.get();
    taken.set();
    return String(lock);
  });
  await ready.waitAsync();
  // The liveness watchdog of its workers would wake this thread once, in the first second.
  const waiting = second.applyAsync(() => (taken.wait(1500), go.set(), taken.wait(10_000)));
  assertEquals(waiting.getSync(), true);
  assertEquals(await taking, "Lock(unlocked)");
});
