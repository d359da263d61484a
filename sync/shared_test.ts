import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Pool } from "../pool.ts";
import { CancelledError, InvalidStateError, TimeoutError } from "../errors.ts";
import { Barrier, Event, Lock, Pipe, Queue, Semaphore, shared, SharedArray, sharedAsync, Value } from "./mod.ts";
import { run } from "../testing/run_program.ts";
import { reaches, test, words } from "../testing/counted_workers.ts";

// Not imported here, so that workers are the first to ask for its names.
const module = new URL("../testing/fixtures/shared_names.ts", import.meta.url);

/** Calls a function of the module, which the worker imported when it started. */
const call = async (name: string, ...args: unknown[]): Promise<unknown> => {
  const { module } = globalThis as unknown as { module: string };
  return (await import(module))[name](...args);
};
const tellModule = (module: string): void => void Object.assign(globalThis, { module });
const poolOfModule = (processes: number): Pool =>
  new Pool(processes, { module, initializer: tellModule, initargs: [module.href] });

test("a name gives one object in one thread, whatever else is asked to make it", async () => {
  const made = shared("test/one", () => new Value("i", 1));
  assertStrictEquals(shared("test/one", () => new Value("i", 2)), made);
  assertStrictEquals(await sharedAsync("test/one", () => new Value("i", 3)), made);
  const all = [1, 2, 3].map((n) => sharedAsync("test/two", () => new Value("i", n)));
  const second = shared("test/two", () => new Value("i", 4));
  for (const one of all) assertStrictEquals(await one, second);
  assert(second !== made);
});

test("many threads that ask for a name at the same moment get one object, made once", async () => {
  const ROUNDS = 40;
  // Takes long enough for the other threads to ask meanwhile.
  const make = (): Value<"i"> => {
    makes.add(1);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return new Value("i");
  };
  const scope = { shared, Value, ROUNDS, make, barrier: new Barrier(4), makes: new Value("i") };
  const { barrier, makes } = scope;
  await using pool = new Pool(3, { scope });
  const workers = pool.map(
    () => {
      for (let round = 0; round < ROUNDS; round++) {
        barrier.wait();
        shared(`test/many/${round}`, make).add(1);
      }
    },
    Array(3),
    { chunksize: 1 },
  );
  workers.catch(() => barrier.abort());
  for (let round = 0; round < ROUNDS; round++) {
    const name = `test/many/${round}`;
    if (round % 2 === 0) barrier.wait();
    else await barrier.waitAsync();
    const value = round % 3 === 0 ? shared(name, make) : await sharedAsync(name, make);
    value.add(1);
  }
  await workers;
  const sums = Array.from({ length: ROUNDS }, (_, round) => shared(`test/many/${round}`, make).value);
  assertEquals([makes.value, ...new Set(sums)], [ROUNDS, 4]);
});

test("names at the top level of a module are one object in all workers that import it, and here", async () => {
  await using pool = poolOfModule(3);
  assertEquals((await pool.starmap(call, Array(60).fill(["hit", 1]), { chunksize: 1 })).length, 60);
  assertEquals(shared("tools/hits", () => new Value("i", -1)).value, 60);
  const said = pool.apply(call, ["say", "hello"] as never);
  assertEquals(await pool.apply(call, ["hear"] as never), "hello");
  await said;
});

test("workers import a module with names while this thread is blocked, for their pool or for another", async () => {
  const first = shared("tools/hits", () => new Value("i")).value;
  using pool = poolOfModule(2);
  assertEquals(pool.starmapSync(call, [["hit", 1], ["hit", 2], ["hit", 3]] as never, { chunksize: 1 }).length, 3);
  assertEquals(shared("tools/hits", () => new Value("i")).value, first + 6);
  const [ready, go] = [new Event(), new Event()];
  const scope = { shared, Event, Value, ready, go, done: shared("test/blocked/done", () => new Event()) };
  const { done } = scope;
  await using asking = new Pool(1, { scope });
  await using waiting = new Pool(1, { scope });
  const asked = asking.apply(() => {
    ready.set();
    go.wait();
    shared("test/blocked", () => new Value("i"));
    done.set();
  });
  await ready.waitAsync();
  // The liveness watchdog of its workers would wake this thread once, in the first second.
  const waited = waiting.applyAsync(() => (done.wait(1500), go.set(), done.wait(10_000)));
  assertEquals(waited.getSync(), true);
  await asked;
});

test("workers of workers get the same objects, while the worker between them awaits or blocks", async () => {
  for (const name of ["hitInWorkers", "hitInWorkersBlocking"]) {
    await using pool = poolOfModule(1);
    const before = shared("tools/hits", () => new Value("i")).value;
    assertEquals((await pool.apply(call, [name, 2] as never) as number[]).length, 10);
    assertEquals(shared("tools/hits", () => new Value("i")).value, before + 20);
  }
  for (const [i, name] of ["nestedName", "nestedNameAwaiting"].entries()) {
    await using pool = poolOfModule(1);
    const result = pool.applyAsync(call, [name, `test/nested/${i}`] as never);
    assertEquals(i === 0 ? await result.get(20_000) : result.getSync(20_000), 5);
    assertEquals(shared(`test/nested/${i}`, () => new Value("i")).value, 6);
  }
});

test("a worker knows the names from before its start, however busy this thread is", async () => {
  shared("test/busy", () => new Value("i", 7));
  const flags = words(1);
  await using pool = new Pool(1, { scope: { shared, Value, flags } });
  const task = pool.apply(() => {
    flags[0] = shared("test/busy", () => new Value("i", 8)).value;
    Atomics.notify(flags, 0);
  });
  assertEquals([Atomics.wait(flags, 0, 0, 10_000) !== "timed-out", flags[0]], [true, 7]);
  await task;
});

test("a name is free again when 'make' throws or gives no shared object", async () => {
  assertThrows(
    () =>
      shared("test/fails", () => {
        throw new RangeError("Not now");
      }),
    RangeError,
    "Not now",
  );
  for (const wrong of [null, {}, 1, new Uint8Array(1), Promise.resolve(new Lock()), Pipe()[0], Pipe()]) {
    assertThrows(() => shared("test/fails", () => wrong as Lock), TypeError, "'make' must give a shared object");
    await assertRejects(() => sharedAsync("test/fails", () => wrong as Lock), TypeError, "must give a shared object");
  }
  await using pool = new Pool(1, { scope: { shared } });
  await assertRejects(() => pool.apply(() => void shared("test/fails", () => ({}))), TypeError, "shared object");
  const failed = pool.apply(() =>
    void shared("test/fails", () => {
      throw new RangeError("Not there");
    })
  );
  await assertRejects(() => failed, RangeError, "Not there");
  assertEquals(shared("test/fails", () => new Value("i", 3)).value, 3);
});

test("one that waits makes the object when the one who was making it throws, or ends", async () => {
  const endings: Record<string, () => unknown> = {
    throws: () => {
      throw new RangeError("Not now");
    },
    closes: () => self.close(),
    loops: () => {
      for (;;);
    },
    blocks: () => new Lock().hold() && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  };
  for (const [how, end] of Object.entries(endings)) {
    const [making, waiting, go] = [new Event(), new Event(), new Event()];
    const scope = { shared, Value, Lock, making, waiting, go, end, name: `test/ends/${how}` };
    const { name } = scope;
    await using makers = new Pool(1, { scope, taskTimeout: how === "loops" || how === "blocks" ? 2000 : Infinity });
    await using others = new Pool(1, { scope });
    const maker = makers.apply(() =>
      void shared(name, () => {
        making.set();
        go.wait();
        return end() as Value<"i">;
      })
    );
    maker.catch(() => {});
    await making.waitAsync();
    const other = others.apply(() => {
      waiting.set();
      return shared(name, () => new Value("i", 1)).add(1);
    });
    await waiting.waitAsync();
    const here = sharedAsync(name, () => new Value("i", 1));
    go.set();
    await assertRejects(() => maker);
    assertEquals(await other, 1);
    assertEquals((await here).value, 2);
  }
});

test("terminate() ends a pool whose worker waits for a name while it starts", async () => {
  const [making, go] = [new Event(), new Event()];
  const name = "test/terminated";
  await using makers = new Pool(1, { scope: { shared, Value, making, go, name } });
  const maker = makers.apply(() => shared(name, () => (making.set(), go.wait(), new Value("i", 4))).value);
  await making.waitAsync();
  const begun = new Event();
  const pool = new Pool(1, {
    scope: { shared, Value },
    initializer: (name: string, begun: Event) => {
      begun.set();
      shared(name, () => new Value("i"));
    },
    initargs: [name, begun],
  });
  const task = pool.apply(() => {});
  const refused = assertRejects(() => task, CancelledError);
  await begun.waitAsync();
  pool.terminate();
  await refused;
  await pool.join();
  go.set();
  assertEquals([await maker, shared(name, () => new Value("i")).value], [4, 4]);
});

test("a wait for one that makes an object ends by its time or its signal, and the object comes all the same", async () => {
  const [making, go] = [new Event(), new Event()];
  const name = "test/times";
  await using pool = new Pool(1, { scope: { shared, Value, making, go, name } });
  const maker = pool.apply(() => shared(name, () => (making.set(), go.wait(), new Value("i", 4))).value);
  await making.waitAsync();
  const make = (): Value<"i"> => new Value("i");
  assertThrows(() => shared(name, make, { timeout: 5 }), TimeoutError, '"test/times" within 5 ms');
  assertThrows(() => shared(name, make, { timeout: 0 }), TimeoutError);
  await assertRejects(() => sharedAsync(name, make, { timeout: 5 }), TimeoutError);
  const controller = new AbortController();
  const aborted = sharedAsync(name, make, { signal: controller.signal });
  controller.abort(new RangeError("Enough"));
  await assertRejects(() => aborted, RangeError, "Enough");
  const before = AbortSignal.abort(new RangeError("Before"));
  await assertRejects(() => sharedAsync(name, make, { signal: before }), RangeError, "Before");
  const waits = [sharedAsync(name, make), sharedAsync(name, make, { timeout: 20_000 })];
  go.set();
  assertEquals(shared(name, make, { timeout: 20_000 }).value, 4);
  for (const wait of waits) assertEquals((await wait).value, 4);
  assertEquals(await maker, 4);
});

test("'make' may ask for other names, but not for its own", async () => {
  const outer = shared("test/outer", () => new SharedArray("i", shared("test/inner", () => new Value("i", 3)).value));
  assertEquals(outer.length, 3);
  const circle = (): Lock => shared("test/circle", circle, { timeout: 10_000 });
  assertThrows(circle, InvalidStateError, "this same thread is making it");
  let waits: Promise<Lock> | undefined;
  const lock = shared("test/circle", () => {
    waits = sharedAsync("test/circle", () => new Lock());
    return new Lock();
  });
  assertStrictEquals(await waits, lock);
  await using pool = new Pool(1, { scope: { shared, Value } });
  const told = await pool.apply(() => {
    try {
      shared("test/own", () => shared("test/own", () => new Value("i")));
    } catch (error) {
      return [(error as Error).name, shared("test/own", () => new Value("i", 2)).value];
    }
  });
  assertEquals(told, ["InvalidStateError", 2]);
});

test("an object of another class than was asked for is refused", async () => {
  shared("test/type", () => new Lock());
  assertThrows(
    () => shared("test/type", () => new Queue(), { type: Queue }),
    TypeError,
    '"test/type" as it must be a Queue: current value is a Lock',
  );
  await assertRejects(() => sharedAsync("test/type", () => new Queue(), { type: Queue }), TypeError, "must be a Queue");
  assertThrows(() => shared("test/type/new", () => new Lock(), { type: Queue as never }), TypeError, "must be a Queue");
  assert(shared("test/type/new", () => new Queue(), { type: Queue }).empty());
  await using pool = new Pool(1, { scope: { shared, Semaphore, Lock } });
  const type = (): string =>
    String(shared<Lock | Semaphore>("test/type", () => new Semaphore(1), { type: Semaphore as never }));
  await assertRejects(() => pool.apply(type), TypeError, "must be a Semaphore: current value is a Lock");
});

test("names, makers and options of the wrong kind are refused at once", async () => {
  const make = (): Lock => new Lock();
  assertThrows(() => shared(1 as never, make), TypeError, "'name' must be a string: current value is 1");
  assertThrows(() => shared("", make), RangeError, "empty");
  assertThrows(() => shared("test/wrong", new Lock() as never), TypeError, "'make'");
  assertThrows(() => shared("test/wrong", make, 5 as never), TypeError, "options");
  assertThrows(() => shared("test/wrong", make, { timeout: "1" as never }), TypeError, "timeout");
  assertThrows(() => shared("test/wrong", make, { type: "Lock" as never }), TypeError, "type");
  await assertRejects(() => sharedAsync("test/wrong", make, { signal: 1 as never }), TypeError, "signal");
});

test("a Worker that this library has not started, and the workers of such a one, are told that they have no names", async () => {
  const code = `
    import { Lock, Pool, shared, sharedAsync } from ${JSON.stringify(new URL("../mod.ts", import.meta.url).href)};
    const told = [];
    const tell = (error) => void told.push(error.name + ": " + error.message);
    try { shared("test/foreign", () => new Lock()); } catch (error) { tell(error); }
    await sharedAsync("test/foreign", () => new Lock()).catch(tell);
    const pool = new Pool(1, { scope: { shared, Lock } });
    await pool.apply(() => void shared("test/foreign", () => new Lock())).catch(tell);
    pool.terminate();
    postMessage(told);`;
  const url = URL.createObjectURL(new Blob([code], { type: "application/javascript" }));
  const worker = new Worker(url, { type: "module" });
  const { data } = await new Promise<MessageEvent<string[]>>((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
  worker.terminate();
  URL.revokeObjectURL(url);
  assertEquals(data.length, 3);
  for (const told of data) assert(told.startsWith('InvalidStateError: Cannot share "test/foreign" by its name'), told);
});

test("a module that makes an object for each worker is warned of, once and with the line; names are not", async () => {
  const unshared = new URL("../testing/fixtures/unshared_module.ts", import.meta.url).href;
  const program = (module: string) => `
    import { Pool } from "MODULE";
    const pool = new Pool(2, { module: ${JSON.stringify(module)} });
    console.log(await pool.broadcast(() => 1));
    await pool[Symbol.asyncDispose]();`;
  const warned = await run(program(unshared), "--allow-read");
  assertEquals([warned.code, warned.output.match(/Warning/g)?.length], [0, 1], warned.output);
  assert(warned.output.includes("[ 1, 1 ]"));
  assert(
    warned.output.includes(`each worker makes a SharedArray of its own as it imports the module, at ${unshared}:6:`),
    warned.output,
  );
  const names = await run(program(module.href), "--allow-read");
  assertEquals([names.code, names.output.trim()], [0, "[ 1, 1 ]"]);
});

test("a worker's copy of the library and that of a module it imports find the same object", async () => {
  await using pool = new Pool(1, { scope: { shared, Value } });
  const flags = words(1);
  const task = pool.apply(async (url: string, flags: Int32Array) => {
    const own = shared("test/copies", () => new Value("i", 1));
    const other: typeof import("./mod.ts") = await import(url);
    const same = other.shared("test/copies", () => new other.Value("i", 2));
    same.add(5);
    Atomics.store(flags, 0, 1);
    return [own === same, own.value, same instanceof other.Value];
  }, [new URL("./mod.ts", import.meta.url).href, flags]);
  await reaches(flags, 0, 1);
  assertEquals(await task, [false, 6, true]);
});

test("SharedArray: setting an element as Python does throws, instead of being lost", () => {
  const array = new SharedArray("i", 3) as SharedArray<"i"> & Record<number, number>;
  assertThrows(() => array[0] = 9, TypeError);
  array.view[0]! += 9;
  assertEquals([...array], [9, 0, 0]);
});
