/**
 * Waiting: blocked, or in the event loop.
 *
 * @module
 */

import { refuseToBlock } from "../../base/platform.ts";
import { checkSignal } from "../../base/checks.ts";
import { checkedFlag, checkedSignal, checkedTimeout, OptionsSchema } from "../../base/options_schema.ts";
import { atomics } from "./atomics.ts";
import type { Member, Waiter, WaitPlace } from "./member.ts";

/** How long to wait. */
export interface WaitOptions {
  /**
   * How long to wait at most, in milliseconds; 0 and less: not at all.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** How long to wait, and whether to wait at all. */
export interface AcquireOptions extends WaitOptions {
  /**
   * Whether to wait; if not, `timeout` does not matter.
   *
   * @default {true}
   */
  block?: boolean;
}

/** What a promise of a wait takes. */
export interface AsyncWaitOptions extends WaitOptions {
  /** Gives up the wait; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What a promise of an acquisition takes. */
export interface AsyncAcquireOptions extends AcquireOptions {
  /** Gives up the wait; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
}

// Where a bare number or boolean was given, the first option that it could be the value of is named.
const ACQUIRE_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, block: checkedFlag });
const ACQUIRE_ASYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, block: checkedFlag, signal: checkedSignal });
const WAIT_ASYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, signal: checkedSignal });
const HOLD_ASYNC_OPTIONS = new OptionsSchema({ signal: checkedSignal });

/** The time that `options` give, 0 for none. */
export function timeToWait(options: AcquireOptions | undefined): number {
  if (options === undefined) return Infinity;
  const { block, timeout = Infinity } = ACQUIRE_OPTIONS.read(options, "a wait");
  return block === false ? 0 : timeout;
}

/** The time that `options` give, and the signal, each read once and checked. */
export function timeAndSignal(options: AsyncAcquireOptions | undefined): {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
} {
  const { block, timeout = Infinity, signal } = ACQUIRE_ASYNC_OPTIONS.read(options, "a wait");
  return { timeout: block === false ? 0 : timeout, signal };
}

/** Options of a wait that may also be a bare timeout. */
export function waitOptions(options: number | AsyncWaitOptions | undefined): AsyncWaitOptions {
  return typeof options === "object" && options !== null
    ? WAIT_ASYNC_OPTIONS.read(options, "a wait") as AsyncWaitOptions
    : { timeout: options };
}

/** Options of `holdAsync()`. */
export function holdOptions(options: { signal?: AbortSignal } | undefined): { signal?: AbortSignal } {
  return HOLD_ASYNC_OPTIONS.read(options, "holdAsync()") as { signal?: AbortSignal };
}

/**
 * Blocks until `attempt` succeeds: whether it did, within `timeout` milliseconds. `instead` names what awaits, for those who
 * must not block.
 *
 * @throws {CancelledError} If this thread is a worker that was terminated.
 * @throws {InvalidStateError} If it would have to sleep, and must not.
 */
export function waitFor(
  member: Member,
  place: WaitPlace,
  attempt: () => boolean,
  timeout: number,
  instead = "'waitAsync()'",
): boolean {
  const deadline = timeout < Infinity ? atomics.now() + timeout : Infinity;
  // What comes at once is not worth a sleep, which takes much longer to end.
  if (atomics.patience > 0) {
    for (const end = atomics.now() + Math.min(atomics.patience, timeout); atomics.now() < end;) {
      if (attempt()) return true;
    }
  }
  refuseToBlock(instead);
  try {
    for (;;) {
      const heard = member.prepareWait();
      place.enter(member); // anew each time, as whoever wakes takes the entry
      member.check();
      if (attempt()) return true;
      const left = deadline < Infinity ? deadline - atomics.now() : Infinity;
      if (!(left > 0)) return false;
      member.sleep(heard, left);
    }
  } finally {
    place.leave(member);
  }
}

/** The same for a moment, without sleeping: where {@linkcode waitFor} would refuse, and the wait is for a short step. */
export function spinFor(attempt: () => boolean, timeout: number): boolean {
  for (const end = atomics.now() + timeout; atomics.now() < end;) if (attempt()) return true;
  return false;
}

/** As {@linkcode waitFor}, in the event loop. */
export function waitForAsync(
  member: Member,
  place: WaitPlace,
  attempt: () => boolean,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  checkSignal(signal);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const waiter: Waiter = {
      attempt,
      done: () => {
        settle();
        resolve(true);
      },
      fail: (error) => {
        settle();
        reject(error);
      },
    };
    const abort = (): void => {
      member.remove(place, waiter);
      settle();
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", abort);
    if (timeout < Infinity) {
      timer = setTimeout(() => {
        member.remove(place, waiter);
        settle();
        resolve(false);
      }, Math.max(0, timeout));
    }
    member.add(place, waiter);
  });
}
