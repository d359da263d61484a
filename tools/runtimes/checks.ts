/**
 * What works in the runtime that runs this: short programs on the library, with nothing but Web APIs.
 *
 * Each is announced before it begins, and its outcome told after its end, by `POST` to the server that has served this. So one
 * that never ends is known by its name, and the next run begins after it.
 *
 * @module
 */

import {
  Barrier,
  BrokenProcessPoolError,
  CancelledError,
  Condition,
  Event,
  Lock,
  Pipe,
  Pool,
  Process,
  ProcessPoolExecutor,
  Queue,
  Semaphore,
  SharedArray,
  Thread,
  ThreadPool,
  TimeoutError,
  transfer,
  Value,
} from "../../mod.ts";
import { InvalidStateError } from "../../errors.ts";
import { blocking, check, collect, equal, failure, range, refused, show } from "./expect.ts";

/** Where outcomes go, and at which check to begin. */
interface Wishes {
  readonly url: string;
  readonly from: number;
}

/** A check: throws what is wrong; a string says what holds instead, by design. */
type Check = () => Promise<string | void> | string | void;

/** A table of checks, in groups. */
const CHECKS: Record<string, Check> = {
  "Pool: apply": async () => {
    await using pool = new Pool(2);
    equal(await pool.apply((a: number, b: number) => a + b, [1, 2]), 3);
    equal(await pool.apply(Math.sqrt, [16]), 4);
    equal(await pool.apply(async (x: string) => await Promise.resolve(`${x} ü 𝄞`), ["é"]), "é ü 𝄞");
  },
  "Pool: map": async () => {
    await using pool = new Pool(2);
    const numbers = Array.from({ length: 10_000 }, (_, i) => i);
    equal((await pool.map((n: number) => n * 2, numbers)).at(-1), 19_998);
    const texts = await pool.map((n: number) => `${n}`, numbers, { chunksize: 7 });
    equal(texts.length, 10_000);
    equal(texts[9_999], "9999");
  },
  "Pool: imap, imapUnordered": async () => {
    await using pool = new Pool(2);
    equal(await collect(pool.imap((n: number) => n * n, range(500))), range(500).map((n) => n * n));
    const any = await collect(pool.imapUnordered((n: number) => n * n, range(500), { chunksize: 5 }));
    equal(any.toSorted((a, b) => a - b), range(500).map((n) => n * n));
  },
  "Pool: starmap": async () => {
    await using pool = new Pool(2);
    equal(await pool.starmap((a: number, b: number) => a * b, [[2, 3], [4, 5]]), [6, 20]);
  },
  "Pool: scope, initializer": async () => {
    const double = (n: number): number => 2 * n;
    const initializer = (n: number): void => void Reflect.set(globalThis, "base", n);
    await using pool = new Pool(2, { scope: { double }, initializer, initargs: [5] });
    equal(await pool.apply((n: number) => double(n) + (Reflect.get(globalThis, "base") as number), [1]), 7);
  },
  "Pool: errors": async () => {
    await using pool = new Pool(2);
    const error = await failure(pool.apply(() => {
      throw new RangeError("too much", { cause: 7 });
    }));
    check(error instanceof RangeError, `a RangeError came as ${show(error)}`);
    equal([error.message, error.cause], ["too much", 7]);
    const missing = await failure(pool.apply(() => Reflect.apply(eval, undefined, ["nowhere"])));
    check(missing instanceof ReferenceError, `a ReferenceError came as ${show(missing)}`);
    equal(await pool.apply(Math.abs, [-1]), 1);
  },
  "Pool: values of 3 MB to and fro": async () => {
    await using pool = new Pool(2);
    const text = "x".repeat(3_000_000);
    equal((await pool.apply((s: string) => s + s.length, [text])).length, 3_000_007);
    const lengths = await pool.map((s: string) => s.length, Array(20).fill(text), { chunksize: 1 });
    equal(lengths, Array(20).fill(3_000_000));
    const numbers = new Float64Array(3_000_000).fill(1.5);
    equal((await pool.apply((n: Float64Array) => n.map((x) => 2 * x), [numbers]))[2_999_999], 3);
  },
  "Pool: transfer": async () => {
    await using pool = new Pool(1);
    const buffer = new Uint8Array([1, 2, 3]).buffer;
    const back = await pool.apply((b: ArrayBuffer) => new Uint8Array(b), [transfer(buffer, [buffer])]);
    equal([buffer.byteLength, back[2]], [0, 3]);
    const { port1, port2 } = new MessageChannel();
    const got = Promise.withResolvers<unknown>();
    port1.onmessage = (event) => got.resolve(event.data);
    await pool.apply((port: MessagePort) => port.postMessage("from the task"), [transfer(port2, [port2])]);
    equal(await got.promise, "from the task");
    port1.close();
  },
  "Pool: applySync, mapSync, getSync": async () => {
    await using pool = new Pool(2);
    return await blocking(() => {
      equal(pool.applySync((a: number) => a + 1, [1]), 2);
      equal(pool.mapSync((n: number) => n * n, [1, 2, 3]), [1, 4, 9]);
      equal(pool.applySync((n: number) => "y".repeat(n), [2_000_000]).length, 2_000_000);
    });
  },
  "Pool: a worker that closes itself": async () => {
    await using pool = new Pool(1);
    const error = await failure(pool.apply(() => self.close()));
    check(error instanceof BrokenProcessPoolError, `it came as ${show(error)}`);
    equal(await pool.apply(Math.abs, [-2]), 2);
  },
  "Pool: an error outside of any task": async () => {
    await using pool = new Pool(1);
    await pool.apply(() => {
      console.error = () => {};
      queueMicrotask(() => {
        throw new Error("left behind");
      });
      void Promise.reject(new Error("left behind"));
    });
    equal(await pool.apply(() => new Promise((resolve) => setTimeout(resolve, 20, 4))), 4);
  },
  "Pool: an initializer that throws": async () => {
    await using pool = new Pool(1, {
      initializer: () => {
        throw new Error("no start");
      },
    });
    const error = await failure(pool.apply(Math.abs, [-2]));
    check(error instanceof BrokenProcessPoolError, `it came as ${show(error)}`);
  },
  "Pool: taskTimeout, a loop": async () => {
    await using pool = new Pool(1, { taskTimeout: 200 });
    const error = await failure(pool.apply(() => {
      for (;;);
    }));
    check(error instanceof TimeoutError, `it came as ${show(error)}`);
    equal(await pool.apply(Math.abs, [-3]), 3);
    equal(pool.stats().zombies, 0);
  },
  "Pool: taskTimeout, a promise": async () => {
    await using pool = new Pool(1, { taskTimeout: 50 });
    const error = await failure(pool.apply(() => new Promise(() => {})));
    check(error instanceof TimeoutError, `it came as ${show(error)}`);
    equal(await pool.apply(Math.abs, [-3]), 3);
  },
  "Pool: taskTimeout, a loop after await": async () => {
    await using pool = new Pool(1, { taskTimeout: 50 });
    const error = await failure(pool.apply(async () => {
      await Promise.resolve();
      for (;;);
    }));
    check(error instanceof TimeoutError, `it came as ${show(error)}`);
    equal(await pool.apply(Math.abs, [-3]), 3);
  },
  "Pool: terminate": async () => {
    const pool = new Pool(2);
    const begun = new Event();
    const results = [1, 2, 3].map((n) =>
      pool.applyAsync(async (n: number, begun: Event) => {
        begun.set();
        await new Promise(() => {});
        return n;
      }, [n, begun])
    );
    await begun.waitAsync();
    pool.terminate();
    for (const result of results) {
      const error = await failure(result.get());
      check(error instanceof CancelledError, `it came as ${show(error)}`);
    }
    await pool.join();
  },
  "Pool: terminate stops a loop": async () => {
    const pool = new Pool(1);
    const [beats, begun] = [new Value("i", 0), new Event()];
    pool.applyAsync((beats: Value<"i">, begun: Event) => {
      for (begun.set();;) beats.value++;
    }, [beats, begun]);
    await begun.waitAsync();
    pool.terminate();
    const over = new Event();
    for (let [before, after] = [-1, beats.value]; before !== after;) {
      await over.waitAsync({ timeout: 500 });
      [before, after] = [after, beats.value];
    }
  },
  "Pool: maxTasksPerChild, 1000 small tasks": async () => {
    await using pool = new Pool(2, { maxTasksPerChild: 250 });
    const calls = range(1000).map((n) => pool.apply((n: number) => n + 1, [n]));
    equal((await Promise.all(calls)).at(-1), 1000);
  },
  "Pool: large and small results in turn, maxTasksPerChild": async () => {
    await using pool = new Pool(2, { maxTasksPerChild: 2 });
    const sizes = range(12).map((n) => n % 2 === 0 ? 2_000_000 : 2);
    const texts = await Promise.all(sizes.map((size) => pool.apply((size: number) => "z".repeat(size), [size])));
    equal(texts.map(({ length }) => length), sizes);
  },
  "Pool: signal, trace, stats": async () => {
    await using pool = new Pool(1, { trace: true });
    const error = await failure(pool.apply(() => new Promise(() => {}), [], { signal: AbortSignal.timeout(20) }));
    equal((error as Error).name, "TimeoutError");
    equal(pool.stats().workers, 1);
    pool.terminate();
  },
  "Pool: inside a task": async () => {
    await using pool = new Pool(1, { module: import.meta.url });
    equal(await pool.apply(nested, []), [1, 4, 9]);
  },
  "Pool: blocking inside a task": async () => {
    await using pool = new Pool(1, { module: import.meta.url });
    const outcome = await pool.apply(nestedSync, []).catch((error) => error);
    // Of the copy of the library that the module has in the worker.
    if (outcome instanceof Error && outcome.name === "InvalidStateError") return refused(outcome);
    equal(outcome, [1, 4, 9]);
  },
  "ProcessPoolExecutor: submit, map": async () => {
    await using executor = new ProcessPoolExecutor(2);
    equal(await executor.submit((a: number, b: number) => a * b, 6, 7).result(), 42);
    equal(await collect(executor.map((n: number) => n + 1, [1, 2, 3])), [2, 3, 4]);
  },
  "ThreadPool": async () => {
    await using pool = new ThreadPool(2);
    const seen: number[] = [];
    await pool.map(async (n: number) => void seen.push(await Promise.resolve(n)), range(10));
    equal(seen.toSorted((a, b) => a - b), range(10));
  },
  "Lock, Value: in workers": async () => {
    const [counter, lock] = [new Value("i", 0), new Lock()];
    await using pool = new Pool(2, { scope: { counter, lock } });
    await pool.map(
      () => {
        for (let i = 0; i < 100; i++) {
          lock.acquire();
          counter.value += 1;
          lock.release();
        }
      },
      Array(40).fill(0),
      { chunksize: 1 },
    );
    equal(counter.value, 4000);
  },
  "Lock: main thread awaits, worker holds": async () => {
    const [lock, held] = [new Lock(), new Event()];
    await using pool = new Pool(1, { scope: { lock, held } });
    const holder = pool.apply(() => {
      lock.acquire();
      held.set();
      const over = new Date().getTime() + 50;
      while (new Date().getTime() < over);
      lock.release();
    });
    await held.waitAsync();
    check(await lock.acquireAsync(), "it was not acquired");
    lock.release();
    await holder;
  },
  "Lock: main thread blocks, worker holds": async () => {
    const [lock, held] = [new Lock(), new Event()];
    await using pool = new Pool(1, { scope: { lock, held } });
    const holder = pool.apply(() => {
      lock.acquire();
      held.set();
      const over = new Date().getTime() + 200;
      while (new Date().getTime() < over);
      lock.release();
    });
    await held.waitAsync();
    const how = await blocking(() => {
      lock.acquire();
      lock.release();
    });
    await holder;
    return how;
  },
  "Lock: its holder dies": async () => {
    const lock = new Lock();
    await using pool = new Pool(1, { scope: { lock } });
    await failure(pool.apply(() => {
      lock.acquire();
      self.close();
    }));
    check(await lock.acquireAsync({ timeout: 5000 }), "it was not free");
    equal(lock.recovered, true);
    lock.release();
  },
  "Queue: both ways, awaiting": async () => {
    const [tasks, results] = [new Queue<number | null>(), new Queue<number>(1)];
    await using pool = new Pool(1);
    const done = pool.apply(async (tasks: Queue<number | null>, results: Queue<number>) => {
      for (let n = await tasks.getAsync(); n !== null; n = await tasks.getAsync()) await results.putAsync(n * n);
    }, [tasks, results]);
    for (const n of range(20)) await tasks.putAsync(n);
    await tasks.putAsync(null);
    const squares: number[] = [];
    while (squares.length < 20) squares.push(await results.getAsync());
    equal(squares, range(20).map((n) => n * n));
    await done;
  },
  "Queue: worker blocks, main thread awaits": async () => {
    const [tasks, results] = [new Queue<number | null>(), new Queue<number>(1)];
    await using pool = new Pool(1);
    const done = pool.apply((tasks: Queue<number | null>, results: Queue<number>) => {
      for (let n = tasks.get(); n !== null; n = tasks.get()) results.put(n * n);
    }, [tasks, results]);
    for (const n of range(200)) tasks.put(n);
    tasks.put(null);
    const squares: number[] = [];
    while (squares.length < 200) squares.push(await results.getAsync());
    equal(squares, range(200).map((n) => n * n));
    await done;
  },
  "Queue: main thread blocks": async () => {
    const [go, results] = [new Event(), new Queue<number>()];
    await using pool = new Pool(1);
    const done = pool.apply(async (go: Event, results: Queue<number>) => {
      await go.waitAsync();
      results.put(7);
    }, [go, results]);
    const how = await blocking(() => {
      go.set();
      equal(results.get(), 7);
    });
    go.set();
    await done;
    return how;
  },
  "Queue: items with locks and ports, awaiting": async () => {
    const queue = new Queue<{ lock: Lock; port: MessagePort }>();
    const { port1, port2 } = new MessageChannel();
    const got = Promise.withResolvers<unknown>();
    port1.onmessage = (event) => got.resolve(event.data);
    const lock = new Lock();
    await using pool = new Pool(2);
    const done = pool.apply(async (queue: Queue<{ lock: Lock; port: MessagePort }>) => {
      const { lock, port } = await queue.getAsync();
      port.postMessage(lock.acquire());
      lock.release();
    }, [queue]);
    queue.put(transfer({ lock, port: port2 }, [port2]));
    equal(await got.promise, true);
    await done;
    port1.close();
  },
  "Queue: items with locks, from worker to main thread": async () => {
    const queue = new Queue<Lock>();
    await using pool = new Pool(1, { scope: { Lock } });
    await pool.apply((queue: Queue<Lock>) => queue.put(new Lock()), [queue]);
    equal((await queue.getAsync()).acquire(), true);
  },
  "Queue: items with locks, from worker to worker": async () => {
    const queue = new Queue<Lock>();
    await using pool = new Pool(2, { scope: { Lock } });
    const got = pool.apply(async (queue: Queue<Lock>) => (await queue.getAsync()).acquire(), [queue]);
    await pool.apply((queue: Queue<Lock>) => queue.put(new Lock()), [queue]);
    equal(await got, true);
  },
  "Queue: items with locks, worker blocks": async () => {
    const queue = new Queue<Lock>();
    await using pool = new Pool(1);
    const got = pool.apply((queue: Queue<Lock>) => queue.get().acquire(), [queue]);
    queue.put(new Lock());
    const outcome = await got.catch((error) => error);
    if (outcome instanceof InvalidStateError) return refused(outcome);
    equal(outcome, true);
  },
  "Queue: an item that was refused comes later": async () => {
    const queue = new Queue<Lock>();
    await using pool = new Pool(1);
    const got = pool.apply(async (queue: Queue<Lock>) => {
      let lock: Lock;
      try {
        lock = queue.get();
      } catch {
        lock = await queue.getAsync();
      }
      return lock.acquire();
    }, [queue]);
    queue.put(new Lock());
    equal(await got, true);
  },
  "Queue: items with locks, from a process that has ended": async () => {
    const queue = new Queue<Lock>();
    const process = new Process({
      target: (queue: Queue<Lock>) => {
        for (let i = 0; i < 20; i++) queue.put(new Lock());
      },
      scope: { Lock },
      args: [queue],
    });
    process.start();
    await process.join();
    equal(process.exitcode, 0);
    for (let i = 0; i < 20; i++) equal((await queue.getAsync()).acquire(), true);
  },
  "Queue: main thread and workers at once": async () => {
    const [queue, results, echo] = [new Queue<number>(), new Queue<number>(), 5000];
    await using pool = new Pool(2, { scope: { queue, results } });
    const done = pool.map(
      (count: number) => {
        for (let i = 0; i < count; i++) results.put(queue.get() + 1);
      },
      [echo, echo],
      { chunksize: 1 },
    );
    for (const n of range(2 * echo)) queue.put(n);
    let sum = 0;
    for (const _ of range(2 * echo)) sum += await results.getAsync();
    equal(sum, echo * (2 * echo + 1));
    await done;
  },
  "Event, Condition, Semaphore, Barrier: workers and main thread": async () => {
    const [event, semaphore, barrier] = [new Event(), new Semaphore(0), new Barrier(2)];
    const condition = new Condition();
    await using pool = new Pool(1, { scope: { event, semaphore, barrier, condition } });
    const done = pool.apply(() => {
      event.wait();
      semaphore.acquire();
      barrier.wait();
      condition.acquire();
      condition.notifyAll();
      condition.release();
      return 5;
    });
    await condition.acquireAsync();
    event.set();
    semaphore.release();
    await barrier.waitAsync();
    check(await condition.waitAsync(5000), "it was not notified");
    condition.release();
    equal(await done, 5);
  },
  "SharedArray, Value: atomic sums": async () => {
    const [array, sum] = [new SharedArray("d", 1000), new Value("q", 0n)];
    await using pool = new Pool(2, { scope: { array, sum } });
    await pool.map((i: number) => {
      array.view[i] = i;
      sum.add(BigInt(i));
    }, range(1000));
    equal([array.view[999], sum.value], [999, 499_500n]);
  },
  "Pipe: both ways, awaiting": async () => {
    const [here, there] = Pipe();
    await using pool = new Pool(1);
    const done = pool.apply((end: typeof there) => end.send([end.recv()]), [there]);
    here.send({ n: 1 });
    equal(await here.recvAsync(), [{ n: 1 }]);
    await done;
  },
  "Process, Thread: start, join": async () => {
    const results = new Queue<string>();
    const target = (results: Queue<string>): void => results.put(`from ${self.name}`);
    const process = new Process({ target, args: [results], name: "Ada" });
    process.start();
    await process.join();
    equal([process.exitcode, await results.getAsync()], [0, "from Ada"]);
    const thread = new Thread({ target: () => self.close() });
    thread.start();
    await thread.join();
    equal(thread.exitcode, 0);
    for (let i = 0; i < 20; i++) {
      const closing = new Process({ target: () => self.close() });
      closing.start();
      await closing.join();
      equal(closing.exitcode, 0);
    }
  },
  "Process: terminate": async () => {
    const begun = new Event();
    const process = new Process({
      target: (begun: Event) => {
        begun.set();
        new Int32Array(1);
        for (;;);
      },
      args: [begun],
    });
    process.start();
    await begun.waitAsync();
    process.terminate();
    await process.join();
    equal(process.exitcode, -15);
  },
  "Process: joinSync": () =>
    blocking(() => {
      const process = new Process({ target: () => {} });
      process.start();
      process.joinSync();
      equal(process.exitcode, 0);
    }),
};

/** Taken from this module by the worker, with the library. */
export async function nested(): Promise<number[]> {
  await using pool = new Pool(1);
  return await pool.map((n: number) => n * n, [1, 2, 3]);
}

/** The same, blocking the worker. */
export function nestedSync(): number[] {
  using pool = new Pool(1);
  return pool.mapSync((n: number) => n * n, [1, 2, 3]);
}

async function run({ url, from }: Wishes): Promise<void> {
  const tell = (message: unknown): Promise<Response> => fetch(url, { method: "POST", body: JSON.stringify(message) });
  for (const [name, run] of Object.entries(CHECKS).slice(from)) {
    await tell({ begins: name });
    let outcome = "ok";
    try {
      outcome = await run() ?? "ok";
    } catch (error) {
      outcome = `fails: ${show(error)}`;
    }
    await tell({ ended: name, outcome });
  }
  await tell({ agent: navigator.userAgent });
}

const { wishes } = globalThis as { wishes?: Wishes };
if (wishes !== undefined) await run(wishes);
