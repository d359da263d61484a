/**
 * Tasks over workers: the calling side.
 *
 * A task waits in the queue until the board has a free slot, then in shared memory until a worker claims it, then its
 * reply comes as a record on that worker's desk, or by message when it is large. The scheduler sleeps meanwhile, in
 * `Atomics.waitAsync` or, for blocking calls, in `Atomics.wait`.
 *
 * @module
 */

import { BrokenProcessPoolError, SerializationError } from "../../errors.ts";
import { messageOf } from "../../codec/error_fields.ts";
import { BlockedCaller } from "./blocked_caller.ts";
import { Board, type DeskRecord, SLOTS, STARTING } from "../shared/submission_ring.ts";
import { CallerSleep } from "./caller_parker.ts";
import { CallLimits } from "./deadline_watchdog.ts";
import { Crew } from "./worker_set.ts";
import type { Encoded } from "../../codec/encoder.ts";
import { ErrorStacks } from "../../scheduler/error_stacks.ts";
import { Host } from "./worker_handle.ts";
import { IdleTimer } from "./idle_timer.ts";
import { Lifecycle, type LongCall } from "../../scheduler/lifecycle.ts";
import { Flight } from "./in_flight.ts";
import { Packer } from "../../scheduler/task_encoder.ts";
import { type KeptParcel, postKept } from "../../codec/payload.ts";
import { thisThread } from "../../sync/internal/current_thread.ts";
import { touchLazyGlobals } from "../../base/platform.ts";
import {
  byUncaught,
  lost,
  lostAtStart,
  movedAway,
  overdue,
  received,
  SILENT,
  startOverdue,
  takeTimes,
  unreadable,
} from "../../scheduler/failures.ts";
import { ReplyReader } from "../../scheduler/reply_decoder.ts";
import { Queue } from "../../base/deque.ts";
import { packSetup, type WorkerOptions } from "./worker_config.ts";
import { Sweep } from "../../scheduler/settlements.ts";
import {
  BYE,
  CHILDREN,
  FETCH,
  GIVEN_UP,
  LACKS_ARGUMENTS,
  LACKS_EXPORT,
  LACKS_FUNCTION,
  MODE_NUMBERS,
  type Outcome,
  type Parcel,
  type Scheduler,
  type SchedulerStats,
  type Task,
  type TraceEvent,
  UNCAUGHT,
  type WorkerRecord,
} from "../../scheduler/task.ts";

/** A {@linkcode Scheduler} on workers. */
export class WorkerScheduler implements Scheduler {
  readonly size: number;
  readonly copies = true;
  readonly #options: WorkerOptions;
  readonly #setup: Parcel;
  readonly #board = new Board();
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #packer: Packer;
  readonly #stacks: ErrorStacks;
  readonly #replies = new ReplyReader();
  readonly #life: Lifecycle;
  readonly #queue = new Queue<Task>();
  readonly #events: TraceEvent[] = [];
  readonly #thread = thisThread();
  readonly #sleep = new CallerSleep(this.#board, () => this.#hasWork(), () => this.#awake());
  readonly #idle: IdleTimer;
  readonly #limits = new CallLimits(
    () => this.#now(),
    () => Array.from(this.#crew.hosts, (host) => host.desk),
    () => this.#endOverdue(),
  );
  readonly #flight = new Flight(this.#board, this.#limits);
  /** Tasks on their way from the queue to the board. */
  readonly #encoding: Task[] = [];
  readonly #sweep = new Sweep();
  #finished = 0;
  /** How many workers in a row have ended before they came to a task. */
  #stillborn = 0;
  /** What the workers were told: see {@linkcode WorkerScheduler.#tellMore}. */
  #more = false;
  /** Tasks in the queue that were cancelled there. */
  #cancelled = 0;
  readonly #crew: Crew;
  /** Workers whose preparation has a limit. */
  readonly #preparing = new Set<Host>();
  readonly #blocked: BlockedCaller;

  /**
   * Starts no worker yet.
   *
   * @throws {SerializationError} If the initializer, its arguments or the scope cannot be sent.
   */
  constructor(options: WorkerOptions) {
    touchLazyGlobals();
    this.size = options.size;
    this.#options = options;
    this.#life = new Lifecycle(options.owner);
    this.#idle = new IdleTimer(options.idleTimeout, () => this.#endWorkers());
    this.#setup = packSetup(options);
    this.#packer = new Packer(options.module);
    this.#stacks = new ErrorStacks(options.scope, this.#packer.firstCall);
    this.#crew = new Crew({
      size: options.size,
      board: this.#board,
      flight: this.#flight,
      make: (number) => this.#makeHost(number),
      failed: (error) => this.#break(error),
      goOn: (error) => this.#tellStartFailure(error),
      lose: (host) => this.#lose(host, "as it did not come to its next task", true),
    });
    this.#blocked = new BlockedCaller({
      board: this.#board,
      sleep: this.#sleep,
      limits: this.#limits,
      crew: this.#crew,
      sweep: this.#sweep,
      packer: this.#packer,
      drain: () => this.#drain(),
      shouldHandOver: () => this.#shouldHandOver(),
      handOver: () => this.#handOver(),
      endOverdue: () => this.#endOverdue(),
      progress: () => this.#finished + this.#flight.numbered,
    });
  }

  get state(): Scheduler["state"] {
    return this.#life.state;
  }

  // Taking tasks.

  submit(task: Task): void {
    this.#life.refuseUnlessOpen();
    this.submitMore(task);
  }

  begin(call: LongCall): void {
    this.#life.add(call);
  }

  submitMore(task: Task): void {
    this.#life.refuseUnlessRunning();
    this.#queue.push(task);
    if (this.#flight.parcels > 0) this.#answerWaiting();
    // If there is no room, whoever makes room hands over more.
    if (this.#queue.size === 1 ? this.#canHandOver() : this.#shouldHandOver()) return this.#handOver(true);
    if (this.#more) return;
    this.#tellMore();
    if (this.#shouldHandOver()) this.#handOver(true); // they may have claimed much before they were told
  }

  end(call: LongCall): void {
    this.#life.remove(call);
    this.#afterWork();
  }

  submitToAll(make: (index: number) => Task): number {
    this.#life.refuseUnlessOpen();
    while (this.#crew.room > 0 && this.#crew.start());
    this.#life.refuseUnlessOpen();
    let index = 0;
    for (const host of [...this.#crew.hosts]) if (!host.retired) this.#post(host, make(index++));
    this.#crew.responses.watch();
    this.#afterWork();
    return index;
  }

  cancel(task: Task): boolean {
    if (task.settled) {
      this.#sweep.run(); // it has an outcome, of which nobody may have been told
      return false;
    }
    if (this.#flight.has(task)) {
      if (!this.#flight.cancel(task)) return false;
    } else if (!this.#encoding.includes(task)) {
      this.#cancelled++;
    }
    task.settled = true; // in the queue it is passed over when its turn comes
    this.#afterWork();
    return true;
  }

  isRunning(task: Task): boolean {
    return !task.settled && this.#flight.isTaken(task);
  }

  cancelAll(outcome: () => Outcome): void {
    for (const task of this.#flight.all()) if (this.cancel(task)) this.#sweep.add(task, outcome());
    for (const task of this.#encoding) if (!task.settled) this.#sweep.add(task, outcome());
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
      if (task.settled) this.#cancelled--;
      else this.#sweep.add(task, outcome());
    }
    this.#sweep.run();
    this.#afterWork();
  }

  // Handing tasks over.

  /** Moves tasks from the queue to the board as long as there is room, and sees to it that workers take them. */
  #handOver(more = this.#shouldHandOver()): void {
    while (more && this.#canHandOver()) {
      const task = this.#queue.shift()!;
      if (task.settled) {
        this.#cancelled--;
        continue;
      }
      this.#encoding.push(task); // getters of its arguments may ask for anything meanwhile
      if (this.#prepare(task)) this.#fillSlot(task);
      this.#encoding.pop();
    }
    this.#tellMore();
    this.#wakeWorkers();
    this.#afterWork();
  }

  /** Tells the workers whether this thread keeps tasks: then they call it when there is little left on the board. */
  #tellMore(): void {
    const more = !this.#queue.empty;
    if (more === this.#more) return;
    this.#more = more;
    this.#board.setMore(more);
  }

  /** Numbers a task and its function; false, and the task settled, when the function cannot be sent. */
  #prepare(task: Task): boolean {
    try {
      this.#packer.number(task);
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return false;
    }
    this.#flight.number(task);
    return true;
  }

  #fillSlot(task: Task): void {
    let encoded: Encoded | undefined;
    if (task.parcel === undefined) {
      encoded = this.#pack(task);
      if (encoded === undefined) return;
      const beside = encoded.refs.length > 0 || encoded.transfers.length > 0;
      if (beside || !this.#flight.reserve(task, encoded.length)) {
        if (!this.#settleIfThrows(task, () => this.#packer.keep(task, encoded!))) return;
      }
    }
    if (this.#overtaken(task)) return this.#flight.free(task);
    if (!this.#board.hasRoom()) {
      this.#flight.free(task);
      return this.#queue.unshift(task);
    }
    this.#flight.fill(task, task.parcel === undefined ? encoded : undefined);
  }

  /** Undefined, and the task settled, when it cannot be sent. */
  #pack(task: Task): Encoded | undefined {
    try {
      return this.#packer.pack(task, this.#crew.hosts);
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return undefined;
    }
  }

  /** Does something for a task, which fails with what that throws: whether it went well. */
  #settleIfThrows(task: Task, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return false;
    }
  }

  /** Getters of the arguments have run meanwhile: whether one has cancelled the task, or ended the pool. */
  #overtaken(task: Task): boolean {
    if (this.state === "terminated" || this.state === "broken") this.#settle(task, this.#life.refusal());
    return task.settled;
  }

  /** Posts a task to one worker. */
  #post(host: Host, task: Task): void {
    if (!this.#prepare(task)) return;
    const encoded = this.#pack(task);
    if (encoded === undefined || !this.#settleIfThrows(task, () => this.#packer.keep(task, encoded))) return;
    if (this.#overtaken(task)) return;
    const kept = task.parcel!;
    task.parcel = undefined;
    this.#flight.enter(task);
    host.posted.add(task);
    const header = { seq: task.seq, fn: task.fnNumber, mode: MODE_NUMBERS[task.mode], limit: task.limit };
    const sent = this.#settleIfThrows(
      task,
      () => postKept(kept, (parcel, transfers) => host.postTask({ type: "task", header, parcel }, transfers)),
    );
    if (!sent) host.posted.delete(task);
  }

  #wakeWorkers(): void {
    if (this.state === "terminated" || this.state === "broken") return; // what is on the board is nobody's any more
    this.#crew.call(this.#blocked.active);
  }

  /** The number of the first worker among all processes and workers, if there is one. */
  get firstPid(): number | null {
    return this.#crew.firstPid;
  }

  #makeHost(number: number): Host {
    const { name, exactName, permissions } = this.#options;
    const host = new Host({
      board: this.#board,
      number,
      name: exactName ? name : `${name}-${number}`,
      permissions,
      epoch: this.#epoch,
      setup: this.#setup,
      limit: this.#options.limit,
      onWake: () => this.#awake(),
      onMessage: (host, message) => this.#receive(host, message),
      onError: (host, message) => {
        if (this.#crew.hosts.has(host)) this.#lose(host, `by an error: ${message}`);
      },
    });
    this.#thread.services.add(this.#blocked.serve);
    if (this.#options.limit > 0) {
      this.#preparing.add(host);
      this.#limits.enter(this.#options.limit);
    }
    return host;
  }

  #tellStartFailure(error: unknown): void {
    const { name } = this.#options;
    const { hosts } = this.#crew;
    console.warn(
      `Cannot start another worker of '${name}': ${
        messageOf(error)
      }. It goes on with ${hosts.size} of ${this.size}, and tries again`,
    );
  }

  // Taking replies.

  /** Reads every record and message there is: whether there was one. */
  #drain(): boolean {
    let any = false;
    for (const host of this.#crew.hosts) any = this.#drainHost(host) || any;
    this.#thread.office.serve();
    return any;
  }

  #drainHost(host: Host): boolean {
    let any = host.receive();
    while (this.#crew.hosts.has(host) && !host.isBehind) {
      const record = host.desk.peek();
      if (record === undefined) break;
      any = true;
      this.#read(host, record);
    }
    return any;
  }

  #read(host: Host, record: DeskRecord): void {
    const { kind, seq, detail, at } = record;
    if (kind === FETCH || kind === BYE || kind === CHILDREN) {
      host.desk.advance();
      return this.#handle(host, kind, seq, detail, undefined);
    }
    // Decoded and given back before anyone is told: whoever is told may block in here again.
    const task = this.#flight.get(seq);
    const reply = task && this.#replies.read(task, kind, host.desk.source, at);
    host.desk.advance();
    this.#handle(host, kind, seq, detail, reply);
  }

  #receive(host: Host, message: WorkerRecord): void {
    if (message.type === "broken") {
      const error = this.#replies.readError(message.parcel);
      this.#stacks.completeStart(this.#options.initializer, error);
      return this.#break(error);
    }
    const { kind, seq, detail, parcel } = message;
    const task = this.#flight.get(seq);
    this.#handle(host, kind, seq, detail, task && this.#replies.readParcel(task, kind, parcel));
  }

  #handle(host: Host, kind: number, seq: number, detail: number, reply: Outcome | undefined): void {
    if (kind === BYE) return this.#lose(host, `with code ${detail}`, false, { exitCode: detail, uncaught: undefined });
    if (kind === FETCH) return this.#answer(host, seq, detail);
    if (kind === CHILDREN) return this.#crew.noteChildren(host, detail);
    const task = this.#flight.get(seq);
    if (kind === UNCAUGHT) return this.#lose(host, ...byUncaught(reply, detail > 0));
    if (detail > 0) this.#retire(host, task, detail === GIVEN_UP);
    if (task === undefined || reply === undefined) return;
    if (!host.known.has(task.fnNumber)) {
      host.known.add(task.fnNumber);
      this.#stillborn = 0;
    }
    if (host.posted.size > 0) host.posted.delete(task);
    const bare = this.#options.trace ? takeTimes(host.number, task, reply, this.#events) : reply;
    this.#settle(task, this.#stacks.complete(task, received(task, bare)));
  }

  /** Workers that ask for arguments get them while more tasks are handed over; whatever else they say is for later. */
  #answerWaiting(): void {
    for (const host of this.#crew.hosts) {
      const record = host.desk.peek();
      if (record === undefined || record.kind !== FETCH) continue;
      host.desk.advance();
      this.#answer(host, record.seq, record.detail);
    }
  }

  /** Gives a worker what it lacks for a task it holds. */
  #answer(host: Host, seq: number, lacks: number): void {
    const task = this.#flight.get(seq);
    if (task === undefined) return host.post({ type: "drop", seq }, []);
    if ((lacks & LACKS_EXPORT) !== 0) {
      const blocked = this.#blocked.active || this.#blocked.serving;
      return this.#packer.packExport(task, blocked, (kept) => this.#give(host, task, kept));
    }
    let kept = task.parcel;
    if ((lacks & LACKS_ARGUMENTS) !== 0 && kept !== undefined) {
      task.parcel = undefined;
      this.#flight.parcels--;
    } else if ((lacks & LACKS_FUNCTION) !== 0) {
      kept = this.#packer.packFunction(task);
    }
    this.#give(host, task, kept);
  }

  #give(host: Host, task: Task, kept: KeptParcel | undefined): void {
    const { seq } = task;
    if (!this.#crew.hosts.has(host)) return; // it was asked for before that ended
    if (this.#flight.get(seq) !== task) return host.post({ type: "drop", seq }, []);
    const sent = this.#settleIfThrows(task, () => {
      if (kept === undefined) throw new SerializationError(`Worker '${host.name}' asks for arguments that were sent`);
      postKept(kept, (parcel, transfers) => host.post({ type: "payload", seq, parcel }, transfers));
      host.given = seq;
    });
    if (!sent) host.post({ type: "drop", seq }, []);
  }

  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    this.#flight.leave(task);
    task.settled = true;
    this.#finished++;
    task.settle(outcome);
  }

  // Losing workers.

  /** The worker has said that it takes no more tasks; if it was given up, also that nothing of it is waited for. */
  #retire(host: Host, last: Task | undefined, givenUp: boolean): void {
    this.#drainHost(host); // what it sent before
    if (!this.#crew.retire(host, givenUp)) return;
    if (last !== undefined) host.posted.delete(last);
    this.#repost(host);
  }

  /** The worker is gone: fails the task it ran, and takes back what it had not begun. */
  #lose(host: Host, how: string, runsOn = false, end = SILENT): void {
    this.#drainHost(host); // replies that it sent before
    if (!this.#crew.remove(host)) return;
    const starting = host.desk.sleep === STARTING;
    this.#crew.end(host, runsOn);
    const { unbegun, read } = this.#flight.takeBack(host);
    const running = this.#flight.get(host.desk.current);
    const failed: [Task, Outcome][] = [];
    const { exitCode } = end;
    if (running !== undefined) failed.push([running, lost(host.name, how, running, end)]);
    if (read !== undefined && ++read.tries === MOST_TRIES) {
      failed.push([read, unreadable(host.name, how, read, exitCode)]);
    }
    if (starting) {
      this.#crew.startFailed(host.number, lostAtStart(host.name, how, end));
      if (this.state === "broken") return;
      for (const task of host.posted) failed.push([task, lost(host.name, how, task, end)]);
    }
    if (running === undefined && read === undefined && host.known.size === 0 && !starting) {
      // It has never come to a task. That is chance once, but not again and again.
      if (this.#board.unclaimed() > 0 && ++this.#stillborn >= MOST_STILLBORN) {
        const message = `Worker '${host.name}' ended ${how} before its first task`;
        this.#crew.startFailed(host.number, new BrokenProcessPoolError(message, { exitCode }));
        if (this.state === "broken") return;
      }
    }
    this.#goOnWithout(host, unbegun, failed);
  }

  /** The tasks of a worker that is gone go to others, but for those that have failed with it. */
  #goOnWithout(host: Host, unbegun: readonly Task[], failed: readonly (readonly [Task, Outcome])[]): void {
    for (const [task] of failed) host.posted.delete(task);
    this.#requeue(unbegun.filter((task) => !failed.some(([other]) => other === task)));
    this.#repost(host);
    this.#handOver();
    // Last, as whoever is told may block here for one of the others.
    for (const [task, outcome] of failed) this.#settle(task, outcome);
    this.#afterWork();
  }

  #requeue(tasks: readonly Task[]): void {
    for (const task of [...tasks].sort((a, b) => b.seq - a.seq)) {
      this.#flight.recall(task);
      if (task.moved && task.parcel === undefined) this.#settle(task, movedAway());
      else this.#queue.unshift(task);
    }
  }

  /** Tasks for one worker whose worker is gone go to others. */
  #repost({ posted }: Host): void {
    const tasks = [...posted];
    posted.clear();
    for (const task of tasks) {
      if (task.settled || this.state === "terminated" || this.state === "broken") continue;
      if (task.moved) {
        this.#settle(task, movedAway());
        continue;
      }
      this.#flight.leave(task);
      if (this.#crew.room > 0) this.#crew.start();
      const host = [...this.#crew.hosts].findLast((host) => !host.retired);
      if (host !== undefined) this.#post(host, task);
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
    for (const host of this.#preparing) {
      if (this.#crew.hosts.has(host) && host.desk.sleep === STARTING) continue;
      this.#preparing.delete(host);
      this.#limits.leave(this.#options.limit);
    }
    for (const host of [...this.#crew.hosts]) {
      if (!this.#limits.isOverdue(host.desk)) continue;
      const { current } = host.desk;
      this.#drainHost(host); // perhaps it has ended just now
      if (!this.#limits.isOverdue(host.desk) || host.desk.current !== current) continue;
      host.desk.stop();
      this.#drainHost(host); // or while it was told to stop
      if (!this.#crew.remove(host)) continue;
      const starting = host.desk.sleep === STARTING;
      const running = this.#flight.get(current);
      this.#crew.end(host, true); // its event loop would have ended the call, had it had a turn
      const { unbegun, read } = this.#flight.takeBack(host);
      if (starting) return this.#break(startOverdue(host.name, this.#options.limit));
      const late = running?.settled === false ? running : read;
      this.#goOnWithout(host, unbegun, late === undefined ? [] : [[late, overdue(late)]]);
    }
    this.#afterWork();
  }

  // Sleeping and waking.

  /** Before this thread goes back to its event loop: hears of the next record, and lets go of what is not needed. */
  #afterWork(): void {
    const { parents } = this.#crew;
    const pending = this.#flight.size + parents + this.#encoding.length > 0 || this.#queue.size > this.#cancelled;
    if (this.#life.complete && !pending) this.#endAll();
    if (this.#crew.hosts.size === 0) return;
    this.#idle.set(!pending);
    if (!pending && this.#crew.keepsProgram) return this.#sleep.settleDown(this.#letGo);
    if (pending && !this.#crew.keepsProgram && !this.#options.background) this.#crew.keepProgram(true);
    this.#sleep.listen(this.#flight.size > 0);
  }

  readonly #letGo = (): void => this.#crew.keepProgram(false);

  /** Whether there is something to do for which no worker may wake this thread any more. */
  #hasWork(): boolean {
    for (const host of this.#crew.hosts) if (host.hasRecords || host.hasMessages) return true;
    return this.#shouldHandOver() || this.#thread.office.hasLetters;
  }

  #canHandOver(): boolean {
    return !this.#queue.empty && this.#board.hasRoom() && this.#flight.parcels <= 2 * this.size;
  }

  /** Whether it is worth the while: as long as the workers have plenty to claim, tasks wait to be handed over in handfuls. */
  #shouldHandOver(): boolean {
    return this.#board.unclaimed() <= PLENTY && this.#canHandOver();
  }

  #awake(): void {
    this.#drain();
    this.#handOver();
  }

  readonly blocking: this = this;

  block(done: () => boolean, deadline: number): boolean {
    return this.#blocked.block(done, deadline);
  }

  // Ending.

  #endWorkers(): void {
    for (const _ of this.#preparing) this.#limits.leave(this.#options.limit);
    this.#preparing.clear();
    this.#limits.stop();
    this.#idle.stop();
    this.#crew.endAll();
    this.#thread.services.delete(this.#blocked.serve);
    this.#sleep.stop();
  }

  #endAll(): void {
    this.#endWorkers();
    this.#life.ended();
  }

  /** Settles everything that is pending. */
  #abandon(): void {
    const pending = this.#flight.all();
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) pending.push(task);
    this.#endAll();
    for (const task of pending) {
      if (task.settled) continue;
      this.#flight.leave(task);
      this.#finished++;
      this.#sweep.add(task, this.#life.refusal());
    }
    this.#sweep.run();
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

  /** Ends everything: what is pending settles with `BrokenProcessPoolError`, for `cause`. */
  abort(cause: BrokenProcessPoolError): void {
    this.#break(cause);
  }

  join(): Promise<void> {
    return this.#life.join();
  }

  /** As {@linkcode WorkerScheduler.join}, blocking the thread until then or a time of `performance.now()`: whether it has ended. */
  joinSync(deadline: number): boolean {
    this.#life.prepareToBlock(this.#encoding.length > 0);
    this.#afterWork();
    return this.#life.hasEnded || this.block(() => this.#life.hasEnded, deadline);
  }

  // Looking.

  stats(): SchedulerStats {
    const { hosts, running, zombies } = this.#crew;
    return {
      workers: hosts.size,
      queued: this.#queue.size - this.#cancelled + this.#flight.size - running,
      running,
      finished: this.#finished,
      zombies,
      startFailures: this.#crew.startFailures,
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#events;
  }
}

/** So many workers may end while they read a task; then it fails. */
const MOST_TRIES = 2;
/** So many workers in a row may end before they have come to a task that is there; then no more are started at once. */
const MOST_STILLBORN = 3;
/** How many tasks on the board are plenty. */
const PLENTY = SLOTS - 64;
