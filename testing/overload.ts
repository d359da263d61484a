/**
 * Overload tests: producers that are faster than their consumers. The lead of the producers must be bounded, and so
 * must the memory.
 *
 *   deno run --allow-all --v8-flags=--expose-gc testing/overload.ts <seconds> [kind …]
 *
 * `tests/chaos/overload_test.ts` runs each kind in a separate process, for `OVERLOAD_SECONDS`. Each thread collects its
 * garbage ten times a second, so that the measured memory is the memory in use. Without the flag `--expose-gc` the
 * measure includes garbage: it depends on when V8 collects, and the bound is wider.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { delay } from "@std/async";
import { Pool, ProcessPoolExecutor, Queue, QueueFullError } from "../mod.ts";

declare global {
  /** Collects this thread's garbage, unless the last time was less than `every` milliseconds ago (100 by default). */
  var collect: (every?: number) => void;
}

const MIB = 2 ** 20;
const [seconds = "60", ...chosen] = Deno.args;
const SECONDS = Number(seconds);
const COLLECTS = "gc" in globalThis;
/** The part of the time that is warm-up, in which the memory may grow, and its maximum in seconds. */
const WARM = 0.4;
const WARM_MOST = 8;
/** The length in seconds of a run that is certain to warm up, even on a busy machine. */
const LONG = 20;
/** The growth of the memory that is allowed after the warm-up, in bytes. Unbounded growth takes as much in a second. */
const GROWTH = (COLLECTS && SECONDS >= LONG ? 32 : 160) * MIB;
/** The size in bytes at which a queue without `maxsize` is full. */
const FULL = 64 * MIB;
/** The number of chunks that are read ahead by default, for each worker. */
const AHEAD = 32;
const SIZE = 2;

/** Defines `collect()` on a thread. */
function initializer(): void {
  const { gc } = globalThis as { gc?: () => void };
  let last = 0;
  globalThis.collect = (every = 100) => {
    const now = performance.now();
    if (now < last + every) return;
    last = now;
    gc?.();
  };
}

/** Watches the memory during an overload. */
class Watch {
  #start = 0;
  #next = 0;
  /** The most memory in bytes during the warm-up (`base`), and after it (`most`). */
  base = 0;
  most = 0;

  /** Returns whether the run continues; its time starts with the first call. Measures the memory now and then. */
  goesOn(): boolean {
    collect();
    const now = performance.now();
    if (this.#start === 0) this.#start = now;
    if (now >= this.#next) {
      this.#next = now + 20;
      this.#look(now);
    }
    return now - this.#start < SECONDS * 1000;
  }

  /** Measures the memory once more, at the end. */
  end(): void {
    collect(0);
    this.#look(performance.now());
  }

  #look(now: number): void {
    const { rss } = Deno.memoryUsage();
    if (now - this.#start < Math.min(SECONDS * WARM, WARM_MOST) * 1000) {
      this.base = Math.max(this.base, rss);
      return;
    }
    this.most = Math.max(this.most, rss);
    const after = Math.round(now - this.#start);
    assert(rss - this.base < GROWTH, `${show(rss)} after ${after} ms, ${show(this.base)} when it was warm`);
  }
}

const show = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;

/** The kinds of overload, by name. */
export const kinds: Map<string, (watch: Watch) => Promise<void>> = new Map();
function overload(kind: string, run: (watch: Watch) => Promise<void>): void {
  kinds.set(kind, run);
}

/** An endless input that counts how many items were read. */
class Source {
  read = 0;
  closed = false;
  readonly #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  *items(): Generator<Uint8Array> {
    try {
      for (;;) yield this.#next();
    } finally {
      this.closed = true;
    }
  }

  async *later(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        await Promise.resolve();
        yield this.#next();
      }
    } finally {
      this.closed = true;
    }
  }

  *tuples(): Generator<[Uint8Array, number]> {
    for (const item of this.items()) yield [item, this.read];
  }

  #next(): Uint8Array {
    return new Uint8Array(this.#bytes).fill(++this.read & 255);
  }
}

const first = (bytes: Uint8Array): number => {
  collect();
  return bytes[0]!;
};
/** Takes longer than the making of its argument, and returns as many bytes. */
const slow = (bytes: Uint8Array): Uint8Array => {
  collect();
  for (const end = performance.now() + 1; performance.now() < end;);
  return bytes;
};

/** Reads results while `watch` continues. Checks their order, and that the input is read at most `most` items ahead. */
async function drain(
  watch: Watch,
  source: Source,
  results: AsyncIterator<number | Uint8Array>,
  { most, pause, ordered = true }: { most: number; pause: number; ordered?: boolean },
): Promise<void> {
  let given = 0;
  try {
    while (watch.goesOn()) {
      const { value, done } = await results.next();
      assert(!done, `the stream ended after ${given} items`);
      given++;
      const byte = typeof value === "number" ? value : value[0];
      if (ordered) assertEquals(byte, given & 255, `item ${given}`);
      assert(source.read - given <= most, `${source.read} items were read when ${given} were given`);
      if (pause > 0) await delay(pause);
    }
    assert(given > 0);
  } finally {
    await results.return!(); // also after a failure, or the input would never end
  }
  assert(source.closed);
  const { read } = source;
  await delay(5);
  assertEquals(source.read, read);
}

overload("imap() over an endless input, with a slow reader", async (watch) => {
  await using pool = new Pool(SIZE, { initializer });
  const source = new Source(100_000);
  await drain(watch, source, pool.imap(first, source.items()), { most: SIZE * AHEAD, pause: 1 });
});

overload("imap() over an endless input, with slow workers", async (watch) => {
  await using pool = new Pool(SIZE, { initializer });
  const source = new Source(100_000);
  await drain(watch, source, pool.imap(slow, source.items()), { most: SIZE * AHEAD, pause: 0 });
});

overload("imap() in chunks over an endless async input", async (watch) => {
  await using pool = new Pool(SIZE, { initializer });
  const source = new Source(20_000);
  const results = pool.imap(slow, source.later(), { chunksize: 4 });
  await drain(watch, source, results, { most: 4 * SIZE * AHEAD, pause: 0 });
});

overload("imapUnordered() with a buffersize, on workers that are replaced", async (watch) => {
  await using pool = new Pool(SIZE, { maxTasksPerChild: 100, initializer });
  const source = new Source(100_000);
  const results = pool.imapUnordered(first, source.items(), { buffersize: 5 });
  await drain(watch, source, results, { most: 5, pause: 1, ordered: false });
});

overload("istarmap() with a reader who looks away for long", async (watch) => {
  await using pool = new Pool(SIZE, { initializer });
  const source = new Source(100_000);
  const run = (bytes: Uint8Array, _n: number): number => {
    collect();
    return bytes[0]!;
  };
  await drain(watch, source, pool.istarmap(run, source.tuples()), { most: SIZE * AHEAD, pause: 20 });
});

overload("an executor's map() with a buffersize, with slow workers", async (watch) => {
  await using executor = new ProcessPoolExecutor(SIZE, { initializer });
  const source = new Source(100_000);
  const results = executor.map(slow, source.items(), { buffersize: 3, chunksize: 2 });
  await drain(watch, source, results, { most: 6, pause: 0 });
});

/** Takes items until it gets null. Returns how many there were, and how many of them were out of order. */
const consume = (queue: Queue<Uint8Array | null>, pause: number): [count: number, wrong: number] => {
  let count = 0;
  let wrong = 0;
  for (let item = queue.get(); item !== null; item = queue.get()) {
    collect();
    if (item[0] !== (++count & 255)) wrong++;
    for (const end = performance.now() + pause; performance.now() < end;);
  }
  return [count, wrong];
};

overload("putAsync() into a queue with a maxsize, and a slow consumer", async (watch) => {
  const queue = new Queue<Uint8Array | null>(10);
  using pool = new Pool(1, { initializer });
  const consumed = pool.apply(consume, [queue, 1]);
  let put = 0;
  while (watch.goesOn()) {
    await queue.putAsync(new Uint8Array(100_000).fill(++put & 255));
    assert(queue.qsize() <= 10, `${queue.qsize()} items`);
  }
  await queue.putAsync(null);
  assertEquals(await consumed, [put, 0]);
});

overload("put() of a worker into a queue with a maxsize, and a slow consumer here", async (watch) => {
  const queue = new Queue<Uint8Array>(10);
  const scope = { queue };
  await using pool = new Pool(1, { scope, initializer });
  const put = pool.apply(() => {
    for (let put = 1;; put++) {
      try {
        collect();
        queue.put(new Uint8Array(100_000).fill(put & 255));
      } catch {
        return put - 1; // the queue is closed
      }
    }
  });
  let got = 0;
  while (watch.goesOn()) {
    assertEquals((await queue.getAsync())[0], ++got & 255);
    assert(queue.qsize() <= 10, `${queue.qsize()} items`);
    await delay(1);
  }
  queue.close();
  while (!queue.empty()) assertEquals(queue.get()[0], ++got & 255);
  assertEquals(await put, got);
});

overload("putAsync() into a queue without a maxsize, and a slow consumer", async (watch) => {
  const queue = new Queue<Uint8Array | null>();
  using pool = new Pool(1, { initializer });
  const consumed = pool.apply(consume, [queue, 1]);
  const bytes = 250_000;
  let put = 0;
  const produce = async (): Promise<void> => {
    await queue.putAsync(new Uint8Array(bytes).fill(++put & 255));
    // An item that begins below the limit still fits.
    assert(queue.qsize() * bytes < FULL + bytes, `${queue.qsize()} items`);
  };
  while (!queue.full()) await produce();
  while (watch.goesOn()) await produce();
  await queue.putAsync(null);
  assertEquals(await consumed, [put, 0]);
});

overload("a queue without a maxsize that nobody empties: full at 64 MiB, again and again", async (watch) => {
  const queue = new Queue<Uint8Array>();
  const round = async (): Promise<void> => {
    // A record is a little larger than its bytes, so that 64 of them exceed the limit.
    for (let i = 0; i < 64; i++) queue.put(new Uint8Array(MIB).fill(i), { block: false });
    assert(queue.full());
    assertThrows(() => queue.put(new Uint8Array(1), { block: false }), QueueFullError);
    assertThrows(() => queue.put(new Uint8Array(1), { timeout: 2 }), QueueFullError);
    await assertRejects(() => queue.putAsync(new Uint8Array(1), { timeout: 2 }), QueueFullError);
    const signal = AbortSignal.timeout(2);
    await assertRejects(() => queue.putAsync(new Uint8Array(1), { signal }), DOMException);
    const waiting = queue.putAsync(new Uint8Array(MIB).fill(64));
    for (let i = 0; i < 65; i++) {
      const item = await queue.getAsync();
      assertEquals([item.length, item[0], item[MIB - 1]], [MIB, i, i]);
    }
    await waiting;
    assert(queue.empty());
    collect(0); // a round leaves more garbage than any other kind does between two measurements
  };
  for (let i = 0; i < 3; i++) await round(); // after these rounds the memory grows no more
  while (watch.goesOn()) await round();
});

if (import.meta.main) {
  initializer();
  for (const kind of chosen.length > 0 ? chosen : kinds.keys()) {
    const watch = new Watch();
    await kinds.get(kind)!(watch);
    watch.end();
    console.log(`${kind}: ${show(watch.base)} when it was warm, ${show(watch.most)} at most after that`);
  }
}
