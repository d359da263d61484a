/** The kinds of tasks, and what each of them does. */

import { fixtures } from "./fixtures.ts";

/** Kinds that end with their value wherever they run. */
export const HARMLESS = ["fast", "slow", "async", "large", "echo", "takes"] as const;
/** Kinds that leave an error behind. */
export const OUTSIDE = ["rejects", "throwsInTimer", "throwsInMicrotask", "reports"] as const;
/** Kinds that use shared objects. */
export const SHARING = ["put", "get", "event", "meet", "permit", "notify", "waitABit"] as const;
/** Kinds that make a change in two halves, under a lock. */
export const PAIRED = ["lock", "lockAsync", "diesLocked", "loopsLocked"] as const;

/** Kinds that end their worker. */
export const DYING = [
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

/** Kinds that never end by themselves, as they wait. */
export const BLOCKED = [
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

export type Kind =
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

/** The arguments of one task. */
export type Item = [kind: Kind, n: number, size: number, load?: unknown];

/** Returns whether a kind is among others. */
export function isOneOf(kinds: readonly Kind[], kind: Kind): boolean {
  return kinds.includes(kind);
}

/** A value of some size, known by its number. */
export function makeLoad(n: number, size: number): unknown {
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

/** Returns whether a value is the load of this number and size. */
export function isLoad(n: number, size: number, value: unknown): boolean {
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

export function throwFor(n: number, size: number): never {
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

export function isThrown(n: number, size: number, error: unknown): boolean {
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

/** Does what `kind` says, in a worker. Sent by source: it sees `fixtures`, `makeLoad`, `throwFor` and `change`. */
export function work(kind: Kind, n: number, size: number, load?: unknown): unknown {
  Atomics.add(fixtures.begun, n, 1);
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
      return fixtures.held.acquire();
    case "blockedGet":
      return fixtures.empty.get();
    case "blockedPut":
      return fixtures.full.put(n);
    case "blockedEvent":
      return fixtures.never.wait();
    case "blockedBarrier":
      return fixtures.lonely.wait();
    case "blockedPermit":
      return fixtures.none.acquire();
    case "blockedCondition":
      fixtures.unnotified.acquire();
      return fixtures.unnotified.wait();
    case "blockedLockAsync":
      return fixtures.held.acquireAsync();
    case "blockedGetAsync":
      return fixtures.empty.getAsync();
    case "blockedEventAsync":
      return fixtures.never.waitAsync();
    case "put": {
      const beside = size % 7 === 0 ? fixtures.lock : size % 7 === 1 ? new Uint8Array(size) : undefined;
      (size % 2 === 0 ? fixtures.queue : fixtures.narrow).put([n, beside]);
      return n;
    }
    case "get":
      return -1 - (size % 2 === 0 ? fixtures.queue : fixtures.narrow).get()[0];
    case "event":
      fixtures.event.wait();
      return n;
    case "meet":
      return fixtures.pair.wait() < 2 ? n : undefined;
    case "permit":
      if (fixtures.few.acquire({ timeout: 20 })) fixtures.few.release();
      return n;
    case "notify": {
      using _ = fixtures.condition.hold();
      fixtures.condition.notifyAll();
      return n;
    }
    case "waitABit": {
      using _ = fixtures.condition.hold();
      fixtures.condition.wait(5);
      return n;
    }
    case "lock": {
      using _ = fixtures.lock.hold();
      change(() => {});
      return n;
    }
    case "lockAsync":
      return fixtures.lock.acquireAsync().then(() => {
        change(() => {});
        fixtures.lock.release();
        return n;
      });
    case "diesLocked":
      fixtures.lock.acquire();
      return change(() => Deno.exit(n & 127));
    case "loopsLocked":
      fixtures.lock.acquire();
      return change(() => {
        for (;;);
      });
  }
}

/** One step in two halves, under the lock: whoever finds half of one can tell that its holder died. */
export function change(between: () => void): void {
  const { a, b, lock, wrong } = fixtures;
  if (a.value !== b.value) {
    if (!lock.recovered) wrong.add(1);
    b.value = a.value;
  }
  a.value += 1;
  between();
  b.value += 1;
}

/** The same where tasks take turns with the test itself: they may not block, and nothing ends them. */
export async function localWork(kind: Kind, n: number, size: number, load?: unknown): Promise<unknown> {
  Atomics.add(fixtures.begun, n, 1);
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
      await fixtures.queue.putAsync([n]);
      return n;
    case "get":
      return -1 - (await fixtures.queue.getAsync({ timeout: 5 }))[0];
    case "event":
      await fixtures.event.waitAsync(5);
      return n;
    case "permit":
      if (await fixtures.few.acquireAsync({ timeout: 5 })) fixtures.few.release();
      return n;
    case "notify":
    case "waitABit": {
      await using _ = await fixtures.condition.holdAsync();
      if (kind === "notify") fixtures.condition.notifyAll();
      else await fixtures.condition.waitAsync(5);
      return n;
    }
    default:
      return n;
  }
}

export const workOn = (item: Item): unknown => work(...item);
export const localWorkOn = (item: Item): unknown => localWork(...item);
export const workOnAll = (n: number): number => Atomics.add(fixtures.begun, n, 1);
