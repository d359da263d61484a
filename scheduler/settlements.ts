/**
 * Settling many tasks at once.
 *
 * @module
 */

import { Deque } from "../base/deque.ts";
import type { Outcome, Task } from "./task.ts";

/**
 * Tasks whose outcome has not been reported yet. A callback that gets an outcome may ask for another one: then a nested
 * {@linkcode PendingSettlements.run} reports the rest first.
 */
export class PendingSettlements {
  readonly #left = new Deque<readonly [Task, Outcome]>();

  /** Adds a task and its outcome. */
  add(task: Task, outcome: Outcome): void {
    task.settled = true;
    this.#left.push([task, outcome]);
  }

  /** Reports all outcomes that were added. */
  run(): void {
    for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) next[0].settle(next[1]);
  }
}
