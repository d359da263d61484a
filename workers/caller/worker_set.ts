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
import type { Task } from "../../scheduler/task.ts";
import { terminateStopsCode } from "../../base/platform.ts";

// Taken early: a program may mock it, and its pools must go on.
const { min } = Math;

/** Options of a {@linkcode WorkerSet}. */
export interface WorkerSetOptions {
  /** The largest number of workers. */
  readonly size: number;
  /** The ring that the workers claim tasks from. */
  readonly submissions: SubmissionRing;
  /** The tasks that were handed over. */
  readonly inFlight: InFlightTasks;
  /** Creates the worker with this number. */
  readonly spawn: (number: number) => WorkerHandle;
  /** Called with the error if no worker can be started and there is no other worker. */
  readonly failed: (error: unknown) => void;
  /** Called with the error of the first start that fails while other workers go on. */
  readonly goOn: (error: unknown) => void;
  /** Called with a worker that was called and does not come. */
  readonly onLost: (handle: WorkerHandle) => void;
}

/** A worker that can be called to the submission ring. */
interface Callable {
  /** The control block of the worker. */
  readonly control: ControlBlock;
  /** True if the worker takes no more tasks. */
  readonly retired: boolean;
  /** True if the worker does not come, though it was called. */
  readonly stuck?: boolean;
  /** The task that was handed to the worker alone, which it runs before it looks at the submission ring. */
  readonly handed?: unknown;
  /** True if the last call counted on the worker. */
  onItsWay: boolean;
  /** Wakes the worker if it sleeps. Returns whether it did. */
  wake(): boolean;
}

/**
 * Calls workers to the submission ring until a worker is on its way to each unclaimed task. Returns the number of unclaimed tasks
 * with no worker on its way.
 *
 * A worker counts as on its way only if it checks the submission ring before it does anything else (`SEARCHING`). It leaves that
 * state before its claim can be seen; if it leaves the state for another reason, it checks the ring once more afterwards. So the
 * count that is made here stays true.
 */
export function callWorkers(submissions: SubmissionRing, workers: Iterable<Callable>): number {
  let demand = countUnmet(submissions, workers);
  // A worker says that it is busy just before its claim can be seen. A second look avoids waking another worker for nothing.
  if (demand > 0) demand = countUnmet(submissions, workers);
  if (demand <= 0) return 0;
  // Workers that come soonest are called first. A worker that starts may still have to run a long initializer.
  for (const state of [PARKED, IDLE]) {
    for (const worker of workers) {
      if (demand <= 0) return 0;
      if (
        worker.onItsWay || worker.retired || worker.handed !== undefined || worker.control.sleep !== state ||
        !worker.wake()
      ) continue;
      worker.onItsWay = true;
      demand--;
    }
  }
  for (const { control } of workers) if (control.sleep === STARTING) demand--;
  return demand > 0 ? demand : 0;
}

/** Returns the number of unclaimed tasks minus the number of workers on their way. */
function countUnmet(submissions: SubmissionRing, workers: Iterable<Callable>): number {
  let demand = submissions.unclaimed(); // before the sleep words of the workers: see SubmissionRing.claim()
  if (demand === 0) return 0;
  for (const worker of workers) {
    // Remembered, as the worker may be about to sleep: it must not be counted a second time when it is woken.
    worker.onItsWay = worker.control.sleep <= SEARCHING && !worker.retired && worker.handed === undefined &&
      worker.stuck !== true;
    if (worker.onItsWay) demand--;
  }
  return demand;
}

/** Starts workers, calls them to their tasks, and ends them. */
export class WorkerSet {
  readonly #options: WorkerSetOptions;
  readonly #handles = new Set<WorkerHandle>();
  readonly #zombies = new Set<WorkerHandle>();
  #number = 0;
  /** The number of starts that have failed. */
  startFailures = 0;
  /** The number of the worker whose start has failed last; 0 for none. */
  #lastFailed = 0;
  /** The number of workers whose start is under way in a call further up the stack. */
  #starting = 0;
  /** The number of workers that wait for the processes that were started on them. */
  parents = 0;
  /** The number of these that take no more tasks. */
  #retired = 0;
  /** The worker that keeps the program from ending. */
  #keeper: WorkerHandle | undefined;
  /** Starts the workers that are to be started later. */
  readonly spawner: Spawner;
  /** Detects workers that do not come. */
  readonly liveness: LivenessWatchdog;

  /** Starts no worker yet. */
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

  /** The largest number of workers. */
  get size(): number {
    return this.#options.size;
  }

  /** The workers that have not ended, as far as is known. */
  get handles(): ReadonlySet<WorkerHandle> {
    return this.#handles;
  }

  /** The number of workers that may still be started. */
  get room(): number {
    return this.#options.size - this.#handles.size - this.#starting + this.#retired;
  }

  /** The number of workers that have a task. */
  get running(): number {
    let running = 0;
    for (const handle of this.#handles) running += handle.control.aside + (this.#hasTask(handle) ? 1 : 0);
    return running;
  }

  /** The number of workers that were ended and still run. */
  get zombies(): number {
    // A worker that has come back to its event loop ends there.
    for (const handle of this.#zombies) if (handle.control.rests) this.#zombies.delete(handle);
    return this.#zombies.size;
  }

  #hasTask(handle: WorkerHandle): boolean {
    return handle.handed !== undefined || this.#options.inFlight.get(handle.control.current) !== undefined;
  }

  /** Returns the worker that has a task; undefined if it is not known which one is about to have it. */
  holderOf(task: Task): WorkerHandle | undefined {
    for (const handle of this.#handles) if (handle.directTasks.has(task) || handle.hasBegun(task)) return handle;
    return undefined;
  }

  /** Starts one more worker. Returns false on failure. */
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

  /** Called when the worker with this number could not be started, or has ended before it could take a task. */
  startFailed(number: number, error: unknown): void {
    this.startFailures++;
    if (this.#handles.size + this.#starting === 0) return this.#options.failed(error);
    const last = this.#lastFailed;
    this.#lastFailed = number;
    // True if none of the workers that were started since the last failure is ready.
    const again = last > 0 &&
      ![...this.#handles].some((handle) => handle.number > last && handle.control.sleep !== STARTING);
    this.spawner.failed(again);
    if (this.startFailures === 1) this.#options.goOn(error);
  }

  /** Returns the number of workers that neither sleep nor have a task. */
  #nearlyFree(): number {
    let count = 0;
    for (const handle of this.#handles) {
      if (handle.control.sleep <= BUSY && !handle.onItsWay && !this.#hasTask(handle)) count++;
    }
    return count;
  }

  /**
   * Makes sure that enough workers check the submission ring: wakes those that sleep, and starts those that are missing. With
   * `now`, they are started at once.
   */
  call(now: boolean): void {
    const { submissions } = this.#options;
    const demand = callWorkers(submissions, this.#handles);
    if (demand > 0) this.spawner.start(demand, now);
    else this.spawner.satisfied();
    if (submissions.unclaimed() > 0) this.liveness.watch();
  }

  /** Returns the time until the next check of a thread that blocks, in milliseconds. */
  untilNext(): number {
    return min(this.liveness.untilNext(), this.spawner.untilNext());
  }

  /** Makes the checks that are due. Timers do the same while the event loop has its turns. */
  check(): void {
    if (this.liveness.untilNext() <= 0) this.liveness.check();
    if (this.spawner.untilNext() <= 0) this.spawner.check(true);
  }

  /** True if one of the workers keeps the program from ending. */
  get keepsProgram(): boolean {
    return this.#keeper !== undefined;
  }

  /** Sets whether one of the workers keeps the program from ending. */
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

  /** Removes a worker without ending it. Returns whether it was a member. */
  remove(handle: WorkerHandle): boolean {
    if (!this.#handles.delete(handle)) return false;
    if (this.#keeper === handle) this.#keeper = undefined;
    if (handle.hasChildren) this.parents--;
    if (handle.retired) this.#retired--;
    return true;
  }

  /** Handles the detail of a record `CHILDREN`. A retired worker that has only waited for its children ends. */
  noteChildren(handle: WorkerHandle, detail: number): void {
    const any = (detail & 1) === 1;
    const news = detail >> 1;
    if (news <= handle.childNews || !this.#handles.has(handle)) return;
    handle.childNews = news;
    if (any !== handle.hasChildren) this.parents += any ? 1 : -1;
    handle.hasChildren = any;
    if (handle.retired && !any) this.retire(handle, false);
  }

  /**
   * Called when a worker takes no more tasks. It ends now if it has no children or is `givenUp`, otherwise after its children.
   * Returns false if it was no longer a member.
   */
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

  /** Ends a worker. A worker that runs code may not stop at once. */
  end(handle: WorkerHandle, runsCode: boolean = handle.runsCode): void {
    if (runsCode && !terminateStopsCode()) this.#zombies.add(handle);
    handle.end();
  }

  /** Ends all workers. */
  endAll(): void {
    this.liveness.stop();
    this.spawner.stop();
    for (const handle of this.#handles) this.end(handle);
    this.#options.submissions.raiseEpoch(); // otherwise one of them might still claim the next task
    this.#handles.clear();
    this.parents = this.#retired = 0;
    this.#keeper = undefined;
  }
}
