/**
 * Interrupting code that does not end.
 *
 * `node:vm` can interrupt synchronous code of its own thread after a time: loops, waits and runaway regular expressions
 * alike. The thread is usable afterwards. There is no other way: on Deno 2.7.6 to 2.9 a worker's `terminate()` does not
 * stop running code. Browsers have no `node:vm`: there the calling side ends the worker (`deadline_watchdog.ts`).
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
 * A call that ends earlier than this before its limit returns at once. In milliseconds; half of the limit if that is shorter.
 * An interruption that comes outside of the script silently ends the code that runs there, such as the loop of this
 * worker. So a call that ends later than that waits inside the script for the interruption.
 */
const MARGIN = 4;
/** The time after the limit for which the script still waits for the interruption, in milliseconds. */
const LATE = 250;

// Captured, as a task may replace them.
const now = performance.now.bind(performance);
const { wait } = Atomics;
const { min } = Math;
const cell = new Int32Array(new SharedArrayBuffer(4));

let script: Script | null | undefined;

/** Returns the script that calls the global function under KEY; null if the runtime has no `node:vm`. */
function limitedScript(): Script | null {
  if (script === undefined) {
    const { process } = globalThis as { process?: ProcessLike };
    const vm = process?.getBuiltinModule?.("node:vm") as Vm | undefined;
    script = vm === undefined ? null : new vm.Script(`globalThis[${JSON.stringify(KEY)}]()`);
  }
  return script;
}

/** The getters of globals that the runtime may load when they are first touched, captured before any task runs. */
const lazy: (() => unknown)[] = [];
for (const name of Reflect.ownKeys(globalThis)) {
  const get = Reflect.getOwnPropertyDescriptor(globalThis, name)?.get;
  if (get !== undefined) lazy.push(get);
}

/**
 * Loads the script of {@linkcode runLimited}, so that the first call is not charged for it. Also loads all globals: on
 * Deno 2.9 an interruption while a global is loaded would leave it broken, and its next use would end the whole
 * program.
 */
export function prepareLimit(): void {
  limitedScript();
  for (const get of lazy.splice(0)) {
    try {
      get.call(globalThis);
    } catch {
      // The global is not for workers, or not permitted. Tasks cannot load it either.
    }
  }
}

/**
 * Calls `run`, which must not throw, and interrupts it after `limit` milliseconds.
 *
 * @returns Whether `run` came to its end.
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
    // `run` does not throw, so this is the interruption. Any other error is a bug of this library and must be visible.
    if ((error as { code?: unknown }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
  }
  return ended;
}
