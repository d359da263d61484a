/**
 * Child processes that die all the time, in every way they can, beside calls of every kind: each call settles once, with its
 * value or with an error that it may have, and no task runs twice.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { BrokenProcessPoolError, CancelledError, Pool, SerializationError, TimeoutError } from "../../mod.ts";
import { processes } from "../../processes/mod.ts";
import { test } from "../../testing/counted_processes.ts";
import { random } from "../../testing/random.ts";

const SEEDS = [4, 5, 15];
/** The number of calls of one seed. */
const CALLS = 200;
/** The most processes that are killed from outside for one seed: each takes a while to be replaced. */
const MOST_KILLS = 15;
/** The number of processes that are killed beside real work. */
const KILLS = 60;

// The tasks. Each of them first records its number and that of its process.

declare const note: (file: string, id: number) => void;

/** The result of a task: its number, and that of its process. */
interface Done {
  readonly id: number;
  readonly pid: number;
}

/** Records that a task has begun. */
function noteLine(file: string, id: number): void {
  Deno.writeTextFileSync(file, `${id} ${Deno.pid}\n`, { append: true });
}

const fast = (file: string, id: number): Done => {
  note(file, id);
  return { id, pid: Deno.pid };
};
const item = (file: string, [id, time]: readonly [number, number]): number => {
  note(file, id);
  const end = performance.now() + time;
  while (performance.now() < end);
  return id;
};
const slow = (file: string, id: number, time: number): Done => {
  note(file, id);
  const end = performance.now() + time;
  while (performance.now() < end);
  return { id, pid: Deno.pid };
};
const awaits = async (file: string, id: number, time: number): Promise<Done> => {
  note(file, id);
  await new Promise((resolve) => setTimeout(resolve, time));
  return { id, pid: Deno.pid };
};
const throws = (file: string, id: number): never => {
  note(file, id);
  throw new RangeError(`thrown ${id}`);
};
const grows = (file: string, id: number, bytes: Uint8Array): Uint8Array => {
  note(file, id);
  return bytes.map((byte) => byte + 1);
};
const exits = (file: string, id: number, code: number): void => {
  note(file, id);
  Deno.exit(code);
};
const killsItself = (file: string, id: number): void => {
  note(file, id);
  Deno.kill(Deno.pid, "SIGKILL");
  for (;;);
};
const fails = (file: string, id: number): Promise<never> => {
  note(file, id);
  setTimeout(() => {
    throw new RangeError(`stray ${id}`);
  });
  return new Promise(() => {});
};
const loops = (file: string, id: number): never => {
  note(file, id);
  for (;;);
};
const unsendable = (file: string, id: number): symbol => {
  note(file, id);
  return Symbol("result");
};

/** The outcome of a call. */
type Outcome = PromiseSettledResult<unknown>;

/** A call whose outcome is checked. */
interface Call {
  readonly kind: string;
  /** The numbers of its tasks, each of which has run once if the call has succeeded. */
  readonly ids: readonly number[];
  /** True if its own process dies by it. */
  readonly dies: boolean;
  /** Returns whether the call may have this outcome, beside a process that was killed. */
  readonly allows: (outcome: Outcome) => boolean;
  outcome: Outcome | undefined;
  settled: number;
}

const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
const failedWith = (type: new (...args: never[]) => unknown) => (outcome: Outcome): boolean =>
  outcome.status === "rejected" && outcome.reason instanceof type;

/** Runs calls of every kind while processes are killed, and checks all of them. */
async function chaos(seed: number): Promise<void> {
  const below = random(seed);
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const file = await Deno.makeTempFile();
  const concurrency = oneOf([1, 1, 1, 4]);
  const pool = new Pool(1 + below(3), {
    backend: processes(),
    scope: { note: noteLine },
    concurrency,
    ...(below(3) === 0 && { maxTasksPerChild: 10 + below(30) }),
    ...(below(3) === 0 && { idleTimeout: 1 + below(20) }),
  });
  const calls: Call[] = [];
  const pending: Promise<void>[] = [];
  const pids = new Set<number>();
  let nextId = 0;
  let kills = 0;
  let terminated = false;

  const add = (
    kind: string,
    ids: number[],
    promise: Promise<unknown>,
    allows: Call["allows"],
    dies = false,
  ): void => {
    const call: Call = { kind, ids, dies, allows, outcome: undefined, settled: 0 };
    calls.push(call);
    pending.push(
      promise.then(
        (value): Outcome => ({ status: "fulfilled", value }),
        (reason: unknown): Outcome => ({ status: "rejected", reason }),
      ).then((outcome) => {
        call.outcome = outcome;
        call.settled++;
        for (const done of outcome.status === "fulfilled" ? [outcome.value].flat() : []) {
          if (typeof done === "object" && done !== null && "pid" in done) pids.add(done.pid as number);
        }
      }),
    );
  };
  const gives = (id: number) => (outcome: Outcome): boolean =>
    outcome.status === "fulfilled" && (outcome.value as Done).id === id;
  /** Returns a check of the results of a map; `sorted`: in the order of the input. */
  const givesAll = (ids: readonly number[], sorted: boolean) => (outcome: Outcome): boolean => {
    if (outcome.status === "rejected") return false;
    const values = outcome.value as number[];
    return (sorted ? values : values.toSorted((a, b) => a - b)).join() === ids.join();
  };
  const ids = (count: number): number[] => Array.from({ length: count }, () => nextId++);

  const kinds: Record<string, () => void> = {
    burst: () => {
      for (const id of ids(1 + below(40))) add("burst", [id], pool.apply(fast, [file, id]), gives(id));
    },
    slow: () => {
      const [id] = ids(1);
      add("slow", [id!], pool.apply(slow, [file, id!, below(40)]), gives(id!));
    },
    awaits: () => {
      const [id] = ids(1);
      add("awaits", [id!], pool.apply(awaits, [file, id!, below(30)]), gives(id!));
    },
    throws: () => {
      const [id] = ids(1);
      add("throws", [id!], pool.apply(throws, [file, id!]), failedWith(RangeError));
    },
    large: () => {
      const [id] = ids(1);
      const bytes = new Uint8Array(100_000 + below(1_000_000)).fill(id! & 127);
      const right = (outcome: Outcome): boolean =>
        outcome.status === "fulfilled" && outcome.value instanceof Uint8Array &&
        outcome.value.length === bytes.length &&
        outcome.value.every((byte) => byte === (id! & 127) + 1);
      add("large", [id!], pool.apply(grows, [file, id!, bytes]), right);
    },
    exits: () => {
      const [id] = ids(1);
      add("exits", [id!], pool.apply(exits, [file, id!, below(3)]), failedWith(BrokenProcessPoolError), true);
    },
    killsItself: () => {
      const [id] = ids(1);
      add("killsItself", [id!], pool.apply(killsItself, [file, id!]), failedWith(BrokenProcessPoolError), true);
    },
    fails: () => {
      const [id] = ids(1);
      add("fails", [id!], pool.apply(fails, [file, id!]), failedWith(BrokenProcessPoolError), true);
    },
    loops: () => {
      const [id] = ids(1);
      const promise = pool.apply(loops, [file, id!], { taskTimeout: 10 + below(40) });
      add("loops", [id!], promise, failedWith(TimeoutError), true);
    },
    sleeps: () => {
      const [id] = ids(1);
      const promise = pool.apply(awaits, [file, id!, 5000], { taskTimeout: 10 + below(40) });
      add("sleeps", [id!], promise, failedWith(TimeoutError), true);
    },
    unsendable: () => {
      const [id] = ids(1);
      if (below(2) === 0) add("result", [id!], pool.apply(unsendable, [file, id!]), failedWith(SerializationError));
      else add("argument", [], pool.apply((s: symbol) => s, [Symbol("argument")]), failedWith(SerializationError));
    },
    map: () => {
      const all = ids(1 + below(60));
      const items = all.map((id) => [file, [id, below(20) === 0 ? below(10) : 0]] as const);
      const promise = pool.starmap(item, items, { chunksize: 1 + below(10) });
      add("starmap", all, promise, givesAll(all, true));
    },
    stream: () => {
      const all = ids(1 + below(60));
      const sorted = below(2) === 0;
      const most = below(3) === 0 ? below(all.length) : Infinity;
      const one = new Function("pair", `note(${JSON.stringify(file)}, pair); return pair;`) as (id: number) => number;
      const options = { chunksize: 1 + below(5) };
      const read = async (): Promise<number[]> => {
        const values: number[] = [];
        for await (const value of sorted ? pool.imap(one, all, options) : pool.imapUnordered(one, all, options)) {
          values.push(value);
          if (values.length >= most) return all; // the others may run or not
        }
        return values;
      };
      add(sorted ? "imap" : "imapUnordered", most === Infinity ? all : [], read(), givesAll(all, sorted));
    },
    broadcast: () => {
      const controller = new AbortController();
      const promise = pool.broadcast(() => ({ pid: Deno.pid }), [], { signal: controller.signal });
      const aborts = below(3) === 0;
      if (aborts) setTimeout(() => controller.abort(new RangeError("aborted")), below(20));
      const right = (outcome: Outcome): boolean =>
        outcome.status === "fulfilled"
          ? (outcome.value as Done[]).every(({ pid }) => pid !== Deno.pid)
          : aborts && outcome.reason instanceof RangeError;
      add("broadcast", [], promise, right);
    },
    aborted: () => {
      const [id] = ids(1);
      const controller = new AbortController();
      const promise = pool.apply(slow, [file, id!, below(10)], { signal: controller.signal });
      const when = below(40);
      if (when < 10) controller.abort(new RangeError("aborted"));
      else setTimeout(() => controller.abort(new RangeError("aborted")), when - 10);
      const right = gives(id!);
      add("aborted", [id!], promise, (outcome) => right(outcome) || failedWith(RangeError)(outcome));
    },
    callbacks: () => {
      const [id] = ids(1);
      let called = 0;
      const options = { callback: () => called++, errorCallback: () => called++ };
      const right = gives(id!);
      const result = pool.applyAsync(fast, [file, id!], options);
      add("callbacks", [id!], result.get(), (outcome) => called === 1 && right(outcome));
    },
    getter: () => {
      const [id, inner] = ids(2);
      let nested = false;
      const argument = {
        get file(): string {
          if (!nested && !terminated) add("nested", [inner!], pool.apply(fast, [file, inner!]), gives(inner!));
          nested = true;
          return file;
        },
      };
      const call = (from: { file: string }, id: number): Done => {
        note(from.file, id);
        return { id, pid: Deno.pid };
      };
      add("getter", [id!], pool.apply(call, [argument, id!]), gives(id!));
    },
  };
  const names = Object.keys(kinds);
  const weights = names.flatMap((name) => Array<string>(name === "burst" ? 4 : 1).fill(name));
  const watch = setInterval(() => {
    const { queued, running, workers } = pool.stats();
    assert(queued >= 0 && running >= 0 && workers <= pool.size, `${queued} ${running} ${workers}`);
  }, 1);
  const killer = setInterval(() => {
    if (below(3) > 0 || kills === MOST_KILLS) return;
    const pid = [...pids][below(pids.size)];
    if (pid === undefined) return;
    pids.delete(pid);
    try {
      Deno.kill(pid, "SIGKILL");
      kills++;
    } catch {
      // It has ended already.
    }
  }, 10);
  try {
    const ends = below(4) === 0 ? below(CALLS) : Infinity;
    while (calls.length < CALLS) {
      if (calls.length >= ends) {
        terminated = true;
        pool.terminate();
        break;
      }
      kinds[oneOf(weights)]!();
      const pause = below(8);
      if (pause === 0) await wait(below(30));
      else if (pause === 1) await Promise.resolve();
      else if (pause === 2) await Promise.race(pending);
      else if (pause === 3) { for (const end = performance.now() + below(60); performance.now() < end;); }
    }
    for (let settled = 0; settled < pending.length;) {
      settled = pending.length; // getters may add some
      const late = setTimeout(() => {
        const open = calls.filter((call) => call.settled === 0).map(({ kind, ids }) => `${kind} ${ids}`);
        console.error("still pending:", open, pool.stats());
      }, 15_000);
      await Promise.all(pending);
      clearTimeout(late);
    }
  } finally {
    clearInterval(watch);
    clearInterval(killer);
  }
  pool.close();
  await pool.join();
  const { queued, running, workers } = pool.stats();
  assertEquals([queued, running, workers], [0, 0, 0]);

  const runs = new Map<number, number>();
  for (const line of (await Deno.readTextFile(file)).trim().split("\n")) {
    const id = Number(line.split(" ")[0]);
    runs.set(id, (runs.get(id) ?? 0) + 1);
  }
  await Deno.remove(file);
  assertEquals([...runs].filter(([, count]) => count > 1), [], "a task ran twice");
  let failures = 0;
  for (const { kind, ids, dies, allows, outcome, settled } of calls) {
    assertEquals(settled, 1);
    if (outcome!.status === "fulfilled") { for (const id of ids) assertEquals(runs.get(id), 1, `${kind} ${id}`); }
    if (allows(outcome!)) continue;
    const reason: unknown = outcome!.status === "rejected" ? outcome!.reason : outcome!.value;
    if (terminated && reason instanceof CancelledError) continue;
    assertInstanceOf(reason, BrokenProcessPoolError, `${kind} ${ids}: ${reason}`);
    if (!dies) failures++;
  }
  if (concurrency === 1) assert(failures <= kills, `${failures} calls failed by ${kills} kills`);
}

/** Runs a test without the text that processes print. */
async function quietly(run: () => Promise<void>): Promise<void> {
  const { writeSync } = Deno.stderr;
  const { warn } = console;
  Deno.stderr.writeSync = ({ length }) => length;
  console.warn = () => {};
  try {
    await run();
  } finally {
    Deno.stderr.writeSync = writeSync;
    console.warn = warn;
  }
}

for (const seed of SEEDS) test(`chaos of processes, seed ${seed}`, () => quietly(() => chaos(seed)));

test(`${KILLS} kills by SIGKILL beside real work: nothing is lost but what ran`, async () => {
  const file = await Deno.makeTempFile();
  const pool = new Pool(3, { backend: processes(), scope: { note: noteLine } });
  const below = random(1);
  const outcomes: Promise<unknown>[] = [];
  let id = 0;
  let killed = 0;
  let alive: number[] = [];
  while (killed < KILLS) {
    for (let i = 0; i < 60; i++) {
      const n = id++;
      const call = i % 20 === 0 ? pool.apply(slow, [file, n, 10]) : pool.apply(fast, [file, n]);
      outcomes.push(call.then((value) => {
        alive.push(value.pid);
        assertEquals(value.id, n);
        return n;
      }, (error: unknown) => error));
    }
    await wait(below(12));
    const pid = alive.at(-1 - below(Math.min(3, alive.length)));
    if (pid === undefined) {
      await Promise.race(outcomes.slice(-60));
      continue;
    }
    alive = alive.filter((other) => other !== pid);
    try {
      Deno.kill(pid, "SIGKILL");
      killed++;
    } catch {
      // It has ended already.
    }
  }
  const values = await Promise.all(outcomes);
  pool.close();
  await pool.join();
  const failed = values.filter((value) => typeof value !== "number");
  for (const error of failed) assertInstanceOf(error, BrokenProcessPoolError);
  assert(failed.length <= killed, `${failed.length} calls failed by ${killed} kills`);
  const runs = (await Deno.readTextFile(file)).trim().split("\n").map((line) => Number(line.split(" ")[0]));
  await Deno.remove(file);
  assertEquals(runs.length, new Set(runs).size, "a task ran twice");
  assertEquals(values.filter((value) => typeof value === "number" && !runs.includes(value)), []);
});
