/**
 * What the calling thread does while it is blocked: for a scheduler's own tasks, or elsewhere.
 *
 * @module
 */

import type { SubmissionRing } from "../shared/submission_ring.ts";
import type { DeadlineWatchdog } from "./deadline_watchdog.ts";
import type { CallerParker } from "./caller_parker.ts";
import type { WorkerSet } from "./worker_set.ts";
import type { TaskEncoder } from "../../scheduler/task_encoder.ts";
import type { PendingSettlements } from "../../scheduler/settlements.ts";
import { refuseToBlockForMessages } from "../../base/platform.ts";
import { thisThread } from "../../sync/internal/current_thread.ts";
import { refuseIfStopped } from "../../sync/internal/member.ts";

/** The parts of a scheduler that have to go on meanwhile. */
export interface BlockedParts {
  /** The memory that the thread sleeps on. */
  readonly submissions: SubmissionRing;
  /** How it sleeps. */
  readonly parker: CallerParker;
  /** The calls that have a limit. */
  readonly deadlines: DeadlineWatchdog;
  /** The workers. */
  readonly workerSet: WorkerSet;
  /** What answers workers that ask which export of a module is meant. */
  readonly taskEncoder: TaskEncoder;
  /** The outcomes that nobody was told yet. */
  readonly settlements: PendingSettlements;
  /** Reads what the workers have to say: whether there was anything. */
  readonly drain: () => boolean;
  /** Whether it is worth the while to hand over tasks. */
  readonly shouldHandOver: () => boolean;
  /** Hands over tasks. */
  readonly handOver: () => void;
  /** Ends the calls that have run over their limit. */
  readonly endOverdue: () => void;
  /** Counts the tasks that have ended and those that were handed over. */
  readonly progress: () => number;
}

/** Keeps a scheduler going while its thread is blocked. */
export class BlockedCaller {
  readonly #parts: BlockedParts;
  readonly #thread = thisThread();
  #known = false;
  /** Whether the thread is blocked in {@linkcode BlockedCaller.block} now. */
  active = false;
  /** Whether something else blocks the thread, and has it run the scheduler now. */
  serving = false;

  constructor(parts: BlockedParts) {
    this.#parts = parts;
  }

  /** How long until a call or a worker is to be looked after, in milliseconds. */
  #untilNext(): number {
    return Math.min(this.#parts.deadlines.untilNext(), this.#parts.workerSet.untilNext());
  }

  #lookAfter(): void {
    const { deadlines, workerSet } = this.#parts;
    if (deadlines.untilNext() <= 0) this.#parts.endOverdue();
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
      workerSet.spawner.stop(); // there may be no turn of the event loop for long: all are started now
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
   * The thread is blocked by something else than the scheduler: does what there is to do, and sees to it that the workers wake
   * the thread. Returns 0 if a task has ended or was handed over, so that there may be more to do, here or for another scheduler;
   * else after how many milliseconds to call it again at the latest.
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
