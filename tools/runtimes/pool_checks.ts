/**
 * What works of pools and executors.
 *
 * @module
 */

import {
  BrokenProcessPoolError,
  CancelledError,
  Event,
  Pool,
  ProcessPoolExecutor,
  ThreadPool,
  TimeoutError,
  transfer,
  Value,
} from "../../mod.ts";
import { blocking, type Check, check, collect, equal, failure, range, refused, show } from "./expect.ts";

/** By name, in the order of their runs. */
export const POOL_CHECKS: Record<string, Check> = {
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
    const over = new Event();
    const name = await pool.apply((over: Event) => {
      queueMicrotask(() => {
        throw new Error("left behind");
      });
      void Promise.reject(new Error("left behind"));
      setTimeout(() => over.set(), 10);
      return self.name;
    }, [over]);
    await over.waitAsync();
    equal(await pool.apply(() => new Promise((resolve) => setTimeout(resolve, 20, self.name))), name);
  },
  "Pool: an error that nothing catches in a task": async () => {
    await using pool = new Pool(1);
    for (const way of ["in a timer", "in a promise"]) {
      const error = await failure(pool.apply((way: string) => {
        if (way === "in a promise") void Promise.reject(new RangeError("lost"));
        else {
          setTimeout(() => {
            throw new RangeError("lost");
          });
        }
        return new Promise(() => {});
      }, [way]));
      check(error instanceof BrokenProcessPoolError, `it came as ${show(error)}`);
      check((error as Error).cause instanceof RangeError, `its cause came as ${show((error as Error).cause)}`);
    }
    equal(await pool.apply(Math.abs, [-2]), 2);
  },
  "Pool: an error that a task's own listener handles": async () => {
    await using pool = new Pool(1);
    const heard = await pool.apply(() =>
      new Promise<string>((resolve) => {
        let heard = "";
        for (const type of ["error", "unhandledrejection"]) {
          addEventListener(type, (event) => {
            event.preventDefault();
            heard += type[0];
            if (heard.length === 2) resolve(heard);
          });
        }
        void Promise.reject(new Error("handled"));
        setTimeout(() => {
          throw new Error("handled");
        });
      })
    );
    equal(heard, "ue");
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
