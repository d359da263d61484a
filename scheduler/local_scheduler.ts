/**
 * The scheduler of `ThreadPool`, which runs tasks on the caller's own event loop.
 *
 * @module
 */

import { type BrokenProcessPoolError, InvalidStateError, TimeoutError } from "../errors.ts";
import type { AnyFunction } from "../base/values.ts";
import { Lifecycle, type Owner, type TaskProducer } from "./lifecycle.ts";
import { Deque } from "../base/deque.ts";
import { PendingSettlements } from "./settlements.ts";
import type { ChunkValue, Outcome, Scheduler, SchedulerStats, Task, TraceEvent, WorkerInfo } from "./task.ts";

/** Options of a {@linkcode LocalScheduler}. */
export interface LocalOptions {
  /** The kind of object that owns the scheduler, for messages. */
  readonly owner: Owner;
  /** The number of tasks that can run at once. */
  readonly size: number;
  /** Called by each lane before its first task. */
  readonly initializer: AnyFunction | undefined;
  /** The arguments of the initializer. */
  readonly initargs: readonly unknown[];
  /** True if the times of tasks are recorded. */
  readonly trace: boolean;
  /** Makes one call and returns its result or a promise of that. By default the function is called here, with the arguments as they are. */
  readonly call?: (fn: AnyFunction, args: readonly unknown[], running: RunningCall) => unknown;
}

/** The call that is made, for the function to ask about. */
export interface RunningCall {
  /** The number of its task. */
  readonly id: number;
  /** The index of the item in the input of its map. */
  readonly index: number;
  /** Aborts when the result is no longer wanted. */
  readonly signal: AbortSignal;
}

/** Calls a function here. */
function callHere(fn: AnyFunction, args: readonly unknown[]): unknown {
  return Reflect.apply(fn, undefined, args);
}

/** A lane runs one task at a time, as a worker does. */
interface Lane {
  readonly number: number;
  readonly posted: Task[];
  initialized: boolean;
  busy: boolean;
}

/** A {@linkcode Scheduler} on the caller's event loop: up to `size` tasks take turns there. */
export class LocalScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = false;
  readonly canBlock = false;
  readonly #options: LocalOptions;
  readonly #life: Lifecycle;
  readonly #queue = new Deque<Task>();
  readonly #running = new Set<Task>();
  readonly #lanes: Lane[] = [];
  readonly #events: TraceEvent[] = [];
  readonly #started = performance.now();
  readonly #settlements = new PendingSettlements();
  /** The controllers of the signals that running tasks were given. */
  readonly #controllers = new Map<Task, AbortController>();
  #taskId = 0;
  #finished = 0;
  /** The number of cancelled tasks that are still in a queue. */
  #cancelled = 0;

  constructor(options: LocalOptions) {
    this.size = options.size;
    this.#options = options;
    this.#life = new Lifecycle(options.owner);
  }

  get state(): Lifecycle["state"] {
    return this.#life.state;
  }

  submit(task: Task): void {
    this.#life.refuseUnlessOpen();
    this.submitFrom(task);
  }

  attach(producer: TaskProducer): void {
    this.#life.add(producer);
  }

  submitFrom(task: Task): void {
    this.#life.refuseUnlessRunning();
    this.#queue.push(task);
    this.#wake(this.#lanes.find((lane) => !lane.busy) ?? this.#newLane());
  }

  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#endIfComplete();
  }

  submitToAll(make: (index: number) => Task): number {
    this.#life.refuseUnlessOpen();
    while (this.#newLane() !== undefined);
    this.#lanes.forEach((lane, index) => {
      lane.posted.push(make(index));
      this.#wake(lane);
    });
    return this.size;
  }

  #newLane(): Lane | undefined {
    if (this.#lanes.length === this.size) return undefined;
    const lane = { number: this.#lanes.length + 1, posted: [], initialized: false, busy: false };
    this.#lanes.push(lane);
    return lane;
  }

  cancel(task: Task): boolean {
    if (task.settled) this.#settlements.run();
    if (task.settled || this.#running.has(task)) return false;
    this.#cancelled++;
    task.settled = true; // a lane skips the task when its turn comes
    return true;
  }

  interrupt(task: Task, reason: unknown): void {
    if (this.#running.has(task)) this.#controllerOf(task).abort(reason);
  }

  #controllerOf(task: Task): AbortController {
    let controller = this.#controllers.get(task);
    if (controller === undefined) this.#controllers.set(task, controller = new AbortController());
    return controller;
  }

  isRunning(task: Task): boolean {
    return this.#running.has(task) && !task.settled;
  }

  cancelAll(outcome: () => Outcome): void {
    const drop = (task: Task): void => {
      if (task.settled) this.#cancelled--;
      else this.#settlements.add(task, outcome());
    };
    for (const lane of this.#lanes) lane.posted.splice(0).forEach(drop);
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) drop(task);
    this.#settlements.run();
    this.#endIfComplete();
  }

  #wake(lane: Lane | undefined): void {
    if (lane === undefined || lane.busy) return;
    lane.busy = true;
    // Tasks never run within the call that submits them.
    queueMicrotask(() => void this.#work(lane));
  }

  async #work(lane: Lane): Promise<void> {
    await this.#initialize(lane); // the lane takes no task meanwhile, so that tasks can still be cancelled
    for (let task = this.#next(lane); task !== undefined; task = this.#next(lane)) {
      this.#running.add(task);
      task.taskId = ++this.#taskId;
      this.#settle(task, await this.#run(lane, task));
      this.#running.delete(task);
      this.#controllers.delete(task);
    }
    lane.busy = false;
    this.#endIfComplete();
  }

  #next(lane: Lane): Task | undefined {
    for (;;) {
      const task = lane.posted.shift() ?? this.#queue.shift();
      if (task === undefined || !task.settled) return task;
      this.#cancelled--;
    }
  }

  async #initialize(lane: Lane): Promise<void> {
    const { initializer, initargs } = this.#options;
    if (initializer !== undefined && !lane.initialized && this.state !== "broken") {
      try {
        await Reflect.apply(initializer, undefined, initargs);
        lane.initialized = true;
      } catch (error) {
        this.#break(error);
      }
    }
  }

  async #run(lane: Lane, task: Task): Promise<Outcome> {
    const start = performance.now();
    const outcome = task.mode === "apply" ? await this.#call(task, task.args, 0) : await this.#chunk(task);
    if (this.#options.trace) {
      this.#events.push({
        worker: lane.number,
        name: task.name,
        calls: task.calls,
        start: start - this.#started,
        duration: performance.now() - start,
      });
    }
    return outcome;
  }

  async #chunk(task: Task): Promise<Outcome> {
    const results: unknown[] = [];
    const failures: [number, unknown][] = [];
    for (let index = 0; index < task.args.length; index++) {
      if (task.settled) break; // the scheduler was terminated meanwhile
      const item = task.args[index];
      const outcome = await this.#call(task, task.mode === "map" ? [item] : item, task.first + index);
      results.push(outcome.ok ? outcome.value : undefined);
      if (!outcome.ok) failures.push([index, outcome.error]);
    }
    return { ok: true, value: [failures, results] satisfies ChunkValue };
  }

  /** Makes one call. A call that exceeds its limit fails: it cannot be stopped, but the task no longer waits for it. */
  async #call(task: Task, args: unknown, index: number): Promise<Outcome> {
    const call = async (): Promise<Outcome> => {
      try {
        if (typeof (args as Iterable<unknown> | null | undefined)?.[Symbol.iterator] !== "function") {
          throw new TypeError("Cannot spread the arguments of a call: the item is not iterable");
        }
        const { call = callHere } = this.#options;
        const signalOf = (): AbortSignal => this.#controllerOf(task).signal;
        const running: RunningCall = {
          id: task.taskId,
          index,
          get signal() {
            return signalOf();
          },
        };
        return { ok: true, value: await call(task.fn, [...args as Iterable<unknown>], running) };
      } catch (error) {
        return { ok: false, error };
      }
    };
    if (task.limit === 0) return await call();
    const late = Promise.withResolvers<Outcome>();
    const timer = setTimeout(() => {
      const what = task.name === "" ? "The task" : `The task '${task.name}'`;
      const error = new TimeoutError(`${what} was given up as it ran longer than its limit of ${task.limit} ms`);
      late.resolve({ ok: false, error });
    }, task.limit);
    try {
      return await Promise.race([call(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    task.settled = true;
    this.#finished++;
    task.settle(outcome);
  }

  #endIfComplete(): void {
    if (this.#life.complete && this.#queue.empty && this.#lanes.every((lane) => !lane.busy)) this.#life.ended();
  }

  close(cut?: Error): void {
    if (this.state !== "open") return;
    this.#life.close(cut);
    this.#endIfComplete();
  }

  terminate(): void {
    if (this.state === "terminated" || this.state === "broken") return;
    this.#life.abandon("terminated");
    this.#abandon();
  }

  #break(cause: unknown): void {
    if (this.state === "terminated" || this.state === "broken") return;
    this.#life.abandon("broken", cause);
    this.#abandon();
  }

  #abandon(): void {
    const pending = [...this.#running, ...this.#lanes.flatMap((lane) => lane.posted.splice(0))];
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) pending.push(task);
    for (const task of pending) {
      if (task.settled) continue;
      this.#finished++;
      this.#settlements.add(task, this.#life.refusal());
    }
    this.#settlements.run();
    this.#life.ended();
  }

  join(): Promise<void> {
    return this.#life.join();
  }

  block(done: () => boolean): boolean {
    if (done()) return true;
    throw new InvalidStateError("Cannot block for a result that is made on this very thread: await it");
  }

  joinSync(): boolean {
    throw new InvalidStateError("Cannot block for work that is done on this very thread: await it");
  }

  abort(cause: BrokenProcessPoolError): void {
    this.#break(cause);
  }

  workers(): readonly WorkerInfo[] {
    return []; // its lanes are no threads
  }

  stats(): SchedulerStats {
    return {
      workers: this.#lanes.length,
      queued: this.#queue.size - this.#cancelled + this.#lanes.reduce((sum, lane) => sum + lane.posted.length, 0),
      running: this.#running.size,
      finished: this.#finished,
      zombies: 0,
      startFailures: 0,
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#events;
  }
}
