/**
 * What differs between runtimes.
 *
 * @module
 */

import { InvalidStateError } from "../errors.ts";

/** Where the library runs, as far as globals tell. */
interface Runtime {
  readonly Deno?: { readonly version?: { readonly deno?: string } };
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
}

/**
 * Whether `Atomics.waitAsync` wakes the event loop reliably. In Deno before 2.7.9 a notification that comes while the
 * loop is about to sleep is lost; workers then wake their caller by message.
 */
export function waitAsyncWakes(): boolean {
  if (typeof Atomics.waitAsync !== "function") return false;
  return !isDeno() || !denoBefore(2, 8);
}

/** Whether `Worker.terminate()` stops code that runs: not on Deno 2.7.6 and later (denoland/deno#35657). */
export function terminateStopsCode(): boolean {
  return !isDeno() || denoBefore(2, 7, 6);
}

/** Whether this is Deno. */
export function isDeno(): boolean {
  return (globalThis as Runtime).Deno?.version?.deno !== undefined;
}

/**
 * Whether the modules of Node are there: a port can be read without the event loop, and code that runs can be interrupted. In
 * browsers they are not.
 */
export function hasNodeModules(): boolean {
  // Deno is asked first, as it may load `process` when that is touched.
  return isDeno() || (globalThis as Runtime).process?.getBuiltinModule !== undefined;
}

/** Whether this is the main thread of the program. */
export function isMainThread(): boolean {
  const { Bun, WorkerGlobalScope } = globalThis as {
    Bun?: { readonly isMainThread?: boolean };
    WorkerGlobalScope?: unknown;
  };
  return Bun?.isMainThread ?? WorkerGlobalScope === undefined;
}

const { wait } = Atomics; // taken before any task runs
let blocks: boolean | undefined;

/** Whether this thread may block at all: the main thread of a page may not. */
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
 * To be called before this thread blocks on shared memory; `instead` names what awaits.
 *
 * @throws {InvalidStateError} If it may not.
 */
export function refuseToBlock(instead: string): void {
  if (canBlock()) return;
  throw new InvalidStateError(
    `Cannot block the main thread of a page, which must never wait: await ${instead} instead`,
  );
}

/**
 * To be called before this thread blocks for its workers, or for what comes by message; `instead` names what awaits.
 *
 * @throws {InvalidStateError} If it may not, or might block for ever: in a browser, workers start and messages come only while
 * this thread is in its event loop.
 */
export function refuseToBlockForMessages(instead: string): void {
  if (hasNodeModules()) return;
  refuseToBlock(instead);
  throw new InvalidStateError(
    `Cannot block this thread for what in a browser comes through its event loop only: await ${instead} instead`,
  );
}

/**
 * To be called before memory is shared.
 *
 * @throws {InvalidStateError} If this is a page that may not share any.
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
 * microtasks while it does: in the middle of a function, other code of the program runs. Here that harms nobody.
 */
export function touchLazyGlobals(): unknown[] {
  return [setTimeout, clearTimeout, performance, MessageChannel, Worker];
}

interface Referable {
  ref?: () => void;
  unref?: () => void;
}

/**
 * What says of a worker whether it keeps the program from ending, if the runtime has such a thing; a new worker does. Deno has it
 * for its own `node:worker_threads`, under a symbol without a name; Bun and Node have `ref()` and `unref()`.
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

/** Lets the program end though a timer is set. */
export function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  const { Deno } = globalThis as { Deno?: { unrefTimer?: (timer: number) => void } };
  if (typeof timer === "number") Deno?.unrefTimer?.(timer);
  else (timer as Referable).unref?.();
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
  if (setImmediate === undefined || clearImmediate === undefined) return hop(run);
  const handle = setImmediate(run);
  return () => clearImmediate(handle);
}

let hops: MessageChannel | undefined;
const due = new Map<number, () => void>();
let lastHop = 0;

/** The same by a message to itself: browsers make a timer that follows others wait for 4 ms. */
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
