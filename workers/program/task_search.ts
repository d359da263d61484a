/**
 * How a worker comes to its next task.
 *
 * The calling thread counts on a worker that is `SEARCHING` for one task on the submission ring. So a worker stops being that only in three
 * ways: it claims a task (and says `BUSY` before the claim can be seen), it goes to sleep (and looks once more after it has said so),
 * or it turns to a task that was posted to it (and looks once more, too). While a task is unclaimed and a worker is free, someone is
 * therefore on the way to it, whatever the calling thread does meanwhile.
 *
 * @module
 */

import type { SubmissionRing } from "../shared/submission_ring.ts";
import type { ControlBlock } from "../shared/control_block.ts";

/** There is a task that was posted to this worker. */
export const POSTED = -1;
/** The worker is to stop. */
export const STOPPED = -2;
/** There is nothing: it sleeps in its event loop from now on, where a message wakes it. */
export const ASLEEP = -3;

/** What a search needs to know of its worker. */
export interface TaskSearchOptions {
  /** Where the tasks are. */
  readonly submissions: SubmissionRing;
  /** The words of the worker. */
  readonly control: ControlBlock;
  /** The number of the worker. */
  readonly number: number;
  /** How long it stays parked before it goes to its event loop, in milliseconds. */
  readonly linger: number;
  /** Whether a task was posted to this worker. */
  readonly hasMail: () => boolean;
  /** Wakes the calling thread. */
  readonly wakeCaller: () => void;
}

/** The search of one worker for tasks. */
export class TaskSearch {
  readonly #options: TaskSearchOptions;
  readonly #anything: () => boolean;
  /** Whether the caller may count on this worker. */
  #counted = false;

  /** Does not begin yet. */
  constructor(options: TaskSearchOptions) {
    const { submissions, control, hasMail } = this.#options = options;
    this.#anything = () => control.stopped || submissions.hasTasks() || hasMail();
  }

  /** To be called when {@linkcode next} will be, and no code of the user will run before that. */
  begin(): void {
    this.#options.control.setSearching();
    this.#counted = true;
  }

  /** The slot of a task that was claimed; {@linkcode POSTED}, {@linkcode STOPPED} or {@linkcode ASLEEP}. */
  next(): number {
    const { submissions, control, number, linger, hasMail, wakeCaller } = this.#options;
    let patient = true; // one that was woken for nothing sleeps again at once, and leaves its core to others
    for (;;) {
      if (control.stopped) return STOPPED;
      if (!this.#counted && hasMail()) return POSTED;
      const slot = submissions.claim(number, control);
      if (submissions.callerIsNeeded) wakeCaller();
      if (slot >= 0) {
        this.#counted = false;
        return slot;
      }
      if (hasMail()) {
        control.setTurning();
        this.#counted = submissions.hasTasks(); // the caller may have counted on it just before
      } else if (control.park(linger, this.#anything, patient)) {
        this.#counted = true;
        patient = false;
      } else {
        return ASLEEP;
      }
    }
  }
}
