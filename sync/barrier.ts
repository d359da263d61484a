/**
 * A barrier: a point that a fixed number of threads pass together.
 *
 * Memory, in 32-bit words: 0 the object number; 1 PARTIES; 2 ROUND; 3 ARRIVED in this round; 4 BROKEN: 0 or 1; 5 ACTOR:
 * the ID of the thread that runs the action, or 0; 6 RESETS; 7 … the rounds of the last 64 resets; then a critical
 * section, inside which all of these words change, and the wait set.
 *
 * ```
 *                 wait: ARRIVED + 1                          the last: action, ROUND + 1, wake all
 *   0 arrived ─────────────────────▶ n arrived … all arrived ─────────────────────────────────────▶ 0 arrived
 *       ▲                                │ timeout, abort, an action that fails
 *       │                                ▼
 *       └──── reset: ROUND + 1 ──── broken, wake all
 * ```
 *
 * A waiting party has passed when ROUND is no longer that of its arrival, unless a reset ended the round.
 *
 * @module
 */

import { refuseToBlock } from "../base/platform.ts";
import { BrokenBarrierError, TimeoutError } from "../errors.ts";
import { checkSignal, checkTimeout, show } from "../base/checks.ts";
import { checkedFunctionOf, checkedTimeout, OptionsSchema } from "../base/options_schema.ts";
import { atomics } from "./internal/atomics.ts";
import {
  checkHandle,
  FIRST,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { CRITICAL_SECTION, CriticalSection } from "./internal/critical_section.ts";
import { type AsyncWaitOptions, waitFor, waitForAsync, waitOptions } from "./internal/wait.ts";
import { WAIT_SET, WaitSet } from "./internal/wait_set.ts";

/** The method that an error suggests in place of `wait()`. */
const INSTEAD = "'waitAsync()'";

const PARTIES = FIRST;
const ROUND = FIRST + 1;
const ARRIVED = FIRST + 2;
const BROKEN = FIRST + 3;
const ACTOR = FIRST + 4;
const RESETS = FIRST + 5;
const RESET_ROUNDS = FIRST + 6;
const KEPT_RESETS = 64;
const CRITICAL_SECTION_AT = RESET_ROUNDS + KEPT_RESETS;
const WAITING = CRITICAL_SECTION_AT + CRITICAL_SECTION;
const SIZE = WAITING + WAIT_SET - FIRST;

/** Options of a {@linkcode Barrier}. */
export interface BarrierOptions {
  /**
   * The callback of each round. One of the parties calls it after all have arrived and before any continues. The
   * callback stays with the object that it was given to: if another copy of the barrier arrives last, no callback runs.
   *
   * @default {undefined}
   */
  action?: () => void;
  /**
   * The default timeout of the waits, in milliseconds; 0 or less does not wait.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

const BARRIER_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, action: checkedFunctionOf<() => void>() });

/** A party's arrival in a round. */
interface Round {
  readonly number: number;
  readonly index: number;
  readonly resets: number;
}

/**
 * A barrier, at which a fixed number of threads wait for each other, any number of times.
 *
 * A party that leaves early (by its timeout, an abort, or its end) breaks the barrier. Every wait then fails with a
 * {@linkcode BrokenBarrierError}, until {@linkcode Barrier.reset}. Blocking methods may be used on the same threads as
 * those of a {@linkcode Lock}.
 *
 * Source: `multiprocessing.Barrier`.
 *
 * Differs from Python: the action is not sent along with the barrier. For work that one party does, use the party for
 * which {@linkcode Barrier.wait} returns 0.
 *
 * @example Let two workers wait for each other
 * ```ts
 * import { Barrier, Pool } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const barrier = new Barrier(2);
 * await using pool = new Pool(2);
 * const indices = await pool.map((b: Barrier) => b.wait(), [barrier, barrier], { chunksize: 1 });
 * assertEquals(indices.toSorted(), [0, 1]);
 * ```
 */
export class Barrier {
  readonly #object: SharedObject;
  readonly #guard: CriticalSection;
  readonly #waiting: WaitSet;
  readonly #action: (() => void) | undefined;
  readonly #timeout: number;

  /**
   * Creates a barrier.
   *
   * @param parties The number of threads that pass together, a whole number from 1 to 65535; or the handle of an
   * existing barrier.
   * @param options An action, and a default timeout.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If `parties` is out of range.
   */
  constructor(parties: number | Handle, options?: BarrierOptions) {
    const { action, timeout: limit = Infinity } = BARRIER_OPTIONS.read(options, "Barrier");
    const handle = handleIn("Barrier", parties);
    const timeout = handle === undefined ? limit : handle.data as number;
    if (handle === undefined) checkParties(parties);
    this.#object = new SharedObject("Barrier", handle, SIZE, () => ({ data: timeout }));
    this.#action = action;
    this.#timeout = timeout;
    const { words, member } = this.#object;
    if (handle === undefined) words[PARTIES] = parties as number;
    // After an interrupted step it is unknown whether its party has arrived, so the repair breaks the barrier.
    this.#guard = new CriticalSection(
      words,
      CRITICAL_SECTION_AT,
      member,
      this.#object.place(1),
      () => atomics.store(words, BROKEN, 1),
    );
    this.#waiting = new WaitSet(words, WAITING, member, this.#object.place(0), true);
  }

  /** Returns the barrier of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): Barrier {
    return new Barrier(checkHandle("Barrier", handle));
  }

  /**
   * Blocks this thread until all parties have arrived; otherwise throws as {@linkcode Event.wait}.
   *
   * @param timeout The longest time to wait, in milliseconds; then the barrier is broken. Default: the `timeout` of the
   * barrier.
   * @returns The index of the party in this round, from 0 to `parties - 1`, in order of arrival.
   * @throws {BrokenBarrierError} If the barrier is broken, gets broken or reset during the wait, or `timeout` has
   * passed.
   * @throws {InvalidStateError} On the main thread of a web page, even if it would not have to wait.
   */
  wait(timeout?: number): number {
    const time = this.#time(timeout);
    const deadline = atomics.now() + time;
    refuseToBlock(INSTEAD);
    for (;;) {
      const round = this.#arrive();
      if (typeof round === "number") return round;
      const passed = () => round === undefined ? this.#actionOver() : this.#hasPassed(round);
      let over = false;
      try {
        over = waitFor(this.#object.member, this.#waiting, passed, deadline - atomics.now(), INSTEAD);
      } finally {
        over ||= this.#leave(round);
      }
      if (!over) throw tooLate(time);
      if (round !== undefined) return round.index;
    }
  }

  /**
   * Waits in the event loop until all parties have arrived; otherwise as {@linkcode Barrier.wait}.
   *
   * @param options The longest time to wait, and a signal, as for {@linkcode Event.waitAsync}. Both the timeout and the
   * signal break the barrier.
   * @returns The index of the party in this round.
   */
  async waitAsync(options?: number | AsyncWaitOptions): Promise<number> {
    const { timeout, signal } = waitOptions(options);
    const time = this.#time(timeout);
    const deadline = atomics.now() + time;
    checkSignal(signal);
    signal?.throwIfAborted();
    for (;;) {
      const round = this.#arrive();
      if (typeof round === "number") return round;
      const passed = () => round === undefined ? this.#actionOver() : this.#hasPassed(round);
      let over = false;
      try {
        over = await waitForAsync(this.#object.member, this.#waiting, passed, deadline - atomics.now(), signal);
      } finally {
        over ||= this.#leave(round);
      }
      if (!over) throw tooLate(time);
      if (round !== undefined) return round.index;
    }
  }

  #time(timeout: number | undefined): number {
    return timeout === undefined ? this.#timeout : checkTimeout(timeout);
  }

  /**
   * Arrives at the barrier. Returns the index if this arrival ended the round, and undefined while an action of the
   * previous round runs.
   */
  #arrive(): Round | number | undefined {
    const { words, member } = this.#object;
    const round = this.#guard.run((): Round | undefined => {
      if (this.broken) throw new BrokenBarrierError("Cannot wait as the barrier is broken");
      if (atomics.load(words, ACTOR) !== 0) return undefined;
      const came: Round = {
        number: atomics.load(words, ROUND),
        index: atomics.load(words, ARRIVED),
        resets: atomics.load(words, RESETS),
      };
      const last = came.index + 1 === this.parties;
      if (last && this.#action !== undefined) atomics.store(words, ACTOR, member.id);
      if (last && this.#action === undefined) this.#nextRound();
      else atomics.store(words, ARRIVED, came.index + 1);
      return came;
    });
    if (round === undefined) return undefined;
    if (round.index + 1 < this.parties) return round;
    if (this.#action !== undefined) this.#act(this.#action, round);
    this.#waiting.wakeAll();
    return round.index;
  }

  /** Runs the action while no party has passed yet. */
  #act(action: () => void, round: Round): void {
    const { words } = this.#object;
    let done = false;
    try {
      action();
      done = true;
    } finally {
      this.#guard.run(() => {
        atomics.store(words, ACTOR, 0);
        if (atomics.load(words, ROUND) !== round.number) return;
        if (done && !this.broken) this.#nextRound();
        else atomics.store(words, BROKEN, 1);
      });
      if (!done) this.#waiting.wakeAll();
    }
    if (!this.#hasPassed(round)) throw new BrokenBarrierError("The barrier was broken while its action ran");
  }

  #nextRound(): void {
    const { words } = this.#object;
    atomics.store(words, ARRIVED, 0);
    atomics.add(words, ROUND, 1); // last: after this step the other parties have passed
  }

  /** Returns whether no action runs any more, whether it succeeded or failed. */
  #actionOver(): boolean {
    const { words, member } = this.#object;
    const actor = atomics.load(words, ACTOR);
    if (actor === 0 || this.broken) return true;
    if (member.threadTable.alive(actor)) return false;
    this.abort();
    return true;
  }

  /** Returns whether the round of a waiting party is over. */
  #hasPassed(round: Round): boolean {
    const { words } = this.#object;
    if (atomics.load(words, ROUND) === round.number) {
      if (this.#actionOver() && this.broken) throw new BrokenBarrierError("The barrier was broken while waiting at it");
      return false;
    }
    const resets = atomics.load(words, RESETS);
    let wasReset = ((resets - round.resets) >>> 0) > KEPT_RESETS;
    for (let i = round.resets; i !== resets && !wasReset; i = (i + 1) | 0) {
      wasReset = atomics.load(words, RESET_ROUNDS + (i & (KEPT_RESETS - 1))) === round.number;
    }
    if (wasReset) throw new BrokenBarrierError("The barrier was reset while waiting at it");
    return true;
  }

  /**
   * Ends a wait early and breaks the round, which cannot end without this party. Returns true if the round has just
   * ended after all.
   */
  #leave(round: Round | undefined): boolean {
    const { words, member } = this.#object;
    if (round === undefined) return false;
    if (member.threadTable.alive(member.id)) this.#break(round);
    // A terminated worker can no longer enter the critical section.
    else if (atomics.load(words, ROUND) === round.number) atomics.store(words, BROKEN, 1);
    this.#waiting.wakeAll();
    return atomics.load(words, ROUND) !== round.number && this.#hasPassed(round);
  }

  #break(round?: Round): void {
    const { words } = this.#object;
    this.#guard.run(() => {
      if (round === undefined || atomics.load(words, ROUND) === round.number) atomics.store(words, BROKEN, 1);
    });
  }

  /** Breaks the barrier: every wait in progress, and every later one, fails with a {@linkcode BrokenBarrierError}. */
  abort(): void {
    this.#break();
    this.#waiting.wakeAll();
  }

  /**
   * Restores the barrier to its initial state. Waits in progress fail with a {@linkcode BrokenBarrierError}; the next
   * party to arrive has the index 0.
   */
  reset(): void {
    const { words } = this.#object;
    this.#guard.run(() => {
      const resets = atomics.load(words, RESETS);
      if (atomics.load(words, ARRIVED) > 0 || atomics.load(words, ACTOR) !== 0) {
        atomics.store(words, RESET_ROUNDS + (resets & (KEPT_RESETS - 1)), atomics.load(words, ROUND));
        atomics.store(words, RESETS, (resets + 1) | 0);
      }
      atomics.store(words, BROKEN, 0);
      this.#nextRound();
    });
    this.#waiting.wakeAll();
  }

  /** The number of threads that pass together. */
  get parties(): number {
    return this.#object.words[PARTIES]!;
  }

  /** The number of parties that wait at this moment; 0 while the barrier is broken. */
  get nWaiting(): number {
    return this.broken ? 0 : atomics.load(this.#object.words, ARRIVED);
  }

  /** True if the barrier is broken. */
  get broken(): boolean {
    return atomics.load(this.#object.words, BROKEN) !== 0;
  }

  /**
   * The handle of the barrier; see {@linkcode Lock.handle}. The handle includes the default timeout, but not the
   * action.
   */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns the state of the barrier, such as `"Barrier(1 of 4)"` or `"Barrier(broken)"`. */
  toString(): string {
    return `Barrier(${this.broken ? "broken" : `${this.nWaiting} of ${this.parties}`})`;
  }
}

function checkParties(parties: unknown): void {
  if (typeof parties !== "number") {
    throw new TypeError(`Cannot make a Barrier as 'parties' must be a number: current value is ${show(parties)}`);
  }
  if (!Number.isInteger(parties) || parties < 1 || parties > 0xffff) {
    throw new RangeError(
      `Cannot make a Barrier as 'parties' must be a whole number from 1 to 65535: current value is ${show(parties)}`,
    );
  }
}

function tooLate(time: number): BrokenBarrierError {
  const cause = new TimeoutError(`Not all parties came within ${time} ms`);
  return new BrokenBarrierError("The barrier was broken as a party did not come in time", { cause });
}

registerSharedClass("Barrier", Barrier);
