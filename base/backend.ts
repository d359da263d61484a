/**
 * The public side of a backend.
 *
 * @module
 */

/**
 * Runs the calls of a pool, an executor or a process. Without a backend, the calls run on Web Workers of this program.
 *
 * An object of this kind comes from a function such as `processes()` of `@manycore/parallel/processes`. To write one,
 * see `SchedulerBackend` of `@manycore/parallel/internal`, which changes without notice.
 *
 * Whatever the backend, calls begin in the order in which they were made, each settles exactly once, and a worker that
 * is lost takes only the call with it that it was running.
 */
export interface Backend {
  /** Opens a scheduler. Only the library calls this method. */
  open(config: never): unknown;
}
