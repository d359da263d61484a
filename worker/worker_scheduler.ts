/**
 * Tasks over workers: the calling side.
 *
 * A task waits in the queue until the board has a free slot, then in shared memory until a worker claims it, then its
 * reply comes as a record on that worker's desk, or by message when it is large. The scheduler sleeps meanwhile, in
 * `Atomics.waitAsync` or, for blocking calls, in `Atomics.wait`.
 *
 * @module
 */

import { BrokenProcessPoolError, SerializationError } from "../errors.ts";
import { BlockedCaller } from "./blocked_caller.ts";
import { Board, type DeskRecord, SLOTS, STARTING } from "./board.ts";
import { CallerSleep } from "./caller_sleep.ts";
import { CallLimits } from "./call_limits.ts";
import { Crew } from "./crew.ts";
import type { Encoded } from "../codec/encoder.ts";
import { Host } from "./host.ts";
import { IdleTimer } from "./idle_timer.ts";
import { Lifecycle, type LongCall } from "./lifecycle.ts";
import { Flight } from "./flight.ts";
import { Packer } from "./packer.ts";
import { postKept } from "./payloads.ts";
import { thisThread } from "../sync/_thread.ts";
import { touchLazyGlobals } from "../_platform.ts";
import { lost, movedAway, overdue, takeTimes } from "./outcomes.ts";
import { ReplyReader } from "./reply_reader.ts";
import { Queue } from "./queue.ts";
import { packSetup, type WorkerOptions } from "./setup.ts";
import { Sweep } from "./sweep.ts";
import {
  BYE,
  FETCH,
  LACKS_ARGUMENTS,
  LACKS_FUNCTION,
  LAST,
  MODE_NUMBERS,
  type Outcome,
  type Parcel,
  type Scheduler,
  type SchedulerStats,
  type Task,
  type TraceEvent,
  type WorkerRecord,
} from "./task.ts";

/** A {@linkcode Scheduler} on workers. */
export class WorkerScheduler implements Scheduler {
  readonly size: number;
  readonly copies = true;
  readonly #options: WorkerOptions;
  readonly #setup: Parcel;
  readonly #board = new Board();
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #packer = new Packer();
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
  /** Tasks in the queue that were cancelled there. */
  #cancelled = 0;
  readonly #crew: Crew;
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
    this.#crew = new Crew({
      size: options.size,
      board: this.#board,
      flight: this.#flight,
      make: (number) => this.#makeHost(number),
      failed: (error) => this.#break(error),
      lose: (host) => this.#lose(host, "as it did not come to its next task", true),
    });
    this.#blocked = new BlockedCaller({
      board: this.#board,
      sleep: this.#sleep,
      limits: this.#limits,
      crew: this.#crew,
      sweep: this.#sweep,
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
    if (this.#queue.size === 1 ? this.#canHandOver() : this.#shouldHandOver()) this.#handOver(true);
  }

  end(call: LongCall): void {
    this.#life.remove(call);
    this.#afterWork();
  }

  submitToAll(make: (index: number) => Task): void {
    this.#life.refuseUnlessOpen();
    while (this.#crew.room > 0 && this.#crew.start());
    this.#life.refuseUnlessOpen();
    let index = 0;
    for (const host of [...this.#crew.hosts]) this.#post(host, make(index++));
    this.#crew.responses.watch();
    this.#afterWork();
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
    this.#wakeWorkers();
    this.#afterWork();
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
      onWake: () => this.#awake(),
      onMessage: (host, message) => this.#receive(host, message),
      onError: (host, message) => {
        if (this.#crew.hosts.has(host)) this.#lose(host, `by an error: ${message}`);
      },
    });
    this.#thread.services.add(this.#blocked.serve);
    return host;
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
    if (kind === FETCH || kind === BYE) {
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
    if (message.type === "broken") return this.#break(this.#replies.readError(message.parcel));
    const { kind, seq, detail, parcel } = message;
    const task = this.#flight.get(seq);
    this.#handle(host, kind, seq, detail, task && this.#replies.readParcel(task, kind, parcel));
  }

  #handle(host: Host, kind: number, seq: number, detail: number, reply: Outcome | undefined): void {
    if (kind === BYE) return this.#lose(host, `with code ${detail}`, false, detail);
    if (kind === FETCH) return this.#answer(host, seq, detail);
    const task = this.#flight.get(seq);
    if (detail === LAST) this.#retire(host, task);
    if (task === undefined || reply === undefined) return;
    if (!host.known.has(task.fnNumber)) host.known.add(task.fnNumber);
    if (host.posted.size > 0) host.posted.delete(task);
    this.#settle(task, this.#options.trace ? takeTimes(host.number, task, reply, this.#events) : reply);
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
    let kept = task.parcel;
    if ((lacks & LACKS_ARGUMENTS) !== 0 && kept !== undefined) {
      task.parcel = undefined;
      this.#flight.parcels--;
    } else if ((lacks & LACKS_FUNCTION) !== 0) {
      kept = this.#packer.packFunction(task);
    }
    const sent = this.#settleIfThrows(task, () => {
      if (kept === undefined) throw new SerializationError(`Worker '${host.name}' asks for arguments that were sent`);
      postKept(kept, (parcel, transfers) => host.post({ type: "payload", seq, parcel }, transfers));
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

  /** The worker has said that it takes no more tasks. */
  #retire(host: Host, last: Task | undefined): void {
    this.#drainHost(host); // what it sent before, by message
    if (!this.#crew.remove(host)) return;
    host.end();
    if (last !== undefined) host.posted.delete(last);
    this.#repost(host.posted);
  }

  /** The worker is gone: fails the task it ran, and takes back what it had not begun. */
  #lose(host: Host, how: string, runsOn = false, exitCode?: number): void {
    this.#drainHost(host); // replies that it sent before
    if (!this.#crew.remove(host)) return;
    const starting = host.desk.sleep === STARTING;
    this.#crew.end(host, runsOn);
    const unbegun = this.#flight.takeBack(host);
    const running = this.#flight.get(host.desk.current);
    if (starting) {
      const message = `Worker '${host.name}' ended ${how} while it started`;
      return this.#break(new BrokenProcessPoolError(message, { exitCode }));
    }
    if (running !== undefined) host.posted.delete(running);
    this.#requeue(unbegun);
    this.#repost(host.posted);
    this.#handOver();
    // Last, as whoever is told may block here for one of the others.
    if (running !== undefined) this.#settle(running, lost(host.name, how, running, exitCode));
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
  #repost(tasks: ReadonlySet<Task>): void {
    for (const task of tasks) {
      if (task.settled || this.state === "terminated" || this.state === "broken") continue;
      if (task.moved) {
        this.#settle(task, movedAway());
        continue;
      }
      this.#flight.leave(task);
      if (this.#crew.room > 0) this.#crew.start();
      const host = [...this.#crew.hosts].at(-1);
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
    const ended: Task[] = [];
    for (const host of [...this.#crew.hosts]) {
      if (!this.#limits.isOverdue(host.desk)) continue;
      const running = this.#flight.get(host.desk.current);
      this.#drainHost(host); // perhaps it has ended just now
      const still = this.#limits.isOverdue(host.desk) && running !== undefined && !running.settled;
      if (!still || host.desk.current !== running.seq || !this.#crew.hosts.has(host)) continue;
      host.desk.stop();
      this.#drainHost(host); // or while it was told to stop
      this.#crew.remove(host);
      this.#crew.end(host, true); // its event loop would have ended the call, had it had a turn
      const unbegun = this.#flight.takeBack(host);
      host.posted.delete(running);
      this.#requeue(unbegun);
      this.#repost(host.posted);
      ended.push(running);
    }
    this.#handOver();
    for (const task of ended) this.#settle(task, overdue(task));
    this.#afterWork();
  }

  // Sleeping and waking.

  /** Before this thread goes back to its event loop: hears of the next record, and lets go of what is not needed. */
  #afterWork(): void {
    const pending = this.#flight.size > 0 || this.#queue.size > this.#cancelled || this.#encoding.length > 0;
    if (this.#life.complete && !pending) this.#endAll();
    if (this.#crew.hosts.size === 0) return;
    this.#idle.set(!pending);
    this.#sleep.listen(this.#flight.size > 0);
  }

  /** Whether there is something to do for which no worker may wake this thread any more. */
  #hasWork(): boolean {
    for (const host of this.#crew.hosts) if (host.hasRecords || host.hasMessages) return true;
    return this.#shouldHandOver();
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
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#events;
  }
}

/** How many tasks on the board are plenty. */
const PLENTY = SLOTS - 64;
