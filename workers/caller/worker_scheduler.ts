/**
 * The calling side of the backend that runs tasks on Web Workers.
 *
 * A task waits in the queue until the submission ring has a free slot, then in shared memory until a worker claims it. Its reply
 * comes as a record on that worker's completion ring, or by message if it is large. The scheduler sleeps meanwhile, in
 * `Atomics.waitAsync` or, for blocking calls, in `Atomics.wait`.
 *
 * @module
 */

import { BrokenProcessPoolError } from "../../errors.ts";
import { BlockedCaller } from "./blocked_caller.ts";
import { SubmissionRing } from "../shared/submission_ring.ts";
import { STARTING } from "../shared/control_block.ts";
import type { Completion } from "../shared/completion_ring.ts";
import { CallerParker } from "./caller_parker.ts";
import { Dispatcher } from "./dispatcher.ts";
import { DeadlineWatchdog } from "./deadline_watchdog.ts";
import { WorkerSet } from "./worker_set.ts";
import { ErrorStacks } from "../../scheduler/error_stacks.ts";
import { WorkerHandle } from "./worker_handle.ts";
import { type AbortedTask, AbortWatchdog, encodedReason } from "../../scheduler/abort_watchdog.ts";
import { IdleTimer } from "../../scheduler/idle_timer.ts";
import { Lifecycle, type TaskProducer } from "../../scheduler/lifecycle.ts";
import { InFlightTasks, MOST_BLAME } from "./in_flight.ts";
import { TaskEncoder } from "../../scheduler/task_encoder.ts";
import { thisThread } from "../../sync/internal/current_thread.ts";
import { keepFreedMemory, touchLazyGlobals } from "../../base/platform.ts";
import {
  argumentsMoved,
  byUncaught,
  endedBeside,
  lostAtStart,
  received,
  SILENT,
  startOverdue,
  takeTimes,
  timedOut,
  unreadable,
  warnOfStart,
  workerLost,
} from "../../scheduler/failures.ts";
import { ReplyDecoder } from "../../scheduler/reply_decoder.ts";
import { packSetup, type WorkerConfig } from "../../scheduler/worker_config.ts";
import { PendingSettlements } from "../../scheduler/settlements.ts";
import type { Outcome, Scheduler, SchedulerStats, Task, TraceEvent, WorkerInfo } from "../../scheduler/task.ts";
import { GIVEN_UP, UNCAUGHT } from "../../scheduler/messages.ts";
import { AWAITS, CHILDREN, EXITING, NEED_PAYLOAD, type WorkerRecord } from "../shared/messages.ts";
import type { Payload } from "../../codec/payload.ts";

/** A {@linkcode Scheduler} on workers. */
export class WorkerScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = true;
  readonly canBlock = true;
  readonly #options: WorkerConfig;
  readonly #setup: Payload;
  readonly #submissions = new SubmissionRing();
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #taskEncoder: TaskEncoder;
  readonly #stacks: ErrorStacks;
  readonly #replyDecoder = new ReplyDecoder();
  readonly #life: Lifecycle;
  readonly #events: TraceEvent[] = [];
  readonly #thread = thisThread();
  readonly #parker = new CallerParker(this.#submissions, () => this.#hasWork(), () => this.#awake());
  readonly #idle: IdleTimer;
  readonly #deadlines = new DeadlineWatchdog(
    () => this.#now(),
    () => Array.from(this.#workerSet.handles, (handle) => handle.control),
    () => this.#endOverdue(),
  );
  readonly #inFlight = new InFlightTasks(this.#submissions, this.#deadlines);
  readonly #settlements = new PendingSettlements();
  readonly #aborts = new AbortWatchdog((aborted) => this.#tellAborted(aborted), (aborted) => this.#endAborted(aborted));
  #finished = 0;
  /** The number of workers in a row that have ended before they came to a task. */
  #stillborn = 0;
  readonly #workerSet: WorkerSet;
  readonly #dispatcher: Dispatcher;
  /** The workers whose preparation is counted by the deadline watchdog, because it has a time limit. */
  readonly #preparing = new Set<WorkerHandle>();
  readonly #blocked: BlockedCaller;

  /**
   * Starts no worker yet.
   *
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   */
  constructor(options: WorkerConfig) {
    touchLazyGlobals();
    keepFreedMemory();
    this.size = options.size;
    this.#options = options;
    this.#life = new Lifecycle(options.owner);
    this.#idle = new IdleTimer(options.idleTimeout, () => this.#endWorkers());
    this.#setup = packSetup(options);
    this.#taskEncoder = new TaskEncoder(options.module);
    this.#stacks = new ErrorStacks(options.scope, this.#taskEncoder.firstCall);
    this.#workerSet = new WorkerSet({
      size: options.size,
      submissions: this.#submissions,
      inFlight: this.#inFlight,
      spawn: (number) => this.#makeHandle(number),
      failed: (error) => this.#break(error),
      goOn: (error) => warnOfStart("worker", options.name, error, this.#workerSet.handles.size, options.size),
      onLost: (handle) => {
        // A task that awaited keeps the thread: others take what the worker was called for.
        if (handle.awaiting.size === 0) return this.#lose(handle, "as it did not come to its next task", true);
        handle.stuckSince = handle.control.looks;
        this.#wakeWorkers();
      },
    });
    this.#dispatcher = new Dispatcher({
      submissions: this.#submissions,
      inFlight: this.#inFlight,
      taskEncoder: this.#taskEncoder,
      workerSet: this.#workerSet,
      life: this.#life,
      isBlocked: () => this.#blocked.active || this.#blocked.serving,
      settle: (task, outcome) => this.#settle(task, outcome),
      callWorkers: () => this.#wakeWorkers(),
      afterWork: () => this.#afterWork(),
    });
    this.#blocked = new BlockedCaller({
      submissions: this.#submissions,
      parker: this.#parker,
      deadlines: this.#deadlines,
      aborts: this.#aborts,
      workerSet: this.#workerSet,
      settlements: this.#settlements,
      taskEncoder: this.#taskEncoder,
      drain: () => this.#drain(),
      shouldHandOver: () => this.#dispatcher.shouldHandOver(),
      handOver: () => this.#dispatcher.handOver(),
      endOverdue: () => this.#endOverdue(),
      progress: () => this.#finished + this.#inFlight.numbered,
    });
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
    this.#dispatcher.submit(task);
  }

  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#afterWork();
  }

  submitToAll(make: (index: number) => Task): number {
    this.#life.refuseUnlessOpen();
    while (this.#workerSet.room > 0 && this.#workerSet.start());
    this.#life.refuseUnlessOpen();
    let index = 0;
    for (const handle of [...this.#workerSet.handles]) {
      if (!handle.retired) this.#dispatcher.post(handle, make(index++));
    }
    this.#workerSet.liveness.watch();
    this.#afterWork();
    return index;
  }

  cancel(task: Task): boolean {
    if (task.settled) {
      this.#settlements.run(); // the task has an outcome, which may not have been reported yet
      return false;
    }
    if (this.#inFlight.has(task)) {
      if (!this.#inFlight.cancel(task)) return false;
    } else {
      this.#dispatcher.noteCancelled(task);
    }
    task.settled = true; // in the queue it is skipped when its turn comes
    this.#afterWork();
    return true;
  }

  interrupt(task: Task, reason: unknown, grace: number): void {
    if (!task.settled && this.#inFlight.has(task)) this.#aborts.add(task, reason, grace);
  }

  isRunning(task: Task): boolean {
    return !task.settled && this.#inFlight.isTaken(task);
  }

  cancelAll(outcome: () => Outcome): void {
    for (const task of this.#inFlight.all()) if (this.cancel(task)) this.#settlements.add(task, outcome());
    for (const task of this.#dispatcher.encoding) if (!task.settled) this.#settlements.add(task, outcome());
    for (const task of this.#dispatcher.takeQueued()) this.#settlements.add(task, outcome());
    this.#settlements.run();
    this.#afterWork();
  }

  #wakeWorkers(): void {
    if (this.state === "terminated" || this.state === "broken") return; // nobody takes the tasks on the submission ring any more
    this.#workerSet.call(this.#blocked.active);
  }

  workers(): readonly WorkerInfo[] {
    return Array.from(this.#workerSet.handles, ({ pid, name }) => ({ pid, name }));
  }

  #makeHandle(number: number): WorkerHandle {
    const { name, exactName, permissions } = this.#options;
    const handle = new WorkerHandle({
      submissions: this.#submissions,
      number,
      name: exactName ? name : `${name}-${number}`,
      permissions,
      epoch: this.#epoch,
      setup: this.#setup,
      limit: this.#options.limit,
      onWake: () => this.#awake(),
      onMessage: (handle, message) => this.#receive(handle, message),
      onError: (handle, message) => {
        if (this.#workerSet.handles.has(handle)) this.#lose(handle, `by an error: ${message}`);
      },
    });
    this.#thread.services.add(this.#blocked.serve);
    if (this.#options.limit > 0) {
      this.#preparing.add(handle);
      this.#deadlines.enter(this.#options.limit);
    }
    return handle;
  }

  // Taking replies.

  /** Reads all records and messages of the workers. Returns whether there was any. */
  #drain(): boolean {
    let any = false;
    for (const handle of this.#workerSet.handles) any = this.#drainHandle(handle) || any;
    this.#thread.sharer.serve();
    return any;
  }

  #drainHandle(handle: WorkerHandle): boolean {
    let any = handle.receive();
    while (this.#workerSet.handles.has(handle) && !handle.isBehind) {
      const record = handle.completions.peek();
      if (record === undefined) break;
      any = true;
      this.#read(handle, record);
    }
    return any;
  }

  #read(handle: WorkerHandle, record: Completion): void {
    const { kind, taskId, detail, at } = record;
    if (kind === NEED_PAYLOAD || kind === EXITING || kind === CHILDREN || kind === AWAITS) {
      handle.completions.consume();
      return this.#handle(handle, kind, taskId, detail, undefined);
    }
    // Decoded and its space freed before a callback is called: the callback may block in here again.
    const task = this.#inFlight.get(taskId);
    const reply = task && this.#replyDecoder.read(task, kind, handle.completions.source, at);
    handle.completions.consume();
    this.#handle(handle, kind, taskId, detail, reply);
  }

  #receive(handle: WorkerHandle, message: WorkerRecord): void {
    if (message.type === "broken") {
      const error = this.#replyDecoder.readError(message.payload);
      this.#stacks.completeStart(this.#options.initializer, error);
      return this.#break(error);
    }
    const { kind, taskId, detail, payload } = message;
    const task = this.#inFlight.get(taskId);
    this.#handle(handle, kind, taskId, detail, task && this.#replyDecoder.readPayload(task, kind, payload));
  }

  #handle(handle: WorkerHandle, kind: number, taskId: number, detail: number, reply: Outcome | undefined): void {
    if (kind === EXITING) {
      return this.#lose(handle, `with code ${detail}`, false, { exitCode: detail, uncaught: undefined });
    }
    if (kind === NEED_PAYLOAD) return this.#dispatcher.answer(handle, taskId, detail);
    if (kind === CHILDREN) return this.#workerSet.noteChildren(handle, detail);
    const task = this.#inFlight.get(taskId);
    if (kind === AWAITS) {
      if (task !== undefined) handle.awaiting.set(task, detail);
      if (handle.handed === task) handle.handed = undefined;
      return;
    }
    if (kind === UNCAUGHT) return this.#lose(handle, ...byUncaught(reply, detail > 0));
    if (detail > 0) this.#retire(handle, task, detail === GIVEN_UP);
    if (task === undefined || reply === undefined) return;
    if (handle.awaiting.size > 0) handle.awaiting.delete(task);
    if (!handle.knownFunctions.has(task.functionId)) {
      handle.knownFunctions.add(task.functionId);
      this.#stillborn = 0;
    }
    if (handle.handed === task) handle.handed = undefined;
    else if (handle.directTasks.size > 0) handle.directTasks.delete(task);
    const bare = this.#options.trace ? takeTimes(handle.number, task, reply, this.#events) : reply;
    this.#settle(task, this.#stacks.complete(task, received(task, bare)));
  }

  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    this.#inFlight.remove(task);
    this.#aborts.remove(task);
    task.settled = true;
    this.#finished++;
    task.settle(outcome);
  }

  // Losing workers.

  /** Called when a worker has reported that it takes no more tasks. `givenUp`: the worker ends without waiting for its children. */
  #retire(handle: WorkerHandle, last: Task | undefined, givenUp: boolean): void {
    this.#drainHandle(handle); // records that it wrote before
    if (!this.#workerSet.retire(handle, givenUp)) return;
    if (last !== undefined) handle.directTasks.delete(last);
    this.#repost(handle);
  }

  /** Called when a worker is gone. Fails the task that it ran, and takes back the tasks that it had not begun. */
  #lose(handle: WorkerHandle, how: string, runsOn = false, end = SILENT): void {
    this.#drainHandle(handle); // replies that it sent before
    if (!this.#workerSet.remove(handle)) return;
    const starting = handle.control.sleep === STARTING;
    this.#workerSet.end(handle, runsOn);
    const { unbegun, read, blame } = this.#inFlight.takeBack(handle);
    const running = this.#inFlight.get(handle.control.current);
    const failed: [Task, Outcome][] = [];
    const { exitCode } = end;
    for (const task of runningOn(handle, running)) failed.push([task, workerLost(handle.name, how, task, end)]);
    if (read !== undefined && (read.blame += blame) >= MOST_BLAME) {
      failed.push([read, unreadable(handle.name, how, read, exitCode)]);
    }
    if (starting) {
      this.#workerSet.startFailed(handle.number, lostAtStart(handle.name, how, end));
      if (this.state === "broken") return;
      for (const task of handle.directTasks) failed.push([task, workerLost(handle.name, how, task, end)]);
    }
    if (
      running === undefined && read === undefined && handle.knownFunctions.size === 0 && handle.awaiting.size === 0 &&
      !starting
    ) {
      // The worker has never come to a task. Once that may be chance, but not several times in a row.
      if (this.#submissions.unclaimed() > 0 && ++this.#stillborn >= MOST_STILLBORN) {
        const message = `Worker '${handle.name}' ended ${how} before its first task`;
        this.#workerSet.startFailed(handle.number, new BrokenProcessPoolError(message, { exitCode }));
        if (this.state === "broken") return;
      }
    }
    this.#goOnWithout(handle, unbegun, failed);
  }

  /** Hands the tasks of a worker that is gone to other workers, except for those that have failed with it. */
  #goOnWithout(handle: WorkerHandle, unbegun: readonly Task[], failed: readonly (readonly [Task, Outcome])[]): void {
    for (const [task] of failed) handle.directTasks.delete(task);
    this.#dispatcher.requeue(unbegun.filter((task) => !failed.some(([other]) => other === task)));
    this.#repost(handle);
    this.#dispatcher.handOver();
    // Last, as a callback may block here for one of the other tasks.
    for (const [task, outcome] of failed) this.#settle(task, outcome);
    this.#afterWork();
  }

  /** Posts the tasks of a worker that is gone, posted to it alone, to other workers. */
  #repost({ directTasks }: WorkerHandle): void {
    const tasks = [...directTasks];
    directTasks.clear();
    for (const task of tasks) {
      if (task.settled || this.state === "terminated" || this.state === "broken") continue;
      if (task.moved) {
        this.#settle(task, argumentsMoved());
        continue;
      }
      this.#inFlight.remove(task);
      if (this.#workerSet.room > 0) this.#workerSet.start();
      const handle = [...this.#workerSet.handles].findLast((handle) => !handle.retired);
      if (handle !== undefined) this.#dispatcher.post(handle, task);
      else this.#settle(task, this.#life.refusal()); // no worker could be started
    }
  }

  // Time limits.

  #now(): number {
    return performance.timeOrigin + performance.now() - this.#epoch;
  }

  /** Ends the workers whose call is overdue, so that their successors can go on. */
  #endOverdue(): void {
    this.#drain();
    for (const handle of this.#preparing) {
      if (this.#workerSet.handles.has(handle) && handle.control.sleep === STARTING) continue;
      this.#preparing.delete(handle);
      this.#deadlines.leave(this.#options.limit);
    }
    for (const handle of [...this.#workerSet.handles]) {
      if (!this.#deadlines.isOverdue(handle.control)) continue;
      const { current } = handle.control;
      this.#drainHandle(handle); // perhaps the call has ended just now
      if (!this.#deadlines.isOverdue(handle.control) || handle.control.current !== current) continue;
      handle.control.stop();
      this.#drainHandle(handle); // or while the worker was told to stop
      if (!this.#workerSet.remove(handle)) continue;
      const starting = handle.control.sleep === STARTING;
      const running = this.#inFlight.get(current);
      this.#workerSet.end(handle, true); // it runs code: a turn of its event loop would have ended the call
      const { unbegun, read } = this.#inFlight.takeBack(handle);
      if (starting) return this.#break(startOverdue(handle.name, this.#options.limit));
      this.#goOnWithout(handle, unbegun, this.#overdueOn(handle, running?.settled === false ? running : read));
    }
    this.#afterWork();
  }

  /** Returns the outcomes of the tasks of a worker that is ended at a limit: of the one that it was at, and of those that await. */
  #overdueOn({ name, awaiting }: WorkerHandle, at: Task | undefined): [Task, Outcome][] {
    const late = new Set(
      [...awaiting].filter(([, deadline]) => this.#deadlines.isOverdue({ deadline })).map(([task]) => task),
    );
    const tasks = new Set(awaiting.keys());
    if (at !== undefined) tasks.add(at);
    if (late.size === 0 && at !== undefined) late.add(at);
    return Array.from(
      tasks,
      (task) => [task, late.has(task) ? timedOut(task) : endedBeside(name, "at the limit of another task", task)],
    );
  }

  // Aborts.

  #tellAborted({ task, reason }: AbortedTask): boolean {
    this.#drain(); // perhaps the task has ended just now, or awaits
    const handle = this.#workerSet.holderOf(task);
    if (!task.settled) handle?.abort(task.taskId, encodedReason(reason));
    return task.settled || handle !== undefined;
  }

  /** Ends the worker that runs an aborted task. */
  #endAborted({ task, reason }: AbortedTask): boolean {
    this.#drain();
    const handle = this.#workerSet.holderOf(task);
    if (task.settled || handle === undefined) return task.settled;
    if (!handle.hasBegun(task)) {
      this.#settle(task, { ok: false, error: reason }); // posted to a worker that runs another task, which goes on
      return true;
    }
    handle.control.stop();
    this.#drainHandle(handle); // perhaps the task has ended while the worker was told to stop
    if (!this.#workerSet.remove(handle)) return true;
    this.#workerSet.end(handle);
    const { unbegun } = this.#inFlight.takeBack(handle);
    const failed = Array.from(
      runningOn(handle, this.#inFlight.get(handle.control.current)).add(task),
      (other): [Task, Outcome] => [
        other,
        other === task
          ? { ok: false, error: reason }
          : endedBeside(handle.name, "as another of its tasks was aborted", other),
      ],
    );
    this.#goOnWithout(handle, unbegun.filter((other) => other !== task), failed);
    return true;
  }

  // Sleeping and waking.

  /**
   * Called before this thread goes back to its event loop. Makes sure that the thread notices the next record, and releases what
   * is not needed any more.
   */
  #afterWork(): void {
    const { parents } = this.#workerSet;
    const pending = this.#inFlight.size + parents + this.#dispatcher.encoding.length + this.#dispatcher.queued > 0;
    if (this.#life.complete && !pending) this.#endAll();
    if (this.#workerSet.handles.size === 0) return;
    this.#idle.set(!pending);
    if (!pending && this.#workerSet.keepsProgram) return this.#parker.settleDown(this.#letGo);
    if (pending && !this.#workerSet.keepsProgram && !this.#options.background) this.#workerSet.keepProgram(true);
    this.#parker.parkAsync(this.#inFlight.size > 0);
  }

  readonly #letGo = (): void => this.#workerSet.keepProgram(false);

  /** Returns whether there is work for which no worker may wake this thread any more. */
  #hasWork(): boolean {
    for (const handle of this.#workerSet.handles) if (handle.hasRecords || handle.hasMessages) return true;
    return this.#dispatcher.shouldHandOver() || this.#thread.sharer.hasMessagesHere;
  }

  #awake(): void {
    this.#drain();
    this.#dispatcher.handOver();
  }

  block(done: () => boolean, deadline: number): boolean {
    return this.#blocked.block(done, deadline);
  }

  // Ending.

  #endWorkers(): void {
    for (const _ of this.#preparing) this.#deadlines.leave(this.#options.limit);
    this.#preparing.clear();
    this.#deadlines.stop();
    this.#aborts.stop();
    this.#idle.stop();
    this.#workerSet.endAll();
    this.#thread.services.delete(this.#blocked.serve);
    this.#parker.stop();
  }

  #endAll(): void {
    this.#endWorkers();
    this.#life.ended();
  }

  /** Ends the workers, and settles all pending tasks. */
  #abandon(): void {
    const pending = [...this.#inFlight.all(), ...this.#dispatcher.takeQueued()];
    this.#endAll();
    for (const task of pending) {
      if (task.settled) continue;
      this.#inFlight.remove(task);
      this.#finished++;
      this.#settlements.add(task, this.#life.refusal());
    }
    this.#settlements.run();
  }

  close(cut?: Error): void {
    if (this.state !== "open") return;
    this.#life.close(cut);
    this.#afterWork();
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

  abort(cause: BrokenProcessPoolError): void {
    this.#break(cause);
  }

  join(): Promise<void> {
    return this.#life.join();
  }

  joinSync(deadline: number): boolean {
    this.#life.prepareToBlock(this.#dispatcher.encoding.length > 0);
    this.#afterWork();
    return this.#life.hasEnded || this.block(() => this.#life.hasEnded, deadline);
  }

  // Statistics.

  stats(): SchedulerStats {
    const { handles, running, zombies } = this.#workerSet;
    return {
      workers: handles.size,
      queued: this.#dispatcher.queued + this.#inFlight.size - running,
      running,
      finished: this.#finished,
      zombies,
      startFailures: this.#workerSet.startFailures,
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#events;
  }
}

/** The number of workers in a row that may end before their first task while tasks wait; then that counts as a failed start. */
const MOST_STILLBORN = 3;

/** Returns the tasks that a worker has begun: `running` and those that await. */
function runningOn({ awaiting }: WorkerHandle, running: Task | undefined): Set<Task> {
  const tasks = new Set(awaiting.keys());
  if (running !== undefined) tasks.add(running);
  return tasks;
}
