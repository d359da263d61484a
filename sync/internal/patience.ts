/**
 * Decides whether a wait polls before it sleeps.
 *
 * @module
 */

/** The greatest number of misses that count: after these, one wait in 256 polls. */
const MOST_MISSES = 8;

/**
 * The experience of one thread with one place to wait at: whether it is worthwhile to poll there before sleeping.
 *
 * Polling saves a sleep if the other thread runs on another core and answers soon. If both threads are on one core, or
 * there are more threads than cores, the other thread cannot run until the polling ends: then each wait takes the time
 * of the polling longer. No thread can see where the scheduler has placed it, so each wait that polled in vain doubles
 * the number of waits that do not poll, and each that polled with success halves it.
 */
export class Patience {
  #misses = 0;
  #pause = 0;

  /** Returns whether the next wait polls. */
  polls(): boolean {
    if (this.#pause === 0) return true;
    this.#pause--;
    return false;
  }

  /** Notes that a wait ended while it polled. */
  hit(): void {
    this.#misses >>= 1;
  }

  /** Notes that a wait polled in vain. */
  missed(): void {
    if (this.#misses < MOST_MISSES) this.#misses++;
    this.#pause = (1 << this.#misses) - 1;
  }
}
