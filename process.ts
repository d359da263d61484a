/**
 * Functions that run by themselves, each in a worker of its own: `multiprocessing.Process` and `threading.Thread`.
 *
 * @example Two processes
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
import { refuseInstances } from "./codec/encoder.ts";
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

/** What a {@linkcode Process} or {@linkcode Thread} runs. */
export interface ProcessOptions<A extends readonly unknown[] | [] = readonly unknown[]> {
  /**
   * The function; it may be asynchronous. Its result is dropped.
   *
   * @default {undefined} a function that does nothing
   */
  target?: (...args: A) => unknown;
  /**
   * Its arguments: whatever a task argument can be.
   *
   * @default {[]}
   */
  args?: A;
  /**
   * Its name, `self.name` in the worker.
   *
   * @default {"Process-1"} counted on, or `"Thread-1"`
   */
  name?: string;
  /**
   * A module from which `target` is taken if it exports it.
   *
   * @default {undefined} every function goes by source
   */
  module?: string | URL;
  /**
   * Names that a function sent by source can use.
   *
   * @default {undefined} none
   */
  scope?: Record<string, unknown>;
  /**
   * What it may do: nothing, or less than this program. See {@linkcode WorkerPermissions}.
   *
   * @default {"inherit"} as much as this program
   */
  permissions?: WorkerPermissions;
  /**
   * Whether it ends with the process or worker that has started it, which waits for it otherwise. See
   * {@linkcode Process.daemon}.
   *
   * @default {false}
   */
  daemon?: boolean;
  /**
   * Where it runs. See {@linkcode Backend}.
   *
   * @default {undefined} on Web Workers of this program
   */
  backend?: Backend | undefined;
}

/** What a process must be given besides its target: its arguments, unless it needs none. */
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

/** The processes started here that have not ended. */
const active = new Set<Process>();
const counts = { process: 0, thread: 0 };
/** The exit code of one that was terminated, by Python's convention: the signal SIGTERM. */
const TERMINATED = -15;

/**
 * A function that runs in a worker of its own, beside this program.
 *
 * - **It keeps the program alive** until its function has ended; what that has left behind (timers) ends with it.
 * - **It waits for the processes that it has started** before it ends, but for those with {@linkcode Process.daemon}, which end
 *   with it. So does the worker of a pool. `terminate()`, `Deno.exit()` in it, and an error that nothing catches end it at once,
 *   with all of them.
 * - **An error in it** is printed, sets {@linkcode Process.exitcode} to 1, and does nothing else to the program. One that nothing
 *   catches, in a timer or a promise, ends it at once in the same way, unless a listener of its own for `error` or
 *   `unhandledrejection` calls `preventDefault()`.
 * - **Locks that it holds** when it ends are free for the others (`lock.recovered` tells).
 *
 * Source: `multiprocessing.Process`, article 003.
 *
 * Differs from Python: it is a thread with a heap of its own, not a process of the operating system; there is no subclass
 * with a `run()`, since instances cannot be sent; a daemon may start processes; `Deno.exit()` waits for none, as `os._exit()`.
 *
 * @typeParam A The arguments.
 *
 * @example Waiting for its end
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
 * @example One that nobody waits for
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
  /** The name. */
  readonly name: string;
  /**
   * Whether it ends with the process, or with the worker of a pool, that has started it, instead of being waited for. It is not
   * passed on: what a daemon starts is a daemon only if it says so.
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
   * A process that is not started.
   *
   * @param options What it runs.
   * @throws {TypeError} If an option is of the wrong type, or there is none of that name.
   */
  constructor(options?: ProcessOptions<A> & NeedsArgs<A>) {
    const given = PROCESS_OPTIONS.read(options, new.target.name);
    refuseWhileImporting("a process");
    this.name = given.name ?? this.nextName();
    this.daemon = given.daemon ?? false;
    this.#options = given;
  }

  /** The name of one that was given none. */
  protected nextName(): string {
    const parent = /^Process-[\d:]+$/.exec(currentProcess().name)?.[0];
    const number = ++counts.process;
    return parent === undefined ? `Process-${number}` : `${parent}:${number}`;
  }

  /** The first line of what is printed of an error. */
  protected headline(): string {
    return `Process ${this.name}:`;
  }

  /**
   * Spawner it.
   *
   * @throws {InvalidStateError} If it was started before.
   * @throws {SerializationError} If the target, an argument or the scope cannot be sent; it is not started then.
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

  /** Counts it among those that its thread waits for. */
  #count(by: 1 | -1): void {
    if (this.daemon) return;
    const thread = thisThread();
    thread.children += by;
    thread.childrenChanged();
  }

  #failed(error: unknown, end: WorkerEnd | undefined): number {
    // That its scheduler is broken, since its worker cannot start, does not concern anyone but for the reason.
    const reason = this.#scheduler?.state === "broken" ? (error as Error).cause : error;
    const atStart = reason !== error && reason instanceof BrokenProcessPoolError ? reason.exitCode : undefined;
    const exitcode = end?.exitCode ?? atStart;
    if (exitcode !== undefined) return exitcode;
    console.error(this.headline());
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

  /** Takes note of an end that the event loop has not told yet. */
  #look(): void {
    if (this.#exitcode === null) this.#scheduler?.block(() => this.#exitcode !== null, -Infinity);
  }

  /**
   * Waits in the event loop until it has ended.
   *
   * @param timeout How long to wait at most, in milliseconds; 0 and less: not at all.
   * @returns Resolves in both cases: {@linkcode Process.exitcode} tells.
   * @throws {InvalidStateError} If it was not started.
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
   * Blocks this thread until it has ended.
   *
   * @param timeout How long to wait at most, in milliseconds; 0 and less: not at all.
   * @throws {InvalidStateError} If it was not started; or in a browser, where a thread cannot block for its workers.
   * @throws {TypeError} If `timeout` is not a number.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  joinSync(timeout?: number): void {
    const deadline = performance.now() + checkTimeout(timeout);
    const scheduler = this.#started("join");
    if (this.#exitcode === null) scheduler.block(() => this.#exitcode !== null, deadline);
  }

  /** Whether it was started and has not ended. */
  isAlive(): boolean {
    this.#look();
    return this.#scheduler !== undefined && this.#exitcode === null;
  }

  /**
   * Ends it at once, with the exit code -15; one that has ended stays as it is. Code that runs may run on, where the
   * runtime cannot stop it (Deno 2.7.6 and later); what waits, ends.
   *
   * @throws {InvalidStateError} If it was not started.
   */
  terminate(): void {
    const scheduler = this.#started("terminate");
    this.#look();
    this.#end(TERMINATED);
    scheduler.terminate();
  }

  /** The number of its worker; null before the start. */
  get pid(): number | null {
    return this.#pid;
  }

  /**
   * How it ended: 0 well, 1 after an error that nothing caught, -15 terminated, or the code given to `Deno.exit()`. Null
   * before its end.
   */
  get exitcode(): number | null {
    this.#look();
    return this.#exitcode;
  }
}

/**
 * A {@linkcode Process} under the name of Python's thread: it runs in a worker too, so that it uses a core of its own, and
 * shares no variables, only the objects of `sync/`.
 *
 * Source: `threading.Thread`, article 003.
 *
 * Differs from Python: no common variables, and no lock that keeps two of them from computing at the same time. For
 * functions that mostly wait, `ThreadPool` runs on the variables of the program itself.
 *
 * @typeParam A The arguments.
 *
 * @example Its name
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
export class Thread<A extends readonly unknown[] | [] = readonly unknown[]> extends Process<A> {
  /** The name of one that was given none. */
  protected override nextName(): string {
    return `Thread-${++counts.thread}`;
  }

  /** The first line of what is printed of an error. */
  protected override headline(): string {
    return `Exception in thread ${this.name}:`;
  }
}

/**
 * The processes and threads that were started on this thread and have not ended.
 *
 * Source: `multiprocessing.active_children`.
 *
 * @returns A new array.
 *
 * @example None at first
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
