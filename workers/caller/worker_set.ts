/**
 * The workers of a scheduler: as many as there is work for.
 *
 * @module
 */

import type { SubmissionRing } from "../shared/submission_ring.ts";
import { BUSY, type ControlBlock, IDLE, PARKED, SEARCHING, STARTING } from "../shared/control_block.ts";
import type { InFlightTasks } from "./in_flight.ts";
import type { WorkerHandle } from "./worker_handle.ts";
import { LivenessWatchdog } from "./liveness_watchdog.ts";
import { Spawner } from "./spawner.ts";
import { terminateStopsCode } from "../../base/platform.ts";

// Taken early: a program may mock it, and its pools must go on.
const { min } = Math;

/** What a worker set is told. */
export interface WorkerSetOptions {
  /** How many workers it may have. */
  readonly size: number;
  /** Where they find their tasks. */
  readonly submissions: SubmissionRing;
  /** The tasks that were handed over. */
  readonly inFlight: InFlightTasks;
  /** Makes the worker of this number. */
  readonly spawn: (number: number) => WorkerHandle;
  /** Told why none can be started, when there is no other worker. */
  readonly failed: (error: unknown) => void;
  /** Told why one cannot be started, the first time that the others go on without it. */
  readonly goOn: (error: unknown) => void;
  /** Told a worker that was called and does not come. */
  readonly onLost: (handle: WorkerHandle) => void;
}

/** A worker that can be called to the submission ring. */
interface Callable {
  /** Its words. */
  readonly control: ControlBlock;
  /** Whether it takes no more tasks. */
  readonly retired: boolean;
  /** Whether the last call counted on it. */
  onItsWay: boolean;
  /** Wakes it if it sleeps: whether it did. */
  wake(): boolean;
}

/**
 * Calls workers to the submission ring until somebody is on the way to each task that nobody has claimed: gives for how many tasks nobody is.
 *
 * A worker counts as on the way only if it looks at the submission ring before it does anything else (`SEARCHING`); it takes that back before
 * its claim can be seen, and looks once more after it has taken it back for another reason. So what is counted here stays true.
 */
export function callWorkers(submissions: SubmissionRing, workers: Iterable<Callable>): number {
  let demand = countUnmet(submissions, workers);
  // A worker says that it is busy just before its claim can be seen: a second look spares another worker a wake-up for nothing.
  if (demand > 0) demand = countUnmet(submissions, workers);
  if (demand <= 0) return 0;
  // Those that come soonest first: a worker that starts may still have a long initializer before it.
  for (const state of [PARKED, IDLE]) {
    for (const worker of workers) {
      if (demand <= 0) return 0;
      if (worker.onItsWay || worker.retired || worker.control.sleep !== state || !worker.wake()) continue;
      worker.onItsWay = true;
      demand--;
    }
  }
  for (const { control } of workers) if (control.sleep === STARTING) demand--;
  return demand > 0 ? demand : 0;
}

/** How many tasks are unclaimed beyond those that workers are on the way to. */
function countUnmet(submissions: SubmissionRing, workers: Iterable<Callable>): number {
  let demand = submissions.unclaimed(); // before what the workers say: see SubmissionRing.claim()
  if (demand === 0) return 0;
  for (const worker of workers) {
    // Remembered, as it may be about to sleep: it is not to be counted a second time when it is woken from that.
    worker.onItsWay = !worker.retired && worker.control.sleep === SEARCHING;
    if (worker.onItsWay) demand--;
  }
  return demand;
}

/** Spawner workers, calls them to their tasks, and ends them. */
export class WorkerSet {
  readonly #options: WorkerSetOptions;
  readonly #handles = new Set<WorkerHandle>();
  readonly #zombies = new Set<WorkerHandle>();
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
  #keeper: WorkerHandle | undefined;
  /** Those that are to be started later. */
  readonly spawner: Spawner;
  /** Finds those that do not come. */
  readonly liveness: LivenessWatchdog;

  /** Spawner no worker yet. */
  constructor(options: WorkerSetOptions) {
    this.#options = options;
    this.spawner = new Spawner({
      room: () => this.room,
      any: () => this.#handles.size + this.#starting > 0,
      demand: () => callWorkers(options.submissions, this.#handles),
      anyReady: () => [...this.#handles].some((handle) => handle.control.sleep !== STARTING),
      nearlyFree: () => this.#nearlyFree(),
      start: () => this.start(),
    });
    this.liveness = new LivenessWatchdog(
      () => this.#handles,
      () => options.submissions.unclaimed() > 0,
      options.onLost,
    );
  }

  /** How many workers it may have. */
  get size(): number {
    return this.#options.size;
  }

  /** The workers that have not ended, as far as is known. */
  get handles(): ReadonlySet<WorkerHandle> {
    return this.#handles;
  }

  /** How many more it may start. */
  get room(): number {
    return this.#options.size - this.#handles.size - this.#starting + this.#retired;
  }

  /** How many have a task. */
  get running(): number {
    let running = 0;
    for (const handle of this.#handles) if (this.#hasTask(handle)) running++;
    return running;
  }

  /** How many were ended and still run. */
  get zombies(): number {
    // One that has come back to its event loop ends there.
    for (const handle of this.#zombies) if (handle.control.rests) this.#zombies.delete(handle);
    return this.#zombies.size;
  }

  #hasTask(handle: WorkerHandle): boolean {
    return this.#options.inFlight.get(handle.control.current) !== undefined;
  }

  /** Spawner one more worker: whether that was possible. */
  start(): boolean {
    this.#number++;
    this.#starting++;
    let handle: WorkerHandle;
    try {
      handle = this.#options.spawn(this.#number);
    } catch (error) {
      this.#starting--;
      this.startFailed(this.#number, error);
      return false;
    }
    this.#starting--;
    this.#handles.add(handle);
    return true;
  }

  /** The worker of this number cannot be started, or has ended before it could take a task. */
  startFailed(number: number, error: unknown): void {
    this.startFailures++;
    if (this.#handles.size + this.#starting === 0) return this.#options.failed(error);
    const last = this.#lastFailed;
    this.#lastFailed = number;
    // Whether none of those that were started since the last failure is ready.
    const again = last > 0 &&
      ![...this.#handles].some((handle) => handle.number > last && handle.control.sleep !== STARTING);
    this.spawner.failed(again);
    if (this.startFailures === 1) this.#options.goOn(error);
  }

  /** How many are neither asleep nor have a task. */
  #nearlyFree(): number {
    let count = 0;
    for (const handle of this.#handles) {
      if (handle.control.sleep <= BUSY && !handle.onItsWay && !this.#hasTask(handle)) count++;
    }
    return count;
  }

  /** Sees to it that enough workers look at the submission ring: wakes those that sleep, starts those that are missing, `now` if need be. */
  call(now: boolean): void {
    const { submissions } = this.#options;
    const demand = callWorkers(submissions, this.#handles);
    if (demand > 0) this.spawner.start(demand, now);
    else this.spawner.satisfied();
    if (submissions.unclaimed() > 0) this.liveness.watch();
  }

  /** How long until something is to be checked, for a thread that blocks, in milliseconds. */
  untilNext(): number {
    return min(this.liveness.untilNext(), this.spawner.untilNext());
  }

  /** Checks what is due; timers do the same where the event loop has its turns. */
  check(): void {
    if (this.liveness.untilNext() <= 0) this.liveness.check();
    if (this.spawner.untilNext() <= 0) this.spawner.check(true);
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
    for (const handle of this.#handles) {
      handle.keepsProgram(true);
      this.#keeper = handle;
      return;
    }
  }

  /** Takes a worker out: whether it was one of them. It is still to be ended. */
  remove(handle: WorkerHandle): boolean {
    if (!this.#handles.delete(handle)) return false;
    if (this.#keeper === handle) this.#keeper = undefined;
    if (handle.hasChildren) this.parents--;
    if (handle.retired) this.#retired--;
    return true;
  }

  /** Takes note of what a record `CHILDREN` says. One that has only waited for its children ends. */
  noteChildren(handle: WorkerHandle, detail: number): void {
    const any = (detail & 1) === 1;
    const news = detail >> 1;
    if (news <= handle.childNews || !this.#handles.has(handle)) return;
    handle.childNews = news;
    if (any !== handle.hasChildren) this.parents += any ? 1 : -1;
    handle.hasChildren = any;
    if (handle.retired && !any) this.retire(handle, false);
  }

  /** One takes no more tasks: it ends, now if it is `givenUp`, else after its children. False when it was none of them any more. */
  retire(handle: WorkerHandle, givenUp: boolean): boolean {
    if (!this.#handles.has(handle)) return false;
    if (handle.hasChildren && !givenUp) {
      if (!handle.retired) this.#retired++;
      handle.retired = true;
    } else {
      this.remove(handle);
      handle.end();
    }
    return true;
  }

  /** Ends a worker; one that runs code may not stop at once. */
  end(handle: WorkerHandle, runsCode: boolean = handle.runsCode): void {
    if (runsCode && !terminateStopsCode()) this.#zombies.add(handle);
    handle.end();
  }

  /** Ends all of them. */
  endAll(): void {
    this.liveness.stop();
    this.spawner.stop();
    for (const handle of this.#handles) this.end(handle);
    this.#options.submissions.raiseEpoch(); // or one of them might still claim the next task
    this.#handles.clear();
    this.parents = this.#retired = 0;
    this.#keeper = undefined;
  }
}
