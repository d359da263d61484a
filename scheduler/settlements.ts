/**
 * Settling many tasks at once.
 *
 * @module
 */

import { Deque } from "../base/deque.ts";
import type { Outcome, Task } from "./task.ts";

/**
 * Tasks that have an outcome which nobody was told yet. Whoever is told one may ask for another: then the rest is told first,
 * by a {@linkcode PendingSettlements.run} within the other.
 */
export class PendingSettlements {
  readonly #left = new Deque<readonly [Task, Outcome]>();

  /** Notes how a task has ended. */
  add(task: Task, outcome: Outcome): void {
    task.settled = true;
    this.#left.push([task, outcome]);
  }

  /** Tells what was noted. */
  run(): void {
    for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) next[0].settle(next[1]);
  }
}
