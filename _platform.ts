/**
 * What differs between runtimes.
 *
 * @module
 */

/**
 * Whether `Atomics.waitAsync` wakes the event loop reliably. In Deno before 2.7.9 a notification that comes while the
 * loop is about to sleep is lost; workers then wake their caller by message.
 */
export function waitAsyncWakes(): boolean {
  if (typeof Atomics.waitAsync !== "function") return false;
  const { Deno } = globalThis as { Deno?: { version?: { deno?: string } } };
  return Deno?.version?.deno === undefined || !denoBefore(2, 8);
}

/** Whether `Worker.terminate()` stops code that runs: not on Deno 2.8 and later (denoland/deno#35657). */
export function terminateStopsCode(): boolean {
  return denoBefore(2, 8);
}

function denoBefore(major: number, minor: number): boolean {
  const { Deno } = globalThis as { Deno?: { version?: { deno?: string } } };
  const [a, b] = (Deno?.version?.deno ?? "999.0.0").split(".").map(Number) as [number, number];
  return a < major || (a === major && b < minor);
}

/**
 * Loads the globals that schedulers use. Deno 2.9 loads some of them when they are first touched, and runs pending
 * microtasks while it does: in the middle of a function, other code of the program runs. Here that harms nobody.
 */
export function touchLazyGlobals(): unknown[] {
  return [setTimeout, clearTimeout, performance, MessageChannel, Worker];
}

interface Immediates {
  setImmediate?: (run: () => void) => unknown;
  clearImmediate?: (handle: unknown) => void;
}

/** Whether {@linkcode soon} takes microseconds. */
export function turnsAreShort(): boolean {
  return (globalThis as Immediates).setImmediate !== undefined;
}

/** Calls `run` in a turn of the event loop of its own, soon. Gives what takes that back. */
export function soon(run: () => void): () => void {
  const { setImmediate, clearImmediate } = globalThis as Immediates;
  if (setImmediate === undefined || clearImmediate === undefined) {
    const timer = setTimeout(run, 0);
    return () => clearTimeout(timer);
  }
  const handle = setImmediate(run);
  return () => clearImmediate(handle);
}
