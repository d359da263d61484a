/** What a hostile task, and hostile data, can and cannot do. `SECURITY.md` says it in words. */

import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { BrokenProcessPoolError, Pool, Queue } from "../../mod.ts";
import { run } from "../../testing/run_program.ts";
import { test } from "../../testing/counted_workers.ts";

const scope = globalThis as { ran?: string };

/** Puts spies in place of all that a task can replace, lets other tasks run, and gives what the spies saw of what is not theirs. */
async function spyOn(pool: Pool): Promise<string> {
  const spy = (): void => {
    const caught: unknown[] = [];
    Object.assign(globalThis, { caught });
    const { apply, construct, defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect;
    const wishes: [holder: object, key: PropertyKey][] = [];
    const watch = (holder: object, key: PropertyKey): void => {
      const property = getOwnPropertyDescriptor(holder, key);
      if (property === undefined) return;
      const wrap = (original: unknown) =>
        typeof original !== "function" ? original : function (this: unknown, ...args: unknown[]): unknown {
          caught[caught.length] = this;
          for (let i = 0; i < args.length; i++) caught[caught.length] = args[i];
          return new.target === undefined ? apply(original, this, args) : construct(original, args);
        };
      if (property.value !== undefined) {
        Reflect.defineProperty(holder, key, { ...property, value: wrap(property.value) });
      } else defineProperty(holder, key, { ...property, get: wrap(property.get) as () => unknown });
    };
    const array = Object.getPrototypeOf(Uint8Array) as { prototype: object };
    for (
      const holder of [
        array,
        array.prototype,
        Uint8Array,
        Uint8Array.prototype,
        Int32Array,
        Int32Array.prototype,
        Float64Array,
        Float64Array.prototype,
        DataView.prototype,
        SharedArrayBuffer.prototype,
        Atomics,
        Map.prototype,
        Set.prototype,
        Array.prototype,
        TextDecoder.prototype,
        TextEncoder.prototype,
        MessagePort.prototype,
        Reflect,
      ]
    ) for (const key of ownKeys(holder)) wishes.push([holder, key]);
    for (
      const name of [
        "Uint8Array",
        "Int32Array",
        "Float64Array",
        "DataView",
        "SharedArrayBuffer",
        "Map",
        "structuredClone",
      ]
    ) {
      wishes.push([globalThis, name]);
    }
    for (let i = 0; i < wishes.length; i++) watch(wishes[i]![0], wishes[i]![1]);
  };
  await pool.apply(spy).catch(() => {}); // it may well have spoilt its own worker
  const work = (text: string, numbers: number[], bytes: Uint8Array): unknown[] => [text, numbers, bytes];
  const args: [string, number[], Uint8Array] = [
    "é".repeat(200),
    Array.from({ length: 5000 }, (_, i) => i),
    new Uint8Array(3000),
  ];
  for (let i = 0; i < 20; i++) await pool.apply(work, args).catch(() => {});
  return await pool.apply(() => {
    const { caught } = globalThis as unknown as { caught: unknown[] };
    const kinds: string[] = [];
    for (let i = 0; i < caught.length; i++) {
      const thing = caught[i] as { buffer?: unknown } | null | undefined;
      const memory = typeof thing === "object" && thing !== null && ArrayBuffer.isView(thing) ? thing.buffer : thing;
      // Each pool's memory is larger than this; what tasks share with one another is not of interest here.
      if (memory instanceof SharedArrayBuffer && memory.byteLength > 100_000) {
        kinds[kinds.length] = `${memory.byteLength} bytes`;
      }
      if (typeof MessagePort === "function" && thing instanceof MessagePort) kinds[kinds.length] = "a port";
    }
    return `${caught.length > 100} ${kinds}`;
  });
}

test("a task that replaces what the worker program uses does not get hold of its memory", async () => {
  await using pool = new Pool(1);
  assertEquals(await spyOn(pool), "true ");
});

test("node:worker_threads works in a task, and gives it no way to the worker program", async () => {
  await using pool = new Pool(1);
  const chat = async (program: string): Promise<unknown[]> => {
    const { MessageChannel, receiveMessageOnPort, Worker } = await import("node:worker_threads");
    const { port1, port2 } = new MessageChannel();
    port1.postMessage("there");
    const message = receiveMessageOnPort(port2);
    port2.close();
    const worker = new Worker(program, { eval: true, workerData: 7 });
    const answer = await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
    await worker.terminate();
    return [message, answer];
  };
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    parentPort.postMessage(workerData + 1);`;
  for (let i = 0; i < 2; i++) assertEquals(await pool.apply(chat, [program]), [{ message: "there" }, 8]);
  assertEquals(await spyOn(pool), "true ");
});

test("a task can give a port of its own another postMessage(), and not all ports", async () => {
  await using pool = new Pool(1);
  const kinds = await pool.apply(() => {
    const { port1 } = new MessageChannel();
    port1.postMessage = () => {};
    const replace = (): void => void (MessagePort.prototype.postMessage = () => {});
    let refused = "";
    try {
      replace();
    } catch (error) {
      refused = (error as Error).name;
    }
    return [Object.hasOwn(port1, "postMessage"), refused];
  });
  assertEquals(kinds, [true, "TypeError"]);
});

/** What a task may break: of the worker's program, of the runtime, or of neither. */
const BREAKABLE: [holder: string, key: string][] = [
  ["Object", "assign"],
  ["Array.prototype", "findIndex"],
  ["ArrayBuffer", "isView"],
  ["Atomics", "wait"],
  ["console", "warn"],
  ["Object.getPrototypeOf(Uint8Array.prototype)", "subarray"],
  ["Performance.prototype", "now"],
  ["Performance.prototype", "timeOrigin"],
  ["Promise.prototype", "then"],
  ["Map.prototype", "get"],
  ["globalThis", "Math"],
  ["globalThis", "setTimeout"],
  ["globalThis", "Error"],
];

test("a task that breaks what its worker runs on can cost its worker, but no task hangs", async () => {
  await using pool = new Pool(1);
  const damage = (holder: string, key: string): void => {
    const get = (): never => {
      throw new Error("broken on purpose");
    };
    Reflect.defineProperty((0, eval)(holder) as object, key, { configurable: true, get });
  };
  const limited = { taskTimeout: 5000 };
  for (const [holder, key] of BREAKABLE) {
    const calls = [
      pool.apply(damage, [holder, key]),
      pool.apply((value: unknown) => value, [{ list: [1, "x"], map: new Map([[1, 2]]) }]),
      pool.apply((n: number) => n, [1], limited),
      pool.apply(async (n: number) => await n, [1], limited),
      pool.map((text: string) => text.length, ["x".repeat(200_000), "y"]),
      pool.apply(() => {
        throw new RangeError("on purpose");
      }),
    ];
    await Promise.allSettled(calls);
    await assertRejects(() => pool.apply(() => Deno.exit(1)), BrokenProcessPoolError); // the next has a worker of its own
    assertEquals(await pool.apply((n: number) => n + 1, [1], limited), 2, `${holder}.${key}`);
  }
});

test("a function that came as a result is not run by being received", async () => {
  await using pool = new Pool(1);
  delete scope.ran;
  const kinds = [
    () => {
      const original = Function.prototype.toString;
      Function.prototype.toString = () => "(globalThis.ran = 'source', () => 1)";
      const fn = () => 1;
      queueMicrotask(() => Function.prototype.toString = original);
      return [fn];
    },
    () => [
      class {
        static {
          (globalThis as { ran?: string }).ran = "static block";
        }
      },
    ],
    () => [(n = (globalThis as { ran?: string }).ran = "default") => n],
  ];
  for (const kind of kinds) {
    const [fn] = await pool.apply(kind as () => unknown[]);
    assertEquals(typeof fn, "function");
    assertEquals(scope.ran, undefined);
  }
});

test("a function that came as a result does what it did, when it is called", async () => {
  await using pool = new Pool(1);
  const [add, Point] = await pool.apply(() => [
    (a: number, b: number) => a + b,
    class Point {
      x: number;
      constructor(x: number) {
        this.x = x;
      }
      twice() {
        return this.x * 2;
      }
    },
  ]) as [(a: number, b: number) => number, new (x: number) => { x: number; twice(): number }];
  assertEquals(add(1, 2), 3);
  const point = new Point(4);
  assertEquals([point.x, point.twice()], [4, 8]);
  assertEquals(await pool.apply((fn: (a: number, b: number) => number) => fn(3, 4), [add]), 7);
  const queue = new Queue<(n: number) => number>();
  await pool.apply((queue: Queue<(n: number) => number>) => queue.put((n) => n + 1), [queue]);
  assertEquals(queue.get()(1), 2);
});

test("text that came as data stays text", async () => {
  await using pool = new Pool(1);
  const texts = ["globalThis.ran = 'text'", "() => { globalThis.ran = 'text' }", "${globalThis.ran = 'text'}"];
  assertEquals(await pool.map((text: string) => text, texts), texts);
  const named = { ["__proto__"]: 1, constructor: "x", then: "y" };
  assertEquals(Object.keys(await pool.apply((value: object) => value, [named])), Object.keys(named));
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
  const polluting = JSON.parse('{"__proto__": {"polluted": true}}');
  const back = await pool.apply((value: object) => value, [polluting]);
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
  assert(Object.hasOwn(back, "__proto__"));
  assertEquals(scope.ran, undefined);
});

test("the scope of one pool is not seen in another", async () => {
  await using one = new Pool(1, { scope: { secret: "one" } });
  await using other = new Pool(1);
  assertEquals(await one.apply(() => secret), "one");
  await assertRejects(() => other.apply(() => secret), ReferenceError);
  assertEquals(await other.apply(() => Object.getOwnPropertyNames(globalThis).includes("secret")), false);
});
declare const secret: string;

test("a task sent by source may do no more than the program", async () => {
  const { code, output } = await run(`
    import { Pool } from "MODULE";
    await using pool = new Pool(1);
    const tries = [() => Deno.readTextFileSync("/etc/hostname"), () => Deno.env.get("HOME"), () => fetch("http://127.0.0.1:9999")];
    for (const attempt of tries) console.log(await pool.apply(attempt).then(() => "done", (error) => error.name));
  `);
  assertEquals([output, code], ["NotCapable\n".repeat(3), 0]);
});

test("permissions: workers can have fewer, never more", async () => {
  const { code, output } = await run(
    `
    import { Pool, ProcessPoolExecutor } from "MODULE";
    const read = () => Deno.readTextFileSync("deno.json").length > 0;
    const told = (result) => result.then(String, (error) => error.name + " " + error.cause?.name);
    {
      await using pool = new Pool(1, { permissions: "none" });
      console.log(await told(pool.apply(read)), await pool.apply((n) => n + 1, [1]));
    }
    {
      await using pool = new Pool(1, { permissions: { read: ["deno.json"] } });
      console.log(await told(pool.apply(read)), await told(pool.apply(() => Deno.readTextFileSync("mod.ts"))));
    }
    {
      await using executor = new ProcessPoolExecutor(1, { permissions: "inherit" });
      console.log(await told(executor.submit(read).result()));
    }
    {
      await using pool = new Pool(1, { permissions: { run: true } });
      console.log(await told(pool.apply(read)));
    }
  `,
    "--unstable-worker-options",
    "--allow-read=.",
  );
  const expected = [
    "NotCapable undefined 2",
    "true NotCapable undefined",
    "true",
    "BrokenProcessPoolError NotCapable",
    "",
  ];
  assertEquals([output, code], [expected.join("\n"), 0]);
});

test("permissions: wrong ones are refused at once", () => {
  for (const permissions of ["all", 1, null, { reading: true }, { read: 1 }]) {
    let error: unknown;
    try {
      new Pool(1, { permissions: permissions as "none" });
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, TypeError);
  }
});
