/**
 * Everything at once, from a seed: tasks of every kind, by every call, over pools and executors that come and go. Each
 * call settles once, in bounded time, with its own value or an error that fits what was done to it, and nothing is left.
 *
 * `CHAOS_SEED=n deno test -A tests/chaos/chaos_all_test.ts` replays one seed, `CHAOS_SEEDS=n` runs many, `CHAOS_TASKS=20000` makes
 * each of them longer, in parts of up to 500 tasks. `--filter "seed 7, part 3"` replays one part.
 */

import { deadline, delay } from "@std/async";
import {
  asCompleted,
  Barrier,
  BoundedSemaphore,
  BrokenBarrierError,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  Condition,
  Event,
  type ExecutorMapOptions,
  type Future,
  type ImapOptions,
  Lock,
  Pool,
  type PoolStats,
  ProcessPoolExecutor,
  Queue,
  QueueEmptyError,
  SerializationError,
  ThreadPool,
  ThreadPoolExecutor,
  TimeoutError,
  transfer,
  Value,
  wait,
} from "../../mod.ts";
import { random } from "../../testing/random.ts";
import { test } from "../../testing/counted_workers.ts";

/** The most tasks of one part, which has to end within the limit of `test`. */
const PART = 500;
/** How long all may take to settle after the last call, in milliseconds. */
const SETTLING = 15_000;

type Draw = (below: number) => number;

// What the tasks share.

interface Things {
  /** How often each task has begun. */
  begun: Int32Array<SharedArrayBuffer>;
  /** How many workers have run the initializer, by box. */
  starts: Int32Array<SharedArrayBuffer>;
  /** Held by the main thread all the time. */
  held: Lock;
  /** Guards `a` and `b`, which are the same outside of it, unless its holder died. */
  lock: Lock;
  a: Value<"i">;
  b: Value<"i">;
  wrong: Value<"i">;
  /** Never gets anything. */
  empty: Queue<number>;
  /** Never has room. */
  full: Queue<number>;
  queue: Queue<[n: number, beside?: unknown]>;
  narrow: Queue<[n: number, beside?: unknown]>;
  never: Event;
  event: Event;
  lonely: Barrier;
  pair: Barrier;
  none: BoundedSemaphore;
  few: BoundedSemaphore;
  unnotified: Condition;
  condition: Condition;
}

function makeThings(): Things {
  const full = new Queue<number>(1);
  full.put(0);
  const none = new BoundedSemaphore(1);
  none.acquire();
  return {
    begun: new Int32Array(new SharedArrayBuffer(4 * 4 * PART)),
    starts: new Int32Array(new SharedArrayBuffer(4 * PART)),
    held: new Lock(),
    lock: new Lock(),
    a: new Value("i"),
    b: new Value("i"),
    wrong: new Value("i"),
    empty: new Queue(),
    full,
    queue: new Queue(),
    narrow: new Queue(3),
    never: new Event(),
    event: new Event(),
    lonely: new Barrier(1000),
    pair: new Barrier(2),
    none,
    few: new BoundedSemaphore(3),
    unnotified: new Condition(new Lock()),
    condition: new Condition(new Lock()),
  };
}

/** Those of the part that runs. In workers it comes by `scope`. */
let things = makeThings();

// What tasks do.

const HARMLESS = ["fast", "slow", "async", "large", "echo", "takes"] as const;
const OUTSIDE = ["rejects", "throwsInTimer", "throwsInMicrotask", "reports"] as const;
const SHARING = ["put", "get", "event", "meet", "permit", "notify", "waitABit"] as const;
const PAIRED = ["lock", "lockAsync", "diesLocked", "loopsLocked"] as const;
const DYING = [
  "exits",
  "closes",
  "exitsProcess",
  "exitsLater",
  "exitsInTimer",
  "closesInTimer",
  "exitsInMicrotask",
  "exitsInResult",
  "diesLocked",
] as const;
const BLOCKED = [
  "blockedLock",
  "blockedGet",
  "blockedPut",
  "blockedEvent",
  "blockedBarrier",
  "blockedPermit",
  "blockedCondition",
  "blockedLockAsync",
  "blockedGetAsync",
  "blockedEventAsync",
  "stalls",
] as const;

type Kind =
  | typeof HARMLESS[number]
  | typeof OUTSIDE[number]
  | typeof SHARING[number]
  | typeof PAIRED[number]
  | typeof DYING[number]
  | typeof BLOCKED[number]
  | "throws"
  | "unsendable"
  | "unsendableArgument"
  | "loops"
  | "loopsLater";

type Item = [kind: Kind, n: number, size: number, load?: unknown];

function isOneOf(kinds: readonly Kind[], kind: Kind): boolean {
  return kinds.includes(kind);
}

/** A value of some size, known by its number. */
function makeLoad(n: number, size: number): unknown {
  switch (n % 6) {
    case 0:
      return Array.from({ length: size }, (_, i) => n + i);
    case 1:
      return new Float64Array(size).fill(n + 0.5);
    case 2:
      return String(n % 10).repeat(size);
    case 3:
      return new Uint8Array(size).fill(n & 255);
    case 4:
      return new Array(size >> 3).fill(`text ${n}`);
    default:
      return { n, deep: [{ list: new Array(size >> 2).fill(n) }], map: new Map([[n, new Set([n])]]) };
  }
}

function isLoad(n: number, size: number, value: unknown): boolean {
  if (typeof value !== "string" && !(value instanceof Object)) return false;
  const list = value as ArrayLike<unknown>;
  const same = (length: number, at: (i: number) => unknown): boolean =>
    list.length === length && [0, length >> 1, length - 1].every((i) => i < 0 || i >= length || list[i] === at(i));
  switch (n % 6) {
    case 0:
      return Array.isArray(value) && same(size, (i) => n + i);
    case 1:
      return value instanceof Float64Array && same(size, () => n + 0.5);
    case 2:
      return typeof value === "string" && same(size, () => String(n % 10));
    case 3:
      return value instanceof Uint8Array && same(size, () => n & 255);
    case 4:
      return Array.isArray(value) && same(size >> 3, () => `text ${n}`);
    default: {
      const { n: m, deep, map } = value as { n: number; deep: { list: number[] }[]; map: Map<number, Set<number>> };
      return m === n && deep?.[0]?.list.length === size >> 2 && map.get(n)?.has(n) === true;
    }
  }
}

function throwFor(n: number, size: number): never {
  switch (size % 9) {
    case 0:
      throw new RangeError(String(n));
    case 1:
      throw Object.assign(new TypeError(String(n)), { n });
    case 2:
      throw new AggregateError([new RangeError("one"), "two"], String(n));
    case 3:
      throw new (class Odd extends Error {
        override name = "Odd";
      })(String(n));
    case 4:
      throw `text ${n}`;
    case 5:
      throw { n };
    case 6:
      throw new DOMException(String(n), "DataError");
    case 7:
      throw new Error(String(n), { cause: new RangeError("cause") });
    default:
      throw undefined;
  }
}

function isThrown(n: number, size: number, error: unknown): boolean {
  const of = (Class: abstract new (...args: never[]) => Error): boolean =>
    error instanceof Class && error.message === String(n);
  switch (size % 9) {
    case 0:
      return of(RangeError);
    case 1:
      return of(TypeError) && (error as { n?: number }).n === n;
    case 2:
      return of(AggregateError) && (error as AggregateError).errors[0] instanceof RangeError;
    case 3:
      return of(Error) && (error as Error).name === "Odd";
    case 4:
      return error === `text ${n}`;
    case 5:
      return (error as { n?: number } | undefined)?.n === n;
    case 6:
      return error instanceof DOMException && error.name === "DataError" && error.message === String(n);
    case 7:
      return of(Error) && (error as Error).cause instanceof RangeError;
    default:
      return error === undefined;
  }
}

/** Does what `kind` says, in a worker. Sent by source: it sees `things`, `makeLoad`, `throwFor` and `change`. */
function work(kind: Kind, n: number, size: number, load?: unknown): unknown {
  Atomics.add(things.begun, n, 1);
  const wakeAfter = (run: () => unknown): Promise<never> => new Promise<never>(() => setTimeout(run, 1));
  switch (kind) {
    case "fast":
    case "takes":
      return n;
    case "slow":
      for (const end = performance.now() + 1 + n % 3; performance.now() < end;);
      return n;
    case "async":
      return new Promise((resolve) => setTimeout(resolve, n % 3, n));
    case "large":
      return makeLoad(n, size);
    case "echo":
      return load;
    case "throws":
      return throwFor(n, size);
    case "unsendable":
      return Symbol(n);
    case "unsendableArgument":
      return n;
    case "rejects":
      Promise.reject("on purpose, by chaos");
      return n;
    case "throwsInTimer":
      setTimeout(() => {
        throw "on purpose, by chaos";
      });
      return n;
    case "throwsInMicrotask":
      queueMicrotask(() => {
        throw "on purpose, by chaos";
      });
      return n;
    case "reports":
      reportError("on purpose, by chaos");
      return n;
    case "exits":
      return Deno.exit(n & 127);
    case "closes":
      return self.close();
    case "exitsProcess":
      return (globalThis as unknown as { process: typeof Deno }).process.exit(n & 127);
    case "exitsLater":
      return Promise.resolve().then(() => Deno.exit(n & 127));
    case "exitsInTimer":
      return wakeAfter(() => Deno.exit(n & 127));
    case "closesInTimer":
      return wakeAfter(() => self.close());
    case "exitsInMicrotask":
      queueMicrotask(() => Deno.exit(n & 127));
      return new Promise(() => {});
    case "exitsInResult":
      return {
        get value() {
          return Deno.exit(n & 127);
        },
      };
    case "loops":
      for (;;);
    case "loopsLater":
      return Promise.resolve().then(() => {
        for (const end = performance.now() + 1200; performance.now() < end;);
        return n;
      });
    case "stalls":
      return new Promise(() => {});
    case "blockedLock":
      return things.held.acquire();
    case "blockedGet":
      return things.empty.get();
    case "blockedPut":
      return things.full.put(n);
    case "blockedEvent":
      return things.never.wait();
    case "blockedBarrier":
      return things.lonely.wait();
    case "blockedPermit":
      return things.none.acquire();
    case "blockedCondition":
      things.unnotified.acquire();
      return things.unnotified.wait();
    case "blockedLockAsync":
      return things.held.acquireAsync();
    case "blockedGetAsync":
      return things.empty.getAsync();
    case "blockedEventAsync":
      return things.never.waitAsync();
    case "put": {
      const beside = size % 7 === 0 ? things.lock : size % 7 === 1 ? new Uint8Array(size) : undefined;
      (size % 2 === 0 ? things.queue : things.narrow).put([n, beside]);
      return n;
    }
    case "get":
      return -1 - (size % 2 === 0 ? things.queue : things.narrow).get()[0];
    case "event":
      things.event.wait();
      return n;
    case "meet":
      return things.pair.wait() < 2 ? n : undefined;
    case "permit":
      if (things.few.acquire({ timeout: 20 })) things.few.release();
      return n;
    case "notify": {
      using _ = things.condition.hold();
      things.condition.notifyAll();
      return n;
    }
    case "waitABit": {
      using _ = things.condition.hold();
      things.condition.wait(5);
      return n;
    }
    case "lock": {
      using _ = things.lock.hold();
      change(() => {});
      return n;
    }
    case "lockAsync":
      return things.lock.acquireAsync().then(() => {
        change(() => {});
        things.lock.release();
        return n;
      });
    case "diesLocked":
      things.lock.acquire();
      return change(() => Deno.exit(n & 127));
    case "loopsLocked":
      things.lock.acquire();
      return change(() => {
        for (;;);
      });
  }
}

/** One step in two halves, under the lock: whoever finds half of one can tell that its holder died. */
function change(between: () => void): void {
  const { a, b, lock, wrong } = things;
  if (a.value !== b.value) {
    if (!lock.recovered) wrong.add(1);
    b.value = a.value;
  }
  a.value += 1;
  between();
  b.value += 1;
}

/** The same where tasks take turns with the test itself: they may not block, and nothing ends them. */
async function localWork(kind: Kind, n: number, size: number, load?: unknown): Promise<unknown> {
  Atomics.add(things.begun, n, 1);
  switch (kind) {
    case "async":
      return await new Promise((resolve) => setTimeout(resolve, n % 3, n));
    case "large":
      return makeLoad(n, size);
    case "echo":
      return load;
    case "throws":
      return throwFor(n, size);
    case "stalls":
      return await new Promise(() => {});
    case "put":
      await things.queue.putAsync([n]);
      return n;
    case "get":
      return -1 - (await things.queue.getAsync({ timeout: 5 }))[0];
    case "event":
      await things.event.waitAsync(5);
      return n;
    case "permit":
      if (await things.few.acquireAsync({ timeout: 5 })) things.few.release();
      return n;
    case "notify":
    case "waitABit": {
      await using _ = await things.condition.holdAsync();
      if (kind === "notify") things.condition.notifyAll();
      else await things.condition.waitAsync(5);
      return n;
    }
    default:
      return n;
  }
}

const workOn = (item: Item): unknown => work(...item);
const localWorkOn = (item: Item): unknown => localWork(...item);
const workOnAll = (n: number): number => Atomics.add(things.begun, n, 1);

// Pools and executors.

type PoolLike = Omit<Pool, `${string}Sync` | "trace">;
type ExecutorLike = Pick<ProcessPoolExecutor, "submit" | "map" | "shutdown">;

type Ending = "close" | "dispose" | "terminate" | "cancel" | "leave";

/** A pool or an executor, and what was done to it. */
interface Box {
  readonly name: string;
  readonly pool: PoolLike | undefined;
  /** The same, if it has workers. */
  readonly workers: Pool | undefined;
  readonly executor: ExecutorLike | undefined;
  readonly process: ProcessPoolExecutor | undefined;
  readonly local: boolean;
  readonly size: number;
  readonly ending: Ending;
  /** Tasks may wait in it for ever, as it will be terminated. */
  readonly doomed: boolean;
  /** Nothing in it waits for anything but its own workers, so that this thread may block for it. */
  readonly quiet: boolean;
  /** Its workers do not start for ever. */
  readonly cursed: boolean;
  calls: number;
  deathCount: number;
  /** Tasks that may leave an error behind, by which whatever runs then on their worker fails. */
  strays: number;
  ended: boolean;
  terminated: boolean;
  cancelled: boolean;
  broken: boolean;
}

function makeBox(number: number, pick: Draw): Box {
  const shape = ["pool", "pool", "pool", "processes", "processes", "threads", "thread executor"][pick(7)]!;
  const local = shape === "threads" || shape === "thread executor";
  const size = 1 + pick(3);
  const ending = (["close", "dispose", "terminate", "cancel", "leave"] as const)[pick(5)]!;
  const stoppable = shape !== "thread executor" && ending === "terminate";
  const cursed = pick(15) === 0;
  const quiet = pick(4) === 0;
  const after = pick(3);
  const fails = pick(2) === 0;
  const initializer = (box: number, after: number, fails: boolean, local: boolean): void => {
    if (Atomics.add(things.starts, box, 1) < after) return;
    if (fails || local) throw new RangeError("cursed");
    Deno.exit(9);
  };
  const initargs = [number, cursed ? after : Infinity, fails, local] as const;
  const options = {
    initializer,
    initargs,
    scope: { things, makeLoad, throwFor, change, work },
    ...(pick(4) === 0 && !quiet && { maxTasksPerChild: pick(4) === 0 ? 1 : 4 + pick(20) }),
    ...(pick(3) === 0 && { idleTimeout: 1 + pick(20) }),
    name: `Box-${number}`,
  };
  const workers = shape === "pool" ? new Pool(size, options) : undefined;
  const process = shape === "processes" ? new ProcessPoolExecutor(size, options) : undefined;
  const own = { initializer, initargs };
  return {
    name: `${shape} ${number} of ${size}${cursed ? `, cursed after ${after}` : ""}, to ${ending}`,
    pool: shape === "threads" ? new ThreadPool(size, own) : workers,
    workers,
    executor: shape === "thread executor" ? new ThreadPoolExecutor(size, own) : process,
    process,
    local,
    size,
    ending,
    doomed: stoppable && pick(3) === 0,
    quiet,
    cursed,
    calls: 0,
    deathCount: 0,
    strays: 0,
    ended: false,
    terminated: false,
    cancelled: false,
    broken: false,
  };
}

/** Ends a box in its way: resolves when it is gone. */
async function end(box: Box): Promise<void> {
  const { pool, executor, process, ending } = box;
  box.ended = true;
  if (pool !== undefined) {
    if (ending === "terminate") {
      box.terminated = true;
      pool.terminate();
      pool.close();
    } else if (ending === "dispose") {
      return await pool[Symbol.asyncDispose]();
    } else {
      pool.close();
    }
    return await pool.join();
  }
  if (process !== undefined && ending === "terminate") {
    box.broken = box.cancelled = true;
    process.terminateWorkers();
  } else if (ending === "cancel") {
    box.cancelled = true;
    return await executor!.shutdown({ cancelFutures: true });
  } else if (ending === "leave") {
    await executor!.shutdown({ wait: false });
  }
  await executor!.shutdown();
}

// Calls.

interface Call {
  readonly step: number;
  readonly how: string;
  readonly box: Box;
  readonly items: readonly Item[];
  readonly limit: number;
  readonly chunksize: number;
  signal: AbortSignal | undefined;
  readonly started: number;
  /** The box took nothing any more. */
  readonly refused: boolean;
  /** The input throws at its end. */
  readonly inputFails: boolean;
  /** Some arguments were moved. */
  moved: boolean;
  /** A result of it may be missing as nobody reads on. */
  cancelled: boolean;
}

function describe({ step, how, box, items, limit, chunksize, signal }: Call): string {
  const list = items.slice(0, 12).map(([kind, n, size]) => `${kind} ${n}/${size}`).join(", ");
  const more = `${limit > 0 ? `, limit ${limit}` : ""}${signal ? ", signal" : ""}, chunks of ${chunksize}`;
  return `step ${step}: ${how} of ${items.length} in ${box.name}${more}: ${list}`;
}

/** The items that share the fate of one. */
function chunkOf({ items, chunksize }: Call, index: number): readonly Item[] {
  const start = index - index % chunksize;
  return items.slice(start, start + chunksize);
}

function hasKind(items: readonly Item[], kinds: readonly Kind[]): boolean {
  return items.some(([kind]) => isOneOf(kinds, kind));
}

/** Whether an item cannot have a value, whatever else happens. */
function mustFail(call: Call, index: number): boolean {
  const [kind] = call.items[index]!;
  if (kind === "throws" || (kind === "stalls" && (call.limit > 0 || !call.box.local))) return true;
  if (call.box.local) return false;
  if (kind === "unsendable" || kind === "loops" || kind === "loopsLocked" || isOneOf(BLOCKED, kind)) return true;
  if (isOneOf([...DYING, "unsendableArgument"], kind)) return true;
  // An executor that is shut down sends what has been read of a chunk; with a limit, a task may be ended before it dies.
  if (call.how.startsWith("executor.map") && call.box.ended) return false;
  const chunk = chunkOf(call, index);
  return hasKind(chunk, ["unsendableArgument"]) || (call.limit === 0 && hasKind(chunk, DYING));
}

/** Whether a value is that of an item. */
function isRight(call: Call, index: number, value: unknown): boolean {
  const [kind, n, size] = call.items[index]!;
  if (mustFail(call, index) || call.refused) return false;
  if (Atomics.load(things.begun, n) !== 1) return false;
  if (kind === "large" || kind === "echo") return isLoad(n, size, value);
  if (kind === "get") return typeof value === "number" && value < 0;
  return value === n;
}

const REASON = "aborted by step ";
/** What the tasks throw that leave an error behind. */
const STRAY = "on purpose, by chaos";

/** Whether an error is one that an item, or the call for it, may end with. */
function isFitting(call: Call, index: number, error: unknown): boolean {
  const { box, items, limit, signal } = call;
  const [kind, n, size] = items[index]!;
  const chunk = chunkOf(call, index);
  if (error === `${REASON}${call.step}`) return signal?.aborted === true;
  if (error instanceof ClosedError) return call.refused || (call.how.startsWith("executor.map") && box.ended);
  if (error instanceof BrokenProcessPoolError) {
    if (box.broken || box.cursed) return true;
    const stray = box.strays > 0 && error.cause === STRAY;
    return !call.refused && (stray || hasKind(chunk, DYING) || (call.moved && box.deathCount + box.strays > 0));
  }
  if (call.refused) return false;
  if (error instanceof CancelledError) return box.terminated || box.cancelled || call.cancelled;
  if (error instanceof TimeoutError) {
    return limit > 0 && performance.now() - call.started >= limit - 2;
  }
  if (!box.local && error instanceof SerializationError) {
    return kind === "unsendable" || hasKind(chunk, ["unsendableArgument"]);
  }
  if (error instanceof RangeError && error.message === "input") return call.inputFails;
  if (kind === "throws") return isThrown(n, size, error);
  if (kind === "meet") return error instanceof BrokenBarrierError;
  // Another was ended in the middle of its arrival there, so that nobody knows who has come.
  if (kind === "blockedBarrier") return error instanceof BrokenBarrierError && things.lonely.broken;
  return kind === "get" && box.local && error instanceof QueueEmptyError;
}

// One part.

class Chaos {
  readonly #where: string;
  readonly #pick: Draw;
  readonly #tasks: number;
  readonly #boxes: Box[] = [];
  readonly #all: Box[] = [];
  readonly #pending: Promise<void>[] = [];
  readonly #open = new Set<Call>();
  readonly #faults: string[] = [];
  readonly #later = new Map<number, (() => void)[]>();
  readonly #listeners = new Map<Call, Set<unknown>>();
  readonly #got: number[] = [];
  readonly #futures: Future<unknown>[] = [];
  readonly #broadcasts = new Set<number>();
  #step = 0;
  #n = 0;

  constructor(seed: number, part: number, tasks: number) {
    this.#where = `seed ${seed}, part ${part}`;
    this.#pick = random(seed * 1_000_003 + part * 7919);
    this.#tasks = tasks;
  }

  async run(): Promise<void> {
    things = makeThings();
    things.held.acquire();
    while (this.#n < this.#tasks && this.#faults.length === 0) {
      this.#step++;
      for (const run of this.#later.get(this.#step) ?? []) run();
      this.#disturb();
      const box = this.#choose();
      try {
        this.#call(box);
      } catch (error) {
        this.#faults.push(`step ${this.#step}: the call itself threw ${Deno.inspect(error)}`);
      }
      await this.#pause();
    }
    for (const box of this.#boxes.splice(0)) this.#end(box);
    await this.#settle();
    await this.#checkRest();
  }

  /** Throws what has gone wrong so far. */
  #complain(): void {
    if (this.#faults.length > 0) throw new Error(`${this.#where}, ${this.#faults.slice(0, 5).join("\n")}`);
  }

  // Boxes.

  #choose(): Box {
    const pick = this.#pick;
    if (this.#boxes.length === 0 || (this.#boxes.length < 4 && pick(8) === 0)) {
      const box = makeBox(this.#all.length, pick);
      this.#boxes.push(box);
      this.#all.push(box);
    }
    const index = pick(this.#boxes.length);
    const box = this.#boxes[index]!;
    if (++box.calls > 15 && pick(25) === 0) {
      this.#boxes.splice(index, 1);
      this.#end(box);
    }
    return box; // one that has just ended gets one more call, which it must refuse
  }

  #end(box: Box): void {
    const ended = end(box).catch((error) => void this.#faults.push(`${box.name} ended with ${Deno.inspect(error)}`));
    const call: Call = { ...this.#newCall("the end", box, []), started: performance.now() };
    this.#open.add(call);
    this.#pending.push(ended.then(() => void this.#open.delete(call)));
  }

  // Things that happen beside the calls.

  #disturb(): void {
    const pick = this.#pick;
    switch (pick(60)) {
      case 0:
      case 1:
        return things.event.set();
      case 2:
      case 3:
        return things.event.clear();
      case 4:
        return things.pair.reset();
      case 5:
      case 6: {
        const n = 2 * PART + this.#step; // none of the tasks
        Atomics.store(things.begun, n, 1);
        const signal = AbortSignal.timeout(200);
        this.#pending.push(things.narrow.putAsync([n], { signal }).catch(() => {}));
        return;
      }
      case 7:
      case 8: {
        const get = things.narrow.getAsync({ timeout: 30 }).then(([n]) => void this.#got.push(n), () => {});
        this.#pending.push(get);
        return;
      }
      case 9: {
        const futures = this.#futures.splice(0);
        if (futures.length > 0) this.#pending.push(this.#waitFor(futures, pick(4)));
      }
    }
  }

  /** Waits for several futures at once, in one of the ways there are. */
  async #waitFor(futures: Future<unknown>[], way: number): Promise<void> {
    const step = this.#step;
    const all = new Set(futures);
    if (way === 0) {
      const seen = new Set<Future<unknown>>();
      for await (const future of asCompleted(futures)) {
        if (!future.done() || seen.has(future) || !all.has(future)) this.#faults.push(`step ${step}: asCompleted`);
        seen.add(future);
      }
      if (seen.size !== all.size) this.#faults.push(`step ${step}: asCompleted gave ${seen.size} of ${all.size}`);
      return;
    }
    const returnWhen = (["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"] as const)[way - 1]!;
    const { done, notDone } = await wait(futures, { returnWhen });
    if (done.size + notDone.size !== all.size || ![...done].every((future) => future.done())) {
      this.#faults.push(`step ${step}: wait ${returnWhen} gave ${done.size} and ${notDone.size} of ${all.size}`);
    }
    if (returnWhen === "ALL_COMPLETED" ? notDone.size > 0 : done.size === 0) {
      this.#faults.push(`step ${step}: wait ${returnWhen} came too early`);
    }
  }

  /** Now and then the event loop gets a turn, or time; and always when much is under way. */
  async #pause(): Promise<void> {
    const pick = this.#pick;
    switch (pick(12)) {
      case 0:
      case 1:
        await Promise.resolve();
        break;
      case 2:
      case 3:
        await delay(0);
        break;
      case 4:
        await delay(pick(8));
    }
    const many = (): boolean => [...this.#open].filter(({ box }) => !box.doomed).length > 40;
    for (let i = 0; i < 25 && this.#open.size > 40 && many(); i++) await delay(2);
  }

  // Calls.

  #kind(box: Box, limited: boolean): Kind {
    const pick = this.#pick;
    const one = <K extends Kind>(kinds: readonly K[]): Kind => kinds[pick(kinds.length)]!;
    const way = pick(100);
    if (way < 5) return "throws";
    if (way < 7) return "unsendable";
    if (way < 8) return "unsendableArgument";
    if (way < 9) return one(OUTSIDE);
    if (way < 15 && !box.quiet) {
      const kind = one(SHARING);
      const endless = isOneOf(["get", "put", "event", "meet"], kind) && !box.local;
      return endless && !limited ? "permit" : kind;
    }
    const gentle = box.ending !== "terminate" && !box.cursed && !box.local && !box.quiet;
    if (way < 18 && gentle) {
      const kind = one(PAIRED);
      return kind === "loopsLocked" && !limited ? "lock" : kind;
    }
    if (way < 21 && !box.local) return one(DYING.filter((kind) => kind !== "diesLocked"));
    if (way < 29 && (limited || (box.doomed && pick(6) === 0))) {
      return box.local ? "stalls" : one(BLOCKED.slice(box.quiet ? -1 : 0));
    }
    if (way < 31 && limited && !box.local) return pick(12) === 0 ? "loopsLater" : "loops";
    return one(HARMLESS);
  }

  #item(box: Box, limited: boolean): Item {
    const pick = this.#pick;
    const kind = this.#kind(box, limited);
    const n = this.#n++;
    const large = kind === "large" || kind === "echo" || kind === "takes";
    const size = large ? (pick(25) === 0 ? pick(300_000) : pick(3000)) : pick(1000);
    if (kind === "unsendableArgument") return [kind, n, size, Symbol("argument")];
    if (isOneOf(DYING, kind)) box.deathCount++;
    if (isOneOf(OUTSIDE, kind)) box.strays++;
    return kind === "echo" || kind === "takes" ? [kind, n, size, makeLoad(n, size)] : [kind, n, size];
  }

  #newCall(how: string, box: Box, items: readonly Item[]): Call {
    return {
      step: this.#step,
      how,
      box,
      items,
      limit: 0,
      chunksize: 1,
      signal: undefined,
      started: performance.now(),
      refused: box.ended,
      inputFails: false,
      moved: false,
      cancelled: false,
    };
  }

  /** Gives a call a signal that aborts in a while, or never, and knows who listens. */
  #addSignal(call: Call): void {
    const pick = this.#pick;
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = new Set<unknown>();
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    };
    this.#listeners.set(call, listeners);
    call.signal = signal;
    if (pick(4) > 0) this.#at(pick(20), () => controller.abort(`${REASON}${call.step}`));
  }

  #at(steps: number, run: () => void): void {
    if (steps === 0) return queueMicrotask(run);
    const step = this.#step + steps;
    this.#later.set(step, [...this.#later.get(step) ?? [], run]);
  }

  /** Watches a call to its end. */
  #watch(call: Call, run: () => Promise<void>): void {
    this.#open.add(call);
    const ended = (async () => {
      try {
        await run();
      } catch (error) {
        this.#fault(call, `the watcher failed with ${Deno.inspect(error)}`);
      }
      this.#open.delete(call);
    })();
    this.#pending.push(ended);
  }

  #fault(call: Call, what: string): void {
    this.#faults.push(`${describe(call)}: ${what}`);
  }

  /** Checks one outcome of one item. */
  #check(call: Call, index: number, outcome: PromiseSettledResult<unknown>): void {
    if (outcome.status === "fulfilled") {
      if (!isRight(call, index, outcome.value)) this.#fault(call, `item ${index} gave ${inspect(outcome.value)}`);
      else if (call.items[index]![0] === "get") this.#got.push(-1 - (outcome.value as number));
    } else if (!isFitting(call, index, outcome.reason)) {
      this.#fault(call, `item ${index} failed with ${inspect(outcome.reason)}`);
    }
  }

  /** Checks the outcome of a whole map. */
  #checkMap(call: Call, outcome: PromiseSettledResult<unknown[]>, errorsToo: boolean): void {
    const { items } = call;
    if (outcome.status === "rejected") {
      const { reason } = outcome;
      // One of the items before the first that must fail, or that one.
      const first = items.findIndex((_, i) => mustFail(call, i));
      const own = items.slice(0, first < 0 ? items.length : first + 1).some((_, i) => isFitting(call, i, reason));
      const aborted = call.signal?.aborted === true && reason === `${REASON}${call.step}`;
      const whole = items.length === 0 && (aborted || endsWith(call, reason));
      if (!own && !whole) this.#fault(call, `failed with ${inspect(reason)}`);
      return;
    }
    const { value } = outcome;
    if (value.length !== items.length) return this.#fault(call, `gave ${value.length} results`);
    value.forEach((one, i) => {
      if (errorsToo && isFitting(call, i, one)) return;
      this.#check(call, i, { status: "fulfilled", value: one });
    });
  }

  #call(box: Box): void {
    const pick = this.#pick;
    const limited = pick(3) === 0;
    const limit = limited ? 25 + pick(60) : 0;
    if (box.pool !== undefined) this.#callPool(box, box.pool, limit);
    else this.#callExecutor(box, box.executor!);
  }

  #items(box: Box, limited: boolean): Item[] {
    return Array.from({ length: this.#pick(9) }, () => this.#item(box, limited));
  }

  /** The items, now and then from a generator, which may be slow, or fail. */
  #input(call: Call): Iterable<Item> | AsyncIterable<Item> {
    const { items, inputFails } = call;
    const way = this.#pick(6);
    if (way > 1 && !inputFails) return items;
    if (way === 0) {
      return (async function* () {
        for (const item of items) {
          await delay(0);
          yield item;
        }
        if (inputFails) throw new RangeError("input");
      })();
    }
    return (function* () {
      yield* items;
      if (inputFails) throw new RangeError("input");
    })();
  }

  #callPool(box: Box, pool: PoolLike, limit: number): void {
    const pick = this.#pick;
    const hows = ["apply", "applyAsync", "map", "mapAsync", "starmap", "starmapAsync"].concat(
      ["imap", "imapUnordered", "istarmap", "istarmapUnordered", "broadcast", "sync"],
    );
    const how = hows[pick(hows.length)]!;
    const single = how.startsWith("apply");
    const streams = how.startsWith("i");
    if (how === "broadcast") return this.#broadcast(box, pool);
    if (how === "sync") {
      if (box.workers !== undefined && box.quiet && !box.doomed) this.#block(box, box.workers);
      return;
    }
    const items = single ? [this.#item(box, limit > 0)] : this.#items(box, limit > 0);
    const chunksize = single ? 1 : 1 + pick(4);
    const inputFails = !single && pick(30) === 0;
    const call: Call = { ...this.#newCall(how, box, items), limit, chunksize, inputFails };
    if (pick(8) === 0) this.#addSignal(call);
    const wishes = { signal: call.signal, ...(limit > 0 && { taskTimeout: limit }) };
    const errorsToo = !single && pick(4) === 0;
    const many: ImapOptions = { ...wishes, chunksize, returnExceptions: errorsToo };
    const run = box.local ? localWork : work;
    const runOn = box.local ? localWorkOn : workOn;
    switch (how) {
      case "apply": {
        const args = items[0]!;
        if (!box.local && args[3] instanceof Uint8Array && pick(2) === 0) {
          args[3] = transfer(args[3], [args[3].buffer as ArrayBuffer]);
          call.moved = true;
        }
        return this.#watch(call, async () => this.#check(call, 0, await settled(pool.apply(run, args, wishes))));
      }
      case "applyAsync": {
        let told = 0;
        const callback = (): void => void told++;
        const start = () => pool.applyAsync(run, items[0]!, { ...wishes, callback, errorCallback: callback });
        const result = attempt(start);
        const timeout = pick(30);
        return this.#watch(call, async () => {
          if (result.status === "rejected") return this.#check(call, 0, result);
          await result.value.wait(timeout);
          const outcome = await settled(result.value.get());
          if (told !== 1 || !result.value.ready()) this.#fault(call, `${told} callbacks`);
          if (result.value.successful() !== (outcome.status === "fulfilled")) this.#fault(call, "successful()");
          this.#check(call, 0, outcome);
        });
      }
      case "map":
      case "starmap": {
        const input = this.#input(call);
        return this.#watch(call, async () => {
          const results = how === "map" ? pool.map(runOn, input, many) : pool.starmap(run, input, many);
          this.#checkMap(call, await settled(results), errorsToo);
        });
      }
      case "mapAsync":
      case "starmapAsync": {
        const input = this.#input(call);
        let told = 0;
        const callback = (): void => void told++;
        const wanted = { ...many, callback, errorCallback: callback };
        const result = attempt(() =>
          how === "mapAsync" ? pool.mapAsync(runOn, input, wanted) : pool.starmapAsync(run, input, wanted)
        );
        return this.#watch(call, async () => {
          if (result.status === "rejected") return this.#checkMap(call, result, errorsToo);
          this.#checkMap(call, await settled(result.value.get()), errorsToo);
          if (told !== 1) this.#fault(call, `${told} callbacks`);
        });
      }
    }
    if (!streams) return;
    const wanted = pick(3) === 0 ? { ...many, buffersize: 1 + pick(5) } : many;
    const input = this.#input(call);
    const started = attempt(() =>
      how === "imap"
        ? pool.imap(runOn, input, wanted)
        : how === "imapUnordered"
        ? pool.imapUnordered(runOn, input, wanted)
        : how === "istarmap"
        ? pool.istarmap(run, input, wanted)
        : pool.istarmapUnordered(run, input, wanted)
    );
    this.#read(call, started, errorsToo);
  }

  #broadcast(box: Box, pool: PoolLike): void {
    const item: Item = ["fast", this.#n++, 0];
    this.#broadcasts.add(item[1]);
    const call = this.#newCall("broadcast", box, [item]);
    if (this.#pick(4) === 0) this.#addSignal(call);
    const { signal } = call;
    this.#watch(call, async () => {
      const outcome = await settled(pool.broadcast(workOnAll, [item[1]], { signal }));
      const begun = Atomics.load(things.begun, item[1]);
      if (outcome.status === "rejected") return this.#check(call, 0, outcome);
      const { value } = outcome;
      const right = [...value].sort().every((one, i) => one === i) && value.length === box.size && begun === box.size;
      if (!right || call.refused) this.#fault(call, `gave ${inspect(value)} from ${begun} calls`);
    });
  }

  /** Calls that block this thread. */
  #block(box: Box, pool: Pool): void {
    if (this.#pick(2) === 0) {
      const item = this.#item(box, false);
      const call = this.#newCall("applySync", box, [item]);
      return this.#check(call, 0, attempt(() => pool.applySync(work, item)));
    }
    const call: Call = { ...this.#newCall("mapSync", box, this.#items(box, false)), chunksize: 1 + this.#pick(3) };
    const { items, chunksize } = call;
    const errorsToo = this.#pick(2) === 0;
    const outcome = attempt(() => pool.mapSync(workOn, items, { chunksize, returnExceptions: errorsToo }));
    this.#checkMap(call, outcome, errorsToo);
  }

  #callExecutor(box: Box, executor: ExecutorLike): void {
    const pick = this.#pick;
    const run = box.local ? localWork : work;
    if (pick(3) > 0) {
      for (let i = pick(6); i >= 0; i--) this.#submit(box, executor, run);
      return;
    }
    const zipped = pick(2) === 0;
    const items = this.#items(box, false);
    const how = `executor.map${zipped ? ", zipped" : ""}`;
    const chunksize = 1 + pick(3);
    const call: Call = { ...this.#newCall(how, box, items), chunksize, inputFails: !zipped && pick(20) === 0 };
    if (pick(5) === 0) this.#addSignal(call);
    const wishes: ExecutorMapOptions = {
      chunksize,
      signal: call.signal,
      ...(pick(3) === 0 && { buffersize: 1 + pick(3) }),
    };
    const input = zipped ? items : this.#input(call);
    const columns = [0, 1, 2, 3].map((i) => items.map((item) => item[i])) as [Kind[], number[], number[], unknown[]];
    const started = attempt(() =>
      zipped ? executor.map(run, ...columns, wishes) : executor.map(box.local ? localWorkOn : workOn, input, wishes)
    );
    this.#read(call, started, false);
  }

  #submit(box: Box, executor: ExecutorLike, run: typeof work): void {
    const pick = this.#pick;
    const item = this.#item(box, false);
    const call = this.#newCall("submit", box, [item]);
    const submitted = attempt(() => executor.submit(run, ...item));
    if (submitted.status === "rejected") return this.#check(call, 0, submitted);
    const future = submitted.value;
    if (pick(3) === 0 && !box.doomed) this.#futures.push(future);
    let told = 0;
    future.addDoneCallback(() => void told++);
    if (pick(6) === 0) {
      this.#at(pick(6), () => {
        if (future.done()) return;
        call.cancelled = future.cancel();
        if (call.cancelled !== future.cancelled()) this.#fault(call, "cancel() and cancelled() differ");
      });
    }
    const way = pick(3);
    this.#watch(call, async () => {
      if (way === 0) await settled(future.result(pick(20)));
      const outcome = await settled(future.result());
      if (way === 1 && outcome.status === "fulfilled" && await future.exception() !== null) {
        this.#fault(call, "an exception beside a value");
      }
      if (told !== 1 || !future.done() || future.running()) this.#fault(call, `${told} callbacks, ${future}`);
      if (call.cancelled && outcome.status === "fulfilled") this.#fault(call, "a value though it was cancelled");
      if (future.cancelled() && Atomics.load(things.begun, item[1]) > 0) this.#fault(call, "cancelled, but begun");
      this.#check(call, 0, outcome);
    });
  }

  /** Reads the results of a stream, perhaps not to the end. */
  #read(
    call: Call,
    started: PromiseSettledResult<AsyncIterableIterator<unknown>>,
    errorsToo: boolean,
  ): void {
    const pick = this.#pick;
    const { items } = call;
    const most = pick(3) === 0 ? pick(items.length + 1) : Infinity;
    const closes = pick(2) === 0;
    const timeout = pick(4) === 0 && call.how.startsWith("i") ? 1 + pick(10) : undefined;
    const ordered = !call.how.endsWith("Unordered");
    this.#watch(call, async () => {
      if (started.status === "rejected") return this.#checkMap(call, started, false);
      const results = started.value as AsyncIterator<unknown, unknown, number | undefined>;
      const left = new Set(items.keys());
      const errors: unknown[] = [];
      let over = false;
      let last = false;
      for (let count = 0; count < most;) {
        const outcome = await settled(timeout === undefined ? results.next() : results.next(timeout));
        if (outcome.status === "rejected" && isLate(outcome.reason)) continue;
        if (outcome.status === "fulfilled" && outcome.value.done) {
          this.#match(call, left, errors);
          if (left.size > 0 && !over) this.#fault(call, `ended ${left.size} results too early`);
          return;
        }
        const one = outcome.status === "rejected" ? outcome.reason : outcome.value.value;
        if (last) return this.#fault(call, `went on after its last error with ${inspect(one)}`);
        const at = ordered ? count : [...left].find((i) => isRight(call, i, one));
        if (outcome.status === "fulfilled" && at !== undefined && left.has(at) && isRight(call, at, one)) {
          left.delete(at);
          if (items[at]![0] === "get") this.#got.push(-1 - (one as number));
        } else if (outcome.status === "fulfilled" && !errorsToo) {
          return this.#fault(call, `result ${count} is ${inspect(one)}`);
        } else if (outcome.status === "rejected" && isLast(call, one, left.size - errors.length)) {
          over = last = true;
        } else if (ordered) {
          if (endsWith(call, one)) over = true; // perhaps of the whole, perhaps of the item
          else if (!left.has(count) || !isFitting(call, count, one)) {
            return this.#fault(call, `result ${count} failed with ${inspect(one)}`);
          }
          left.delete(count);
        } else {
          errors.push(one);
          over ||= endsWith(call, one);
        }
        count++;
      }
      if (!ordered) this.#match(call, left, errors);
      if (!closes) return; // left half read
      const end = await settled(results.return!());
      const after = await settled(results.next());
      if (end.status === "rejected" && !call.inputFails) this.#fault(call, `return() threw ${inspect(end.reason)}`);
      if (after.status === "rejected" || !after.value.done) this.#fault(call, `gave ${inspect(after)} after return()`);
    });
  }

  /** Finds an item for each error of a stream without order. */
  #match(call: Call, left: Set<number>, errors: readonly unknown[]): void {
    const owners = new Map<number, unknown>();
    const place = (error: unknown, tried: Set<number>): boolean => {
      for (const i of left) {
        if (tried.has(i) || !isFitting(call, i, error)) continue;
        tried.add(i);
        if (owners.has(i) && !place(owners.get(i), tried)) continue;
        owners.set(i, error);
        return true;
      }
      return false;
    };
    for (const error of errors) {
      if (!place(error, new Set()) && !endsWith(call, error)) this.#fault(call, `one failed with ${inspect(error)}`);
    }
    for (const i of owners.keys()) left.delete(i);
  }

  // The end.

  async #settle(): Promise<void> {
    try {
      await deadline(Promise.all(this.#pending), SETTLING);
    } catch (error) {
      if (this.#open.size === 0) throw error;
      const open = [...this.#open].slice(0, 10).map((call) => {
        const { pool, process } = call.box;
        return `${describe(call)}; ${inspect(pool?.stats() ?? process?.stats())}`;
      }).join("\n");
      this.#faults.push(`${this.#open.size} calls have not settled:\n${open}`);
    }
    this.#complain();
  }

  async #checkRest(): Promise<void> {
    for (const box of this.#all) {
      const { name, pool, process } = box;
      if (box.local) continue; // its lanes stay, and stalled tasks run on
      const stats = (): PoolStats => (pool ?? process)!.stats();
      for (let i = 0; i < 300 && stats().zombies > 0; i++) await delay(10); // what they run comes to its end
      const { workers, queued, running, zombies } = stats();
      if (workers + queued + running + zombies > 0) {
        this.#faults.push(`${name} has left ${inspect(stats())}`);
      }
    }
    for (const [call, listeners] of this.#listeners) {
      if (listeners.size > 0 && !call.signal?.aborted) this.#fault(call, `${listeners.size} listeners are left`);
    }
    for (let n = 0; n < this.#n; n++) {
      if (things.begun[n]! > 1 && !this.#broadcasts.has(n)) {
        this.#faults.push(`task ${n} has begun ${things.begun[n]} times`);
      }
    }
    for (const queue of [things.queue, things.narrow]) {
      while (!queue.empty()) this.#got.push((await queue.getAsync({ timeout: 0 }))[0]);
    }
    const strange = this.#got.filter((n) => things.begun[n] !== 1);
    if (new Set(this.#got).size !== this.#got.length || strange.length > 0) {
      this.#faults.push(`the queues gave something twice, or what nobody put: ${this.#got.sort((a, b) => a - b)}`);
    }
    for (const lock of [things.lock, things.condition]) {
      if (lock.acquire({ timeout: 5000 })) lock.release();
      else this.#faults.push("a lock is held by nobody");
    }
    if (things.wrong.value !== 0) this.#faults.push(`${things.wrong.value} halves of a change without 'recovered'`);
    things.held.release();
    this.#complain();
  }
}

function inspect(value: unknown): string {
  return Deno.inspect(value, { iterableLimit: 5, strAbbreviateSize: 100, depth: 3 });
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([promise]);
  return outcome;
}

function attempt<T>(run: () => T): PromiseSettledResult<T> {
  try {
    return { status: "fulfilled", value: run() };
  } catch (reason) {
    return { status: "rejected", reason };
  }
}

function isLate(error: unknown): boolean {
  return error instanceof TimeoutError && error.message.startsWith("The next result is not there");
}

/** Whether an error is that of a stream, or a call for no items, whose box has ended or whose input has failed. */
function endsWith({ box, inputFails }: Call, error: unknown): boolean {
  if (error instanceof CancelledError) return box.terminated || box.cancelled;
  if (error instanceof BrokenProcessPoolError) return box.broken || box.cursed;
  if (error instanceof ClosedError) return box.ended;
  return inputFails && error instanceof RangeError && error.message === "input";
}

/** Whether an error is the last thing that a stream gives. */
function isLast(call: Call, error: unknown, left: number): boolean {
  if (error === `${REASON}${call.step}`) return call.signal?.aborted === true;
  const { box, inputFails } = call;
  if (error instanceof ClosedError) return call.how.startsWith("executor.map") && box.ended;
  if (left > 0) return false;
  return endsWith(call, error) || (inputFails && error instanceof RangeError && error.message === "input");
}

const only = Deno.env.get("CHAOS_SEED");
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(Deno.env.get("CHAOS_SEEDS") ?? 1) : 1;
const tasks = Number(Deno.env.get("CHAOS_TASKS") ?? 3 * PART);

for (let seed = first; seed < first + count; seed++) {
  for (let part = 0; part * PART < tasks; part++) {
    const share = Math.min(PART, tasks - part * PART);
    test(
      `${share} tasks of every kind settle once each, and nothing is left: seed ${seed}, part ${part}`,
      () => new Chaos(seed, part, share).run(),
    );
  }
}
