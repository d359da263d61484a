/**
 * Running a task, whatever the way by which it came: its calls run one after the other, each within the limit.
 *
 * @module
 */

import { isThenable } from "../base/values.ts";
import { atomics } from "../sync/internal/atomics.ts";
import { afterInterruption } from "../sync/internal/current_thread.ts";
import type { LateInterruption } from "./late_interruption.ts";
import type { TaskRun } from "./task_run.ts";
import { prepareLimit, runLimited } from "./time_limit.ts";
import { timers } from "./timers.ts";

// Captured before any code of the user runs, which may replace it.
const { clock } = atomics;
const { ceil, max } = Math;

/** The state of a task or a call: `"done"` if it has ended, `"suspended"` if it continues asynchronously. */
export type Progress = "done" | "suspended";

/** The program that a runner is a part of. */
export interface RunnerHost {
  /** The zero of the times of {@linkcode setDeadline}, in milliseconds since 1970. */
  readonly epoch: number;
  /** Detects that an interruption has hit the program itself. */
  readonly lateInterruption: LateInterruption;
  /** Reports to the calling side when the call of a task that begins must have ended, in milliseconds since `epoch`. */
  setDeadline(run: TaskRun, time: number): void;
  /** Reports to the calling side that a task continues asynchronously. */
  suspend(run: TaskRun): void;
  /** Calls `step` when a suspended task can continue, in a turn of the event loop. */
  resume(run: TaskRun, step: () => Progress): void;
  /** Makes the worker take no more tasks, as work that the task has started continues beyond its limit. */
  retire(): void;
  /** Sends the reply, once all calls of a task were made. */
  end(run: TaskRun): Progress;
}

/** Makes the calls of tasks. */
export class TaskRunner {
  readonly #host: RunnerHost;

  constructor(host: RunnerHost) {
    this.#host = host;
  }

  /** Makes the remaining calls of a task. */
  run(run: TaskRun): Progress {
    while (run.index < run.count) {
      if ((run.limit === 0 && run.mode === "map" ? this.#map(run) : this.#call(run)) === "done") continue;
      this.#host.suspend(run);
      return "suspended";
    }
    return this.#host.end(run);
  }

  /** Makes calls without a limit, up to one that throws or returns a promise. */
  #map(run: TaskRun): Progress {
    const { call } = run.fn;
    const { args, results, count } = run;
    let { index } = run;
    try {
      for (; index < count; index++) {
        run.index = index; // for `currentTask()`
        const result = call(args[index]);
        if (typeof result === "object" && isThenable(result)) {
          return this.#await(run, result, 0);
        }
        results[index] = result;
      }
      run.index = count;
    } catch (error) {
      run.fail(error);
      run.index++;
    }
    return "done";
  }

  /** Makes one call. */
  #call(run: TaskRun): Progress {
    const limit = run.rest();
    let result: unknown;
    let failed = false;
    const call = (): void => {
      try {
        result = run.call();
      } catch (error) {
        failed = true;
        result = error;
      }
    };
    if (limit === 0) {
      call();
    } else {
      prepareLimit();
      const start = clock();
      this.#host.setDeadline(run, ceil(start - this.#host.epoch + limit));
      this.#host.lateInterruption.watch(limit);
      const ended = runLimited(call, limit);
      if (!ended) {
        afterInterruption();
        run.failAtLimit();
        run.index++;
        return "done";
      }
      if (!failed && isThenable(result)) return this.#await(run, result, limit - (clock() - start));
    }
    if (failed) run.fail(result);
    else if (isThenable(result)) return this.#await(run, result, 0);
    else run.results[run.index] = result;
    run.index++;
    return "done";
  }

  /** Waits for the promise of a call, at most `rest` milliseconds unless the task has no limit. */
  #await(run: TaskRun, promise: PromiseLike<unknown>, rest: number): "suspended" {
    const { index } = run;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const done = (record: () => void): void => {
      if (run.index !== index) return; // the call has already ended, by its limit
      this.#host.resume(run, () => {
        if (timer !== undefined) timers.clear()(timer);
        record();
        run.index++;
        return this.run(run);
      });
    };
    if (run.limit !== 0) {
      timer = timers.set()(() =>
        done(() => {
          this.#host.retire();
          run.failAtLimit();
        }), max(0, rest));
    }
    Promise.resolve(promise).then(
      (value) => done(() => run.results[index] = value),
      (error) => done(() => run.fail(error)),
    );
    return "suspended";
  }
}
