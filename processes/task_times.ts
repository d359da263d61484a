/**
 * How long the tasks of each function take.
 *
 * @module
 */

/** A child is handed as many tasks ahead as it runs in this time, in microseconds. */
const AHEAD = 1000;
/** The largest number of tasks that a child has at once. */
const MOST = 256;
/** The number of functions that are remembered. */
const CAPACITY = 1000;
/** The part of the mean that the newest time makes up. */
const WEIGHT = 1 / 8;

/** Knows how many tasks of a function may be handed to a child ahead. */
export class TaskTimes {
  readonly #means = new Map<number, number>();

  /** Records that a task of a function took so many microseconds. One slow task counts at once, several fast ones bit by bit. */
  note(functionId: number, time: number): void {
    const mean = this.#means.get(functionId);
    if (mean === undefined && this.#means.size >= CAPACITY) this.#means.delete(this.#means.keys().next().value!);
    this.#means.set(functionId, mean === undefined || time > AHEAD ? time : mean + (time - mean) * WEIGHT);
  }

  /** Returns how many tasks of a function a child may have. */
  window(functionId: number): number {
    const mean = this.#means.get(functionId);
    if (mean === undefined) return 1;
    return Math.max(1, Math.min(MOST, Math.floor(AHEAD / Math.max(1, mean))));
  }
}
