/**
 * Helpers for tests of pools: a count of live workers, which is checked after each test, and shared flags for meeting.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";

const live = new Set<Worker>();
const RealWorker = globalThis.Worker;

class CountedWorker extends RealWorker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    live.add(this);
  }

  override terminate(): void {
    live.delete(this);
    super.terminate();
  }
}

/** Returns how many workers this thread has started and not ended. */
export function liveWorkers(): number {
  return live.size;
}

/** The limit of a test, in milliseconds. The limit ends a test that hangs, and no test needs nearly as much. */
const TEST_LIMIT = 30_000;

/** Registers a test that fails if it hangs or if a worker outlives it. */
export function test(name: string, run: () => void | Promise<void>): void {
  Deno.test(name, async () => {
    globalThis.Worker = CountedWorker;
    try {
      await deadline(Promise.resolve(run()), TEST_LIMIT);
      assertEquals(liveWorkers(), 0, "a worker outlived the test");
    } finally {
      globalThis.Worker = RealWorker;
      for (const worker of live) worker.terminate();
    }
  });
}

/** Returns shared words for meeting, all 0. */
export function words(count = 1): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(count * 4));
}

/** Waits, without blocking the thread, until a shared word has a value. */
export async function reaches(flags: Int32Array<SharedArrayBuffer>, index: number, value: number): Promise<void> {
  while (Atomics.load(flags, index) !== value) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Returns the error that a promise rejects with, of any kind; throws if the promise resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`Expected a rejection, got ${Deno.inspect(value)}`);
}

/** For tasks: adds 1 to a shared word and wakes a thread that waits for it. */
export function arrive(flags: Int32Array, index = 0): void {
  Atomics.add(flags, index, 1);
  Atomics.notify(flags, index);
}

/** For tasks: arrives at word 0, then blocks until word 1 is set. */
export function arriveAndBlock(flags: Int32Array): void {
  Atomics.add(flags, 0, 1);
  Atomics.notify(flags, 0);
  while (Atomics.load(flags, 1) === 0) Atomics.wait(flags, 1, 0);
}

/** Wakes all threads in `arriveAndBlock`. */
export function release(flags: Int32Array): void {
  Atomics.store(flags, 1, 1);
  Atomics.notify(flags, 1);
}
