/**
 * What works of shared objects, processes and threads.
 *
 * @module
 */

import {
  Barrier,
  Condition,
  Event,
  Lock,
  Pipe,
  Pool,
  Process,
  Queue,
  Semaphore,
  shared,
  SharedArray,
  sharedAsync,
  Thread,
  transfer,
  Value,
} from "../../mod.ts";
import { InvalidStateError } from "../../errors.ts";
import { blocking, type Check, check, equal, failure, range, refused } from "./expect.ts";

/** By name, in the order of their runs. */
export const SYNC_CHECKS: Record<string, Check> = {
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
  "sharedAsync: workers and the main thread": async () => {
    await using pool = new Pool(2, { scope: { sharedAsync, Value } });
    const add = async (n: number) => void (await sharedAsync("checks/sum", () => new Value("i"))).add(n);
    await Promise.all([pool.map(add, [1, 2, 3, 4], { chunksize: 1 }), add(5)]);
    equal((await sharedAsync("checks/sum", () => new Value("i"))).value, 15);
  },
  "shared: on the main thread, then in workers": async () => {
    shared("checks/known", () => new Value("i", 2));
    await using pool = new Pool(1, { scope: { shared, Value } });
    equal(await pool.apply(() => shared("checks/known", () => new Value("i")).value), 2);
  },
  "shared: in a worker first": async () => {
    await using pool = new Pool(1, { scope: { shared, Value } });
    try {
      equal(await pool.apply(() => shared("checks/new", () => new Value("i", 3)).value), 3);
    } catch (error) {
      if (error instanceof InvalidStateError) return refused(error);
      throw error;
    }
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
