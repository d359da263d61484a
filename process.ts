/**
 * Functions that run on their own, each in its own worker, as Python's `multiprocessing.Process` and
 * `threading.Thread`.
 *
 * @example Run two processes that put results into a queue
 * ```ts
 * import { Process, Queue } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const results = new Queue<number>();
 * const processes = [1, 2].map((n) =>
 *   new Process({ target: (n: number, results: Queue<number>) => results.put(n * n), args: [n, results] })
 * );
 * for (const process of processes) process.start();
 * for (const process of processes) await process.join();
 * assertEquals([results.get(), results.get()].toSorted(), [1, 4]);
 * ```
 *
 * @module
 */

import { BrokenProcessPoolError, InvalidStateError } from "./errors.ts";
import { checkTimeout } from "./base/checks.ts";
import { checkedArgs, checkedFlag, checkedFunction, type OptionsOf, OptionsSchema } from "./base/options_schema.ts";
import { refuseInstances } from "./codec/refused.ts";
import { checkBackend, checkName, checkPermissions, checkScope, moduleUrl } from "./calls/worker_options.ts";
import type { WorkerPermissions } from "./calls/options.ts";
import { currentProcess, type ProcessInfo } from "./sync/internal/current_process.ts";
import { thisThread } from "./sync/internal/current_thread.ts";
import { CallbackTask, type WorkerEnd } from "./scheduler/task.ts";
import { refuseWhileImporting } from "./calls/import_guard.ts";
import type { Backend } from "./base/backend.ts";
import { openScheduler } from "./scheduler/backend.ts";
import type { Scheduler } from "./scheduler/task.ts";
import { webWorkers } from "./workers/mod.ts";

export { currentProcess, type ProcessInfo };

/**
 * Options of a {@linkcode Process} or {@linkcode Thread}.
 *
 * @typeParam A The parameters of `target`.
 */
export interface ProcessOptions<A extends readonly unknown[] | [] = readonly unknown[]> {
  /**
   * The function that the process runs; a promise is awaited. The result of the function is dropped.
   *
   * @default {() => undefined}
   */
  target?: (...args: A) => unknown;
  /**
   * The arguments of `target`.
   *
   * @default {[]}
   */
  args?: A;
  /**
   * The name of the process, which is `self.name` in its worker. By default `"Process-"` or `"Thread-"` and a number.
   *
   * @default {undefined}
   */
  name?: string;
  /**
   * The URL of a module with the target; see {@linkcode WorkerPoolOptions.module}.
   *
   * @default {undefined}
   */
  module?: string | URL;
  /**
   * Names that a target sent as source text can use; see {@linkcode WorkerPoolOptions.scope}.
   *
   * @default {undefined}
   */
  scope?: Record<string, unknown>;
  /**
   * The permissions of the worker that runs the process; see {@linkcode WorkerPoolOptions.permissions}.
   *
   * @default {"inherit"}
   */
  permissions?: WorkerPermissions;
  /**
   * True if the starting process or worker does not wait for this process; see {@linkcode Process.daemon}.
   *
   * @default {false}
   */
  daemon?: boolean;
  /**
   * The backend that runs the process: Web Workers of this program by default.
   *
   * @default {undefined}
   */
  backend?: Backend | undefined;
}

/**
 * Makes `args` required in options with a target that needs arguments.
 *
 * @typeParam A The parameters of `target`.
 */
export type NeedsArgs<A extends readonly unknown[]> = [] extends A ? unknown
  : {
    /** The arguments of `target`. */
    args: A;
  };

const PROCESS_CHECKS = {
  target: checkedFunction,
  args: checkedArgs,
  name: checkName,
  module: moduleUrl,
  scope: checkScope,
  permissions: checkPermissions,
  daemon: checkedFlag,
  backend: checkBackend,
};
const PROCESS_OPTIONS = new OptionsSchema(PROCESS_CHECKS);

/** The processes started on this thread that have not ended. */
const active = new Set<Process>();
const counts = { process: 0, thread: 0 };
/** The exit codes of a terminated and a killed process, by Python's convention: the signals SIGTERM and SIGKILL. */
const TERMINATED = -15;
const KILLED = -9;

/** Returns the name of a process, or of a thread, that was given none. */
function nextName(isThread: boolean): string {
  if (isThread) return `Thread-${++counts.thread}`;
  const parent = /^Process-[\d:]+$/.exec(currentProcess().name)?.[0];
  const number = ++counts.process;
  return parent === undefined ? `Process-${number}` : `${parent}:${number}`;
}

/**
 * A function that runs in its own worker, beside this program.
 *
 * - **End.** The process keeps the program alive until its function has returned. Timers that are left then end with
 *   it.
 * - **Children.** Before it ends, the process waits for the processes that it has started, except for those with
 *   {@linkcode Process.daemon}, which end with it. The worker of a pool does the same. `terminate()`, `Deno.exit()` in
 *   the process, and an uncaught error end it at once, together with all its children.
 * - **Errors.** An error of its function is printed and sets {@linkcode Process.exitcode} to 1; it has no other effect
 *   on the program. An uncaught error in a timer or a promise ends the process at once in the same way, unless a
 *   listener of the process for `error` or `unhandledrejection` calls `preventDefault()`.
 * - **Locks.** Locks that the process holds when it ends become free; `lock.recovered` tells the next holder.
 *
 * Source: `multiprocessing.Process`. Differs from Python: a process is a thread with its own heap, not a process of the
 * operating system; subclasses with a `run()` do not exist, since instances cannot be sent; a daemon may start
 * processes; `Deno.exit()` does not wait for children, like `os._exit()`.
 *
 * @typeParam A The parameters of the target.
 *
 * @example Wait for the end of a process, and read its exit code
 * ```ts
 * import { Process } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const process = new Process({ target: () => Deno.exit(3) });
 * process.start();
 * await process.join();
 * assertEquals(process.exitcode, 3);
 * ```
 *
 * @example Start a daemon, and terminate it
 * ```ts
 * import { Process } from "@manycore/parallel";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const process = new Process({ target: () => new Promise(() => {}), daemon: true });
 * process.start();
 * assert(process.daemon && process.isAlive());
 * process.terminate();
 * assertEquals(process.exitcode, -15);
 * ```
 */
export class Process<A extends readonly unknown[] | [] = readonly unknown[]> {
  /** The name of the process, which is `self.name` in its worker. */
  readonly name: string;
  /**
   * True if the process or worker that started this process does not wait for it, but ends it at its own end. The
   * children of a daemon are not daemons unless they say so.
   */
  readonly daemon: boolean;

  static {
    refuseInstances(Process.prototype, "Cannot send a process to another thread");
  }

  #options: OptionsOf<typeof PROCESS_CHECKS> | undefined;
  #scheduler: Scheduler | undefined;
  #exitcode: number | null = null;
  #pid: number | null = null;
  readonly #ended = Promise.withResolvers<void>();

  /**
   * Creates a process, without starting it.
   *
   * @param options The options.
   * @throws {TypeError} If an option is of a wrong kind or unknown.
   * @throws {RangeError} If a name in `scope` is not a valid name of a variable.
   * @throws {InvalidStateError} If a worker makes the process while it imports its module: the main program in that
   * module needs the guard `if (import.meta.main)`.
   */
  constructor(options?: ProcessOptions<A> & NeedsArgs<A>) {
    const given = PROCESS_OPTIONS.read(options, new.target.name);
    refuseWhileImporting("a process");
    this.name = given.name ?? nextName(this instanceof Thread);
    this.daemon = given.daemon ?? false;
    this.#options = given;
  }

  /**
   * Starts the process.
   *
   * @throws {InvalidStateError} If it was started before.
   * @throws {SerializationError} If the target, an argument or the scope cannot be sent. The process is not started
   * then.
   */
  start(): void {
    if (this.#options === undefined) throw new InvalidStateError(`Cannot start ${this.name} as it was started before`);
    const { target = () => {}, args = [], module, scope = {}, permissions, backend = webWorkers } = this.#options;
    const scheduler = openScheduler(backend, {
      owner: "process",
      size: 1,
      name: this.name,
      exactName: true,
      module,
      scope,
      permissions,
      initializer: undefined,
      initargs: [],
      maxTasks: 0,
      limit: 0,
      idleTimeout: Infinity,
      trace: false,
      background: this.daemon,
    });
    let refused: unknown;
    let starting = true;
    const task = new CallbackTask(target, "run", args, 0, (outcome) => {
      if (starting && !outcome.ok) refused = outcome.error;
      else if (this.#exitcode === null) this.#end(outcome.ok ? 0 : this.#failed(outcome.error, outcome.end));
    });
    scheduler.submit(task);
    starting = false;
    if (refused !== undefined) {
      scheduler.terminate();
      throw refused;
    }
    this.#options = undefined; // it may hold a lot
    this.#scheduler = scheduler;
    this.#pid = scheduler.workers()[0]?.pid ?? null;
    active.add(this as unknown as Process);
    this.#count(1);
    scheduler.close();
  }

  /** Adds it to, or removes it from, the processes that its thread waits for. */
  #count(by: 1 | -1): void {
    if (this.daemon) return;
    const thread = thisThread();
    thread.children += by;
    thread.childrenChanged();
  }

  #failed(error: unknown, end: WorkerEnd | undefined): number {
    // If the worker cannot start, the scheduler is broken: only the cause of that error is worth reporting.
    const reason = this.#scheduler?.state === "broken" ? (error as Error).cause : error;
    const atStart = reason !== error && reason instanceof BrokenProcessPoolError ? reason.exitCode : undefined;
    const exitcode = end?.exitCode ?? atStart;
    if (exitcode !== undefined) return exitcode;
    console.error(this instanceof Thread ? `Exception in thread ${this.name}:` : `Process ${this.name}:`);
    console.error(end?.uncaught === undefined ? reason : end.uncaught[0]);
    return 1;
  }

  #end(exitcode: number): void {
    if (this.#exitcode !== null) return;
    this.#exitcode = exitcode;
    active.delete(this as unknown as Process);
    this.#count(-1);
    this.#ended.resolve();
  }

  #started(what: string): Scheduler {
    if (this.#scheduler === undefined) throw new InvalidStateError(`Cannot ${what} ${this.name} as it was not started`);
    return this.#scheduler;
  }

  /** Records an end that the event loop has not reported yet. */
  #look(): void {
    if (this.#exitcode === null) this.#scheduler?.block(() => this.#exitcode !== null, -Infinity);
  }

  /**
   * Waits until the process has ended.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @returns Resolves at the end or after `timeout`; {@linkcode Process.exitcode} tells which.
   * @throws {InvalidStateError} If the process was not started.
   * @throws {TypeError} If `timeout` is not a number.
   */
  async join(timeout?: number): Promise<void> {
    const time = checkTimeout(timeout);
    this.#started("join");
    if (time === Infinity) return await this.#ended.promise;
    this.#look();
    if (this.#exitcode !== null || time <= 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, time));
    await Promise.race([this.#ended.promise, over]);
    clearTimeout(timer);
  }

  /**
   * Blocks the calling thread until the process has ended; otherwise as {@linkcode Process.join}. This method can be
   * used on every thread that may block: in Deno on all threads, including the main one.
   *
   * @param timeout The longest wait, in milliseconds. 0 or less does not wait. Without it, the wait has no limit.
   * @throws {InvalidStateError} If the process was not started; in a browser, where a thread cannot block for its
   * workers.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {CancelledError} If this thread is a worker that was terminated meanwhile.
   *
   * @example Wait for the end of a process without `await`
   * ```ts
   * import { Process } from "@manycore/parallel";
   * import { assertEquals } from "@std/assert";
   *
   * const process = new Process({ target: () => {} });
   * process.start();
   * process.joinSync();
   * assertEquals(process.exitcode, 0);
   * ```
   */
  joinSync(timeout?: number): void {
    const deadline = performance.now() + checkTimeout(timeout);
    const scheduler = this.#started("join");
    if (this.#exitcode === null) scheduler.block(() => this.#exitcode !== null, deadline);
  }

  /** Returns whether the process was started and has not ended. */
  isAlive(): boolean {
    this.#look();
    return this.#scheduler !== undefined && this.#exitcode === null;
  }

  /**
   * Ends the process at once, with the exit code -15. A process that has ended does not change. Where the runtime
   * cannot stop running code (Deno 2.7.6 and later), that code may run on; a process that waits does end.
   *
   * @throws {InvalidStateError} If the process was not started.
   */
  terminate(): void {
    this.#endNow("terminate", TERMINATED);
  }

  /**
   * Ends the process as {@linkcode Process.terminate} does, with the exit code -9.
   *
   * @throws {InvalidStateError} If the process was not started.
   *
   * @example Kill a process that loops
   * ```ts
   * import { Process } from "@manycore/parallel";
   * import { processes } from "@manycore/parallel/processes";
   * import { assertEquals } from "@std/assert";
   *
   * const process = new Process({ target: () => { for (;;); }, backend: processes() });
   * process.start();
   * process.kill();
   * await process.join();
   * assertEquals(process.exitcode, -9);
   * ```
   */
  kill(): void {
    this.#endNow("kill", KILLED);
  }

  #endNow(what: string, exitcode: number): void {
    const scheduler = this.#started(what);
    this.#look();
    this.#end(exitcode);
    scheduler.terminate();
  }

  /** The number of the worker that runs the process; null before the start. */
  get pid(): number | null {
    return this.#pid;
  }

  /**
   * The exit code of the process: 0 if the function returned, 1 after an uncaught error, -15 if the process was
   * terminated, or the code given to `Deno.exit()`. Null before the end.
   */
  get exitcode(): number | null {
    this.#look();
    return this.#exitcode;
  }
}

/**
 * A {@linkcode Process} under the name of Python's thread. A thread runs in its own worker too, and so uses its own
 * core. It shares no variables with the program, only locks, queues and other shared objects.
 *
 * Source: `threading.Thread`. Differs from Python: threads share no variables, and no global lock keeps two of them
 * from computing at the same time. For functions that mostly wait, {@linkcode ThreadPool} uses the variables of the
 * program itself.
 *
 * @typeParam A The parameters of the target.
 *
 * @example Start a thread with a name and an argument
 * ```ts
 * import { Thread } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const thread = new Thread({ target: (who: string) => console.log(`Hello from ${self.name}, ${who}`), args: ["Ada"] });
 * thread.start();
 * await thread.join();
 * assertEquals(thread.exitcode, 0);
 * ```
 */
export class Thread<A extends readonly unknown[] | [] = readonly unknown[]> extends Process<A> {}

/**
 * Returns the processes and threads that were started on this thread and have not ended.
 *
 * Source: `multiprocessing.active_children`.
 *
 * @returns A new array.
 *
 * @example List the processes that have not ended
 * ```ts
 * import { activeChildren } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(activeChildren(), []);
 * ```
 */
export function activeChildren(): Process[] {
  return [...active].filter((process) => process.isAlive());
}
