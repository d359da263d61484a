/**
 * Entering the program of a worker or a child process from its event loop.
 *
 * @module
 */

import { afterInterruption } from "../sync/internal/current_thread.ts";
import { LateInterruption } from "./late_interruption.ts";
import type { TaskRun } from "./task_run.ts";

/** The border between the event loop and a program: knows when code of the program runs, and ends it when it cannot go on. */
export class ProgramEntry {
  /** Ends the program, with the given error if any. */
  crash: (error?: unknown) => void = () => {};
  /** Detects that an interruption has hit the program itself. */
  readonly lateInterruption: LateInterruption;
  #inside = false;

  /** `recover` is called when code of the program was interrupted, which then has no effect any more. */
  constructor(recover: () => void) {
    this.lateInterruption = new LateInterruption(() => this.#inside, () => this.enter(recover));
  }

  /**
   * Enters the program. `run` throws only if a task has replaced parts of the program or of the runtime. Then the program cannot go
   * on, and ends.
   */
  enter(run: () => void): void {
    this.#inside = true;
    try {
      run();
    } catch (error) {
      this.crash(error);
    }
    this.#inside = false;
  }

  /** Ends the call that was interrupted too late, so that the rest of its task can go on. Without a task, ends the program. */
  failInterrupted(run: TaskRun | undefined): run is TaskRun {
    afterInterruption();
    if (run === undefined) {
      this.crash();
      return false;
    }
    if (run.index < run.count) {
      run.failAtLimit();
      run.index++;
    }
    return true;
  }
}
