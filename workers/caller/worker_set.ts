/**
 * The workers of a scheduler: as many as there is work for.
 *
 * @module
 */

import { type Board, BUSY, type Desk, IDLE, PARKED, SEARCHING, STARTING } from "../shared/submission_ring.ts";
import type { Flight } from "./in_flight.ts";
import type { Host } from "./worker_handle.ts";
import { ResponseWatch } from "./liveness_watchdog.ts";
import { Starts } from "./spawner.ts";
import { terminateStopsCode } from "../../base/platform.ts";

// Taken early: a program may mock it, and its pools must go on.
const { min } = Math;

/** What a crew is told. */
export interface CrewOptions {
  /** How many workers it may have. */
  readonly size: number;
  /** Where they find their tasks. */
  readonly board: Board;
  /** The tasks that were handed over. */
  readonly flight: Flight;
  /** Makes the worker of this number. */
  readonly make: (number: number) => Host;
  /** Told why none can be started, when there is no other worker. */
  readonly failed: (error: unknown) => void;
  /** Told why one cannot be started, the first time that the others go on without it. */
  readonly goOn: (error: unknown) => void;
  /** Told a worker that was called and does not come. */
  readonly lose: (host: Host) => void;
}

/** A worker that can be called to the board. */
interface Callable {
  /** Its words. */
  readonly desk: Desk;
  /** Whether it takes no more tasks. */
  readonly retired: boolean;
  /** Whether the last call counted on it. */
  onItsWay: boolean;
  /** Wakes it if it sleeps: whether it did. */
  wake(): boolean;
}

/**
 * Calls workers to the board until somebody is on the way to each task that nobody has claimed: gives for how many tasks nobody is.
 *
 * A worker counts as on the way only if it looks at the board before it does anything else (`SEARCHING`); it takes that back before
 * its claim can be seen, and looks once more after it has taken it back for another reason. So what is counted here stays true.
 */
export function callWorkers(board: Board, workers: Iterable<Callable>): number {
  let unmet = countUnmet(board, workers);
  // A worker says that it is busy just before its claim can be seen: a second look spares another worker a wake-up for nothing.
  if (unmet > 0) unmet = countUnmet(board, workers);
  if (unmet <= 0) return 0;
  // Those that come soonest first: a worker that starts may still have a long initializer before it.
  for (const state of [PARKED, IDLE]) {
    for (const worker of workers) {
      if (unmet <= 0) return 0;
      if (worker.onItsWay || worker.retired || worker.desk.sleep !== state || !worker.wake()) continue;
      worker.onItsWay = true;
      unmet--;
    }
  }
  for (const { desk } of workers) if (desk.sleep === STARTING) unmet--;
  return unmet > 0 ? unmet : 0;
}

/** How many tasks are unclaimed beyond those that workers are on the way to. */
function countUnmet(board: Board, workers: Iterable<Callable>): number {
  let unmet = board.unclaimed(); // before what the workers say: see Board.claim()
  if (unmet === 0) return 0;
  for (const worker of workers) {
    // Remembered, as it may be about to sleep: it is not to be counted a second time when it is woken from that.
    worker.onItsWay = !worker.retired && worker.desk.sleep === SEARCHING;
    if (worker.onItsWay) unmet--;
  }
  return unmet;
}

/** Starts workers, calls them to their tasks, and ends them. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #hosts = new Set<Host>();
  readonly #zombies = new Set<Host>();
  #number = 0;
  /** How many could not be started. */
  startFailures = 0;
  /** The number of the last one of these. */
  #lastFailed = 0;
  /** Workers whose start is under way in a call further up. */
  #starting = 0;
  /** How many wait for the processes that were started on them. */
  parents = 0;
  /** How many of those take no more tasks. */
  #retired = 0;
  /** The worker that keeps the program from ending. */
  #keeper: Host | undefined;
  /** Those that are to be started later. */
  readonly starts: Starts;
  /** Finds those that do not come. */
  readonly responses: ResponseWatch;

  /** Starts no worker yet. */
  constructor(options: CrewOptions) {
    this.#options = options;
    this.starts = new Starts({
      room: () => this.room,
      any: () => this.#hosts.size + this.#starting > 0,
      unmet: () => callWorkers(options.board, this.#hosts),
      anyReady: () => [...this.#hosts].some((host) => host.desk.sleep !== STARTING),
      nearlyFree: () => this.#nearlyFree(),
      start: () => this.start(),
    });
    this.responses = new ResponseWatch(() => this.#hosts, () => options.board.unclaimed() > 0, options.lose);
  }

  /** The workers that have not ended, as far as is known. */
  get hosts(): ReadonlySet<Host> {
    return this.#hosts;
  }

  /** How many more it may start. */
  get room(): number {
    return this.#options.size - this.#hosts.size - this.#starting + this.#retired;
  }

  /** The number of the first worker among all processes and workers, if there is one. */
  get firstPid(): number | null {
    for (const host of this.#hosts) return host.pid;
    return null;
  }

  /** How many have a task. */
  get running(): number {
    let running = 0;
    for (const host of this.#hosts) if (this.#hasTask(host)) running++;
    return running;
  }

  /** How many were ended and still run. */
  get zombies(): number {
    // One that has come back to its event loop ends there.
    for (const host of this.#zombies) if (host.desk.rests) this.#zombies.delete(host);
    return this.#zombies.size;
  }

  #hasTask(host: Host): boolean {
    return this.#options.flight.get(host.desk.current) !== undefined;
  }

  /** Starts one more worker: whether that was possible. */
  start(): boolean {
    this.#number++;
    this.#starting++;
    let host: Host;
    try {
      host = this.#options.make(this.#number);
    } catch (error) {
      this.#starting--;
      this.startFailed(this.#number, error);
      return false;
    }
    this.#starting--;
    this.#hosts.add(host);
    return true;
  }

  /** The worker of this number cannot be started, or has ended before it could take a task. */
  startFailed(number: number, error: unknown): void {
    this.startFailures++;
    if (this.#hosts.size + this.#starting === 0) return this.#options.failed(error);
    const last = this.#lastFailed;
    this.#lastFailed = number;
    // Whether none of those that were started since the last failure is ready.
    const again = last > 0 && ![...this.#hosts].some((host) => host.number > last && host.desk.sleep !== STARTING);
    this.starts.failed(again);
    if (this.startFailures === 1) this.#options.goOn(error);
  }

  /** How many are neither asleep nor have a task. */
  #nearlyFree(): number {
    let count = 0;
    for (const host of this.#hosts) if (host.desk.sleep <= BUSY && !host.onItsWay && !this.#hasTask(host)) count++;
    return count;
  }

  /** Sees to it that enough workers look at the board: wakes those that sleep, starts those that are missing, `now` if need be. */
  call(now: boolean): void {
    const { board } = this.#options;
    const unmet = callWorkers(board, this.#hosts);
    if (unmet > 0) this.starts.start(unmet, now);
    else this.starts.satisfied();
    if (board.unclaimed() > 0) this.responses.watch();
  }

  /** How long until something is to be checked, for a thread that blocks, in milliseconds. */
  untilNext(): number {
    return min(this.responses.untilNext(), this.starts.untilNext());
  }

  /** Checks what is due; timers do the same where the event loop has its turns. */
  check(): void {
    if (this.responses.untilNext() <= 0) this.responses.check();
    if (this.starts.untilNext() <= 0) this.starts.check(true);
  }

  /** Whether one of the workers keeps the program from ending. */
  get keepsProgram(): boolean {
    return this.#keeper !== undefined;
  }

  /** Has one of the workers keep the program from ending, or none. */
  keepProgram(keeps: boolean): void {
    this.#keeper?.keepsProgram(false);
    this.#keeper = undefined;
    if (!keeps) return;
    for (const host of this.#hosts) {
      host.keepsProgram(true);
      this.#keeper = host;
      return;
    }
  }

  /** Takes a worker out: whether it was one of them. It is still to be ended. */
  remove(host: Host): boolean {
    if (!this.#hosts.delete(host)) return false;
    if (this.#keeper === host) this.#keeper = undefined;
    if (host.hasChildren) this.parents--;
    if (host.retired) this.#retired--;
    return true;
  }

  /** Takes note of what a record `CHILDREN` says. One that has only waited for its children ends. */
  noteChildren(host: Host, detail: number): void {
    const any = (detail & 1) === 1;
    const news = detail >> 1;
    if (news <= host.childNews || !this.#hosts.has(host)) return;
    host.childNews = news;
    if (any !== host.hasChildren) this.parents += any ? 1 : -1;
    host.hasChildren = any;
    if (host.retired && !any) this.retire(host, false);
  }

  /** One takes no more tasks: it ends, now if it is `givenUp`, else after its children. False when it was none of them any more. */
  retire(host: Host, givenUp: boolean): boolean {
    if (!this.#hosts.has(host)) return false;
    if (host.hasChildren && !givenUp) {
      if (!host.retired) this.#retired++;
      host.retired = true;
    } else {
      this.remove(host);
      host.end();
    }
    return true;
  }

  /** Ends a worker; one that runs code may not stop at once. */
  end(host: Host, runsCode: boolean = host.runsCode): void {
    if (runsCode && !terminateStopsCode()) this.#zombies.add(host);
    host.end();
  }

  /** Ends all of them. */
  endAll(): void {
    this.responses.stop();
    this.starts.stop();
    for (const host of this.#hosts) this.end(host);
    this.#options.board.raiseEpoch(); // or one of them might still claim the next task
    this.#hosts.clear();
    this.parents = this.#retired = 0;
    this.#keeper = undefined;
  }
}
