/** Shared objects that the tasks of a part use. */

import { Barrier, BoundedSemaphore, Condition, Event, Lock, Queue, Value } from "../../mod.ts";

/** The most tasks of one part, which has to end within the limit of `test`. */
export const PART = 500;

/** What the tasks of a part share. */
interface Fixtures {
  /** How often each task has begun. */
  begun: Int32Array<SharedArrayBuffer>;
  /** How many workers have run the initializer, by subject. */
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

function makeFixtures(): Fixtures {
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

/** The fixtures of the part that runs. Tasks in workers see them by the `scope` of their pool. */
export let fixtures: Fixtures = makeFixtures();

/** Makes fixtures for the next part. */
export function renewFixtures(): void {
  fixtures = makeFixtures();
}
