/**
 * Differences between runtimes.
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";

/** The globals that tell the runtimes apart. */
interface Runtime {
  readonly Deno?: { readonly version?: { readonly deno?: string } };
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
}

/**
 * Returns whether `Atomics.waitAsync` wakes the event loop reliably. Deno before 2.7.9 loses a notification that comes
 * while the loop is about to sleep. On Deno before 2.8 workers therefore wake their caller by message.
 */
export function waitAsyncWakes(): boolean {
  if (typeof Atomics.waitAsync !== "function") return false;
  return !isDeno() || !denoBefore(2, 8);
}

/** Returns whether `Worker.terminate()` stops running code. Deno 2.7.6 and later do not (denoland/deno#35657). */
export function terminateStopsCode(): boolean {
  return !isDeno() || denoBefore(2, 7, 6);
}

/** Returns whether the runtime is Deno. */
export function isDeno(): boolean {
  return (globalThis as Runtime).Deno?.version?.deno !== undefined;
}

/**
 * Returns whether the modules of Node exist: with them a port can be read without the event loop, and running code can
 * be interrupted. Browsers lack them.
 */
export function hasNodeModules(): boolean {
  // The check for Deno comes first, as Deno may load `process` when the global is touched.
  return isDeno() || (globalThis as Runtime).process?.getBuiltinModule !== undefined;
}

/** Returns whether this thread is the main thread of the program. */
export function isMainThread(): boolean {
  const { Bun, WorkerGlobalScope } = globalThis as {
    Bun?: { readonly isMainThread?: boolean };
    WorkerGlobalScope?: unknown;
  };
  return Bun?.isMainThread ?? WorkerGlobalScope === undefined;
}

const { wait } = Atomics; // taken before any task runs
let blocks: boolean | undefined;

/** Returns whether this thread may block at all. The main thread of a page may not. */
export function canBlock(): boolean {
  if (blocks === undefined) {
    try {
      wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0); // returns at once, or throws
      blocks = true;
    } catch {
      blocks = false;
    }
  }
  return blocks;
}

/**
 * Checks that this thread may block on shared memory. `instead` names the call that can be awaited.
 *
 * @throws {InvalidStateError} If this thread may not block.
 */
export function refuseToBlock(instead: string): void {
  if (canBlock()) return;
  throw new InvalidStateError(
    `Cannot block the main thread of a page, which must never wait: await ${instead} instead`,
  );
}

/**
 * Checks that this thread may block until its workers reply or a message comes. `instead` names the call that can be
 * awaited.
 *
 * @throws {InvalidStateError} If this thread may not block, or might block forever: in a browser, workers start and
 * messages arrive only while this thread is in its event loop.
 */
export function refuseToBlockForMessages(instead: string): void {
  if (hasNodeModules()) return;
  refuseToBlock(instead);
  throw new InvalidStateError(
    `Cannot block this thread for what in a browser comes through its event loop only: await ${instead} instead`,
  );
}

/**
 * Checks that this thread may share memory.
 *
 * @throws {InvalidStateError} If it belongs to a page that may not share memory.
 */
export function refuseWithoutSharedMemory(): void {
  if (typeof SharedArrayBuffer === "function") return;
  throw new InvalidStateError(
    "Cannot share memory as this page is not cross-origin isolated: serve it with the headers " +
      "'Cross-Origin-Opener-Policy: same-origin' and 'Cross-Origin-Embedder-Policy: require-corp'",
  );
}

function denoBefore(major: number, minor: number, patch = 0): boolean {
  const { Deno } = globalThis as Runtime;
  const [a, b, c] = (Deno?.version?.deno ?? "999.0.0").split(".").map((part) => parseInt(part)) as [
    number,
    number,
    number,
  ];
  if (a !== major) return a < major;
  return b === minor ? c < patch : b < minor;
}

/**
 * Loads the globals that schedulers use. Deno 2.9 loads some of them when they are first touched, and runs pending
 * microtasks meanwhile: other code of the program would run in the middle of a function. At this point that is
 * harmless.
 */
export function touchLazyGlobals(): unknown[] {
  return [setTimeout, clearTimeout, performance, MessageChannel, Worker];
}

let primed = false;

/**
 * Lets the C library's allocator keep the memory of large buffers that were freed, instead of giving it back to the system, which
 * would have to give it anew, page by page, for the next buffer. By default the allocator does so only for buffers that are no larger
 * than the largest one that the program has freed, up to 32 MB; so one is made and freed. None of its pages is touched.
 */
export function keepFreedMemory(): void {
  if (primed) return;
  primed = true;
  const buffer = new ArrayBuffer(LARGEST_KEPT) as ArrayBuffer & { transfer?: (size: number) => ArrayBuffer };
  buffer.transfer?.(0);
}

/** A bit less than the 32 MB up to which glibc follows the sizes of what was freed. */
const LARGEST_KEPT = 31 * 2 ** 20;

interface Referable {
  ref?: () => void;
  unref?: () => void;
}

/**
 * Returns a function that sets whether a worker keeps the program running; undefined if the runtime has none. A new
 * worker keeps the program running. Deno has the function for its `node:worker_threads`, under a symbol without a
 * description; Bun and Node have `ref()` and `unref()`.
 */
export function referenceOf(worker: Worker): ((keeps: boolean) => void) | undefined {
  const { ref, unref } = worker as Worker & Referable;
  if (ref !== undefined && unref !== undefined) return (keeps) => keeps ? ref.call(worker) : unref.call(worker);
  if (!isDeno()) return undefined;
  for (const key of Object.getOwnPropertySymbols(Worker.prototype)) {
    if (key.description !== "" && key.description !== undefined) continue;
    const method = Reflect.get(worker, key) as unknown;
    if (typeof method === "function" && method.length === 1) return (keeps) => Reflect.apply(method, worker, [keeps]);
  }
  return undefined;
}

/** Lets the program end while a timer is still set. */
export function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  const { Deno } = globalThis as { Deno?: { unrefTimer?: (timer: number) => void } };
  if (typeof timer === "number") Deno?.unrefTimer?.(timer);
  else (timer as Referable).unref?.();
}

interface Immediates {
  setImmediate?: (run: () => void) => unknown;
  clearImmediate?: (handle: unknown) => void;
}

/** Returns whether {@linkcode soon} takes only microseconds. */
export function turnsAreShort(): boolean {
  return (globalThis as Immediates).setImmediate !== undefined;
}

/** Calls `run` soon, in a separate turn of the event loop. Returns a function that cancels the call. */
export function soon(run: () => void): () => void {
  const { setImmediate, clearImmediate } = globalThis as Immediates;
  if (setImmediate === undefined || clearImmediate === undefined) return hop(run);
  const handle = setImmediate(run);
  return () => clearImmediate(handle);
}

let hops: MessageChannel | undefined;
const due = new Map<number, () => void>();
let lastHop = 0;

/** As {@linkcode soon}, by a message from this thread to itself: browsers delay nested timers by 4 ms. */
function hop(run: () => void): () => void {
  if (hops === undefined) {
    hops = new MessageChannel();
    hops.port1.onmessage = ({ data }: MessageEvent<number>) => {
      const run = due.get(data);
      due.delete(data);
      run?.();
    };
  }
  const number = ++lastHop;
  due.set(number, run);
  hops.port2.postMessage(number);
  return () => void due.delete(number);
}
