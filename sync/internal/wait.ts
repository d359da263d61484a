/**
 * Waiting, blocked or in the event loop.
 *
 * @module
 */

import { canBlock, refuseToBlock } from "../../base/platform.ts";
import { checkSignal } from "../../base/checks.ts";
import { checkedFlag, checkedSignal, checkedTimeout, OptionsSchema } from "../../base/options_schema.ts";
import { atomics } from "./atomics.ts";
import type { Member, Waiter, WaitPlace } from "./member.ts";

/** Options of a wait. */
export interface WaitOptions {
  /**
   * The longest time to wait, in milliseconds; 0 or less does not wait.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** Options of an acquisition that blocks. */
export interface AcquireOptions extends WaitOptions {
  /**
   * True to wait. With false, the call tries once and ignores `timeout`.
   *
   * @default {true}
   */
  block?: boolean;
}

/** Options of a wait in the event loop. */
export interface AsyncWaitOptions extends WaitOptions {
  /**
   * A signal that cancels the wait. The promise then rejects with the reason of the signal.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** Options of an acquisition in the event loop. */
export interface AsyncAcquireOptions extends AcquireOptions {
  /**
   * A signal that cancels the wait; see {@linkcode AsyncWaitOptions.signal}.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

// An error about a bare number or boolean names the first option here that could have that value.
const ACQUIRE_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, block: checkedFlag });
const ACQUIRE_ASYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, block: checkedFlag, signal: checkedSignal });
const WAIT_ASYNC_OPTIONS = new OptionsSchema({ timeout: checkedTimeout, signal: checkedSignal });
const HOLD_ASYNC_OPTIONS = new OptionsSchema({ signal: checkedSignal });

/** Returns the time to wait, in milliseconds; 0 means none. */
export function timeToWait(options: AcquireOptions | undefined): number {
  if (options === undefined) return Infinity;
  const { block, timeout = Infinity } = ACQUIRE_OPTIONS.read(options, "a wait");
  return block === false ? 0 : timeout;
}

/** Returns the time to wait and the signal. Each option is read exactly once and checked. */
export function timeAndSignal(options: AsyncAcquireOptions | undefined): {
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
} {
  const { block, timeout = Infinity, signal } = ACQUIRE_ASYNC_OPTIONS.read(options, "a wait");
  return { timeout: block === false ? 0 : timeout, signal };
}

/** Returns the options of a wait, which may also be a bare timeout. */
export function waitOptions(options: number | AsyncWaitOptions | undefined): AsyncWaitOptions {
  return typeof options === "object" && options !== null
    ? WAIT_ASYNC_OPTIONS.read(options, "a wait") as AsyncWaitOptions
    : { timeout: options };
}

/** Returns the options of `holdAsync()`. */
export function holdOptions(options: { signal?: AbortSignal } | undefined): { signal?: AbortSignal } {
  return HOLD_ASYNC_OPTIONS.read(options, "holdAsync()") as { signal?: AbortSignal };
}

/**
 * Blocks until `attempt` succeeds, at most `timeout` milliseconds. Returns whether it succeeded. `instead`: the method
 * that an error suggests to threads that must not block.
 *
 * @throws {CancelledError} If this thread is a worker that was terminated.
 * @throws {InvalidStateError} If this thread would have to sleep and must not block.
 */
export function waitFor(
  member: Member,
  place: WaitPlace,
  attempt: () => boolean,
  timeout: number,
  instead = "'waitAsync()'",
): boolean {
  const deadline = timeout < Infinity ? atomics.now() + timeout : Infinity;
  // Poll first: for a change that comes at once a sleep is not worthwhile, as it takes much longer to end. A thread that
  // must not sleep has no other way.
  if (atomics.patience > 0 && (place.patience.polls() || !canBlock())) {
    for (const end = atomics.now() + Math.min(atomics.patience, timeout); atomics.now() < end;) {
      if (!attempt()) continue;
      place.patience.hit();
      return true;
    }
    place.patience.missed();
  }
  refuseToBlock(instead);
  try {
    for (;;) {
      const heard = member.prepareWait();
      place.enter(member); // again each time, as the thread that wakes this one takes the entry
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

/**
 * Polls without sleeping, for a wait for a short step where {@linkcode waitFor} would throw. Returns whether `attempt`
 * succeeded.
 */
export function spinFor(attempt: () => boolean, timeout: number): boolean {
  for (const end = atomics.now() + timeout; atomics.now() < end;) if (attempt()) return true;
  return false;
}

/** As {@linkcode waitFor}, but waits in the event loop. */
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
