/**
 * A soak test: mixed work for a long time, in which pools and shared objects are made and dropped all the time. After
 * the warm-up, memory and threads must not grow, and a round must not get slower.
 *
 *   deno task soak [seconds]
 *
 * @module
 */

import {
  BrokenProcessPoolError,
  CancelledError,
  Lock,
  Pool,
  Process,
  ProcessPoolExecutor,
  Queue,
  SharedArray,
  ThreadPool,
  TimeoutError,
  transfer,
  Value,
  wait,
} from "../mod.ts";

const SECONDS = Number(Deno.args[0] ?? 1800);
/** The part of the time that is warm-up. */
const WARM_UP = 0.2;
/** The growth of the memory that is allowed after the warm-up: SLACK in MB, plus PART of the memory. */
const SLACK = 24;
const PART = 0.1;

function equal(actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${Deno.inspect(actual)} is not ${Deno.inspect(expected)}`);
  }
}

async function fails(promise: Promise<unknown>, ...classes: (new (...args: never[]) => Error)[]): Promise<void> {
  const error = await promise.then(() => undefined, (error: unknown) => error);
  if (!classes.some((kind) => error instanceof kind)) throw new Error(`failed with ${Deno.inspect(error)}`);
}

const square = (n: number): number => n * n;
const numbers = Array.from({ length: 2000 }, (_, i) => i);
const squares = numbers.map(square);

/** Does ordinary work on a pool that lives as long as the program. */
async function ordinary(pool: Pool): Promise<void> {
  equal(await pool.map(square, numbers), squares);
  equal(await Promise.all(numbers.slice(0, 500).map((n) => pool.apply(square, [n]))), squares.slice(0, 500));
  equal(pool.mapSync(square, numbers, { chunksize: 50 }), squares);
  const seen: number[] = [];
  for await (const n of pool.imap(square, numbers)) {
    if (seen.push(n) === 1500) break;
  }
  equal(seen, squares.slice(0, 1500));
  equal(await pool.apply((text: string) => text.length, ["x".repeat(300_000)]), 300_000);
  const bytes = new Uint8Array(2 ** 20).fill(7);
  equal(await pool.apply((bytes: Uint8Array) => bytes[9], [transfer(bytes, [bytes.buffer])]), 7);
  equal((await pool.map((n: number) => n / 2, Array.from({ length: 50_000 }, (_, i) => i))).length, 50_000);
}

/** Runs tasks that fail, and tasks that are aborted. */
async function trouble(pool: Pool): Promise<void> {
  await fails(pool.apply((n: number) => Deno.exit(n), [1]), BrokenProcessPoolError);
  await fails(
    pool.apply(
      () => {
        for (;;);
      },
      [],
      { taskTimeout: 5 },
    ),
    TimeoutError,
  );
  await fails(
    pool.apply((n: number) => {
      throw new RangeError(`${n}`);
    }, [1]),
    RangeError,
  );
  const controller = new AbortController();
  const aborted = numbers.slice(0, 100).map((n) => pool.apply(square, [n], { signal: controller.signal }));
  controller.abort();
  await Promise.allSettled(aborted);
}

/** Makes pools and closes them soon. */
async function shortLived(): Promise<void> {
  await using executor = new ProcessPoolExecutor(2);
  const futures = numbers.slice(0, 100).map((n) => executor.submit(square, n));
  for (const future of futures.slice(90)) future.cancel();
  await wait(futures);
  const terminated = new Pool(2);
  const lost = terminated.map(square, numbers);
  terminated.terminate();
  await fails(lost, CancelledError);
  using here = new ThreadPool(4);
  equal(await here.map(square, numbers), squares);
}

/** Uses shared objects from several threads. */
async function shared(): Promise<void> {
  const scope = {
    lock: new Lock(),
    count: new Value("i"),
    cells: new SharedArray("d", 100),
    queue: new Queue<number | string>(50),
  };
  const { lock, count, cells, queue } = scope;
  await using pool = new Pool(2, { scope });
  const done = pool.broadcast(() => {
    for (let i = 0; i < 200; i++) {
      lock.acquire();
      count.value++;
      cells.view[i % 100]! += 1;
      lock.release();
      queue.put(i % 2 === 0 ? i : `${i}`);
    }
  });
  for (let i = 0; i < 400; i++) await queue.getAsync();
  await done;
  equal(count.value, 400);
  const process = new Process({ target: (n: number) => n + 1, args: [1] });
  process.start();
  await process.join();
  equal(process.exitcode, 0);
}

function threads(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/self/status").match(/Threads:\s*(\d+)/)?.[1]);
  } catch {
    return 0; // other systems have no such file
  }
}

interface Sample {
  readonly at: number;
  readonly memory: number;
  readonly threads: number;
  readonly round: number;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const samples: Sample[] = [];
const started = performance.now();
const pool = new Pool(2, { maxTasksPerChild: 5000 });
for (let rounds = 0, told = 0;; rounds++) {
  const begun = performance.now();
  await ordinary(pool);
  await trouble(pool);
  await shortLived();
  await shared();
  const now = performance.now();
  const memory = Deno.memoryUsage().rss / 2 ** 20;
  samples.push({ at: (now - started) / 1000, memory, threads: threads(), round: now - begun });
  if (now - told > 10_000 || now - started > SECONDS * 1000) {
    told = now;
    const { at, threads, round } = samples.at(-1)!;
    const { heapTotal, external } = Deno.memoryUsage();
    console.log(
      `${at.toFixed(0)} s: ${rounds + 1} rounds, ${memory.toFixed(0)} MB (heap ${(heapTotal / 2 ** 20).toFixed(0)}, ` +
        `external ${(external / 2 ** 20).toFixed(0)}), ${threads} threads, ${round.toFixed(0)} ms a round`,
    );
  }
  if (now - started > SECONDS * 1000) break;
}
await pool.close();
await pool.join();

const after = samples.filter(({ at }) => at > SECONDS * WARM_UP);
const first = after.slice(0, Math.ceil(after.length / 4));
const last = after.slice(-first.length);
const compare = (what: keyof Sample): [number, number] => [
  median(first.map((sample) => sample[what])),
  median(last.map((sample) => sample[what])),
];
const [memoryBefore, memoryAfter] = compare("memory");
const [threadsBefore, threadsAfter] = compare("threads");
const [roundBefore, roundAfter] = compare("round");
console.log(
  `first quarter after the warm-up, and last: ${memoryBefore.toFixed(0)} and ${memoryAfter.toFixed(0)} MB, ` +
    `${threadsBefore} and ${threadsAfter} threads, ${roundBefore.toFixed(0)} and ${roundAfter.toFixed(0)} ms a round`,
);
if (memoryAfter > memoryBefore * (1 + PART) + SLACK) throw new Error("the memory grows");
if (threadsAfter > threadsBefore + 1) throw new Error("threads are left");
if (roundAfter > roundBefore * 2) throw new Error("it gets slower");
