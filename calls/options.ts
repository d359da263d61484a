/**
 * The options and small types that pools and executors share.
 *
 * @module
 */

import type { Backend } from "../base/backend.ts";

/**
 * The options that a {@linkcode Pool} and a {@linkcode ProcessPoolExecutor} share. "The pool" stands for either of them
 * here.
 *
 * @typeParam I The parameters of `initializer`.
 */
export interface WorkerPoolOptions<I extends readonly unknown[] = never[]> {
  /**
   * A function that each worker calls before its first task; a promise is awaited. If the initializer throws, the pool
   * is broken: every call fails with `BrokenProcessPoolError`, whose `cause` is that error.
   *
   * @default {undefined}
   */
  readonly initializer?: ((...args: I) => unknown) | undefined;
  /**
   * The arguments of `initializer`.
   *
   * @default {[]}
   */
  readonly initargs?: NoInfer<InitargsOf<I>> | undefined;
  /**
   * The number of tasks that a worker may have begun at the same time, a positive integer. While a task awaits, its worker
   * begins others, up to this number; code that does not await runs alone. Use it for tasks that mostly wait, for example
   * for a server. A chunk is one task, and makes its calls one after the other. If the worker ends, or a call loops beyond
   * its limit after an `await`, all tasks that it has begun fail.
   *
   * @default {1}
   */
  readonly concurrency?: number | undefined;
  /**
   * The number of tasks after which a worker is replaced by a new one, a positive integer. A chunk is one task. By
   * default workers are not replaced.
   *
   * A worker with living child processes (started in a task by `new Process()`, without `daemon`) takes no more tasks
   * after this number, and ends when its children have ended. Its successor starts at once.
   *
   * @default {undefined}
   */
  readonly maxTasksPerChild?: number | undefined;
  /**
   * The URL of a module with the functions to call, usually `import.meta.url`. A function that the module exports,
   * under any name, is taken from there and can use the module's imports and helpers; any other function is sent as
   * source text. Each worker imports the module, which needs `--allow-read` for a local file. Guard the main program
   * with `if (import.meta.main)`. By default all functions are sent as source text.
   *
   * @default {undefined}
   */
  readonly module?: string | URL | undefined;
  /**
   * Names that functions sent as source text can use: functions, locks, queues and other shared objects, which stay
   * shared, and copies of any other values that can be sent. Besides these, such a function sees its parameters, its
   * own name and the worker's globals.
   *
   * @default {undefined}
   */
  readonly scope?: Readonly<Record<string, unknown>> | undefined;
  /**
   * The permissions of the workers: those of this program, none, or fewer. Deno takes this option only with the flag
   * `--unstable-worker-options` (or `"unstable": ["worker-options"]` in `deno.json`). Without the flag, Deno ends the
   * program with a message that names it.
   *
   * @default {"inherit"}
   */
  readonly permissions?: WorkerPermissions | undefined;
  /**
   * The hard limit of one call, in milliseconds, above 0; see {@linkcode CallOptions.taskTimeout}. The import of
   * `module` and the initializer have the same limit, each by itself: a worker that takes longer breaks the pool, with
   * a `TimeoutError` as the cause.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
  /**
   * The time for which an idle pool keeps its workers, in milliseconds, above 0. They start again on demand. `Infinity`
   * keeps them until the pool is closed.
   *
   * A worker with living child processes (started in a task by `new Process()`, without `daemon`) is not idle. Until
   * the children have ended, the pool keeps its workers, and `join()` or `shutdown()` waits for them.
   *
   * @default {10_000}
   */
  readonly idleTimeout?: number | undefined;
  /**
   * The name of the workers, to which `-` and their number are added. By default `"PoolWorker"` in a `Pool`, and
   * `"ProcessPoolExecutor"` in a `ProcessPoolExecutor`.
   *
   * @default {undefined}
   */
  readonly name?: string | undefined;
  /**
   * The backend that runs the calls: Web Workers of this program by default.
   *
   * @default {undefined}
   */
  readonly backend?: Backend | undefined;
}

/**
 * The options that a {@linkcode ThreadPool} and a {@linkcode ThreadPoolExecutor} share. "The pool" stands for either of
 * them here.
 */
export interface LocalPoolOptions {
  /**
   * A function that is called once per slot, before the first task of the slot; a promise is awaited. The pool has as
   * many slots as it runs tasks at a time. If the initializer throws, the pool is broken: every call fails with
   * `BrokenProcessPoolError`, whose `cause` is that error.
   *
   * @default {undefined}
   */
  readonly initializer?: ((...args: never[]) => unknown) | undefined;
  /**
   * The arguments of `initializer`.
   *
   * @default {[]}
   */
  readonly initargs?: readonly unknown[] | undefined;
  /**
   * The limit of one call, in milliseconds from its start, above 0. A call that takes longer fails with `TimeoutError`.
   * Its function runs on, as nothing can stop it on this thread, and its result is dropped.
   *
   * @default {Infinity}
   */
  readonly taskTimeout?: number | undefined;
}

/** Options of a single call of a pool. */
export interface CallOptions {
  /**
   * A signal that abandons the call when it aborts: the call rejects at once, with the signal's reason. A task that has
   * not begun never runs. A task that has begun learns of it by {@linkcode CurrentTask.signal} of {@linkcode currentTask}. If it
   * has not ended after `abortGrace`, its worker is ended and replaced. Its result is dropped in any case.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The time that a task has to end after its signal has aborted, before its worker is ended, in milliseconds: 0 or more, possibly
   * `Infinity`. With `Infinity`, the task runs to its end. A worker that is ended while its code runs may go on where the runtime
   * cannot stop it; a process always ends. A slot of a `ThreadPool` cannot be ended: there the option has no effect.
   *
   * @default {1000}
   */
  readonly abortGrace?: number | undefined;
  /**
   * The hard limit of one call, in milliseconds, above 0. Each item of a map has its own. The time in which the worker
   * reads the task counts towards the first item. A call that takes longer is ended, even in `for (;;);`, and fails
   * with `TimeoutError`. More than 12 days means no limit. By default the limit of the pool applies.
   *
   * @default {undefined}
   */
  readonly taskTimeout?: number | undefined;
}

/**
 * Callbacks of the `*Async` methods. Exactly one of them is called, once, before the result is ready. If the callback
 * throws, the result fails with that error. If the error comes from `errorCallback` and has no `cause`, its `cause` is
 * set to the failure of the call.
 *
 * @typeParam T The value.
 */
export interface CallbackOptions<T> {
  /**
   * A function that is called with the value, if the call succeeds.
   *
   * @default {undefined}
   */
  readonly callback?: ((value: T) => void) | undefined;
  /**
   * A function that is called with the error, if the call fails.
   *
   * @default {undefined}
   */
  readonly errorCallback?: ((error: unknown) => void) | undefined;
}

/**
 * Options of the methods that call a function for many items.
 *
 * @typeParam E The type of `returnExceptions`; `boolean` if the value is not known to the compiler.
 */
export interface MapOptions<E extends boolean | undefined = boolean> extends CallOptions {
  /**
   * The number of items that go to a worker at a time, a positive integer. Small chunks balance items of different
   * cost, large chunks save overhead. By default, `map` and `starmap` use a quarter of each worker's even share,
   * rounded up, as CPython does; `imap` and its relatives use 1.
   *
   * @default {undefined}
   */
  readonly chunksize?: number | undefined;
  /**
   * A function that is called after each chunk, with the number of items that are done and, if it is known, the total
   * number. If it throws, the call fails with that error.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((done: number, total?: number) => void) | undefined;
  /**
   * True if the error of an item is returned in place of its result, instead of failing the whole call.
   * `instanceof Error` tells the two apart: a thrown value that is not an error becomes the `cause` of one.
   *
   * @default {false}
   */
  readonly returnExceptions?: E | undefined;
}

/**
 * A result of a method that calls a function for many items: the result of the function, or an error if the option
 * `returnExceptions` allows errors.
 *
 * @typeParam R The result of the function.
 * @typeParam E The type of the option `returnExceptions`.
 */
export type ResultOf<R, E extends boolean | undefined> = E extends true ? Awaited<R> | Error : Awaited<R>;

/**
 * Options of `imap` and its relatives.
 *
 * @typeParam E The type of `returnExceptions`; `boolean` if the value is not known to the compiler.
 */
export interface ImapOptions<E extends boolean | undefined = boolean> extends MapOptions<E> {
  /**
   * The largest number of items that are read ahead of the results already returned, a positive integer; at least one
   * whole chunk is read. By default 32 chunks for each worker.
   *
   * @default {undefined}
   */
  readonly buffersize?: number | undefined;
}

/**
 * The type of the option `initargs`: the parameters of the initializer, or any arguments if the initializer may be any
 * function.
 *
 * @typeParam I The parameters of the initializer.
 */
export type InitargsOf<I extends readonly unknown[]> = I extends never[]
  ? number extends I["length"] ? readonly unknown[] : Readonly<I>
  : Readonly<I>;

/**
 * Makes `initargs` required in options with an initializer that needs arguments.
 *
 * @typeParam I The parameters of the initializer.
 */
export type NeedsInitargs<I extends readonly unknown[]> = [] extends I ? unknown
  : {
    /** The arguments of `initializer`. */
    readonly initargs: Readonly<I>;
  };

/** The counts of a pool or executor at one moment. */
export interface PoolStats {
  /** The number of living workers. Workers start on demand. */
  readonly workers: number;
  /** The number of tasks that no worker has begun. A chunk is one task. */
  readonly queued: number;
  /** The number of tasks that are running. */
  readonly running: number;
  /** The number of tasks that have ended since the pool was made, with or without an error. */
  readonly finished: number;
  /**
   * The number of workers that were ended in the middle of code that the runtime cannot stop (Deno 2.7.6 and later,
   * denoland/deno#35657), as far as they can be seen. Each occupies a core until that code ends, but does not keep the
   * program from ending. A `taskTimeout` avoids zombies, except for code that loops after an `await`.
   */
  readonly zombies: number;
  /**
   * The number of times that a worker could not be started, or ended while it started, since the pool was made. The
   * pool goes on with the workers that it has, and tries again after 0.1 s, then after twice as long each time, up to
   * 10 s. It is broken only when no worker is left.
   */
  readonly startFailures: number;
}

/**
 * The permissions of workers: those of the program that makes them (`"inherit"`), none (`"none"`), or a choice for each
 * kind. A kind is granted as far as the program has it (`true` or `"inherit"`), not at all (`false`, or left out), or
 * for certain names, paths or hosts (an array).
 *
 * Source: `deno.permissions` of the `Worker` constructor.
 *
 * @example Run tasks without any permission, with the flag `--unstable-worker-options`
 * ```ts ignore
 * import { Pool } from "@manycore/parallel";
 *
 * await using pool = new Pool(2, { permissions: "none" });
 * await pool.apply(() => Deno.readTextFile("/etc/passwd")); // NotCapable
 * ```
 */
export type WorkerPermissions =
  | "inherit"
  | "none"
  | {
    readonly [kind in "env" | "ffi" | "import" | "net" | "read" | "run" | "sys" | "write"]?:
      | boolean
      | "inherit"
      | readonly (string | URL)[];
  };
