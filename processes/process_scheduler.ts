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
import {
  byUncaught,
  lostAtStart,
  received,
  startOverdue,
  takeTimes,
  timedOut,
  workerLost,
} from "../scheduler/failures.ts";
import { type AbortedTask, AbortWatchdog, encodedReason } from "../scheduler/abort_watchdog.ts";
import { IdleTimer } from "../scheduler/idle_timer.ts";
import { Lifecycle, type TaskProducer } from "../scheduler/lifecycle.ts";
import { UNCAUGHT } from "../scheduler/messages.ts";
import { ReplyDecoder } from "../scheduler/reply_decoder.ts";
import { PendingSettlements } from "../scheduler/settlements.ts";
import type { Outcome, Scheduler, SchedulerStats, Task, TraceEvent, WorkerEnd, WorkerInfo } from "../scheduler/task.ts";
import { TaskEncoder } from "../scheduler/task_encoder.ts";
import { packSetup, type WorkerConfig } from "../scheduler/worker_config.ts";
import { blockForServices } from "../sync/internal/block_for_services.ts";
import { thisThread } from "../sync/internal/current_thread.ts";
import { type ChildEnd, openDirect } from "./direct_line.ts";
import { Porter } from "./porter.ts";
import {
  ABORT,
  BEGIN,
  BROKEN,
  DEADLINE,
  DRAINED,
  DURATION_SHIFT,
  type Frame,
  GIVES_UP,
  HELLO,
  LACKS,
  nextEpoch,
  PAUSED,
  PAUSES,
  PROTOCOL,
  READY,
  RETIRES,
  WAITS,
} from "./frames.ts";
import { type Launch, launchOf, type LaunchOptions } from "./launch.ts";
import type { ChildListener, ProcessHandle } from "./process_handle.ts";
import { ChildSet } from "./child_set.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Deadlines } from "./deadlines.ts";
import { QuietChildren } from "./quiet_children.ts";
import { TaskQueue } from "./task_queue.ts";
import { TaskTimes } from "./task_times.ts";

/** The number of children in a row that may be killed before they are ready. */
const MOST_STILLBORN = 3;
const decoder = new TextDecoder();

/** A {@linkcode Scheduler} on child processes. */
export class ProcessScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = true;
  readonly canBlock: boolean;
  readonly #config: WorkerConfig;
  readonly #launch: Launch;
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #taskEncoder: TaskEncoder;
  readonly #replyDecoder = new ReplyDecoder();
  readonly #stacks: ErrorStacks;
  readonly #life: Lifecycle;
  readonly #idle: IdleTimer;
  readonly #times = new TaskTimes();
  readonly #dispatcher: Dispatcher;
  readonly #aborts = new AbortWatchdog((aborted) => this.#tellAborted(aborted), (aborted) => this.#endAborted(aborted));
  readonly #settlements = new PendingSettlements();
  readonly #events: TraceEvent[] = [];
  readonly #queue: TaskQueue;
  /** The tasks that children have, by number. */
  readonly #inFlight = new Map<number, Task>();
  readonly #children: ChildSet;
  #finished = 0;
  #porter: Porter | undefined;
  /** True while this thread is blocked for tasks. */
  #blocking = false;
  /** True while the scheduler is served because something blocks this thread. */
  #serving = false;
  #stillborn = 0;
  #flushing = false;
  readonly #deadlines = new Deadlines(() => this.#now(), () => this.#endOverdue());
  readonly #quiet: QuietChildren;
  readonly #listener: ChildListener = {
    open: (handle) =>
      (this.#porter?.open.bind(this.#porter) ?? openDirect)(this.#launch, {
        data: (bytes) => handle.data(bytes),
        ended: (end) => handle.ended(end),
        failed: (message) => this.#listener.failed(handle, message),
      }),
    frame: (handle, frame) => this.#frame(handle, frame),
    received: (handle) => this.#received(handle),
    unreadable: (handle, error) => this.#lose(handle, `as its reply cannot be read (${messageOf(error)})`),
    text: (bytes) => printError(bytes),
    ended: (handle, end) => this.#ended(handle, end),
    failed: (handle, message) => {
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
    this.#stacks = new ErrorStacks(config.scope, this.#taskEncoder.firstCall);
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
    if (this.#blocking || this.#serving || this.#config.owner === "process") return this.#goOnNow();
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

  #frame(handle: ProcessHandle, frame: Frame): void {
    const { kind, taskId, detail } = frame;
    if (kind === WAITS) return clearTimeout(handle.endTimer);
    if (handle.state === "ending" && kind !== UNCAUGHT) return;
    switch (kind) {
      case HELLO:
        return this.#greet(handle, taskId, decoder.decode(frame.bytes.subarray(frame.at, frame.at + frame.size)));
      case READY:
        handle.state = "ready";
        handle.deadlines.clear();
        this.#stillborn = 0;
        return;
      case BROKEN: {
        const error = this.#decode(frame);
        this.#stacks.completeStart(this.#config.initializer, error);
        return this.#break(error);
      }
      case BEGIN:
        return this.#begun(handle, taskId);
      case DEADLINE:
        return this.#setDeadline(handle, taskId, detail);
      case PAUSED:
        for (const task of handle.running) handle.handed.unshift(task); // one that it was about to begin
        handle.running.clear();
        return this.#paused(handle);
      case LACKS:
        this.#paused(handle);
        return this.#dispatcher.answer(handle, taskId, detail);
      default:
        return this.#reply(handle, frame);
    }
  }

  #decode(frame: Frame): unknown {
    return this.#replyDecoder.readError({ bytes: bytesOf(frame), refs: [] });
  }

  #greet(handle: ProcessHandle, protocol: number, version: string): void {
    handle.version = version;
    if (protocol !== PROTOCOL) return this.#break(new Error(`The process speaks version ${protocol}, not ${PROTOCOL}`));
    if (version === Deno.version.deno || this.#launch.named) return;
    this.#break(
      new InvalidStateError(
        `'${this.#launch.command}' is Deno ${version}, while this program runs on ${Deno.version.deno}: ` +
          "allow this one to be run, or give 'executable' to processes()",
      ),
    );
  }

  /** Records that the child has begun a task. */
  #begun(handle: ProcessHandle, taskId: number): void {
    const task = this.#inFlight.get(taskId);
    if (task === undefined || handle.running.has(task)) return;
    const next = handle.handed.shift();
    if (next === task) return void handle.running.add(task);
    if (next !== undefined) handle.handed.unshift(next);
    this.#lose(handle, "as it began a task that it had not got");
  }

  /** Called when the child has dropped the tasks that it had not begun. */
  #paused(handle: ProcessHandle): void {
    handle.epoch = nextEpoch(handle.epoch);
    handle.stuck = false;
    this.#dispatcher.takeBack(handle);
  }

  #reply(handle: ProcessHandle, { kind, taskId, detail, bytes, at }: Frame): void {
    const task = this.#inFlight.get(taskId);
    if (task === undefined || !handle.running.has(task)) return;
    const reply = this.#replyDecoder.read(task, kind, { bytes, view: viewOf(bytes) }, at);
    if (kind === UNCAUGHT) {
      handle.uncaught = { reply, others: detail > 0 };
      return;
    }
    handle.running.delete(task);
    handle.posted.delete(task);
    handle.deadlines.delete(taskId);
    if ((detail & (RETIRES | GIVES_UP)) !== 0) this.#retire(handle, (detail & GIVES_UP) !== 0);
    else if ((detail & PAUSES) !== 0) this.#paused(handle);
    else if ((detail & DRAINED) === 0) {
      const next = handle.handed.shift();
      if (next !== undefined) handle.running.add(next);
    }
    this.#times.note(task.functionId, detail >>> DURATION_SHIFT);
    this.#inFlight.delete(taskId);
    const bare = this.#config.trace ? takeTimes(handle.number, task, reply, this.#events) : reply;
    this.#settle(task, this.#stacks.complete(task, received(task, bare)));
  }

  /** Called after all replies that came together. */
  #received(handle: ProcessHandle): void {
    if (handle.inFlight === 0) this.#quiet.restLater();
    this.#endIfSuperseded(handle);
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

  #setDeadline(handle: ProcessHandle, taskId: number, time: number): void {
    if (time === 0) {
      handle.deadlines.delete(taskId);
      return;
    }
    handle.deadlines.set(taskId, this.#deadlines.add(time));
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
    this.#porter?.receive();
    if (done()) return true;
    if (deadline === -Infinity) return false;
    if (!this.canBlock) {
      throw new InvalidStateError("Cannot block for a process, whose end comes through the event loop: await it");
    }
    if (this.#porter === undefined) this.#startPorter();
    const look = (): boolean => {
      if (done()) return true;
      if (this.#children.active === 0 && this.#inFlight.size > 0) {
        throw new InvalidStateError(
          "Cannot block for a task that a process has begun before, as its result comes through the event loop: await it",
        );
      }
      return false;
    };
    const outer = this.#blocking;
    this.#blocking = true;
    try {
      return blockForServices(look, deadline, "'get()', 'result()', 'next()' or 'join()'");
    } finally {
      this.#blocking = outer;
      this.#dispatcher.handOver();
    }
  }

  /** Moves to children of the porter, whose replies come while this thread is blocked. The other children end once they are free. */
  #startPorter(): void {
    this.#porter = new Porter(() => this.#porter?.receive(), (message) => this.#break(new Error(message)));
    thisThread().services.add(this.#serve);
    for (const handle of [...this.#children.handles]) {
      this.#dispatcher.takeBack(handle, handle.takeUnflushed());
      handle.superseded = true;
      this.#endIfSuperseded(handle);
    }
  }

  /** Ends a child that takes no more tasks and has none. */
  #endIfSuperseded(handle: ProcessHandle): void {
    if (!handle.superseded || handle.inFlight > 0 || !this.#children.handles.has(handle)) return;
    this.#children.end(handle);
    this.#dispatcher.repost(handle);
  }

  /** Called while something blocks this thread. Returns the time until it must be called again, in milliseconds; 0 for at once. */
  readonly #serve = (): number => {
    const before = this.#finished + this.#dispatcher.count;
    this.#taskEncoder.answerAll();
    this.#porter?.receive();
    this.#serving = true;
    this.#dispatcher.handOver();
    this.#serving = false;
    if (this.#aborts.untilNext() < Infinity) this.#aborts.check();
    this.#deadlines.check();
    const silence = this.#concurrency === 1 ? this.#quiet.look() : Infinity;
    const next = Math.min(this.#aborts.untilNext(), this.#deadlines.untilNext(), silence);
    return this.#finished + this.#dispatcher.count !== before ? 0 : Math.max(1, next);
  };

  // Ending.

  #endAll(): void {
    this.#stopTimers();
    this.#children.keepProgram(true); // until they are gone, as somebody may wait for that
    this.#children.endAll();
    if (this.#life.hasEnded) return;
    // The end of a child that this thread has started itself cannot be noticed while the thread is blocked.
    for (const { superseded } of this.#children.ending) if (!this.#blocking || !superseded) return;
    this.#porter?.end();
    thisThread().services.delete(this.#serve);
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
    return this.#events;
  }
}

const SILENT: WorkerEnd = { exitCode: undefined, uncaught: undefined };

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function bytesOf({ bytes, at, size }: Frame): ArrayBuffer {
  return bytes.slice(at, at + size).buffer;
}

/** Writes what a child has printed. */
function printError(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads it, which is no failure of the child.
  }
}
