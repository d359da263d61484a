/** A backend with a scheduler of its own, from nothing: it runs one task after the other, on the event loop. */

import {
  Lifecycle,
  type Outcome,
  type Scheduler,
  type SchedulerBackend,
  type Task,
  type TaskProducer,
} from "../../internal.ts";
import type { WorkerConfig } from "../../internal.ts";
import { InvalidStateError } from "../../errors.ts";

class OwnScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = false;
  readonly canBlock = false;
  readonly #life: Lifecycle;
  #queue: Task[] = [];
  #running: Task | undefined;
  #finished = 0;

  constructor(config: WorkerConfig) {
    this.size = config.size;
    this.#life = new Lifecycle(config.owner);
  }
  get state(): Lifecycle["state"] {
    return this.#life.state;
  }
  submit(task: Task): void {
    this.#life.refuseUnlessOpen();
    this.submitFrom(task);
  }
  submitFrom(task: Task): void {
    this.#life.refuseUnlessRunning();
    if (this.#queue.push(task) === 1 && this.#running === undefined) setTimeout(() => void this.#next(), 0);
  }
  async #next(): Promise<void> {
    const task = this.#running = this.#queue.shift();
    if (task === undefined) return this.#endIfComplete();
    this.#settle(task, await run(task));
    this.#running = undefined;
    await this.#next();
  }
  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    task.settled = true;
    this.#finished++;
    task.settle(outcome);
  }
  #endIfComplete(): void {
    if (this.#life.complete && this.#running === undefined && this.#queue.length === 0) this.#life.ended();
  }
  attach(producer: TaskProducer): void {
    this.#life.add(producer);
  }
  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#endIfComplete();
  }
  submitToAll(make: (index: number) => Task): number {
    for (let i = 0; i < this.size; i++) this.submit(make(i));
    return this.size;
  }
  cancel(task: Task): boolean {
    if (task.settled || task === this.#running) return false;
    this.#queue = this.#queue.filter((other) => other !== task);
    return task.settled = true;
  }
  interrupt(): void {
    // Its tasks cannot be told: they run to their end.
  }
  isRunning(task: Task): boolean {
    return task === this.#running && !task.settled;
  }
  cancelAll(outcome: () => Outcome): void {
    for (const task of this.#queue.splice(0)) this.#settle(task, outcome());
  }
  close(cut?: Error): void {
    if (this.state === "open") this.#life.close(cut);
    this.#endIfComplete();
  }
  #abandon(state: "terminated" | "broken", cause?: Error): void {
    if (!this.#life.running) return;
    this.#life.abandon(state, cause);
    for (const task of [this.#running, ...this.#queue.splice(0)]) if (task) this.#settle(task, this.#life.refusal());
    this.#life.ended();
  }
  terminate(): void {
    this.#abandon("terminated");
  }
  abort(cause: Error): void {
    this.#abandon("broken", cause);
  }
  join(): Promise<void> {
    return this.#life.join();
  }
  joinSync(): boolean {
    throw new InvalidStateError("Cannot block: await it");
  }
  block(done: () => boolean): boolean {
    return done() || this.joinSync();
  }
  workers(): [] {
    return [];
  }
  stats(): ReturnType<Scheduler["stats"]> {
    const running = this.#running === undefined ? 0 : 1;
    return { workers: 1, queued: this.#queue.length, running, finished: this.#finished, zombies: 0, startFailures: 0 };
  }
  trace(): [] {
    return [];
  }
}

/** Makes the calls of a task, on copies of its arguments. */
async function run({ fn, mode, args }: Task): Promise<Outcome> {
  const call = fn as (...args: unknown[]) => unknown;
  const given = structuredClone(args);
  try {
    if (mode === "apply" || mode === "run") return { ok: true, value: await call(...given) };
  } catch (error) {
    return { ok: false, error };
  }
  const results: unknown[] = [];
  const failures: [number, unknown][] = [];
  for (const [index, item] of given.entries()) {
    try {
      results[index] = await (mode === "map" ? call(item) : call(...item as unknown[]));
    } catch (error) {
      failures.push([index, error]);
    }
  }
  return { ok: true, value: [failures, results] };
}

/** The backend. */
export const ownScheduler: SchedulerBackend = { open: (config) => new OwnScheduler(config) };
