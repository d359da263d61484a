/**
 * The options and small types that the pools share.
 *
 * @module
 */

/** Options of a single call. */
export interface CallOptions {
  /**
   * Gives the call up when it aborts: it rejects with the signal's reason at once. A task that has not begun never
   * runs; one that runs goes on to its end, and its result is dropped.
   *
   * @default {undefined}
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Hard limit of one call, in milliseconds, above 0; each item of a map has its own. The time that the worker takes to read
   * the task counts for the first one.
   * A call that takes longer is ended, `for (;;);` included, and fails with `TimeoutError`. More than 12 days is none.
   *
   * @default {undefined} the pool's
   */
  readonly taskTimeout?: number | undefined;
}

/**
 * Callbacks of the `*Async` methods. Exactly one of them is called, once, before the result is ready. If it throws,
 * that error becomes the result; an error that has no `cause` of its own gets the failure that `errorCallback` was told.
 *
 * @typeParam T The value.
 */
export interface CallbackOptions<T> {
  /**
   * Called with the value.
   *
   * @default {undefined}
   */
  readonly callback?: ((value: T) => void) | undefined;
  /**
   * Called with the error.
   *
   * @default {undefined}
   */
  readonly errorCallback?: ((error: unknown) => void) | undefined;
}

/**
 * Options of the methods that call a function for many items.
 *
 * @typeParam E Whether errors are returned, as far as is known: `boolean` for perhaps.
 */
export interface MapOptions<E extends boolean | undefined = boolean> extends CallOptions {
  /**
   * How many items go to a worker at once, a positive integer. Small chunks even out items of different cost, large
   * ones save overhead.
   *
   * @default {undefined} for `map` and `starmap` CPython's rule, a quarter of a worker's even share, rounded up; for
   * `imap` and its relatives 1
   */
  readonly chunksize?: number | undefined;
  /**
   * Called after each chunk with how many items are done, and of how many if that is known. If it throws, the call fails
   * with that error.
   *
   * @default {undefined}
   */
  readonly onProgress?: ((done: number, total?: number) => void) | undefined;
  /**
   * Whether an item that fails gives its error as the result in its place, instead of failing the whole: `instanceof
   * Error` tells. Something else that was thrown is the `cause` of an error.
   *
   * @default {false}
   */
  readonly returnExceptions?: E | undefined;
}

/**
 * A result of a method that calls a function for many items: what the function returns, or perhaps an error if these are
 * returned.
 *
 * @typeParam R What the function returns.
 * @typeParam E The option `returnExceptions`.
 */
export type ResultOf<R, E extends boolean | undefined> = E extends true ? Awaited<R> | Error : Awaited<R>;

/**
 * Options of `imap` and its relatives.
 *
 * @typeParam E Whether errors are returned, as far as is known: `boolean` for perhaps.
 */
export interface ImapOptions<E extends boolean | undefined = boolean> extends MapOptions<E> {
  /**
   * How many items at most are read ahead of what was given out, a positive integer; a whole chunk in any case.
   *
   * @default {undefined} 32 chunks for each worker
   */
  readonly buffersize?: number | undefined;
}

/**
 * The arguments of an initializer, checked against it; any, where it may be any function.
 *
 * @typeParam I The parameters of the initializer.
 */
export type InitargsOf<I extends readonly unknown[]> = I extends never[]
  ? number extends I["length"] ? readonly unknown[] : Readonly<I>
  : Readonly<I>;

/**
 * What options with an initializer must have besides: `initargs`, unless it needs none.
 *
 * @typeParam I The parameters of the initializer.
 */
export type NeedsInitargs<I extends readonly unknown[]> = [] extends I ? unknown
  : {
    /** The arguments of `initializer`. */
    readonly initargs: Readonly<I>;
  };

/** The counts of a pool at a moment. */
export interface PoolStats {
  /** Workers alive, started on demand. */
  readonly workers: number;
  /** Tasks that no worker has begun. A chunk is one task. */
  readonly queued: number;
  /** Tasks under way. */
  readonly running: number;
  /** Tasks that have ended since the pool was made, well or not. */
  readonly finished: number;
  /**
   * Workers that were ended in the middle of code which the runtime cannot stop (Deno 2.7.6 and later,
   * denoland/deno#35657), as far as can be seen: they occupy a core until that code ends. A `taskTimeout` avoids them,
   * but for code that loops after an `await`. They do not keep the program from ending.
   */
  readonly zombies: number;
  /**
   * How many times a worker could not be started, or ended while it started, since the pool was made. The pool goes on with
   * the workers it has, and tries again after a tenth of a second, then after twice as long each time, up to 10 s; it is broken
   * only when there is no worker left.
   */
  readonly startFailures: number;
}

/**
 * What workers may do: as much as the program that makes them, nothing, or something of each kind: all that the program may
 * (`true` or `"inherit"`), nothing (`false`, as what is left out), or certain names, paths or hosts.
 *
 * Source: `deno.permissions` of the `Worker` constructor.
 *
 * @example A pool whose tasks reach nothing; run with `--unstable-worker-options`
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
