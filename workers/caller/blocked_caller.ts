/**
 * Keeps a scheduler going while its calling thread is blocked, for tasks of this scheduler or by something else.
 *
 * @module
 */

import type { SubmissionRing } from "../shared/submission_ring.ts";
import type { AbortWatchdog } from "../../scheduler/abort_watchdog.ts";
import type { DeadlineWatchdog } from "./deadline_watchdog.ts";
import type { CallerParker } from "./caller_parker.ts";
import type { WorkerSet } from "./worker_set.ts";
import type { TaskEncoder } from "../../scheduler/task_encoder.ts";
import type { PendingSettlements } from "../../scheduler/settlements.ts";
import { refuseToBlockForMessages } from "../../base/platform.ts";
import { thisThread } from "../../sync/internal/current_thread.ts";
import { refuseIfStopped } from "../../sync/internal/member.ts";

/** The parts of a scheduler that have to go on while the thread is blocked. */
export interface BlockedParts {
  /** The memory that the thread sleeps on. */
  readonly submissions: SubmissionRing;
  /** Puts the thread to sleep. */
  readonly parker: CallerParker;
  /** Watches the calls that have a time limit. */
  readonly deadlines: DeadlineWatchdog;
  /** Watches the tasks that were aborted. */
  readonly aborts: AbortWatchdog;
  /** The workers. */
  readonly workerSet: WorkerSet;
  /** Answers workers that ask which export of a module is meant. */
  readonly taskEncoder: TaskEncoder;
  /** The outcomes that were not reported yet. */
  readonly settlements: PendingSettlements;
  /** Reads the records and messages of the workers. Returns whether there was any. */
  readonly drain: () => boolean;
  /** Returns whether handing over tasks pays now. */
  readonly shouldHandOver: () => boolean;
  /** Moves tasks from the queue to the submission ring. */
  readonly handOver: () => void;
  /** Ends the calls that have run over their time limit. */
  readonly endOverdue: () => void;
  /** Returns the number of tasks that have ended plus the number of those that were handed over. */
  readonly progress: () => number;
}

/** Keeps a scheduler going while its thread is blocked. */
export class BlockedCaller {
  readonly #parts: BlockedParts;
  readonly #thread = thisThread();
  #known = false;
  /** True while the thread is blocked in {@linkcode BlockedCaller.block}. */
  active = false;
  /** True while {@linkcode BlockedCaller.serve} runs, because something else blocks the thread. */
  serving = false;

  constructor(parts: BlockedParts) {
    this.#parts = parts;
  }

  /** Returns the time until a call or a worker must be checked, in milliseconds. */
  #untilNext(): number {
    const { deadlines, aborts, workerSet } = this.#parts;
    return Math.min(deadlines.untilNext(), aborts.untilNext(), workerSet.untilNext());
  }

  #lookAfter(): void {
    const { deadlines, aborts, workerSet } = this.#parts;
    if (deadlines.untilNext() <= 0) this.#parts.endOverdue();
    if (aborts.untilNext() < Infinity) aborts.check();
    workerSet.check();
  }

  /** See `BlockingScheduler`. */
  block(done: () => boolean, deadline: number): boolean {
    const { submissions, parker, workerSet, taskEncoder, settlements, drain, shouldHandOver, handOver } = this.#parts;
    if (!this.#known) this.#thread.blocksOn(submissions.memory);
    this.#known = true;
    const look = (): boolean => {
      refuseIfStopped(this.#thread);
      return drain() || done() || shouldHandOver();
    };
    settlements.run();
    taskEncoder.answerAll();
    const outer = this.active;
    this.active = true;
    try {
      workerSet.spawner.stop(); // the event loop may have no turn for long: all missing workers are started now
      if (!done()) handOver();
      while (!done()) {
        const left = deadline - performance.now();
        if (left > 0) refuseToBlockForMessages("'get()', 'result()', 'next()' or 'join()'");
        const any = parker.block(look, () => Math.min(left, this.#untilNext()));
        if (any) handOver();
        else if (left <= 0) break;
        this.#lookAfter();
      }
    } finally {
      this.active = outer;
    }
    handOver();
    return done();
  }

  /**
   * Called while something other than the scheduler blocks the thread. Does the work that is due, and makes sure that the workers
   * wake the thread. Returns 0 if a task has ended or was handed over, since there may be more to do then, here or for another
   * scheduler. Otherwise returns the time after which it must be called again at the latest, in milliseconds.
   */
  readonly serve = (): number => {
    const { parker, workerSet, taskEncoder, drain, handOver, progress } = this.#parts;
    workerSet.spawner.spawnNow();
    taskEncoder.answerAll();
    this.serving = true;
    const before = progress();
    this.#lookAfter();
    do {
      drain();
      handOver();
    } while (workerSet.handles.size > 0 && !parker.prepareToBlock());
    this.serving = false;
    return progress() !== before ? 0 : Math.max(1, this.#untilNext());
  };
}
