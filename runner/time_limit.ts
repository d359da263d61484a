/**
 * Ending code that does not end.
 *
 * `node:vm` can interrupt the synchronous code of this very thread after a time: loops, waits and runaway regular
 * expressions alike; the thread is usable afterwards. It is the only way there is: on Deno 2.7.6 to 2.9 a worker's
 * `terminate()` does not stop running code. Browsers have no `node:vm`: there the calling side ends the worker (`call_limits.ts`).
 *
 * @module
 */

interface Script {
  runInThisContext(options: { timeout: number }): unknown;
}
interface Vm {
  Script: new (source: string) => Script;
}
interface ProcessLike {
  getBuiltinModule?: (name: string) => unknown;
}

const KEY = "@manycore/parallel/limited";
/**
 * How close to its limit a call may end, in milliseconds, or half of a shorter limit: an interruption that hits this
 * thread outside of the script ends what runs there without a trace, this worker's own loop with it. So a call that
 * ends later than that waits for the interruption inside.
 */
const MARGIN = 4;
/** How long after the limit the interruption is still waited for, in milliseconds. */
const LATE = 250;

// Kept, as a task may put others in their place.
const now = performance.now.bind(performance);
const { wait } = Atomics;
const { min } = Math;
const cell = new Int32Array(new SharedArrayBuffer(4));

let script: Script | null | undefined;

/** The script that calls what stands under KEY; null where the runtime has no `node:vm`. */
function limitedScript(): Script | null {
  if (script === undefined) {
    const { process } = globalThis as { process?: ProcessLike };
    const vm = process?.getBuiltinModule?.("node:vm") as Vm | undefined;
    script = vm === undefined ? null : new vm.Script(`globalThis[${JSON.stringify(KEY)}]()`);
  }
  return script;
}

/** The globals that the runtime may load when they are first touched, as they are before any task runs. */
const lazy: (() => unknown)[] = [];
for (const name of Reflect.ownKeys(globalThis)) {
  const get = Reflect.getOwnPropertyDescriptor(globalThis, name)?.get;
  if (get !== undefined) lazy.push(get);
}

/**
 * Loads what {@linkcode runLimited} needs, so that it is not charged to the first call; and all globals: on Deno 2.9 an interruption
 * in the middle of loading one would leave it broken, and the next touch of it would end the whole program.
 */
export function prepareLimit(): void {
  limitedScript();
  for (const get of lazy.splice(0)) {
    try {
      get.call(globalThis);
    } catch {
      // Not for workers, or not permitted: then it is not loaded either.
    }
  }
}

/**
 * Calls `run`, which must not throw, and interrupts it after `limit` milliseconds.
 *
 * @returns Whether it came to its end.
 */
export function runLimited(run: () => void, limit: number): boolean {
  const limited = limitedScript();
  if (limited === null) {
    run();
    return true;
  }
  let ended = false;
  const end = now() + limit;
  const late = end - min(MARGIN, limit / 2);
  Object.defineProperty(globalThis, KEY, {
    configurable: true,
    value: () => {
      Reflect.deleteProperty(globalThis, KEY);
      run();
      ended = true;
      if (now() < late) return;
      while (now() < end + LATE) wait(cell, 0, 0, 1);
    },
  });
  try {
    limited.runInThisContext({ timeout: Math.max(1, Math.ceil(limit)) });
  } catch (error) {
    // `run` does not throw, so this is the interruption; anything else is a fault of ours and must be seen.
    if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
  }
  return ended;
}
