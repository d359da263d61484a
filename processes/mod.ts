/**
 * The backend that runs calls in child processes: a task can be killed, may run out of memory or crash, and takes nobody with it.
 *
 * @example Kill a task that never ends
 * ```ts
 * import { Pool, TimeoutError } from "@manycore/parallel";
 * import { processes } from "@manycore/parallel/processes";
 * import { assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(2, { backend: processes() });
 * await assertRejects(() => pool.apply(() => { for (;;); }, [], { taskTimeout: 100 }), TimeoutError);
 * ```
 *
 * @module
 */

import type { Backend } from "../base/backend.ts";
import { checkedCount, OptionsSchema } from "../base/options_schema.ts";
import { show } from "../base/checks.ts";
import type { SchedulerBackend } from "../scheduler/backend.ts";
import { ProcessScheduler } from "./process_scheduler.ts";

export type { Backend };

/** Options of {@linkcode processes}. */
export interface ProcessesOptions {
  /**
   * The memory of a process, in MB. It is the limit of the heap: a task that exceeds it ends its process, and fails alone. A
   * process whose resident memory has grown by more than that, buffers included, is replaced between two tasks. By default the
   * heap has the limit of the runtime, and the resident memory none.
   *
   * @default {undefined}
   */
  memoryLimit?: number;
  /**
   * Environment variables of the processes, beside those of this program.
   *
   * @default {{}}
   */
  env?: Record<string, string>;
  /**
   * The working directory of the processes. By default it is that of this program.
   *
   * @default {undefined}
   */
  cwd?: string | URL;
  /**
   * The Deno that runs the processes: a path, or a name on the `PATH`. By default it is the one that runs this program. A compiled
   * program has to name one.
   *
   * @default {undefined}
   */
  executable?: string | URL;
}

const OPTIONS = new OptionsSchema({
  memoryLimit: checkedCount,
  env: checkEnv,
  cwd: checkPath,
  executable: checkPath,
});

function checkEnv(env: unknown): Readonly<Record<string, string>> {
  if (typeof env !== "object" || env === null) {
    throw new TypeError(`Cannot use 'env' as it must be an object: current value is ${show(env)}`);
  }
  const copy: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (typeof value !== "string") {
      throw new TypeError(`Cannot use 'env.${name}' as it must be a string: current value is ${show(value)}`);
    }
    if (name === "" || /[=\0]/.test(name) || value.includes("\0")) {
      throw new RangeError(`Cannot use 'env' as ${show(name)} cannot be a variable with this value`);
    }
    copy[name] = value;
  }
  return copy;
}

function checkPath(path: unknown, key: string): string {
  if (path instanceof URL && path.protocol === "file:") return decodeURIComponent(path.pathname);
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  throw new TypeError(`Cannot use '${key}' as it must be a path or a URL of a file: current value is ${show(path)}`);
}

/**
 * Returns a backend that runs calls in child processes of this program, for `Pool`, `ProcessPoolExecutor` and `Process`.
 *
 * A process has a heap of its own, as a worker has, and can be killed. A loop that never ends, memory that runs out, or a crash in
 * native code ends one process, within milliseconds, and fails only the task that it ran, with a `BrokenProcessPoolError` that has
 * the exit code, the signal and the last words of the process. A task that exceeds `taskTimeout` ends in any case.
 *
 * - **Permissions.** This program needs `--allow-run` for the Deno that it runs on. The processes get the permissions that this
 *   program has as a whole: with `--allow-read=/tmp` they have no permission to read, unless `permissions` of the pool names it.
 * - **Memory** cannot be shared: locks, queues and other shared objects are refused, as are ports and streams. `transfer()` copies.
 * - **Modules.** `module` needs no permission to read. Its imports are resolved with the configuration file that is found from the
 *   folder of the module; `--config` and `--import-map` of this program's command do not count.
 * - **Standard streams.** `console.log()` of a task prints on the standard output of this program. Its standard input is at its end.
 * - **Blocking** calls, such as `applySync()`, move a pool to other processes, whose pipes another thread reads. From then on each call
 *   takes about twice as long. The thread cannot block for a task that was begun before, nor for a `Process`.
 *
 * A process takes 15 to 35 ms to start, a call 30 to 80 µs, and about 15 MB are its own. Deno only.
 *
 * Source: `multiprocessing`, whose workers are processes.
 *
 * @param options The options.
 * @returns The backend.
 * @throws {TypeError} If an option is of a wrong kind or unknown.
 * @throws {RangeError} If `memoryLimit` is not a whole number above 0.
 *
 * @example Survive a task that ends its process
 * ```ts
 * import { BrokenProcessPoolError, Pool } from "@manycore/parallel";
 * import { processes } from "@manycore/parallel/processes";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await using pool = new Pool(2, { backend: processes() });
 * const error = await assertRejects(() => pool.apply(() => Deno.kill(Deno.pid, "SIGKILL")), BrokenProcessPoolError);
 * assertEquals([error.exitCode, error.signal], [-9, "SIGKILL"]);
 * assertEquals(await pool.map((n: number) => n * n, [1, 2, 3]), [1, 4, 9]);
 * ```
 */
export function processes(options: ProcessesOptions = {}): Backend {
  const { memoryLimit = 0, env = {}, cwd, executable } = OPTIONS.read(options, "processes");
  const launch = { memoryLimit, env, cwd, executable };
  return { open: (config) => new ProcessScheduler(config, launch) } satisfies SchedulerBackend as Backend;
}
