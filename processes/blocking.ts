/**
 * Blocking the calling thread for child processes: the porter keeps their lines from then on.
 *
 * @module
 */

import { BrokenProcessPoolError, InvalidStateError } from "../errors.ts";
import type { AbortWatchdog } from "../scheduler/abort_watchdog.ts";
import type { Task } from "../scheduler/task.ts";
import type { TaskEncoder } from "../scheduler/task_encoder.ts";
import { blockForServices } from "../sync/internal/block_for_services.ts";
import { thisThread } from "../sync/internal/current_thread.ts";
import type { ChildSet } from "./child_set.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Line, LineListener } from "./direct_line.ts";
import { openDirect } from "./direct_line.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Launch } from "./launch.ts";
import { Porter } from "./porter.ts";
import type { ProcessHandle } from "./process_handle.ts";
import type { QuietChildren } from "./quiet_children.ts";

/** The parts of a scheduler that have to go on while the thread is blocked. */
export interface BlockingParts {
  /** The children. */
  readonly children: ChildSet;
  /** The tasks that children have, by number. */
  readonly inFlight: ReadonlyMap<number, Task>;
  /** Hands tasks over. */
  readonly dispatcher: Dispatcher;
  /** Answers children that ask which export of a module is meant. */
  readonly taskEncoder: TaskEncoder;
  /** Watches the tasks that were aborted. */
  readonly aborts: AbortWatchdog;
  /** Watches the calls that have a time limit. */
  readonly deadlines: Deadlines;
  /** Finds children whose task holds up others; undefined if a child may have begun several tasks. */
  readonly quiet: QuietChildren | undefined;
  /** Returns the number of tasks that have ended. */
  readonly finished: () => number;
  /** Called if no child can be started any more. */
  readonly failed: (error: unknown) => void;
}

/** Opens the lines of children, and keeps them going while the thread is blocked. */
export class Blocking {
  readonly #parts: BlockingParts;
  #porter: Porter | undefined;
  /** True while this thread is blocked for tasks of this scheduler. */
  active = false;
  /** True while the scheduler is served because something blocks this thread. */
  #serving = false;

  constructor(parts: BlockingParts) {
    this.#parts = parts;
  }

  /** True if no microtask will run before the thread is blocked again. */
  get isBlocked(): boolean {
    return this.active || this.#serving;
  }

  /** Starts a child. */
  open(launch: Launch, listener: LineListener): Line {
    return this.#porter === undefined ? openDirect(launch, listener) : this.#porter.open(launch, listener);
  }

  /** Takes what the children have written, as far as that is possible without the event loop. */
  receive(): void {
    this.#porter?.receive();
  }

  /**
   * Blocks until `done()`, at most until the time `deadline` of `performance.now()`. Returns whether it is done.
   *
   * @throws {InvalidStateError} If what it waits for comes through the event loop.
   */
  block(done: () => boolean, deadline: number): boolean {
    const { children, inFlight, dispatcher } = this.#parts;
    if (this.#porter === undefined) this.#startPorter();
    const look = (): boolean => {
      if (done()) return true;
      if (children.active === 0 && inFlight.size > 0) {
        throw new InvalidStateError(
          "Cannot block for a task that a process has begun before, as its result comes through the event loop: await it",
        );
      }
      return false;
    };
    const outer = this.active;
    this.active = true;
    try {
      return blockForServices(look, deadline, "'get()', 'result()', 'next()' or 'join()'");
    } finally {
      this.active = outer;
      dispatcher.handOver();
    }
  }

  /** Moves to children of the porter, whose replies come while this thread is blocked. The other children end once they are free. */
  #startPorter(): void {
    const { children, dispatcher } = this.#parts;
    this.#porter = new Porter(() => this.receive(), (message) => this.#fail(message));
    thisThread().services.add(this.#serve);
    for (const handle of [...children.handles]) {
      dispatcher.takeBack(handle, handle.takeUnflushed());
      handle.superseded = true;
      this.endIfSuperseded(handle);
    }
  }

  #fail(message: string): void {
    this.#parts.failed(new BrokenProcessPoolError(`The thread that reads from the processes has ended: ${message}`));
  }

  /** Ends a child that takes no more tasks and has none. */
  endIfSuperseded(handle: ProcessHandle): void {
    const { children, dispatcher } = this.#parts;
    if (!handle.superseded || handle.inFlight > 0 || !children.handles.has(handle)) return;
    children.end(handle);
    dispatcher.repost(handle);
  }

  /** Called while something blocks this thread. Returns the time until it must be called again, in milliseconds; 0 for at once. */
  readonly #serve = (): number => {
    const { dispatcher, taskEncoder, aborts, deadlines, quiet, finished } = this.#parts;
    const before = finished() + dispatcher.count;
    taskEncoder.answerAll();
    this.receive();
    this.#serving = true;
    dispatcher.handOver();
    this.#serving = false;
    if (aborts.untilNext() < Infinity) aborts.check();
    deadlines.check();
    const start = this.#porter?.untilOverdue() ?? Infinity;
    if (start <= 0) this.#porter?.fail("it did not start"); // an error of it would come through the event loop
    const next = Math.min(aborts.untilNext(), deadlines.untilNext(), quiet?.look() ?? Infinity, start);
    return finished() + dispatcher.count !== before ? 0 : Math.max(1, next);
  };

  /** Ends the porter, whose children have ended. */
  end(): void {
    this.#porter?.end();
    thisThread().services.delete(this.#serve);
  }
}
