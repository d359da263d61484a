/**
 * The calling side of the backend that runs tasks in child processes.
 *
 * A task waits in the queue until a child has room for it, then in the pipe to the child, which begins the tasks that it has one
 * after the other. Slow tasks go to a child one at a time, fast ones ahead (`task_times.ts`). What a child has not begun goes back
 * to the queue when the child has ended, or is held up by a task that takes long.
 *
 * @module
 */

import { type BrokenProcessPoolError, InvalidStateError } from "../errors.ts";
import { messageOf } from "../codec/error_fields.ts";
import { hasNodeModules, touchLazyGlobals } from "../base/platform.ts";
import { ErrorStacks } from "../scheduler/error_stacks.ts";
import { byUncaught, lostAtStart, startOverdue, timedOut, workerLost } from "../scheduler/failures.ts";
import { type AbortedTask, AbortWatchdog, encodedReason } from "../scheduler/abort_watchdog.ts";
import { IdleTimer } from "../scheduler/idle_timer.ts";
import { Lifecycle, type TaskProducer } from "../scheduler/lifecycle.ts";
import { PendingSettlements } from "../scheduler/settlements.ts";
import type { Outcome, Scheduler, SchedulerStats, Task, TraceEvent, WorkerEnd, WorkerInfo } from "../scheduler/task.ts";
import { TaskEncoder } from "../scheduler/task_encoder.ts";
import { packSetup, type WorkerConfig } from "../scheduler/worker_config.ts";
import { ABORT } from "./frames.ts";
import { Blocking } from "./blocking.ts";
import type { ChildEnd } from "./direct_line.ts";
import { type Launch, launchOf, type LaunchOptions } from "./launch.ts";
import type { ChildListener, ProcessHandle } from "./process_handle.ts";
import { ChildSet } from "./child_set.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Deadlines } from "./deadlines.ts";
import { Replies } from "./replies.ts";
import { QuietChildren } from "./quiet_children.ts";
import { TaskQueue } from "./task_queue.ts";
import { TaskTimes } from "./task_times.ts";

/** The number of children in a row that may be killed before they are ready. */
const MOST_STILLBORN = 3;

/** A {@linkcode Scheduler} on child processes. */
export class ProcessScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = true;
  readonly canBlock: boolean;
  readonly #config: WorkerConfig;
  readonly #launch: Launch;
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #taskEncoder: TaskEncoder;
  readonly #life: Lifecycle;
  readonly #idle: IdleTimer;
  readonly #times = new TaskTimes();
  readonly #dispatcher: Dispatcher;
  readonly #aborts = new AbortWatchdog((aborted) => this.#tellAborted(aborted), (aborted) => this.#endAborted(aborted));
  readonly #settlements = new PendingSettlements();
  readonly #queue: TaskQueue;
  /** The tasks that children have, by number. */
  readonly #inFlight = new Map<number, Task>();
  readonly #children: ChildSet;
  #finished = 0;
  readonly #blocking: Blocking;
  readonly #replies: Replies;
  #stillborn = 0;
  #flushing = false;
  readonly #deadlines = new Deadlines(() => this.#now(), () => this.#endOverdue());
  readonly #quiet: QuietChildren;
  readonly #listener: ChildListener = {
    open: (handle) =>
      this.#blocking.open(this.#launch, {
        data: (bytes) => handle.data(bytes),
        ended: (end) => handle.ended(end),
        failed: (message) => this.#listener.failed(handle, message),
      }),
    frame: (handle, frame) => this.#replies.take(handle, frame),
    received: (handle) => this.#received(handle),
    unreadable: (handle, error) => this.#lose(handle, `as its reply cannot be read (${messageOf(error)})`),
    text: (bytes) => printError(bytes),
    ended: (handle, end) => this.#ended(handle, end),
    failed: (handle, message) => {
      clearTimeout(handle.endTimer);
      if (this.#children.ending.delete(handle)) return this.#afterWork();
      if (!this.#children.handles.delete(handle)) return;
      this.#children.startFailed(new Error(message));
      this.#goOn(handle, []);
    },
  };

  /**
   * Starts no child yet.
   *
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   * @throws {InvalidStateError} If this runtime cannot start processes.
   * @throws {Deno.errors.NotCapable} If a permission is missing.
   */
  constructor(config: WorkerConfig, options: LaunchOptions) {
    touchLazyGlobals();
    this.size = config.size;
    this.canBlock = config.owner !== "process" && hasNodeModules();
    this.#config = config;
    this.#launch = launchOf(options, config.permissions, config.module);
    this.#taskEncoder = new TaskEncoder(config.module, "process");
    this.#queue = new TaskQueue(this.#taskEncoder, this.#inFlight, (task, outcome) => this.#settle(task, outcome));
    this.#life = new Lifecycle(config.owner);
    this.#idle = new IdleTimer(config.idleTimeout, () => this.#children.endAll());
    this.#children = new ChildSet({
      config,
      init: {
        epoch: this.#epoch,
        setup: new Uint8Array(packSetup(config, "process").bytes),
        limit: config.limit,
        memoryLimit: options.memoryLimit,
      },
      listener: this.#listener,
      failed: (error) => this.#break(error),
    });
    this.#dispatcher = new Dispatcher({
      queue: this.#queue,
      inFlight: this.#inFlight,
      children: this.#children,
      taskEncoder: this.#taskEncoder,
      times: this.#times,
      life: this.#life,
      concurrency: this.#concurrency,
      settle: (task, outcome) => this.#settle(task, outcome),
      handedOver: () => {
        this.#goOnSoon();
        this.#afterWork();
      },
    });
    this.#quiet = new QuietChildren(this.#children.handles, (handle) => {
      this.#dispatcher.takeBack(handle);
      this.#dispatcher.handOver();
    });
    this.#replies = new Replies({
      config,
      launch: this.#launch,
      inFlight: this.#inFlight,
      dispatcher: this.#dispatcher,
      deadlines: this.#deadlines,
      times: this.#times,
      stacks: new ErrorStacks(config.scope, this.#taskEncoder.firstCall),
      settle: (task, outcome) => this.#settle(task, outcome),
      ready: () => this.#stillborn = 0,
      retire: (handle, givenUp) => this.#retire(handle, givenUp),
      lose: (handle, how) => this.#lose(handle, how),
      failed: (error) => this.#break(error),
    });
    this.#blocking = new Blocking({
      children: this.#children,
      inFlight: this.#inFlight,
      dispatcher: this.#dispatcher,
      taskEncoder: this.#taskEncoder,
      aborts: this.#aborts,
      deadlines: this.#deadlines,
      quiet: this.#concurrency === 1 ? this.#quiet : undefined,
      finished: () => this.#finished,
      failed: (error) => this.#break(error),
    });
  }

  get #concurrency(): number {
    return this.#config.concurrency ?? 1;
  }

  get state(): Scheduler["state"] {
    return this.#life.state;
  }

  // Taking tasks.

  submit(task: Task): void {
    this.#life.refuseUnlessOpen();
    this.submitFrom(task);
  }

  attach(producer: TaskProducer): void {
    this.#life.add(producer);
  }

  submitFrom(task: Task): void {
    this.#life.refuseUnlessRunning();
    if (this.#queue.push(task)) this.#dispatcher.handOver();
    this.#queue.encodeAhead(task);
    if (this.#queue.size > 0) this.#goOnSoon();
  }

  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#afterWork();
  }

  submitToAll(make: (index: number) => Task): number {
    this.#life.refuseUnlessOpen();
    while (this.#children.hasRoom && this.#children.start());
    this.#life.refuseUnlessOpen();
    let index = 0;
    for (const handle of [...this.#children.handles]) {
      if (handle.superseded || (handle.state !== "starting" && handle.state !== "ready")) continue;
      const task = make(index++);
      this.#dispatcher.post(handle, task);
    }
    this.#dispatcher.handOver();
    return index;
  }

  cancel(task: Task): boolean {
    if (task.settled) {
      this.#settlements.run();
      return false;
    }
    if (task.taskId >= 0 && this.#inFlight.get(task.taskId) === task) return false;
    this.#dispatcher.drop(task);
    task.settled = true;
    this.#afterWork();
    return true;
  }

  isRunning(task: Task): boolean {
    return !task.settled && this.#inFlight.get(task.taskId) === task;
  }

  cancelAll(outcome: () => Outcome): void {
    for (const task of this.#dispatcher.takeWaiting()) this.#settlements.add(task, outcome());
    for (const task of this.#queue.encoding) if (!task.settled) this.#settlements.add(task, outcome());
    this.#settlements.run();
    this.#afterWork();
  }

  /**
   * Starts the children that are missing and writes the requests, once the code that runs has submitted all its tasks: if it then
   * blocks for them, they go to other children.
   */
  #goOnSoon(): void {
    if (this.#blocking.isBlocked || this.#config.owner === "process") return this.#goOnNow();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#goOnNow();
    });
  }

  #goOnNow(): void {
    this.#startChildren();
    for (const handle of this.#children.handles) handle.flush();
    this.#afterWork();
  }

  /** Starts children for the tasks that wait, as far as no others are about to be ready for these. */
  #startChildren(): void {
    let waiting = this.#queue.size;
    for (const { state } of this.#children.handles) if (state === "starting") waiting--;
    while (waiting-- > 0 && this.#children.hasRoom && this.#life.running && this.#children.start());
  }

  // Taking replies.

  /** Called after all replies that came together. */
  #received(handle: ProcessHandle): void {
    if (handle.inFlight === 0) this.#quiet.restLater();
    this.#blocking.endIfSuperseded(handle);
    this.#dispatcher.handOver();
  }

  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    this.#aborts.remove(task);
    task.settled = true;
    task.payload = undefined;
    this.#finished++;
    task.settle(outcome);
  }

  // Losing children.

  /** Called when a child takes no more tasks. It ends by itself, unless work that it cannot end goes on in it. */
  #retire(handle: ProcessHandle, givenUp: boolean): void {
    if (handle.running.size > 0) {
      handle.state = "retiring";
      return this.#dispatcher.takeBack(handle);
    }
    this.#children.leave(handle);
    this.#dispatcher.takeBack(handle);
    this.#dispatcher.repost(handle);
    if (givenUp) handle.kill();
  }

  /** Called when a child has ended. */
  #ended(handle: ProcessHandle, { code, signal }: ChildEnd): void {
    clearTimeout(handle.endTimer);
    const expected = this.#children.ending.delete(handle);
    if (!expected) {
      const exitCode = signal === null ? code : 128 - code;
      const words = handle.lastWords;
      const how = `${signal === null ? `with code ${code}` : `by ${signal}`}${words === "" ? "" : ` (${words})`}`;
      const end: WorkerEnd = { exitCode, uncaught: undefined, signal: signal ?? undefined };
      if (handle.uncaught === undefined) this.#lost(handle, how, end);
      else {
        const [by, , { uncaught }] = byUncaught(handle.uncaught.reply, handle.uncaught.others);
        this.#lost(handle, by, { ...end, exitCode: undefined, uncaught });
      }
    }
    this.#afterWork();
  }

  /** Kills a child that does not behave. */
  #lose(handle: ProcessHandle, how: string): void {
    if (!this.#children.handles.has(handle)) return;
    handle.kill();
    this.#children.ending.add(handle);
    this.#lost(handle, how, { exitCode: undefined, uncaught: undefined });
  }

  /** Called when a child is gone. Fails the tasks that it ran, and takes back the others. */
  #lost(handle: ProcessHandle, how: string, end: WorkerEnd): void {
    if (!this.#children.handles.delete(handle)) return;
    const starting = handle.state === "starting";
    handle.state = "ending";
    this.#dispatcher.takeBack(handle);
    const failed: [Task, Outcome][] = [];
    for (const task of handle.running) failed.push([task, workerLost(handle.name, how, task, end)]);
    handle.running.clear();
    if (starting) {
      // Whoever kills processes may hit one that starts: that says nothing about the next one.
      const killed = end.signal === "SIGKILL" && this.#config.owner !== "process" && ++this.#stillborn < MOST_STILLBORN;
      if (!killed) this.#children.startFailed(lostAtStart(handle.name, how, end));
      if (!this.#life.running) return this.#dispatcher.repost(handle);
    }
    this.#goOn(handle, failed);
  }

  /** Goes on without a child, whose tasks have these outcomes. */
  #goOn(handle: ProcessHandle, failed: readonly (readonly [Task, Outcome])[]): void {
    for (const [task] of failed) {
      handle.posted.delete(task);
      this.#inFlight.delete(task.taskId);
    }
    this.#dispatcher.repost(handle);
    this.#dispatcher.handOver();
    for (const [task, outcome] of failed) this.#settle(task, outcome); // last, as a callback may do anything
    this.#afterWork();
  }

  // Limits.

  #now(): number {
    return performance.timeOrigin + performance.now() - this.#epoch;
  }

  /** Kills the children whose call is overdue. */
  #endOverdue(): void {
    for (const handle of [...this.#children.handles]) {
      const first = Math.min(...handle.deadlines.values());
      if (!this.#deadlines.isOverdue(first)) {
        this.#deadlines.watch(first);
        continue;
      }
      if (handle.state === "starting") {
        handle.kill();
        return this.#break(startOverdue(handle.name, this.#config.limit));
      }
      const { name, deadlines } = handle;
      this.#endBusy(
        handle,
        (task) =>
          this.#deadlines.isOverdue(deadlines.get(task.taskId) ?? Infinity)
            ? timedOut(task)
            : workerLost(name, "at the limit of another task", task, SILENT),
      );
    }
  }

  /** Kills a child. `outcomeOf` returns the outcomes of the tasks that it has begun. */
  #endBusy(handle: ProcessHandle, outcomeOf: (task: Task) => Outcome): void {
    handle.kill();
    const failed = Array.from(handle.running, (task): [Task, Outcome] => [task, outcomeOf(task)]);
    this.#dispatcher.takeBack(handle);
    this.#children.leave(handle);
    handle.running.clear();
    this.#goOn(handle, failed);
  }

  // Aborts.

  interrupt(task: Task, reason: unknown, grace: number): void {
    if (!task.settled && this.#inFlight.get(task.taskId) === task) this.#aborts.add(task, reason, grace);
  }

  /** Returns the child that has begun a task. */
  #runnerOf(task: Task): ProcessHandle | undefined {
    for (const handle of this.#children.handles) if (handle.running.has(task)) return handle;
    return undefined;
  }

  #tellAborted({ task, reason }: AbortedTask): boolean {
    const handle = this.#runnerOf(task);
    if (handle === undefined) return true; // it waits in the pipe, behind the tasks of others
    const bytes = new Uint8Array(encodedReason(reason));
    handle.send(ABORT, task.taskId, 0, { length: bytes.length, bytes });
    handle.flush();
    return true;
  }

  /** Ends the child that runs an aborted task. */
  #endAborted({ task, reason }: AbortedTask): boolean {
    const handle = this.#runnerOf(task);
    const outcome: Outcome = { ok: false, error: reason };
    if (handle === undefined) {
      this.#settle(task, outcome); // a child may still run it, for nobody
      return true;
    }
    this.#endBusy(
      handle,
      (other) =>
        other === task ? outcome : workerLost(handle.name, "as another of its tasks was aborted", other, SILENT),
    );
    return true;
  }

  // Waiting.

  /** Called before this thread goes back to its event loop. */
  #afterWork(): void {
    const waiting = this.#queue.size + this.#queue.encoding.length;
    let posted = 0;
    let heldUp = false;
    for (const handle of this.#children.handles) {
      posted += handle.posted.size;
      heldUp ||= handle.running.size > 0 && !handle.handed.empty;
    }
    const pending = waiting + this.#inFlight.size + posted > 0;
    if (heldUp && this.#concurrency === 1) this.#quiet.watch();
    if (!pending && this.#life.complete) return this.#endAll();
    if (this.#children.handles.size > 0) this.#idle.set(!pending);
    this.#children.keepProgram(pending && this.#config.background !== true);
  }

  // Blocking.

  block(done: () => boolean, deadline: number): boolean {
    this.#settlements.run();
    this.#blocking.receive();
    if (done()) return true;
    if (deadline === -Infinity) return false;
    if (!this.canBlock) {
      throw new InvalidStateError("Cannot block for a process, whose end comes through the event loop: await it");
    }
    return this.#blocking.block(done, deadline);
  }

  // Ending.

  #endAll(): void {
    this.#stopTimers();
    this.#children.keepProgram(true); // until they are gone, as somebody may wait for that
    this.#children.endAll();
    if (this.#life.hasEnded) return;
    // The end of a child that this thread has started itself cannot be noticed while the thread is blocked.
    for (const { superseded } of this.#children.ending) if (!this.#blocking.active || !superseded) return;
    this.#blocking.end();
    this.#life.ended();
  }

  #stopTimers(): void {
    this.#idle.stop();
    this.#aborts.stop();
    this.#quiet.stop();
    this.#deadlines.stop();
  }

  /** Kills the children, and settles all pending tasks. */
  #abandon(): void {
    const pending = [...this.#inFlight.values(), ...this.#dispatcher.takeWaiting(), ...this.#queue.encoding];
    this.#inFlight.clear();
    this.#stopTimers();
    this.#children.killAll();
    for (const task of pending) {
      if (task.settled) continue;
      this.#finished++;
      this.#settlements.add(task, this.#life.refusal());
    }
    this.#settlements.run();
    this.#endAll();
  }

  close(cut?: Error): void {
    if (this.state !== "open") return;
    this.#life.close(cut);
    this.#afterWork();
  }

  terminate(): void {
    if (!this.#life.running) return;
    this.#life.abandon("terminated");
    this.#abandon();
  }

  #break(cause: unknown): void {
    if (!this.#life.running) return;
    this.#life.abandon("broken", cause);
    this.#abandon();
  }

  abort(cause: BrokenProcessPoolError): void {
    this.#break(cause);
  }

  join(): Promise<void> {
    return this.#life.join();
  }

  joinSync(deadline: number): boolean {
    this.#life.prepareToBlock(this.#queue.encoding.length > 0);
    this.#afterWork();
    return this.#life.hasEnded || this.block(() => this.#life.hasEnded, deadline);
  }

  // Statistics.

  workers(): readonly WorkerInfo[] {
    return Array.from(this.#children.handles, ({ pid, name }) => ({ pid, name }));
  }

  stats(): SchedulerStats {
    let running = 0;
    let handed = 0;
    for (const handle of this.#children.handles) {
      running += handle.running.size;
      handed += handle.handed.size + handle.own.size;
    }
    return {
      workers: this.#children.handles.size,
      queued: this.#queue.size + handed,
      running,
      finished: this.#finished,
      zombies: 0,
      startFailures: this.#children.startFailures,
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#replies.events;
  }
}

const SILENT: WorkerEnd = { exitCode: undefined, uncaught: undefined };

/** Writes what a child has printed. */
function printError(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads it, which is no failure of the child.
  }
}
