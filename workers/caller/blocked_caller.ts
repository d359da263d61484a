/**
 * What the calling thread does while it is blocked: for a scheduler's own tasks, or elsewhere.
 *
 * @module
 */

import type { Board } from "../shared/submission_ring.ts";
import type { CallLimits } from "./deadline_watchdog.ts";
import type { CallerSleep } from "./caller_parker.ts";
import type { Crew } from "./worker_set.ts";
import type { Packer } from "../../scheduler/task_encoder.ts";
import type { Sweep } from "../../scheduler/settlements.ts";
import { refuseToBlockForMessages } from "../../base/platform.ts";
import { refuseIfStopped, thisThread } from "../../sync/internal/current_thread.ts";

/** The parts of a scheduler that have to go on meanwhile. */
export interface BlockedParts {
  /** The memory that the thread sleeps on. */
  readonly board: Board;
  /** How it sleeps. */
  readonly sleep: CallerSleep;
  /** The calls that have a limit. */
  readonly limits: CallLimits;
  /** The workers. */
  readonly crew: Crew;
  /** What answers workers that ask which export of a module is meant. */
  readonly packer: Packer;
  /** The outcomes that nobody was told yet. */
  readonly sweep: Sweep;
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
    return Math.min(this.#parts.limits.untilNext(), this.#parts.crew.untilNext());
  }

  #lookAfter(): void {
    const { limits, crew } = this.#parts;
    if (limits.untilNext() <= 0) this.#parts.endOverdue();
    crew.check();
  }

  /** See `BlockingScheduler`. */
  block(done: () => boolean, deadline: number): boolean {
    const { board, sleep, crew, packer, sweep, drain, shouldHandOver, handOver } = this.#parts;
    if (!this.#known) this.#thread.blocksOn(board.memory);
    this.#known = true;
    const look = (): boolean => {
      refuseIfStopped(this.#thread);
      return drain() || done() || shouldHandOver();
    };
    sweep.run();
    packer.answerAll();
    const outer = this.active;
    this.active = true;
    try {
      crew.starts.stop(); // there may be no turn of the event loop for long: all are started now
      if (!done()) handOver();
      while (!done()) {
        const left = deadline - performance.now();
        if (left > 0) refuseToBlockForMessages("'get()', 'result()', 'next()' or 'join()'");
        const any = sleep.block(look, () => Math.min(left, this.#untilNext()));
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
    const { sleep, crew, packer, drain, handOver, progress } = this.#parts;
    crew.starts.hurry();
    packer.answerAll();
    this.serving = true;
    const before = progress();
    this.#lookAfter();
    do {
      drain();
      handOver();
    } while (crew.hosts.size > 0 && !sleep.settle());
    this.serving = false;
    return progress() !== before ? 0 : Math.max(1, this.#untilNext());
  };
}
