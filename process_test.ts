import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  activeChildren,
  currentProcess,
  Event,
  InvalidStateError,
  Lock,
  Process,
  Queue,
  SerializationError,
  Thread,
} from "./mod.ts";
import { test } from "./tools/test_pool.ts";

test("F113: a process before, during and after its run; also without a target", async () => {
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

test("F114: arguments and names arrive; children of a process are named after it", async () => {
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

test("F117, F118, F121: join() with a timeout, terminate(), and calls out of order", async () => {
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

test("F119: an error is printed with the name, sets exitcode 1, and harms nobody", async () => {
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

test("F120: exit codes; a result that cannot be sent does not matter", async () => {
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
});

test("F124: ten processes end well, ten sleeping ones are terminated", async () => {
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
    const counter = new (await import("./mod.ts")).Value("i", 0);
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
