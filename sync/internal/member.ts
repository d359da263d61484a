/**
 * A thread among those that share memory: what it waits for, and what it holds.
 *
 * @module
 */

import { CancelledError } from "../../errors.ts";
import { waitAsyncWakes } from "../../base/platform.ts";
import { SLOTS, type ThreadTable } from "./thread_table.ts";

/** A place in a shared object where threads wait to be woken. */
export interface WaitPlace {
  /** Its number: the same for every instance of the object. */
  readonly key: number;
  /** Whether a wake-up is for all who wait here, each with something of its own to look at; else for the first. */
  readonly forAll: boolean;
  /** Announces that the thread is about to sleep. What it waits for is looked at after that. */
  enter(member: Member): void;
  /** The thread waits here no more. A wake-up that it has got meanwhile goes to another. */
  leave(member: Member): void;
  /** Whether the thread was woken since it entered. */
  rung(member: Member): boolean;
}

/** One that waits in the event loop. */
export interface Waiter {
  /** Takes what it waits for: whether it was there. */
  attempt(): boolean;
  /** Told that it has got it. */
  done(): void;
  /** Told that it never will. */
  fail(error: unknown): void;
}

/** Who on a thread has a reentrant lock, and how often. */
export interface Ownership {
  /** Any code of the thread, by blocking; one of its flows, by awaiting; or whoever has the guard of such a flow. */
  readonly by: "thread" | "flow" | "guard";
  /** How often. */
  depth: number;
}

interface Group {
  readonly place: WaitPlace;
  readonly waiters: Set<Waiter>;
}

/** What a member needs to know of its thread. */
export interface MemberThread {
  /** Whether it is to end. */
  readonly stopped: () => boolean;
  /** What has to go on while it is blocked: its pools hand out arguments and take results. */
  readonly services: Set<() => void>;
  /** The critical sections that it is inside of. */
  readonly guards: { abandon(): void }[];
  /** What hands on resources between threads. */
  readonly sharer: { serve(): void };
}

/**
 * Ends the wait of a thread that is to end.
 *
 * @throws {CancelledError} If it is.
 */
export function refuseIfStopped(thread: Pick<MemberThread, "stopped">): void {
  if (thread.stopped()) throw waitEnded();
}

function waitEnded(): CancelledError {
  return new CancelledError("The wait was ended as its worker was terminated");
}

/** Longer than any wait; a timer cannot take more. */
const LONG = 0x7fffffff;
/** How often waits look again where `Atomics.waitAsync` loses wake-ups, in milliseconds. */
const LOOK_AGAIN = 5;

/** A thread in a threadTable. */
export class Member {
  /** The threadTable. */
  readonly threadTable: ThreadTable;
  /** What is waited for in the event loop of this thread, by the place. */
  readonly groups: Map<number, Group> = new Map();
  /** The reentrant locks that this thread holds, by their numbers. */
  readonly owned: Map<number, Ownership> = new Map();
  /** The slot of this thread. */
  readonly slot: number;
  /** The ID of this thread: what a lock that it holds says. */
  id: number;
  /** What the program that runs this thread knows about it. */
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
   * Ends the wait of a thread that is to end.
   *
   * @throws {CancelledError} If it is.
   */
  check(): void {
    if (this.ended) throw waitEnded();
  }

  /** Whether this thread is to end. */
  get ended(): boolean {
    return !this.threadTable.alive(this.id) || this.thread.stopped();
  }

  /** See {@linkcode afterInterruption}. */
  rename(): void {
    this.id = this.threadTable.rename(this.id);
    this.owned.clear();
    this.listen(true);
  }

  /** What to pass to {@linkcode sleep}; read before the last look at what is waited for. */
  prepareWait(): number {
    return this.threadTable.prepareWait(this.slot);
  }

  /** Blocks until something has changed since {@linkcode hear}, at most `timeout` milliseconds. */
  sleep(heard: number, timeout: number): void {
    // Before the sleep: what has come earlier does not ring any more; what comes from now on does.
    for (const serve of this.thread.services) serve();
    // A thread that runs on after its end may take a wake-up with it when it stops: so look again after that.
    const { graceLeft } = this.threadTable;
    this.threadTable.wait(this.slot, heard, graceLeft > 0 ? Math.min(graceLeft, timeout) : timeout);
    this.thread.sharer.serve();
  }

  /** Lets a waiter wait in the event loop. */
  add(place: WaitPlace, waiter: Waiter): void {
    let group = this.groups.get(place.key);
    if (group === undefined) this.groups.set(place.key, group = { place, waiters: new Set() });
    group.waiters.add(waiter);
    this.#serve(group);
    this.listen();
  }

  /** Takes a waiter back. */
  remove(place: WaitPlace, waiter: Waiter): void {
    const group = this.groups.get(place.key);
    if (group === undefined || !group.waiters.delete(waiter)) return;
    this.#dismiss(group);
    this.#hold();
  }

  /** Serves those of this thread that wait there in the event loop: whether none is left, whom another would overtake. */
  serveFirst(place: WaitPlace): boolean {
    const group = this.groups.get(place.key);
    if (group === undefined) return true;
    this.#serve(group);
    return group.waiters.size === 0;
  }

  /** Sees to it that the event loop hears the bell, for as long as something waits there. */
  listen(everyone = false): void {
    if (everyone) this.#deathCount = -1;
    this.#hold();
    if (this.#listening) return;
    while (this.groups.size > 0) {
      const heard = this.prepareWait();
      this.#serveRung();
      if (this.groups.size === 0) break;
      const woken = this.threadTable.waitAsync(this.slot, heard);
      if (woken === undefined) continue; // rung meanwhile: each time because another thread did something
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

  /** As {@linkcode sleep} does. */
  #lookAfterUnrest(): void {
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

  /** An event loop does not count what waits in `Atomics.waitAsync`: a timer keeps it going meanwhile. */
  #hold(): void {
    if (this.groups.size === 0) {
      clearInterval(this.#timer);
      clearTimeout(this.#graceLeft);
      this.#timer = this.#graceLeft = undefined;
      return;
    }
    this.#lookAfterUnrest();
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
