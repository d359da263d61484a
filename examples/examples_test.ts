/**
 * Each example, run as a user runs it, without flags and without a terminal.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode } from "fast-png";

async function run(name: string, args: string[] = [], flags: string[] = []): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...flags, new URL(`./${name}.ts`, import.meta.url).pathname, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** What `name` prints, line by line, whatever the order if `sorted`. */
function prints(name: string, expected: string[], { sorted = false, args = [] as string[] } = {}): void {
  Deno.test(`${name}.ts prints what the article's script prints`, async () => {
    const lines = await run(name, args);
    assertEquals(sorted ? lines.toSorted() : lines, sorted ? expected.toSorted() : expected);
  });
}

const TIME = /^\d\d:\d\d:\d\d\.\d{3} /;

/** The lines of time, n and fib(n), without the time. */
function fibLines(lines: string[]): number[][] {
  return lines.map((line) => {
    assertMatch(line, TIME);
    return line.split(/ +/).slice(1).map(Number);
  });
}

const FIBS: number[][] = [];
for (let n = 1, a = 1, b = 2; n < 40; n++, [a, b] = [b, a + b]) FIBS.push([n, a]);

Deno.test("fib_map.ts prints time, n and fib(n) for 1 to 39, all after the last result, and what was gained", async () => {
  const lines = await run("fib_map");
  const gained = lines.pop()!.match(
    /^(\d+\.\d\d) s for (\d+\.\d\d) s of processor time: (\d+\.\d\d) times as fast as one core$/,
  );
  assert(gained);
  const [seconds, cpuSeconds, ratio] = gained.slice(1).map(Number);
  assert(seconds! > 0 && cpuSeconds! > 0);
  assert(Math.abs(ratio! - cpuSeconds! / seconds!) < 0.1, gained[0]); // of rounded figures
  assertEquals(fibLines(lines), FIBS);
  const [first, last] = [lines[0]!, lines.at(-1)!].map((line) => Date.parse(`1970-01-01T${line.slice(0, 12)}Z`));
  assert(last! - first! < 200);
});

for (const kind of ["implicit", "explicit"]) {
  Deno.test(`fib_map_chunksize_${kind}.ts prints the results from the largest, and the time`, async () => {
    const lines = await run(`fib_map_chunksize_${kind}`);
    assertMatch(lines.pop()!, /^real \d+\.\d{3}s$/);
    assertEquals(fibLines(lines), FIBS.toReversed());
  });
}

for (const name of ["fib_imap", "executor_map"]) {
  Deno.test(`${name}.ts prints the results one by one, in order`, async () => {
    const lines = await run(name);
    assertEquals(fibLines(lines), FIBS);
    assert(lines[0]!.slice(0, 12) < lines.at(-1)!.slice(0, 12));
  });
}

Deno.test("fib_imap_unordered.ts prints each result with its input", async () => {
  const lines = fibLines(await run("fib_imap_unordered"));
  assertEquals(lines.toSorted(([a], [b]) => a! - b!), FIBS);
});

for (const name of ["ackermann_map", "ackermann_starmap"]) {
  Deno.test(`${name}.ts prints 20 values of the Ackermann function`, async () => {
    const lines = await run(name);
    assertEquals(lines.length, 20);
    assertEquals([lines[0]!.slice(13), lines.at(-1)!.slice(13)], ["(0, 0) 1", "(3, 4) 125"]);
  });
}

const CALLS = [
  "fib(8) = 34",
  "ackermann(2, 4) = 11",
  "fib(18) = 4181",
  "ackermann(3, 1) = 13",
  "fib(28) = 514229",
  "ackermann(3, 4) = 125",
  "fib(34) = 9227465",
];
prints("apply_async", CALLS);
prints("executor_submit", CALLS);
prints("apply", ["1024", "65536"]);
prints("map_async", ["ready: false; meanwhile, 6 × 7 = 42", "[ 89, 10946, 1346269 ]"]);
prints("starmap_async", ["ready: false; meanwhile, 6 × 7 = 42", "[ 11, 13, 125 ]"]);

for (const name of ["factorize_chunked", "factorize_map"]) {
  Deno.test(`${name}.ts prints prime factors`, async () => {
    const lines = await run(name);
    assertEquals(lines.length, 10);
    for (const line of lines) {
      const [n, factors] = line.split(" = ");
      assertEquals(factors!.split(" × ").reduce((product, factor) => product * Number(factor), 1), Number(n));
    }
    assert(lines.includes("600851475143 = 71 × 839 × 1471 × 6857"));
  });
}

prints("multiply_by_itself", [
  "10000 results: 0 ** 0 = 1, 10 ** 10 = 10000000000",
  "9999 ** 9999 has 39996 digits",
]);
prints("hello_threads", [0, 1, 2, 3, 4].map((n) => `Hello from Thread ${n}`), { sorted: true });

Deno.test("counter_race.ts counts four times in two threads, and tells how many increments were counted", async () => {
  const lines = await run("counter_race");
  assertEquals(lines.length, 5);
  for (const name of ["Greeter 1", "Greeter 2"]) {
    assertEquals(lines.filter((line) => line.startsWith(`${name}: Counter is `)).length, 2);
  }
  const [, counted, all] = /^(\d+) of (\d+) increments were counted$/.exec(lines.at(-1)!)!;
  assert(Number(counted) <= Number(all) && Number(counted) >= Number(all) / 4);
});

Deno.test("counter_lock.ts counts 3, 6, 9, 12", async () => {
  const lines = await run("counter_lock");
  assertEquals(lines.filter((line) => line.startsWith("Counter")), [3, 6, 9, 12].map((n) => `Counter is ${n}`));
  assertEquals(lines.length, 16);
});

Deno.test("greeter_process.ts: four workers greet", async () => {
  const lines = await run("greeter_process");
  assertEquals(new Set(lines.map((line) => /^Process (\d+):/.exec(line)?.[1])).size, 4);
  assertEquals(
    lines.map((line) => line.replace(/^.*: /, "")).toSorted(),
    ["David", "Dirk", "George", "Harry"].map((name) => `Hello ${name}!`),
  );
});

for (const [name, place] of [["greeter_map", -1], ["greeter_map_async", 0]] as const) {
  Deno.test(`${name}.ts greets seven people`, async () => {
    const lines = await run(name);
    assertEquals(lines.at(place), "Done!");
    assertEquals(
      lines.filter((line) => line !== "Done!").map((line) => line.replace(/^Process \d+: /, "")).toSorted(),
      ["David", "Jenna", "Jerry", "Justin", "Marry", "Ted", "Tom"].map((name) => `Hello ${name}!`),
    );
  });
}

prints("no_shared_state", ["Greeter1", "Greeter2"].flatMap((who) => [3, 6].map((n) => `${who}: Counter is ${n}`)));

Deno.test("value_lock.ts counts 3, 6, … 18", async () => {
  const lines = await run("value_lock");
  assertEquals(lines.map((line) => Number(/^Greeter[12]: Counter is (\d+)$/.exec(line)![1])), [3, 6, 9, 12, 15, 18]);
});

Deno.test("value_array_lock.ts greets each name at its count", async () => {
  const lines = await run("value_array_lock");
  assertEquals(lines.map((line) => line.replace(/^Greeter[12]: /, "")), [
    "Greeting James! Counter is 3",
    "Greeting Tom! Counter is 6",
    "Greeting Sam! Counter is 9",
    "Greeting Larry! Counter is 12",
  ]);
});

const SUMS = ["result=2", "result=4", "result=6", "result=8"];
const QUICK = { args: ["--delay=20"] };
prints("task_starmap", SUMS, QUICK);
prints("task_executor_map", SUMS, QUICK);
prints("task_istarmap", SUMS, QUICK);
prints("task_as_completed", SUMS, { ...QUICK, sorted: true });
prints("task_as_completed_inputs", SUMS.map((line, i) => `(${i + 1}, ${i + 1}) ${line}`), { ...QUICK, sorted: true });

Deno.test("broken_pool.ts: one error each, and everything else goes on", async () => {
  const lines = await run("broken_pool");
  const error = (name: string) =>
    `BrokenProcessPoolError: Worker '${name}' ended with code 1 while it ran the task 'task'`;
  assertEquals(lines.map((line) => line.replace(/-\d'/, "'")), [
    "1",
    error("ProcessPoolExecutor"),
    "9",
    "1",
    error("PoolWorker"),
    "9",
  ]);
});

Deno.test("broken_pool.ts with --allow-run: a process is killed, and only its task fails", async () => {
  const lines = await run("broken_pool", [], ["--allow-run"]);
  assertEquals(lines.length, 8);
  assertMatch(
    lines[6]!,
    /^BrokenProcessPoolError: Worker 'PoolWorker-\d' ended by SIGKILL while it ran the task 'waitForever'$/,
  );
  assertEquals(lines[7], "[ 1, 4, 9 ]");
});

Deno.test("out_of_memory.ts: the task that eats memory fails, and three others do not mind", async () => {
  const lines = await run("out_of_memory", [], ["--allow-run"]);
  assertEquals([lines[0], lines[2], lines[3]], ["1", "9", "16"]);
  assertMatch(
    lines[1]!,
    /^SIG[A-Z]+: Worker 'PoolWorker-\d' ended by SIG[A-Z]+ \(.*out of memory.*\) while it ran the task 'work'$/,
  );
});

for (const name of ["open_url_threads", "open_url_dummy_pool", "open_url_executor"]) {
  Deno.test(`${name}.ts opens three pages at once, and tells the one that cannot be opened`, async () => {
    await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => new Response("page"));
    const base = `http://127.0.0.1:${server.addr.port}`;
    const urls = [`${base}/a`, `${base}/b`, "http://127.0.0.1:1/"];
    const lines = await run(name, ["--delay=300", ...urls], ["--allow-net"]);
    assertEquals(lines.filter((line) => line.includes("Cannot open http://127.0.0.1:1/")).length, 1);
    if (name !== "open_url_threads") assertEquals(lines.filter((line) => / 200$/.test(line)).length, 2);
    if (name === "open_url_executor") return;
    const starting = lines.filter((line) => / starting$/.test(line)).toSorted();
    assertEquals(starting, [1, 2, 3].map((n) => `Thread-${n} starting`));
    assertEquals(lines.filter((line) => / exiting$/.test(line)).length, 3);
    const lastStart = lines.findLastIndex((line) => / starting$/.test(line));
    assert(lastStart < lines.findIndex((line) => / exiting$/.test(line)), "not at once");
  });
}

prints("shared_array_in_place", ["√250000 = 500, √998001 = 999"]);

Deno.test("chunksize_timeline.ts draws a lane for each worker, a bar for each chunk and an axis, twice", async () => {
  const svg = (await run("chunksize_timeline", ["--workers=3", "--chunksize=2"])).join("\n");
  const chunks = Math.ceil(39 / 4) + Math.ceil(39 / 2); // 4: a quarter of the share of one of 3 workers
  assertEquals(svg.match(/class="lane"/g)!.length, 6);
  assertEquals(svg.match(/<title>\d+…?\d*: [\d.e+-]+ ms</g)!.length, chunks);
  assertMatch(svg, />map\(fib, NUMS\), that is chunksize 4</);
  assertMatch(svg, />map\(fib, NUMS, { chunksize: 2 }\)</);
  assertEquals(svg.match(/class="total">[\d.e+]+ m?s</g)!.length, 2);
  assertEquals(svg.match(/class="time">0 m?s</g)!.length, 2); // an axis each
  assertEquals(svg.trim().slice(-6), "</svg>");
});

Deno.test("progress.ts prints its result alone where there is no terminal", async () => {
  const fib = (n: number): number => FIBS[n - 1]![1]!;
  const sum = Array.from({ length: 600 }, (_, i) => fib(20 + i % 12)).reduce((a, b) => a + b);
  assertEquals(await run("progress"), [`The sum of 600 Fibonacci numbers is ${sum}`]);
});

Deno.test("mandelbrot.ts draws the same picture with one worker and with all, and tells the speed-up", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const out = `${directory}/picture.png`;
    const lines = await run("mandelbrot", ["--width=200", `--out=${out}`], ["--allow-write"]);
    assertMatch(lines[0]!, /^200 × 150 pixels: one worker \d+ ms, \d+ workers \d+ ms$/);
    assertMatch(lines[1]!, /^\d+\.\d\d times as fast$/);
    const { width, height, channels, data } = decode(await Deno.readFile(out));
    assertEquals([width, height, channels], [200, 150, 3]);
    const pixel = (x: number, y: number) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
    assertEquals(pixel(130, 75), [0, 0, 0]); // inside of the set
    assert(pixel(0, 0).some((value) => value > 0));
    for (let x = 0; x < width; x++) assertEquals(pixel(x, 50), pixel(x, 100)); // it is symmetric
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
