import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  activeChildren,
  BrokenProcessPoolError,
  currentProcess,
  Event,
  InvalidStateError,
  Lock,
  Pool,
  Process,
  ProcessPoolExecutor,
  Queue,
  SerializationError,
  Thread,
  TimeoutError,
} from "../mod.ts";
import * as parents from "../testing/fixtures/parents.ts";
import { run } from "../testing/run_program.ts";
import { rejection, test } from "../testing/counted_workers.ts";

test("a process before, during and after its run; also without a target", async () => {
  for (const target of [undefined, () => {}]) {
    const process = new Process(target === undefined ? {} : { target });
    assertEquals([process.isAlive(), process.exitcode, process.pid, activeChildren()], [false, null, null, []]);
    process.start();
    assertEquals([process.isAlive(), activeChildren().length], [true, 1]);
    assert(process.pid! > 0);
    await process.join();
    assertEquals([process.isAlive(), process.exitcode, activeChildren()], [false, 0, []]);
  }
});

test("arguments and names arrive; children of a process are named after it", async () => {
  const queue = new Queue<unknown>();
  const scope = { queue, currentProcess };
  const process = new Process({
    target: (...args: unknown[]) => queue.put([args, self.name, currentProcess().name]),
    args: [1, [2, { three: 3 }]],
    name: "Ada",
    scope,
  });
  process.start();
  assertEquals(await queue.getAsync(), [[1, [2, { three: 3 }]], "Ada", "Ada"]);
  await process.join();
  const unnamed = [new Process(), new Process(), new Thread()].map(({ name }) => name);
  const number = Number(unnamed[0]!.slice("Process-".length));
  assertEquals(unnamed[1], `Process-${number + 1}`);
  assert(/^Thread-\d+$/.test(unnamed[2]!));
});

test("join() with a timeout, terminate(), and calls out of order", async () => {
  const begun = new Event();
  const process = new Process({
    target: (begun: Event, never: Event) => (begun.set(), never.wait()),
    args: [begun, new Event()],
  });
  assertThrows(() => process.terminate(), InvalidStateError);
  assertThrows(() => process.joinSync(), InvalidStateError);
  process.start();
  assertThrows(() => process.start(), InvalidStateError);
  begun.wait();
  process.joinSync(0);
  process.joinSync(-1);
  await process.join(10);
  assert(process.isAlive());
  process.terminate();
  process.joinSync();
  assertEquals([process.isAlive(), process.exitcode], [false, -15]);
  process.terminate();
  assertEquals(process.exitcode, -15);
});

test("an error is printed with the name, sets exitcode 1, and harms nobody", async () => {
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => void printed.push(...args);
  try {
    for (const Kind of [Process, Thread]) {
      const process = new Kind({
        target: () => {
          throw new RangeError("Too far");
        },
        name: "Lost",
      });
      process.start();
      process.joinSync();
      assertEquals(process.exitcode, 1);
    }
  } finally {
    console.error = error;
  }
  assertEquals(printed.map(String), [
    "Process Lost:",
    "RangeError: Too far",
    "Exception in thread Lost:",
    "RangeError: Too far",
  ]);
  await Promise.resolve();
});

test("exit codes; a result that cannot be sent does not matter", async () => {
  const cases: [() => unknown, number][] = [
    [() => Deno.exit(8), 8],
    [() => Deno.exit(0), 0],
    [() => self.close(), 0],
    [() => Symbol("unsendable"), 0],
    [() => Promise.resolve(5), 0],
  ];
  for (const [target, exitcode] of cases) {
    const process = new Process({ target });
    process.start();
    await process.join();
    assertEquals(process.exitcode, exitcode, String(target));
  }
  const process = new Process({ module: "data:text/javascript,Deno.exit(5)" });
  process.start();
  await process.join();
  assertEquals(process.exitcode, 5);
});

test("ten processes end well, ten sleeping ones are terminated", async () => {
  const processes = Array.from({ length: 10 }, () => new Process());
  for (const process of processes) process.start();
  for (const process of processes) await process.join();
  assertEquals(processes.map((process) => process.exitcode), Array(10).fill(0));
  const sleeping = Array.from({ length: 10 }, () => new Process({ target: () => new Promise(() => {}) }));
  for (const process of sleeping) process.start();
  for (const process of sleeping) process.terminate();
  for (const process of sleeping) await process.join();
  assertEquals(sleeping.map((process) => process.exitcode), Array(10).fill(-15));
});

test("a target or argument that cannot be sent is refused by start()", () => {
  assertThrows(() => new Process({ target: (() => {}).bind(null) }).start(), SerializationError);
  assertThrows(() => new Process({ target: () => {}, args: [Symbol("x")] as never }).start(), SerializationError);
  assertThrows(() => new Process({ target: 3 as never }), TypeError);
  assertThrows(() => new Process({ args: 3 as never }), TypeError);
  assertThrows(() => new Process({ name: 3 as never }), TypeError);
});

test("a process that is terminated, or ends, with a lock frees it, and the next one can tell", async () => {
  for (const how of ["terminate", "exit"]) {
    const lock = new Lock();
    const held = new Event();
    const process = new Process({
      target: (how: string, lock: Lock, held: Event, never: Event) => {
        lock.acquire();
        held.set();
        if (how === "exit") Deno.exit(0);
        never.wait();
      },
      args: [how, lock, held, new Event()],
    });
    process.start();
    held.wait();
    if (how === "terminate") process.terminate();
    assert(await lock.acquireAsync({ timeout: 5000 }));
    assert(lock.recovered);
    lock.release();
    assert(lock.acquire({ block: false }));
    assert(!lock.recovered);
    await process.join();
  }
});

test("counter demo of article 003: 3, 6, 9, 12 with the lock", async () => {
  const lock = new Lock();
  for (let run = 0; run < 3; run++) {
    const queue = new Queue<number>();
    const counter = new (await import("../mod.ts")).Value("i", 0);
    const processes = Array.from({ length: 4 }, () =>
      new Process({
        target: () => {
          using _ = lock.hold();
          for (let i = 0; i < 3; i++) counter.value += 1;
          queue.put(counter.value);
        },
        scope: { lock, counter, queue },
      }));
    for (const process of processes) process.start();
    for (const process of processes) process.joinSync();
    assertEquals([queue.get(), queue.get(), queue.get(), queue.get()], [3, 6, 9, 12]);
  }
});

/** Targets of processes with an error outside of their own call, as source text. */
const UNCAUGHT: Record<string, string> = {
  "in a timer": "() => new Promise(() => setTimeout(() => { throw new RangeError('lost'); }, 1))",
  "in a microtask": "() => (queueMicrotask(() => { throw new RangeError('lost'); }), new Promise(() => {}))",
  "in a promise, while it waits": "() => (Promise.reject(new RangeError('lost')), new Promise(() => {}))",
  "in a promise, before it returns": "() => void Promise.reject(new RangeError('lost'))",
  "in a promise, of an asynchronous target": "async () => void Promise.reject(new RangeError('lost'))",
  "that it reports itself": "() => (reportError(new RangeError('lost')), new Promise(() => {}))",
  "in its module": "'data:text/javascript,Promise.reject(new RangeError(`lost`)); await new Promise(() => {})'",
};

test("an error that nothing catches ends a process at once with exit code 1, and is printed once", async () => {
  const { code, output } = await run(`
    import { Process } from "MODULE";
    for (const target of [${Object.values(UNCAUGHT).join(", ")}]) {
      const process = new Process(typeof target === "string" ? { module: target } : { target });
      process.start();
      await process.join();
      console.log("exit code", process.exitcode);
    }`);
  const lines = output.split("\n");
  const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
  const cases = Object.keys(UNCAUGHT).length;
  assertEquals([code, count("exit code 1"), count("RangeError: lost"), count("Process Process-")], [
    0,
    cases,
    cases,
    cases,
  ]);
});

test("an error that a listener of the target handles does nothing to a process", async () => {
  const listeners: Record<string, (told: () => void) => void> = {
    "of the global object": (told) => {
      for (const type of ["error", "unhandledrejection"]) {
        addEventListener(type, (event) => (event.preventDefault(), told()));
      }
    },
    onerror: (told) => {
      self.onerror = () => (told(), true);
      self.onunhandledrejection = (event) => (event.preventDefault(), told());
    },
    "of Node": (told) => {
      const { process } = globalThis as unknown as { process: { on(type: string, told: () => void): void } };
      for (const type of ["uncaughtException", "unhandledRejection"]) process.on(type, told);
    },
  };
  for (const [name, listen] of Object.entries(listeners)) {
    const process = new Process({
      target: () =>
        new Promise<void>((resolve) => {
          let heard = 0;
          listen(() => void (++heard === 3 && resolve()));
          setTimeout(() => {
            throw new Error("in a timer");
          });
          queueMicrotask(() => {
            throw new Error("in a microtask");
          });
          Promise.reject(new Error("in a promise"));
        }),
      scope: { listen },
    });
    process.start();
    await process.join();
    assertEquals(process.exitcode, 0, name);
  }
});

/** The time for which a test watches a process that must not end, in milliseconds. One that ends too early does so within it. */
const WATCHED = 150;

for (
  const parent of [parents.startChild, parents.startChildLater, parents.startGrandchild, parents.startChildAndThrow]
) {
  test(`a process waits for those that it has started: ${parent.name}`, async () => {
    const meeting = parents.meeting();
    const { error } = console;
    if (parent === parents.startChildAndThrow) console.error = () => {};
    try {
      const process = new Process({ target: parent, args: [meeting], module: parents.MODULE });
      process.start();
      assert(await meeting.returned.waitAsync(10_000));
      await process.join(WATCHED);
      assert(process.isAlive());
      meeting.go.set();
      await process.join();
      assert(meeting.done.isSet());
      assertEquals(process.exitcode, parent === parents.startChildAndThrow ? 1 : 0);
    } finally {
      console.error = error;
    }
  });
}

/** Returns whether the holder of a lock, which never releases it, has ended. */
async function isFree(lock: Lock): Promise<boolean> {
  if (!await lock.acquireAsync({ timeout: 10_000 })) return false;
  lock.release();
  return true;
}

test("a daemon ends with the process that has started it, and does not keep it", async () => {
  const meeting = parents.meeting();
  const process = new Process({ target: parents.startDaemon, args: [meeting], module: parents.MODULE });
  process.start();
  process.joinSync();
  assertEquals(process.exitcode, 0);
  assert(await isFree(meeting.held));
  assert(!meeting.done.isSet());
});

test("terminate(), Deno.exit() and an error that nothing catches end a process with those that it has started", async () => {
  const ends: [(meeting: parents.Meeting) => unknown, exitcode: number][] = [
    [parents.startChild, -15],
    [parents.startChildAndExit, 3],
    [parents.startChildAndFail, 1],
  ];
  const { error } = console;
  console.error = () => {};
  try {
    for (const [parent, exitcode] of ends) {
      const meeting = parents.meeting();
      const process = new Process({ target: parent, args: [meeting], module: parents.MODULE });
      process.start();
      assert(await meeting.returned.waitAsync(10_000));
      if (exitcode === -15) process.terminate();
      await process.join();
      assertEquals(process.exitcode, exitcode);
      assert(await isFree(meeting.held));
      assert(!meeting.done.isSet());
    }
  } finally {
    console.error = error;
  }
});

test("a worker of a pool is not let go while processes run that a task has started", async () => {
  const meeting = parents.meeting();
  const pool = new Pool(2, { module: parents.MODULE, idleTimeout: 5 });
  await pool.apply(parents.startChild, [meeting]);
  await new Promise((resolve) => setTimeout(resolve, WATCHED));
  assertEquals(pool.stats().workers, 1);
  meeting.go.set();
  assert(await meeting.done.waitAsync(10_000));
  while (pool.stats().workers > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  pool.close();
  await pool.join();
});

test("the end of a pool or an executor waits for the processes that its tasks have started", async () => {
  const pool = new Pool(1, { module: parents.MODULE });
  const executor = new ProcessPoolExecutor(1, { module: parents.MODULE });
  const meetings = [parents.meeting(), parents.meeting()];
  await pool.apply(parents.startChild, [meetings[0]!]);
  await executor.submit(parents.startChild, meetings[1]!).result();
  pool.close();
  let ended = 0;
  const ends = [pool.join(), executor.shutdown()].map((end) => end.then(() => void ended++));
  await new Promise((resolve) => setTimeout(resolve, WATCHED));
  assertEquals(ended, 0);
  for (const { go } of meetings) go.set();
  await Promise.all(ends);
  assert(meetings.every(({ done }) => done.isSet()));
});

test("a worker that is replaced after its tasks waits for the processes it has started, and no task waits for it", async () => {
  const pool = new Pool({ processes: 1, maxTasksPerChild: 1, module: parents.MODULE });
  const meetings = [parents.meeting(), parents.meeting()];
  for (const meeting of meetings) await pool.apply(parents.startChild, [meeting]);
  assertEquals(await pool.apply(Math.sqrt, [16]), 4);
  assertEquals((await pool.broadcast(() => self.name)).length, 1);
  assert(!meetings.some(({ done }) => done.isSet()));
  assert(pool.stats().workers >= 2);
  pool.close();
  for (const { go } of meetings) go.set();
  await pool.join();
  assert(meetings.every(({ done }) => done.isSet()));
  assertEquals(pool.stats().workers, 0);
});

/** The ways to end the worker of a pool at once. */
const FORCE: Record<string, (pool: Pool, meeting: parents.Meeting) => Promise<unknown>> = {
  terminate: async (pool, meeting) => {
    await pool.apply(parents.startChild, [meeting]);
    pool.terminate();
  },
  taskTimeout: async (pool, meeting) => {
    await pool.apply(parents.startChild, [meeting]);
    return await rejection(pool.apply(() => new Promise(() => {}), [], { taskTimeout: 20 }));
  },
  "an exit": (pool, meeting) => rejection(pool.apply(parents.startChildAndExit, [meeting])),
  "an error": (pool, meeting) => rejection(pool.apply(parents.startChildAndFail, [meeting])),
};

test("what ends a worker by force ends the processes that it has started", async () => {
  await Promise.all(
    Object.entries(FORCE).map(async ([name, way]) => {
      const meeting = parents.meeting();
      const pool = new Pool(1, { module: parents.MODULE });
      const error = await way(pool, meeting);
      if (name === "taskTimeout") assertInstanceOf(error, TimeoutError);
      else if (name !== "terminate") assertInstanceOf(error, BrokenProcessPoolError);
      assert(meeting.begun.isSet());
      assert(await isFree(meeting.held), name);
      assert(!meeting.done.isSet());
      pool.terminate();
      await pool.join();
    }),
  );
});

test("terminate() of a pool ends a worker that was replaced, and the processes that it waits for", async () => {
  const meeting = parents.meeting();
  const pool = new Pool(1, { module: parents.MODULE, maxTasksPerChild: 1 });
  await pool.apply(parents.startChild, [meeting]);
  assertEquals(await pool.apply(Math.sqrt, [16]), 4);
  pool.terminate();
  await pool.join();
  assert(await isFree(meeting.held));
  assert(!meeting.done.isSet());
});

test("a call that is interrupted at its taskTimeout costs no process that its worker has started", async () => {
  await using pool = new Pool(1, { module: parents.MODULE });
  const meeting = parents.meeting();
  await pool.apply(parents.startChild, [meeting]);
  const loop = (): void => {
    for (;;);
  };
  assertInstanceOf(await rejection(pool.apply(loop, [], { taskTimeout: 20 })), TimeoutError);
  assert(!meeting.done.isSet());
  meeting.go.set();
  assert(await meeting.done.waitAsync(10_000));
});

test("daemon is an option and a property", () => {
  assertEquals(
    [new Process(), new Process({ daemon: true }), new Thread({ daemon: true })].map(({ daemon }) => daemon),
    [
      false,
      true,
      true,
    ],
  );
  for (const daemon of [1, "true", null]) {
    assertThrows(() => new Process({ daemon: daemon as never }), TypeError, "'daemon'");
  }
});
