/**
 * Options objects: the values that are refused, and the messages.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  asCompleted,
  asCompletedSync,
  Barrier,
  BoundedSemaphore,
  Condition,
  type Connection,
  Event,
  JoinableQueue,
  Lock,
  Pipe,
  Pool,
  Process,
  ProcessPoolExecutor,
  Queue,
  RLock,
  Semaphore,
  SharedArray,
  Thread,
  ThreadPool,
  ThreadPoolExecutor,
  Value,
  wait,
  waitSync,
} from "../mod.ts";
import { nearestOf } from "../base/options_schema.ts";
import { liveWorkers, test } from "../testing/counted_workers.ts";

const square = (n: number): number => n * n;

/** Returns a value as a type that it does not have, to pass what the signature does not allow. */
function odd<T>(value: unknown): T {
  return value as T;
}

/** An options object with an option that no call has. */
const WRONG = odd<Record<string, never>>({ proceses: 1 });

// Creating the pools, executors and processes among these starts no worker.

const MAKES: Readonly<Record<string, (options: Record<string, never>) => unknown>> = {
  Pool: (o) => new Pool(o),
  "Pool, second": (o) => new Pool(2, o),
  ThreadPool: (o) => new ThreadPool(o),
  "ThreadPool, second": (o) => new ThreadPool(2, o),
  ProcessPoolExecutor: (o) => new ProcessPoolExecutor(o),
  "ProcessPoolExecutor, second": (o) => new ProcessPoolExecutor(2, o),
  ThreadPoolExecutor: (o) => new ThreadPoolExecutor(o),
  "ThreadPoolExecutor, second": (o) => new ThreadPoolExecutor(2, o),
  Process: (o) => new Process(o),
  Thread: (o) => new Thread(o),
  Barrier: (o) => new Barrier(2, o),
  Value: (o) => new Value("i", 0, o),
  "Value, from a handle": (o) => new Value(new Value("i").handle, undefined, o),
  SharedArray: (o) => new SharedArray("i", 1, o),
  "SharedArray, from a handle": (o) => new SharedArray(new SharedArray("i", 1).handle, 0, o),
  Pipe: (o) => Pipe(o),
};

for (const [name, make] of Object.entries(MAKES)) {
  test(`an unknown option is refused by ${name}`, () => {
    assertThrows(() => make(WRONG), TypeError, "Cannot use the option 'proceses' as");
    make({});
  });
}

const POOL_CALLS: Readonly<Record<string, (pool: Pool, options: Record<string, never>) => unknown>> = {
  apply: (pool, o) => pool.apply(square, [1], o),
  applySync: (pool, o) => pool.applySync(square, [1], o),
  applyAsync: (pool, o) => pool.applyAsync(square, [1], o),
  map: (pool, o) => pool.map(square, [1], o),
  mapSync: (pool, o) => pool.mapSync(square, [1], o),
  mapAsync: (pool, o) => pool.mapAsync(square, [1], o),
  starmap: (pool, o) => pool.starmap(square, [[1]], o),
  starmapSync: (pool, o) => pool.starmapSync(square, [[1]], o),
  starmapAsync: (pool, o) => pool.starmapAsync(square, [[1]], o),
  imap: (pool, o) => pool.imap(square, [1], o),
  imapSync: (pool, o) => pool.imapSync(square, [1], o),
  imapUnordered: (pool, o) => pool.imapUnordered(square, [1], o),
  imapUnorderedSync: (pool, o) => pool.imapUnorderedSync(square, [1], o),
  istarmap: (pool, o) => pool.istarmap(square, [[1]], o),
  istarmapSync: (pool, o) => pool.istarmapSync(square, [[1]], o),
  istarmapUnordered: (pool, o) => pool.istarmapUnordered(square, [[1]], o),
  istarmapUnorderedSync: (pool, o) => pool.istarmapUnorderedSync(square, [[1]], o),
  broadcast: (pool, o) => pool.broadcast(square, [1], o),
};

test("an unknown option is refused by every method of a pool, which is named, before anything runs", () => {
  using pool = new Pool(1);
  for (const [name, call] of Object.entries(POOL_CALLS)) {
    assertThrows(() => call(pool, WRONG), TypeError, `Cannot use the option 'proceses' as ${name}() has none`);
  }
  assertEquals(liveWorkers(), 0);
});

test("every method of a thread pool refuses an unknown option", () => {
  using pool = new ThreadPool(1);
  for (const [name, call] of Object.entries(POOL_CALLS)) {
    if (name.endsWith("Sync")) continue;
    assertThrows(() => call(odd(pool), WRONG), TypeError, `as ${name}() has none`);
  }
});

test("executors refuse unknown options, also beside their iterables", async () => {
  for (const executor of [new ProcessPoolExecutor(1), new ThreadPoolExecutor(1)]) {
    await using _ = executor;
    for (
      const [wrong, what] of [
        [{ chunkSize: 2 }, "'chunkSize' as map() has none of that name: the nearest is 'chunksize'"],
        [{ chunksize: 2, foo: 1 }, "its options are 'chunksize', 'timeout', 'buffersize', 'signal' and 'abortGrace'"],
        [{ length: 2 }, "'length' as map() has none"],
        [Object.assign(Object.create(null), { chunks: 2 }), "the nearest is 'chunksize'"],
        [Object.create({ chunksize: 2, timeOut: 1 }), "the nearest is 'timeout'"],
      ] as const
    ) {
      assertThrows(() => executor.map(square, [1], odd(wrong)), TypeError, what);
    }
    // A value that is neither iterable nor an options object is reported as a wrong iterable.
    for (const wrong of [Promise.resolve([1]), new Date(), new ArrayBuffer(8), new (class Items {})(), 5, null]) {
      assertThrows(() => executor.map(square, [1], odd(wrong)), TypeError, "iterable 1 is none");
    }
    assertThrows(() => executor.map(square, odd(Promise.resolve([1]))), TypeError, "iterable 0 is none");
    class Options {
      chunksize = 2;
    }
    assertEquals(await Array.fromAsync(executor.map(square, [1, 2], new Options())), [1, 4]);
    assertEquals(await Array.fromAsync(executor.map(square, [3], undefined)), [9]);
    assertThrows(() => executor.shutdown(odd({ cancel_futures: true })), TypeError, "the nearest is 'cancelFutures'");
    assertThrows(() => executor.shutdown(odd(true)), TypeError, "such as { wait: true }");
  }
  await using executor = new ProcessPoolExecutor(1);
  assertThrows(() => executor.mapSync(square, [1], odd({ chunkSize: 2 })), TypeError, "as mapSync() has none");
  assertThrows(() => executor.shutdownSync(odd({ timeOut: 2 })), TypeError, "the nearest is 'timeout'");
});

test("waits for futures refuse unknown options, and a signal where none can come", () => {
  assertThrows(() => wait([], odd({ return_when: "ALL_COMPLETED" })), TypeError, "the nearest is 'returnWhen'");
  assertThrows(() => asCompleted([], odd({ timeOut: 1 })), TypeError, "the nearest is 'timeout'");
  assertThrows(() => asCompleted([], odd(10)), TypeError, "such as { timeout: 10 }");
  const { signal } = new AbortController();
  assertThrows(() => waitSync([], odd({ signal })), TypeError, "waitSync() has none");
  assertThrows(() => asCompletedSync([], odd({ signal })), TypeError, "asCompletedSync() has none");
});

test("waits of shared objects refuse unknown options", async () => {
  const [a, b] = Pipe();
  const queue = new Queue(1);
  const done = new JoinableQueue();
  const wrong = odd<Record<string, never>>({ timeOut: 1 });
  const blocking: (() => unknown)[] = [
    () => new Lock().acquire(wrong),
    () => new RLock().acquire(wrong),
    () => new Semaphore(1).acquire(wrong),
    () => new BoundedSemaphore(1).acquire(wrong),
    () => new Condition().acquire(wrong),
    () => queue.put(1, wrong),
    () => queue.get(wrong),
  ];
  for (const call of blocking) assertThrows(call, TypeError, "the nearest is 'timeout'");
  const condition = new Condition(new Lock());
  const awaiting: (() => unknown)[] = [
    () => new Lock().acquireAsync(wrong),
    () => new RLock().acquireAsync(wrong),
    () => new Semaphore(1).acquireAsync(wrong),
    () => queue.putAsync(1, wrong),
    () => queue.getAsync(wrong),
    () => new Event().waitAsync(wrong),
    () => new Barrier(2).waitAsync(wrong),
    () => done.joinAsync(wrong),
    () => (b as Connection).recvAsync(wrong),
    () => condition.acquireAsync(wrong),
  ];
  for (const call of awaiting) {
    await assertRejects(async () => void await call(), TypeError, "the nearest is 'timeout'");
  }
  const signl = odd<Record<string, never>>({ signl: 1 });
  const holding: (() => unknown)[] = [
    () => new Lock().holdAsync(signl),
    () => new RLock().holdAsync(signl),
    () => new Semaphore(1).holdAsync(signl),
    () => new Condition().holdAsync(signl),
  ];
  for (const call of holding) {
    await assertRejects(async () => void await call(), TypeError, "the nearest is 'signal'");
  }
  assertThrows(() => new Lock().acquire(odd(false)), TypeError, "such as { block: false }");
  assertThrows(() => new Lock().acquire(odd(5)), TypeError, "such as { timeout: 5 }");
  a.close();
  b.close();
});

test("options of another call are unknown", () => {
  using pool = new Pool(1);
  for (
    const [call, options, name] of [
      ["map", { buffersize: 2 }, "buffersize"],
      ["map", { callback: square }, "callback"],
      ["mapSync", { callback: square }, "callback"],
      ["apply", { chunksize: 2 }, "chunksize"],
      ["applySync", { errorCallback: square }, "errorCallback"],
      ["applyAsync", { onProgress: square }, "onProgress"],
      ["imap", { timeout: 2 }, "timeout"],
      ["broadcast", { callback: square }, "callback"],
    ] as const
  ) {
    assertThrows(() => POOL_CALLS[call]!(pool, odd(options)), TypeError, `'${name}' as ${call}() has none`);
  }
  assertThrows(() => new ThreadPool(odd({ module: import.meta.url })), TypeError, "ThreadPool has none");
  assertThrows(
    () => new ProcessPoolExecutor(odd<Record<string, never>>({ processes: 1 })),
    TypeError,
    "ProcessPoolExecutor has none",
  );
  assertThrows(
    () => new ProcessPoolExecutor(odd<Record<string, never>>({ trace: true })),
    TypeError,
    "ProcessPoolExecutor has none",
  );
});

test("the nearest option is named, also by its name in Python", () => {
  using pool = new Pool(1);
  for (
    const [wrong, right] of [
      ["proceses", "processes"],
      ["maxtasksperchild", "maxTasksPerChild"],
      ["max_tasks_per_child", "maxTasksPerChild"],
      ["initArgs", "initargs"],
      ["initialiser", "initializer"],
      ["timeout", "taskTimeout"],
      ["permisions", "permissions"],
      ["tarce", "trace"],
    ] as const
  ) {
    assertThrows(
      () => new Pool(odd<Record<string, never>>({ [wrong]: 1 })),
      TypeError,
      `'${wrong}' as Pool has none of that name: the nearest is '${right}'`,
    );
  }
  assertThrows(
    () => pool.applyAsync(square, [1], odd({ error_callback: square })),
    TypeError,
    "the nearest is 'errorCallback'",
  );
  const far = assertThrows(() => pool.map(square, [1], odd<Record<string, never>>({ foo: 1 })), TypeError) as Error;
  assertStringIncludes(
    far.message,
    "its options are 'chunksize', 'taskTimeout', 'signal', 'abortGrace', 'returnExceptions' and 'onProgress'",
  );
  const long = assertThrows(
    () => pool.map(square, [1], odd<Record<string, never>>({ ["x".repeat(1e6)]: 1 })),
    TypeError,
  ) as Error;
  assert(long.message.length < 300);
  assertEquals(nearestOf("", ["processes"]), undefined);
  assertEquals(nearestOf("runn", ["read", "run", "write"]), "run");
  assertThrows(
    () => new Pool(odd<Record<string, never>>({ permissions: { nett: true } })),
    TypeError,
    "the nearest is 'net'",
  );
});

test("options may be of any class, inherited, without a prototype, frozen, or behind a proxy", async () => {
  await using pool = new ThreadPool(1);
  class Options {
    #size = 2;
    chunksize = 2;
    get returnExceptions(): boolean {
      return this.#size === 2;
    }
    helper(): void {
      // A method is not an option.
    }
  }
  const fails = (n: number): number => {
    throw new RangeError(`${n}`);
  };
  const forms = [
    new Options(),
    new (class extends Options {})(),
    Object.create({ chunksize: 2, returnExceptions: true }),
    Object.assign(Object.create(null), { returnExceptions: true }),
    Object.freeze({ returnExceptions: true, [Symbol("a note")]: 1 }),
    new Proxy({ returnExceptions: true }, {}),
    { returnExceptions: true, foo: undefined, buffersize: undefined },
  ];
  for (const options of forms) {
    const [error] = await pool.map(fails, [1], odd<object>(options));
    assertEquals(odd<RangeError>(error).message, "1");
  }
  for (
    const options of [
      Object.create({ chunkSize: 2 }),
      new Proxy({ chunkSize: 2 }, {}),
      Object.freeze({ chunksize: 1, chunkSize: 2 }),
      new (class {
        chunkSize = 2;
      })(),
    ]
  ) assertThrows(() => pool.map(square, [1], options), TypeError, "the nearest is 'chunksize'");
});

test("an AbortController stands for its signal, and other objects of the platform for no options", async () => {
  await using pool = new ThreadPool(1);
  const controller = new AbortController();
  controller.abort(new Error("given up"));
  await assertRejects(() => pool.map(square, [1], controller), Error, "given up");
  for (const wrong of [controller.signal, new Map([["chunksize", 2]]), new Set(), Promise.resolve({}), new Date()]) {
    assertThrows(
      () => pool.map(square, [1], odd<Record<string, never>>(wrong)),
      TypeError,
      "Cannot use the options of map()",
    );
  }
  for (const wrong of [10, "10", true, null, [], square, 1n, Symbol.iterator]) {
    assertThrows(
      () => pool.map(square, [1], odd<Record<string, never>>(wrong)),
      TypeError,
      "Cannot use the options of map()",
    );
  }
});

test("what stands in the place of the options is shown as one", () => {
  using pool = new Pool(1);
  const { signal } = new AbortController();
  for (
    const [call, example] of [
      [() => pool.map(square, [1], odd<Record<string, never>>(10)), "{ chunksize: 10 }"],
      [() => pool.apply(square, [1], odd(1000)), "{ taskTimeout: 1000 }"],
      [() => pool.map(square, [1], odd<Record<string, never>>(signal)), "{ signal }"],
      [() => pool.mapAsync(square, [1], odd<Record<string, never>>(square)), "{ callback }"],
      [() => new Process(odd<Record<string, never>>(square)), "{ target }"],
      [() => new Process(odd<Record<string, never>>("worker")), '{ name: "worker" }'],
    ] as const
  ) assertThrows(call, TypeError, `as they must be an object, such as ${example}: current value is`);
  assertThrows(() => pool.apply(square, odd({ taskTimeout: 1 })), TypeError, "and options come after it");
});

test("options that are given twice are refused", () => {
  for (const Kind of [Pool, ThreadPool]) {
    const Made = odd<new (...args: unknown[]) => Disposable>(Kind);
    assertThrows(() => new Made({ processes: 1 }, {}), TypeError, "as the first one has the options");
    assertThrows(() => new Made({}, { processes: 1 }), TypeError, "as the first one has the options");
    assertThrows(
      () => new Made(1, { processes: 2 }),
      TypeError,
      "'processes' is given twice: current values are 1 and 2",
    );
    for (const args of [[{ processes: 3 }, undefined], [undefined, { processes: 3 }], [3, { processes: undefined }]]) {
      using made = new Made(...args);
      assertEquals(odd<Pool>(made).size, 3);
    }
  }
  for (const Kind of [ProcessPoolExecutor, ThreadPoolExecutor]) {
    const Made = odd<new (...args: unknown[]) => unknown>(Kind);
    assertThrows(() => new Made({ maxWorkers: 1 }, {}), TypeError, "as the first one has the options");
    assertThrows(() => new Made(1, { maxWorkers: 2 }), TypeError, "'maxWorkers' is given twice");
  }
});

test("each option is read once, and unknown ones only to see whether they are given", async () => {
  await using pool = new ThreadPool(1);
  const reads: string[] = [];
  const options = new Proxy({ chunksize: 1, onProgress: () => {}, other: undefined }, {
    get(target, name) {
      reads.push(String(name));
      return Reflect.get(target, name);
    },
  });
  await pool.map(square, [1, 2], odd<object>(options));
  for (const name of ["chunksize", "onProgress", "other", "signal"]) {
    assertEquals(reads.filter((read) => read === name).length, 1, name);
  }
});

test("what is added to all objects is no unknown option", async () => {
  await using pool = new ThreadPool(1);
  Object.defineProperty(Object.prototype, "added", { value: 1, enumerable: true, configurable: true });
  try {
    assertEquals(await pool.map(square, [2], { chunksize: 1 }), [4]);
    assertThrows(() => pool.map(square, [2], odd<Record<string, never>>({ added: 1 })), TypeError, "'added'");
  } finally {
    Reflect.deleteProperty(Object.prototype, "added");
  }
});
