/**
 * A thread as a member of a thread table: its waits and its locks.
 *
 * @module
 */

import { CancelledError } from "../../errors.ts";
import { waitAsyncWakes } from "../../base/platform.ts";
import type { Patience } from "./patience.ts";
import { SLOTS, type ThreadTable } from "./thread_table.ts";

/** A place in a shared object where threads wait to be woken. */
export interface WaitPlace {
  /** The number of the place, the same for every instance of the object. */
  readonly key: number;
  /**
   * True if a wake-up is for all waits of the thread at this place, each of which checks its own state; else it is for
   * the first.
   */
  readonly forAll: boolean;
  /** The experience of this thread with polling at this place. */
  readonly patience: Patience;
  /** Announces that the thread is about to sleep. The thread checks the awaited state after that. */
  enter(member: Member): void;
  /** Ends the wait of the thread here. A wake-up that it got meanwhile is passed on to another thread. */
  leave(member: Member): void;
  /** Returns whether the thread was woken since it entered. */
  rung(member: Member): boolean;
}

/** A wait in the event loop. */
export interface Waiter {
  /** Tries to take what the wait is for. Returns whether that succeeded. */
  attempt(): boolean;
  /** Called when an attempt succeeded. */
  done(): void;
  /** Called when the wait has failed. */
  fail(error: unknown): void;
}

/** The owner of a re-entrant lock on a thread, and how often it acquired the lock. */
export interface Ownership {
  /**
   * The kind of owner: any code of the thread, by blocking; one of its flows, by awaiting; or the holder of the guard
   * of a flow.
   */
  readonly by: "thread" | "flow" | "guard";
  /** The number of acquisitions to release. */
  depth: number;
  /** The slots of the threads to wake when the lock is released: the first `wakeUps` elements. */
  readonly toWake: number[];
  /** The number of threads to wake when the lock is released. */
  wakeUps: number;
}

/** Returns the ownership of an owner that has not acquired the lock yet. */
export function unowned(by: Ownership["by"]): Ownership {
  return { by, depth: 0, toWake: [], wakeUps: 0 };
}

interface Group {
  readonly place: WaitPlace;
  readonly waiters: Set<Waiter>;
}

/** The part of the state of a thread that a member needs. */
export interface MemberThread {
  /** Returns whether the thread must end. */
  readonly stopped: () => boolean;
  /** Callbacks that run while the thread is blocked: its pools send arguments and receive results. */
  readonly services: Set<() => number | undefined>;
  /** The critical sections that the thread is inside of. */
  readonly guards: { abandon(): void }[];
  /** Passes on resources between threads. */
  readonly sharer: { serve(): void };
}

/**
 * Ends the wait of a thread that must end.
 *
 * @throws {CancelledError} If the thread must end.
 */
export function refuseIfStopped(thread: Pick<MemberThread, "stopped">): void {
  if (thread.stopped()) throw waitEnded();
}

function waitEnded(): CancelledError {
  return new CancelledError("The wait was ended as its worker was terminated");
}

/** The longest interval of a timer, in milliseconds. */
const LONG = 0x7fffffff;
/** The interval at which waits poll where `Atomics.waitAsync` loses wake-ups, in milliseconds. */
const LOOK_AGAIN = 5;

/** A thread as a member of a thread table. */
export class Member {
  /** The thread table. */
  readonly threadTable: ThreadTable;
  /** The waits in the event loop of this thread, by the key of their place. */
  readonly groups: Map<number, Group> = new Map();
  /** The re-entrant locks that this thread holds, by their keys. */
  readonly owned: Map<number, Ownership> = new Map();
  /** The slot of this thread. */
  readonly slot: number;
  /** The ID of this thread, which the locks that it holds contain. */
  id: number;
  /** The state of this thread. */
  readonly thread: MemberThread;
  #listening = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #graceLeft: ReturnType<typeof setTimeout> | undefined;
  #deathCount = -1;

  constructor(threadTable: ThreadTable, thread: Member["thread"], parent: number) {
    this.threadTable = threadTable;
    this.thread = thread;
    this.id = threadTable.join(parent);
    this.slot = this.id & (SLOTS - 1);
  }

  /**
   * Ends the wait of this thread if it must end.
   *
   * @throws {CancelledError} If this thread must end.
   */
  check(): void {
    if (this.ended) throw waitEnded();
  }

  /** True if this thread must end. */
  get ended(): boolean {
    return !this.threadTable.alive(this.id) || this.thread.stopped();
  }

  /** Assigns a new ID to this thread, after an interruption: see `afterInterruption()`. */
  rename(): void {
    this.id = this.threadTable.rename(this.id);
    this.owned.clear();
    this.listen(true);
  }

  /**
   * Returns the event count for {@linkcode Member.sleep}. It must be read before the last check of the awaited state.
   */
  prepareWait(): number {
    return this.threadTable.prepareWait(this.slot);
  }

  /**
   * Blocks until the event count differs from `heard`, the result of {@linkcode Member.prepareWait}, at most `timeout`
   * milliseconds.
   */
  sleep(heard: number, timeout: number): void {
    // Before the sleep: earlier events no longer notify this thread, later ones do.
    const { services } = this.thread;
    if (services.size > 0) { for (const serve of services) serve(); }
    // A thread that runs on after its end may consume a wake-up before it stops, so look again after that.
    const { graceLeft } = this.threadTable;
    this.threadTable.wait(this.slot, heard, graceLeft > 0 ? Math.min(graceLeft, timeout) : timeout);
    this.thread.sharer.serve();
  }

  /** Adds a wait in the event loop. */
  add(place: WaitPlace, waiter: Waiter): void {
    let group = this.groups.get(place.key);
    if (group === undefined) this.groups.set(place.key, group = { place, waiters: new Set() });
    group.waiters.add(waiter);
    this.#serve(group);
    this.listen();
  }

  /** Removes a wait. */
  remove(place: WaitPlace, waiter: Waiter): void {
    const group = this.groups.get(place.key);
    if (group === undefined || !group.waiters.delete(waiter)) return;
    this.#dismiss(group);
    this.#hold();
  }

  /** Runs this thread's async waiters at `place`. Returns true if none remains, so the caller overtakes nobody. */
  serveFirst(place: WaitPlace): boolean {
    const group = this.groups.get(place.key);
    if (group === undefined) return true;
    this.#serve(group);
    return group.waiters.size === 0;
  }

  /** Listens to the event count in the event loop, for as long as something waits there. */
  listen(everyone = false): void {
    if (everyone) this.#deathCount = -1;
    this.#hold();
    if (this.#listening) return;
    while (this.groups.size > 0) {
      const heard = this.prepareWait();
      this.#serveRung();
      if (this.groups.size === 0) break;
      const woken = this.threadTable.waitAsync(this.slot, heard);
      if (woken === undefined) continue; // notified meanwhile, each time because another thread made progress
      this.#listening = true;
      woken.then(() => {
        this.#listening = false;
        this.thread.sharer.serve();
        this.listen();
      });
      break;
    }
    this.#hold();
  }

  #serveRung(): void {
    const { deathCount } = this.threadTable;
    const everyone = deathCount !== this.#deathCount;
    this.#deathCount = deathCount;
    for (const group of [...this.groups.values()]) {
      if (everyone || group.place.rung(this)) this.#serve(group);
    }
  }

  /** Looks again when the grace period after a death is over, as {@linkcode Member.sleep} does. */
  #lookAfterGrace(): void {
    const { graceLeft } = this.threadTable;
    if (graceLeft === 0) return;
    this.#graceLeft ??= setTimeout(() => {
      this.#graceLeft = undefined;
      for (const group of [...this.groups.values()]) this.#serve(group);
      this.listen();
    }, graceLeft + 1);
  }

  #serve(group: Group): void {
    group.place.enter(this);
    for (const waiter of group.waiters) {
      try {
        this.check();
        if (!waiter.attempt()) {
          if (group.place.forAll) continue;
          break;
        }
      } catch (error) {
        group.waiters.delete(waiter);
        waiter.fail(error);
        continue;
      }
      group.waiters.delete(waiter);
      waiter.done();
    }
    this.#dismiss(group);
  }

  #dismiss(group: Group): void {
    if (group.waiters.size > 0) return;
    if (this.groups.get(group.place.key) === group) this.groups.delete(group.place.key);
    group.place.leave(this);
  }

  /** Keeps the event loop alive with a timer while something waits: `Atomics.waitAsync` alone does not. */
  #hold(): void {
    if (this.groups.size === 0) {
      clearInterval(this.#timer);
      clearTimeout(this.#graceLeft);
      this.#timer = this.#graceLeft = undefined;
      return;
    }
    this.#lookAfterGrace();
    if (this.#timer === undefined) {
      const reliable = waitAsyncWakes();
      const look = (): void => {
        this.#deathCount = -1;
        this.thread.sharer.serve();
        this.#serveRung();
        this.#hold();
      };
      this.#timer = setInterval(reliable ? () => {} : look, reliable ? LONG : LOOK_AGAIN);
    }
  }
}
