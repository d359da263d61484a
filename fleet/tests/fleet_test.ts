/** A fleet whose workers, servers and tasks end in every way: each task settles once, with its value or with the reason why it has none. */

import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  BrokenProcessPoolError,
  CancelledError,
  Lock,
  Pool,
  Process,
  ProcessPoolExecutor,
  TimeoutError,
} from "@manycore/parallel";
import { InvalidStateError, SerializationError } from "@manycore/parallel/errors";
import { fleet } from "../mod.ts";
import { Server, Worker } from "./server.ts";
import * as tasks from "./tasks.ts";

const modules = { tasks };
const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
const rejection = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined, (error) => error);

/** Ends a pool and waits for that. */
async function end(pool: Pool): Promise<void> {
  pool.close();
  await pool.join();
}

/** Resolves with the lines of a file once there are so many. */
async function linesOf(file: string, count: number): Promise<string[]> {
  for (const end = performance.now() + 10_000; performance.now() < end;) {
    const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
    if (lines.length >= count) return lines;
    await wait(10);
  }
  throw new Error(`There are not ${count} lines in ${file}`);
}

Deno.test("what a task does to its process, it does to itself alone, and at once", async () => {
  await using server = await Server.start();
  await using worker = await Worker.start(server.url);
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  const others = Promise.all([1, 2, 3].map((n) => pool.apply(tasks.square, [n])));
  const start = performance.now();
  const error = await rejection(pool.apply(tasks.exits, [3]));
  assertInstanceOf(error, BrokenProcessPoolError);
  assertEquals(error.exitCode, 3);
  assert(performance.now() - start < 5000);
  assertEquals(await others, [1, 4, 9]);
  const late = await rejection(pool.apply(tasks.busy, [60_000], { taskTimeout: 100 }));
  assertInstanceOf(late, TimeoutError);
  assertEquals(await pool.apply(tasks.square, [4]), 16);
  await end(pool);
  assertEquals(worker.output.includes("Refused"), false);
});

Deno.test("the tasks of a worker that is killed run again on another one, and know it", async () => {
  await using server = await Server.start();
  const backend = await fleet(server.url, { modules, ackWait: 1000 });
  await using first = await Worker.start(server.url);
  const pool = new Pool({ backend });
  const results = [1, 2].map(() => pool.apply(tasks.itself, [1500]));
  while (!(await presences(backend)).some((running) => running === 2)) await wait(20);
  await first.end("SIGKILL");
  const killed = performance.now();
  await using _second = await Worker.start(server.url);
  for (const { attempt, id } of await Promise.all(results)) {
    assertEquals(attempt, 2);
    assertMatch(String(id), /^[\w-]+\.\d+$/);
  }
  assert(performance.now() - killed < 1000 + 1000 + 1500 + 5000);
  await end(pool);
});

/** Returns how many tasks each worker runs. */
async function presences(backend: Awaited<ReturnType<typeof fleet>>): Promise<number[]> {
  await backend.start();
  return backend.workers().map(({ running }) => running);
}

Deno.test("a task that ends every machine it comes to fails in the end", async () => {
  await using server = await Server.start();
  const backend = await fleet(server.url, { modules, ackWait: 1000 });
  const pool = new Pool({ backend });
  let settled = false;
  const result = rejection(pool.apply(tasks.never)).finally(() => settled = true);
  // A server may count a delivery that no machine has got, as it was lost at that moment.
  for (let i = 0; i < 2; i++) {
    await using worker = await Worker.start(server.url, "--max-deliver", "2");
    while (!settled && !(await presences(backend)).includes(1)) await wait(20);
    await worker.end("SIGKILL");
  }
  await using _worker = await Worker.start(server.url, "--max-deliver", "2");
  const error = await result;
  assertInstanceOf(error, BrokenProcessPoolError);
  assertMatch(error.message, /each of the 2 machines/);
  await end(pool);
});

Deno.test("a server that is killed and comes back loses nothing", async () => {
  await using server = await Server.start();
  await using _one = await Worker.start(server.url);
  await using _two = await Worker.start(server.url);
  const pool = new Pool({ backend: await fleet(server.url, { modules, ackWait: 2000 }) });
  let settled = 0;
  const results = Array.from({ length: 400 }, (_, n) =>
    pool.apply(tasks.square, [n]).then((value) => {
      settled++;
      return value;
    }));
  while (settled < 50) await wait(1);
  await server.kill();
  assert(settled < 400);
  await wait(200);
  await server.run();
  assertEquals(await Promise.all(results), Array.from({ length: 400 }, (_, n) => n * n));
  assertEquals(settled, 400);
  await end(pool);
});

Deno.test("an aborted task that waits never runs, and one that runs is killed", async () => {
  await using server = await Server.start();
  const directory = await Deno.makeTempDir();
  const [ran, never] = [`${directory}/ran`, `${directory}/never`];
  await Deno.writeTextFile(ran, "");
  await using _worker = await Worker.start(server.url, "--processes", "1");
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  const controller = new AbortController();
  const options = { signal: controller.signal, abortGrace: 0 };
  const running = rejection(pool.apply(tasks.noteAndBurn, [ran, 60_000], options));
  await linesOf(ran, 1);
  const waiting = [1, 2, 3].map(() => rejection(pool.apply(tasks.noteAndBurn, [never, 0], options)));
  await wait(100); // they are published
  controller.abort(new RangeError("enough"));
  for (const error of await Promise.all([running, ...waiting])) assertInstanceOf(error, RangeError);
  assertEquals(await pool.apply(tasks.square, [5]), 25);
  await assertRejects(() => Deno.stat(never), Deno.errors.NotFound);
  await end(pool);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("a worker takes only the functions that it was started with", async () => {
  await using server = await Server.start();
  await using worker = await Worker.start(server.url, "--allow", "tasks#square", "--allow", "tasks#echo");
  const other = { ...tasks, square: (n: number): number => n };
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  assertEquals(await pool.apply(tasks.square, [3]), 9);
  const refusals: [Promise<unknown>, RegExp][] = [
    [pool.apply(tasks.pidOf), /no function 'tasks#pidOf'/],
    [pool.apply(() => 1), /takes no functions by source/],
    [pool.apply(tasks.echo<unknown>, [() => 1]), /takes no functions by source/],
  ];
  const errors = await Promise.all(refusals.map(([result]) => rejection(result)));
  for (const [i, [, message]] of refusals.entries()) {
    const error = errors[i];
    assertInstanceOf(error, SerializationError);
    assertMatch(error.message, message);
  }
  await end(pool);
  const changed = new Pool({ backend: await fleet(server.url, { modules: { tasks: other } }) });
  const error = await rejection(changed.apply(other.square, [3]));
  assertMatch((error as Error).message, /another version of 'tasks#square'/);
  await end(changed);
  assertMatch(worker.output, /Refused 'pidOf' as this worker has no function/);
});

Deno.test("a worker with --by-source takes any function", async () => {
  await using server = await Server.start();
  await using _worker = await Worker.start(server.url, "--by-source");
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  assertEquals(await pool.map((n: number) => n + 1, [1, 2]), [2, 3]);
  assertEquals(await pool.apply((fn: (n: number) => number) => fn(4), [(n: number) => n * n]), 16);
  await end(pool);
});

Deno.test("payloads of any size arrive whole, and nothing of them stays", async () => {
  await using server = await Server.start();
  await using _worker = await Worker.start(server.url);
  const backend = await fleet(server.url, { modules });
  const pool = new Pool({ backend });
  for (const size of [0, 899_000, 901_000, 5_000_000]) {
    const bytes = Uint8Array.from({ length: size }, (_, i) => i * 7);
    assertEquals(await pool.apply(tasks.echo<Uint8Array>, [bytes]), bytes);
  }
  const nothing = { tasks: 0, results: 0, payloads: 0 };
  let stored = await backend.stored();
  // The last acknowledgments are under way when the results are there.
  for (
    const end = performance.now() + 5000;
    performance.now() < end && stored.results + stored.payloads + stored.tasks > 0;
  ) {
    await wait(20);
    stored = await backend.stored();
  }
  assertEquals(stored, nothing);
  await end(pool);
});

Deno.test("a worker that gets SIGTERM ends what runs, and gives back the rest as never begun", async () => {
  await using server = await Server.start();
  await using first = await Worker.start(server.url, "--processes", "1");
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  const results = [500, 500, 500].map((time) => pool.apply(tasks.itself, [time]));
  await wait(200);
  const [code] = await Promise.all([first.end("SIGTERM"), Worker.start(server.url).then((worker) => second = worker)]);
  assertEquals(code, 0);
  assertMatch(first.output, /leaves after \d+ tasks, 0 of them failed/);
  for (const { attempt } of await Promise.all(results)) assertEquals(attempt, 1);
  await end(pool);
  await second![Symbol.asyncDispose]();
});
let second: Worker | undefined;

Deno.test("without a worker, start() says so, submit warns once, and tasks fail at the limit", async () => {
  await using server = await Server.start();
  const backend = await fleet(server.url, { modules, workerTimeout: 3000 });
  const start = performance.now();
  await assertRejects(() => backend.start(), InvalidStateError, "no worker of the fleet 'main'");
  assert(performance.now() - start < 3000);
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => warnings.push(text);
  try {
    const executor = new ProcessPoolExecutor({ backend });
    const futures = [1, 2].map((n) => executor.submit(tasks.square, n));
    for (const future of futures) assertInstanceOf(await future.exception(), TimeoutError);
    assertEquals(warnings.length, 1);
    await executor.shutdown();
  } finally {
    console.warn = warn;
  }
});

Deno.test("a stream that is full makes tasks wait, and loses none", async () => {
  await using server = await Server.start();
  const pool = new Pool({ backend: await fleet(server.url, { modules, maxTasks: 5 }) });
  const results = Array.from({ length: 60 }, (_, n) => pool.apply(tasks.square, [n]));
  await wait(300);
  await using _worker = await Worker.start(server.url);
  assertEquals(await Promise.all(results), Array.from({ length: 60 }, (_, n) => n * n));
  await end(pool);
});

Deno.test("clients get their own results, and only these", async () => {
  await using server = await Server.start();
  await using _worker = await Worker.start(server.url);
  const pools = [];
  for (let i = 0; i < 3; i++) pools.push(new Pool({ backend: await fleet(server.url, { modules }) }));
  const results = await Promise.all(
    pools.map((pool, i) => pool.map(tasks.echo<string>, Array.from({ length: 50 }, (_, n) => `${i}.${n}`))),
  );
  results.forEach((list, i) => assertEquals(list, Array.from({ length: 50 }, (_, n) => `${i}.${n}`)));
  await Promise.all(pools.map(end));
});

Deno.test("what makes no sense on other machines is refused by name", async () => {
  await using server = await Server.start();
  await using backend = await fleet(server.url, { modules });
  const options = {
    module: import.meta.url,
    scope: { a: 1 },
    initializer: () => {},
    concurrency: 2,
    maxTasksPerChild: 1,
  };
  for (const [name, value] of Object.entries(options)) {
    assertThrows(() => new Pool({ backend, [name]: value }), TypeError, `'${name}'`);
  }
  assertThrows(() => new Process({ target: tasks.pidOf, backend }).start(), TypeError, "fleet");
  const pool = new Pool({ backend });
  assertThrows(() => pool.applySync(tasks.square, [1]), InvalidStateError, "await");
  await assertRejects(() => pool.broadcast(tasks.pidOf), InvalidStateError, "broadcast");
  await assertRejects(() => pool.apply(tasks.echo<unknown>, [new Lock()]), SerializationError);
  await end(pool);
});

Deno.test("options and addresses are checked at once", async () => {
  await assertRejects(() => fleet("nats://127.0.0.1:1"), Error, "Cannot connect to the fleet");
  await assertRejects(() => fleet([]), TypeError, "servers");
  await assertRejects(() => fleet("a", { nam: "b" } as never), TypeError, "'nam'");
  await assertRejects(() => fleet("a", { name: "a.b" }), TypeError, "'name'");
  await assertRejects(() => fleet("a", { workerTimeout: 0 }), RangeError, "workerTimeout");
  await assertRejects(() => fleet("a", { modules: { tasks: 1 } } as never), TypeError, "modules.tasks");
});

Deno.test("terminate() ends at once, also when no server is there", async () => {
  await using server = await Server.start();
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  const results = [1, 2].map((n) => rejection(pool.apply(tasks.square, [n])));
  await wait(200); // they are published
  await server.kill();
  pool.terminate();
  for (const error of await Promise.all(results)) assertInstanceOf(error, CancelledError);
  const start = performance.now();
  await pool.join();
  assert(performance.now() - start < 10_000);
  await server.run();
});

Deno.test("a worker may start before the server", async () => {
  await using server = await Server.start();
  await server.kill();
  const starting = Worker.start(server.url);
  await wait(500);
  await server.run();
  await using _worker = await starting;
  const pool = new Pool({ backend: await fleet(server.url, { modules }) });
  assertEquals(await pool.apply(tasks.square, [6]), 36);
  await end(pool);
});

Deno.test("a job whose program was killed goes on where it was", async () => {
  await using server = await Server.start();
  const directory = await Deno.makeTempDir();
  const file = `${directory}/ran`;
  await Deno.writeTextFile(file, "");
  await using _worker = await Worker.start(server.url, "--processes", "1");
  const program = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", new URL("job.ts", import.meta.url).href, server.url, file],
    stdin: "null",
    stderr: "null",
  }).spawn();
  await linesOf(file, 5);
  program.kill("SIGKILL");
  await program.status;
  const ran = (await linesOf(file, 5)).length;
  assert(ran < 40);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", new URL("job.ts", import.meta.url).href, server.url, file],
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout).trim()], [0, "40 results, 800 in all"]);
  // One that has ended just when the second program looked may have run twice.
  const total = (await linesOf(file, 40)).length;
  assert(total <= 42, `${total}`);

  // Whoever runs it a third time gets everything at once, until the job is forgotten.
  const backend = await fleet(server.url, { modules, job: "films" });
  const pool = new Pool({ backend });
  assertEquals(await pool.apply(tasks.noteAndBurn, [file, 20]), 20);
  assertThrows(() => new Pool({ backend }), InvalidStateError, "two pools");
  await end(pool);
  assertEquals((await linesOf(file, total)).length, total);
  await backend.forgetJob();
  const again = new Pool({ backend });
  assertEquals(await again.apply(tasks.noteAndBurn, [file, 21]), 21);
  await end(again);
  assertEquals((await linesOf(file, total + 1)).length, total + 1);
  await Deno.remove(directory, { recursive: true });
});
