/**
 * The search of a worker for its next task.
 *
 * The calling thread counts on a worker that is `SEARCHING` for one task on the submission ring. So a worker leaves that state only
 * in three ways: it claims a task (and says `BUSY` before the claim can be seen), it goes to sleep (and checks the ring once more
 * after it has announced that), or it turns to a task that was posted to it (and checks the ring once more, too). Therefore, while
 * a task is unclaimed and a worker is free, a worker is on its way to the task, whatever the calling thread does meanwhile.
 *
 * @module
 */

import type { SubmissionRing } from "../shared/submission_ring.ts";
import type { ControlBlock } from "../shared/control_block.ts";

/** Returned by {@linkcode TaskSearch.next}: there is a task that was posted to this worker. */
export const POSTED = -1;
/** Returned by {@linkcode TaskSearch.next}: the worker must stop. */
export const STOPPED = -2;
/** Returned by {@linkcode TaskSearch.next}: there is no task. The worker is now idle in its event loop, where a message wakes it. */
export const ASLEEP = -3;

/** Options of a {@linkcode TaskSearch}. */
export interface TaskSearchOptions {
  /** The ring to claim tasks from. */
  readonly submissions: SubmissionRing;
  /** The control block of the worker. */
  readonly control: ControlBlock;
  /** The number of the worker. */
  readonly number: number;
  /** Returns the time for which the worker stays parked before it goes to its event loop, in milliseconds. */
  readonly linger: () => number;
  /** Returns whether a task was posted to this worker. */
  readonly hasMail: () => boolean;
  /** Wakes the calling thread. */
  readonly wakeCaller: () => void;
}

/** The search of one worker for tasks. */
export class TaskSearch {
  readonly #options: TaskSearchOptions;
  readonly #anything: () => boolean;
  /** True if the caller may count on this worker. */
  #counted = false;

  /** Does not begin the search yet. */
  constructor(options: TaskSearchOptions) {
    const { submissions, control, hasMail } = this.#options = options;
    this.#anything = () => control.stopped || submissions.hasTasks() || hasMail();
  }

  /** Must be called before {@linkcode next}, when no code of the user will run between the two. */
  begin(): void {
    this.#options.control.setSearching();
    this.#counted = true;
  }

  /** Returns the slot of a task that was claimed, or {@linkcode POSTED}, {@linkcode STOPPED} or {@linkcode ASLEEP}. */
  next(): number {
    const { submissions, control, number, linger, hasMail, wakeCaller } = this.#options;
    let patient = linger() > 0; // a worker that was woken for nothing sleeps again at once, and leaves its core to others
    for (;;) {
      if (control.stopped) return STOPPED;
      if (!this.#counted && hasMail()) {
        // The caller may have counted on this worker until just now: it has to count anew.
        if (submissions.hasTasks()) wakeCaller();
        return POSTED;
      }
      const slot = submissions.claim(number, control);
      if (submissions.callerIsNeeded) wakeCaller();
      if (slot >= 0) {
        this.#counted = false;
        return slot;
      }
      if (hasMail()) {
        control.setTurning();
        this.#counted = submissions.hasTasks(); // the caller may have counted on it just before
      } else if (control.park(linger(), this.#anything, hasMail, patient)) {
        this.#counted = control.isSearching;
        patient = !this.#counted && linger() > 0; // a task will be posted to it in a moment
      } else {
        return ASLEEP;
      }
    }
  }
}
