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
import { Deque } from "../base/deque.ts";
import { hasNodeModules, touchLazyGlobals, unrefTimer } from "../base/platform.ts";
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
import {
  MODE_NUMBERS,
  type Outcome,
  type Scheduler,
  type SchedulerStats,
  type Task,
  type TraceEvent,
  type WorkerEnd,
  type WorkerInfo,
} from "../scheduler/task.ts";
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
  DROP,
  DURATION_SHIFT,
  END,
  EXPORT,
  type Frame,
  FUNCTION,
  GIVES_UP,
  HELLO,
  LACKS,
  LACKS_EXPORT,
  nextEpoch,
  PAUSED,
  PAUSES,
  PROTOCOL,
  READY,
  REST,
  RETIRES,
  TASK,
  WAITS,
} from "./frames.ts";
import { type Launch, launchOf, type LaunchOptions } from "./launch.ts";
import { type ChildListener, ProcessHandle } from "./process_handle.ts";
import { TaskTimes } from "./task_times.ts";

/** Up to this many tasks in the queue are encoded when they are submitted, as those that find room in a child are. */
const ENCODED_AHEAD = 256;
/** Larger payloads are kept as they are, not copied to be sent. */
const LARGE = 2 ** 16;
/** How long a child blocks between tasks before it goes back to its event loop, in milliseconds. */
const LINGER = 2;
/** How long a child may be silent before others get the tasks behind the one that it runs, in milliseconds: see `program.ts`. */
const SILENCE = 20;
/** How long after its limit a call may take to end by itself, in milliseconds. */
const GRACE = 50;
/** How long a child that shall end may take for that, unless it waits for its own child processes, in milliseconds. */
const LEAVING = 1000;
/** The number of children in a row that may be killed before they are ready. */
const MOST_STILLBORN = 3;
/** The numbers of tasks begin anew above this one. */
const LAST_ID = 2 ** 31 - 1;

const decoder = new TextDecoder();

/** A {@linkcode Scheduler} on child processes. */
export class ProcessScheduler implements Scheduler {
  readonly size: number;
  readonly takesRanges = true;
  readonly canBlock: boolean;
  readonly #config: WorkerConfig;
  readonly #options: LaunchOptions;
  readonly #launch: Launch;
  readonly #setup: Uint8Array;
  readonly #epoch = performance.timeOrigin + performance.now();
  readonly #taskEncoder: TaskEncoder;
  readonly #replyDecoder = new ReplyDecoder();
  readonly #stacks: ErrorStacks;
  readonly #life: Lifecycle;
  readonly #idle: IdleTimer;
  readonly #times = new TaskTimes();
  readonly #aborts = new AbortWatchdog((aborted) => this.#tellAborted(aborted), (aborted) => this.#endAborted(aborted));
  readonly #settlements = new PendingSettlements();
  readonly #events: TraceEvent[] = [];
  readonly #queue = new Deque<Task>();
  /** The tasks that children have, by number. */
  readonly #inFlight = new Map<number, Task>();
  /** Tasks whose arguments are being read, by code further up the stack. */
  readonly #encoding: Task[] = [];
  readonly #handles = new Set<ProcessHandle>();
  /** The children that take no more tasks and have not ended. */
  readonly #ending = new Set<ProcessHandle>();
  #taskId = 0;
  #number = 0;
  #cancelled = 0;
  #finished = 0;
  #handedOver = 0;
  #porter: Porter | undefined;
  /** True while this thread is blocked for tasks. */
  #blocking = false;
  /** True while the scheduler is served because something blocks this thread. */
  #serving = false;
  #startFailures = 0;
  #stillborn = 0;
  #flushing = false;
  #keepsProgram = true;
  #restTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #deadline = Infinity;
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
      if (!this.#handles.delete(handle)) return;
      this.#startFailed(new Error(message));
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
    this.#options = options;
    this.#launch = launchOf(options, config.permissions, config.module);
    this.#setup = new Uint8Array(packSetup(config, "process").bytes);
    this.#taskEncoder = new TaskEncoder(config.module, "process");
    this.#stacks = new ErrorStacks(config.scope, this.#taskEncoder.firstCall);
    this.#life = new Lifecycle(config.owner);
    this.#idle = new IdleTimer(config.idleTimeout, () => this.#endChildren());
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
    this.#queue.push(task);
    if (this.#queue.size === 1) this.#handOver();
    if (this.#queue.empty) return;
    if (this.#queue.size <= ENCODED_AHEAD && !this.#isEncoding(task)) this.#encodeAhead(task);
    this.#goOnSoon();
  }

  #isEncoding(task: Task): boolean {
    return task.settled || task.payload !== undefined || this.#encoding.length > 0;
  }

  /** Encodes a task that stays in the queue. */
  #encodeAhead(task: Task): void {
    this.#encoding.push(task);
    if (this.#prepare(task)) this.#pack(task, true);
    this.#encoding.pop();
    if (task.settled) this.#cancelled++; // its turn in the queue is skipped
  }

  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#afterWork();
  }

  submitToAll(make: (index: number) => Task): number {
    this.#life.refuseUnlessOpen();
    while (this.#active < this.size && this.#start());
    this.#life.refuseUnlessOpen();
    let index = 0;
    for (const handle of [...this.#handles]) {
      if (handle.superseded || (handle.state !== "starting" && handle.state !== "ready")) continue;
      const task = make(index++);
      handle.posted.add(task);
      handle.own.push(task);
    }
    this.#handOver();
    return index;
  }

  cancel(task: Task): boolean {
    if (task.settled) {
      this.#settlements.run();
      return false;
    }
    if (task.taskId >= 0 && this.#inFlight.get(task.taskId) === task) return false;
    if (!this.#encoding.includes(task) && !this.#removePosted(task)) this.#cancelled++;
    task.settled = true;
    this.#afterWork();
    return true;
  }

  /** Removes a task for one child alone that was not handed to it. Returns false if it is no such task. */
  #removePosted(task: Task): boolean {
    for (const { posted, own } of this.#handles) {
      if (!posted.delete(task)) continue;
      for (let rest = own.size; rest > 0; rest--) {
        const other = own.shift()!;
        if (other !== task) own.push(other);
      }
      return true;
    }
    return false;
  }

  isRunning(task: Task): boolean {
    return !task.settled && this.#inFlight.get(task.taskId) === task;
  }

  cancelAll(outcome: () => Outcome): void {
    for (const task of this.#takeQueued()) this.#settlements.add(task, outcome());
    for (const task of this.#encoding) if (!task.settled) this.#settlements.add(task, outcome());
    this.#settlements.run();
    this.#afterWork();
  }

  /** Empties the queues. Returns the tasks that were in them and were not cancelled. */
  #takeQueued(): Task[] {
    const tasks: Task[] = [];
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
      // One that is being encoded will be settled, and then counted as if it still were in the queue.
      if (task.settled || this.#encoding.includes(task)) this.#cancelled--;
      if (!task.settled) tasks.push(task);
    }
    for (const { own, posted } of this.#handles) {
      for (let task = own.shift(); task !== undefined; task = own.shift()) {
        posted.delete(task);
        tasks.push(task);
      }
    }
    return tasks;
  }

  // Handing tasks over.

  /** Hands tasks to the children that have room for them. */
  #handOver(): void {
    for (const handle of this.#handles) {
      while (!handle.own.empty && this.#isReady(handle) && handle.inFlight < this.#concurrency) {
        this.#hand(handle, handle.own.shift()!);
      }
    }
    while (!this.#queue.empty) {
      const task = this.#queue.shift()!;
      if (task.settled) {
        this.#cancelled--;
        continue;
      }
      this.#encoding.push(task); // reading its function may call code of the user
      const prepared = this.#prepare(task);
      this.#encoding.pop();
      if (!prepared || task.settled) continue;
      const handle = this.#choose(task);
      if (handle === undefined) {
        this.#queue.unshift(task);
        break;
      }
      this.#hand(handle, task);
    }
    this.#goOnSoon();
    this.#afterWork();
  }

  /** Numbers a task and its function. If the function cannot be sent, settles the task and returns false. */
  #prepare(task: Task): boolean {
    try {
      this.#taskEncoder.number(task);
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return false;
    }
    if (task.taskId >= 0) return true;
    do this.#taskId = this.#taskId === LAST_ID ? 1 : this.#taskId + 1; while (this.#inFlight.has(this.#taskId));
    task.taskId = this.#taskId;
    return true;
  }

  #isReady(handle: ProcessHandle): boolean {
    return handle.state === "ready" && !handle.superseded && !handle.lacking && !handle.stuck && !handle.isFull;
  }

  /** Returns the child with the fewest tasks that has room for this one. */
  #choose(task: Task): ProcessHandle | undefined {
    const concurrency = this.#concurrency;
    const window = concurrency > 1 ? concurrency : this.#times.window(task.functionId);
    let best: ProcessHandle | undefined;
    let fewest = window;
    for (const handle of this.#handles) {
      const { inFlight } = handle;
      if (inFlight >= fewest || !this.#isReady(handle) || !handle.own.empty) continue;
      best = handle;
      fewest = inFlight;
    }
    return best;
  }

  #hand(handle: ProcessHandle, task: Task): void {
    this.#encoding.push(task); // getters of its arguments may call any method of the pool meanwhile
    let part: Task["payload"] | Uint8Array<ArrayBuffer>;
    if (this.#prepare(task)) {
      if (!handle.knownFunctions.has(task.functionId)) this.#sendFunction(handle, task);
      part = task.payload ?? this.#pack(task, false);
    }
    this.#encoding.pop();
    if (part === undefined || task.settled) return this.#dropPosted(handle, task);
    if (!this.#life.running) return this.#settle(task, this.#life.refusal());
    if (!this.#isReady(handle)) return handle.posted.has(task) ? handle.own.unshift(task) : this.#queue.unshift(task);
    const { taskId, functionId, mode, limit } = task;
    const bytes = part instanceof Uint8Array ? part : new Uint8Array(part.bytes);
    const detail = MODE_NUMBERS[mode] | handle.epoch << 2;
    handle.send(TASK, taskId, detail, { length: bytes.length, bytes }, functionId, limit, task.first);
    handle.hot = true;
    handle.handed.push(task);
    this.#inFlight.set(taskId, task);
    this.#handedOver++;
  }

  #dropPosted(handle: ProcessHandle, task: Task): void {
    handle.posted.delete(task);
  }

  #sendFunction(handle: ProcessHandle, task: Task): void {
    const bytes = new Uint8Array(this.#taskEncoder.packFunction(task).bytes);
    handle.send(FUNCTION, task.functionId, 0, { length: bytes.length, bytes });
    handle.knownFunctions.add(task.functionId);
  }

  /**
   * Encodes the arguments of a task. Keeps them with the task if it stays here, if they are many, or cannot be encoded again. If
   * they cannot be sent, settles the task and returns undefined.
   */
  #pack(task: Task, stays: boolean): Task["payload"] | Uint8Array<ArrayBuffer> | undefined {
    try {
      const encoded = this.#taskEncoder.packArguments(task);
      if (!stays && encoded.length <= LARGE && encoded.transfers.length === 0 && task.range === undefined) {
        return encoded.bytes;
      }
      this.#taskEncoder.keep(task, encoded);
      return task.payload;
    } catch (error) {
      this.#settle(task, { ok: false, error });
      return undefined;
    }
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
    for (const handle of this.#handles) handle.flush();
    this.#afterWork();
  }

  /** The number of children that take tasks, or will. */
  get #active(): number {
    if (this.#porter === undefined) return this.#handles.size;
    let active = 0;
    for (const { superseded } of this.#handles) if (!superseded) active++;
    return active;
  }

  // Starting children.

  /** Starts children for the tasks that wait, as far as no others are about to be ready for these. */
  #startChildren(): void {
    let waiting = this.#queue.size - this.#cancelled;
    for (const { state } of this.#handles) if (state === "starting") waiting--;
    while (waiting-- > 0 && this.#active < this.size && this.#life.running && this.#start());
  }

  /** Starts a child. Returns false on failure. */
  #start(): boolean {
    const { name, exactName, limit } = this.#config;
    const number = ++this.#number;
    try {
      const handle = new ProcessHandle(number, {
        name: exactName ? name : `${name}-${number}`,
        epoch: this.#epoch,
        setup: this.#setup,
        limit,
        memoryLimit: this.#options.memoryLimit,
      }, this.#listener);
      this.#handles.add(handle);
      handle.keepProgram(this.#keepsProgram);
      return true;
    } catch (error) {
      this.#startFailed(error);
      return false;
    }
  }

  #startFailed(error: unknown): void {
    this.#startFailures++;
    if (this.#handles.size === 0) return this.#break(error);
    if (this.#startFailures > 1) return;
    console.warn(
      `Cannot start another process of '${this.#config.name}': ${messageOf(error)}. ` +
        `It goes on with ${this.#handles.size} of ${this.size}, and tries again`,
    );
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
        return this.#answer(handle, taskId, detail);
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
    this.#takeBack(handle);
  }

  /** Takes back the tasks that a child has not begun. */
  #takeBack(handle: ProcessHandle): void {
    const tasks: Task[] = [];
    for (let task = handle.handed.shift(); task !== undefined; task = handle.handed.shift()) tasks.push(task);
    for (const task of tasks.reverse()) {
      this.#inFlight.delete(task.taskId);
      if (task.settled) continue;
      (handle.posted.has(task) ? handle.own : this.#queue).unshift(task);
    }
  }

  /** Sends a child the part of a task that it lacks. */
  #answer(handle: ProcessHandle, taskId: number, lacks: number): void {
    const task = this.#inFlight.get(taskId);
    if (task === undefined || !handle.running.has(task)) return handle.send(DROP, taskId);
    if (lacks !== LACKS_EXPORT) return this.#sendFunction(handle, task);
    handle.lacking = true;
    this.#taskEncoder.packExport(task, false, ({ bytes }) => {
      handle.lacking = false;
      if (!this.#handles.has(handle)) return;
      if (task.settled) handle.send(DROP, taskId);
      else handle.send(EXPORT, taskId, 0, { length: bytes.byteLength, bytes: new Uint8Array(bytes) });
      this.#handOver();
    });
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
    if (handle.inFlight === 0) this.#restLater();
    this.#endIfSuperseded(handle);
    this.#handOver();
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
      return this.#takeBack(handle);
    }
    this.#leave(handle);
    this.#takeBack(handle);
    this.#repost(handle);
    if (givenUp) handle.kill();
  }

  /** Moves a child to those that take no more tasks. */
  #leave(handle: ProcessHandle): void {
    handle.state = "ending";
    if (!this.#handles.delete(handle)) return;
    this.#ending.add(handle);
    handle.endTimer = setTimeout(() => handle.kill(), LEAVING); // code that a task has left behind may never end
    unrefTimer(handle.endTimer);
  }

  /** Called when a child has ended. */
  #ended(handle: ProcessHandle, { code, signal }: ChildEnd): void {
    clearTimeout(handle.endTimer);
    const expected = this.#ending.delete(handle);
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
    if (!this.#handles.has(handle)) return;
    handle.kill();
    this.#ending.add(handle);
    this.#lost(handle, how, { exitCode: undefined, uncaught: undefined });
  }

  /** Called when a child is gone. Fails the tasks that it ran, and takes back the others. */
  #lost(handle: ProcessHandle, how: string, end: WorkerEnd): void {
    if (!this.#handles.delete(handle)) return;
    const starting = handle.state === "starting";
    handle.state = "ending";
    this.#takeBack(handle);
    const failed: [Task, Outcome][] = [];
    for (const task of handle.running) failed.push([task, workerLost(handle.name, how, task, end)]);
    handle.running.clear();
    if (starting) {
      // Whoever kills processes may hit one that starts: that says nothing about the next one.
      const killed = end.signal === "SIGKILL" && this.#config.owner !== "process" && ++this.#stillborn < MOST_STILLBORN;
      if (!killed) this.#startFailed(lostAtStart(handle.name, how, end));
      if (!this.#life.running) return this.#repost(handle);
    }
    this.#goOn(handle, failed);
  }

  /** Goes on without a child, whose tasks have these outcomes. */
  #goOn(handle: ProcessHandle, failed: readonly (readonly [Task, Outcome])[]): void {
    for (const [task] of failed) {
      handle.posted.delete(task);
      this.#inFlight.delete(task.taskId);
    }
    this.#repost(handle);
    this.#handOver();
    for (const [task, outcome] of failed) this.#settle(task, outcome); // last, as a callback may do anything
    this.#afterWork();
  }

  /** Gives the tasks for one child alone, which is gone, to another one. */
  #repost({ own, posted }: ProcessHandle): void {
    for (let task = own.shift(); task !== undefined; task = own.shift()) {
      posted.delete(task);
      if (task.settled) continue;
      if (this.#life.running && this.#active < this.size) this.#start();
      const handle = [...this.#handles].at(-1);
      if (handle === undefined) {
        this.#settle(task, this.#life.refusal());
        continue;
      }
      handle.posted.add(task);
      handle.own.push(task);
    }
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
    const now = Math.trunc(this.#now());
    const deadline = now + (time - now | 0); // the frame has its lowest 32 bits
    handle.deadlines.set(taskId, deadline);
    if (deadline < this.#deadline) this.#watchDeadline(deadline);
  }

  #watchDeadline(time: number): void {
    clearTimeout(this.#deadlineTimer);
    this.#deadline = time;
    this.#deadlineTimer = setTimeout(() => this.#endOverdue(), Math.max(0, time + GRACE - this.#now()));
    unrefTimer(this.#deadlineTimer);
  }

  /** Kills the children whose call is overdue. */
  #endOverdue(): void {
    this.#deadline = Infinity;
    let next = Infinity;
    for (const handle of [...this.#handles]) {
      const first = Math.min(...handle.deadlines.values());
      if (first + GRACE > this.#now()) {
        next = Math.min(next, first);
        continue;
      }
      handle.kill();
      if (handle.state === "starting") return this.#break(startOverdue(handle.name, this.#config.limit));
      const failed: [Task, Outcome][] = [];
      for (const task of handle.running) {
        const over = (handle.deadlines.get(task.taskId) ?? Infinity) + GRACE <= this.#now();
        failed.push([
          task,
          over ? timedOut(task) : workerLost(handle.name, "at the limit of another task", task, SILENT),
        ]);
      }
      this.#takeBack(handle);
      this.#leave(handle);
      handle.running.clear();
      this.#goOn(handle, failed);
    }
    if (next !== Infinity && next < this.#deadline) this.#watchDeadline(next);
  }

  /** Kills a child. `outcomeOf` returns the outcomes of the tasks that it has begun. */
  #endBusy(handle: ProcessHandle, outcomeOf: (task: Task) => Outcome): void {
    handle.kill();
    const failed = Array.from(handle.running, (task): [Task, Outcome] => [task, outcomeOf(task)]);
    this.#takeBack(handle);
    this.#leave(handle);
    handle.running.clear();
    this.#goOn(handle, failed);
  }

  // Aborts.

  interrupt(task: Task, reason: unknown, grace: number): void {
    if (!task.settled && this.#inFlight.get(task.taskId) === task) this.#aborts.add(task, reason, grace);
  }

  /** Returns the child that has begun a task. */
  #runnerOf(task: Task): ProcessHandle | undefined {
    for (const handle of this.#handles) if (handle.running.has(task)) return handle;
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

  /** Sends the children that have had nothing to do for a while to their event loops. */
  #restLater(): void {
    if (this.#restTimer !== undefined) return;
    this.#restTimer = setTimeout(() => {
      this.#restTimer = undefined;
      let again = false;
      const now = performance.now();
      for (const handle of this.#handles) {
        if (handle.state !== "ready" || handle.inFlight > 0 || !handle.hot) continue;
        if (now - handle.heard < LINGER) {
          again = true;
          continue;
        }
        handle.hot = false;
        handle.send(REST, 0);
        handle.flush();
      }
      if (again) this.#restLater();
    }, LINGER);
    unrefTimer(this.#restTimer);
  }

  /** Watches for children whose task holds up others. */
  #watchSilence(): void {
    if (this.#silenceTimer !== undefined) return;
    this.#silenceTimer = setTimeout(() => {
      this.#silenceTimer = undefined;
      this.#lookForSilence();
    }, SILENCE);
  }

  /**
   * Takes back the tasks behind one that has kept its child silent for long. Returns the time until one can have done so, in
   * milliseconds.
   */
  #lookForSilence(): number {
    if (this.#concurrency > 1) return Infinity;
    let next = Infinity;
    for (const handle of this.#handles) {
      if (handle.stuck || handle.fencing || handle.running.size === 0 || handle.handed.empty) continue;
      const { heard } = handle;
      const left = heard + SILENCE - performance.now();
      if (left > 0) {
        next = Math.min(next, left);
        continue;
      }
      handle.fencing = true;
      handle.fence(() => {
        handle.fencing = false;
        if (!this.#handles.has(handle) || handle.heard !== heard || handle.stuck || handle.running.size === 0) return;
        handle.stuck = true;
        this.#takeBack(handle);
        this.#handOver();
      });
    }
    return next;
  }

  /** Called before this thread goes back to its event loop. */
  #afterWork(): void {
    const waiting = this.#queue.size - this.#cancelled + this.#encoding.length;
    let posted = 0;
    let heldUp = false;
    for (const handle of this.#handles) {
      posted += handle.posted.size;
      heldUp ||= handle.running.size > 0 && !handle.handed.empty;
    }
    const pending = waiting + this.#inFlight.size + posted > 0;
    if (heldUp && this.#concurrency === 1) this.#watchSilence();
    if (!pending && this.#life.complete) return this.#endAll();
    if (this.#handles.size > 0) this.#idle.set(!pending);
    this.#keepProgram(pending && this.#config.background !== true);
  }

  #keepProgram(keeps: boolean): void {
    if (keeps === this.#keepsProgram) return;
    this.#keepsProgram = keeps;
    for (const handle of this.#handles) handle.keepProgram(keeps);
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
      if (this.#active === 0 && this.#inFlight.size > 0) {
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
      this.#handOver();
    }
  }

  /** Moves to children of the porter, whose replies come while this thread is blocked. The other children end once they are free. */
  #startPorter(): void {
    this.#porter = new Porter(() => this.#porter?.receive(), (message) => this.#break(new Error(message)));
    thisThread().services.add(this.#serve);
    for (const handle of [...this.#handles]) {
      const tasks: Task[] = [];
      for (let task = handle.handed.shift(); task !== undefined; task = handle.handed.shift()) tasks.push(task);
      const back = tasks.splice(tasks.length - handle.takeUnflushed());
      for (const task of tasks) handle.handed.push(task);
      for (const task of back.reverse()) {
        this.#inFlight.delete(task.taskId);
        (handle.posted.has(task) ? handle.own : this.#queue).unshift(task);
      }
      handle.superseded = true;
      this.#endIfSuperseded(handle);
    }
  }

  /** Ends a child that takes no more tasks and has none. */
  #endIfSuperseded(handle: ProcessHandle): void {
    if (!handle.superseded || handle.inFlight > 0 || !this.#handles.has(handle)) return;
    if (handle.state === "starting") handle.kill();
    else handle.send(END, 0);
    handle.flush();
    this.#leave(handle);
    this.#repost(handle);
  }

  /** Called while something blocks this thread. Returns the time until it must be called again, in milliseconds; 0 for at once. */
  readonly #serve = (): number => {
    const before = this.#finished + this.#handedOver;
    this.#taskEncoder.answerAll();
    this.#porter?.receive();
    this.#serving = true;
    this.#handOver();
    this.#serving = false;
    if (this.#aborts.untilNext() < Infinity) this.#aborts.check();
    if (this.#deadline + GRACE <= this.#now()) this.#endOverdue();
    let next = Math.min(this.#aborts.untilNext(), this.#deadline + GRACE - this.#now());
    next = Math.min(next, this.#lookForSilence());
    return this.#finished + this.#handedOver !== before ? 0 : Math.max(1, next);
  };

  // Ending.

  /** Lets the children end that have nothing to do. */
  #endChildren(): void {
    for (const handle of [...this.#handles]) {
      if (handle.state === "starting") handle.kill();
      else handle.send(END, 0);
      handle.flush();
      this.#leave(handle);
    }
  }

  #endAll(): void {
    this.#stopTimers();
    for (const handle of this.#handles) handle.keepProgram(true); // until they are gone, as somebody may wait for that
    this.#endChildren();
    if (this.#life.hasEnded) return;
    // The end of a child that this thread has started itself cannot be noticed while the thread is blocked.
    for (const { superseded } of this.#ending) if (!this.#blocking || !superseded) return;
    this.#porter?.end();
    thisThread().services.delete(this.#serve);
    this.#life.ended();
  }

  #stopTimers(): void {
    this.#idle.stop();
    this.#aborts.stop();
    for (const timer of [this.#restTimer, this.#silenceTimer, this.#deadlineTimer]) clearTimeout(timer);
    this.#restTimer = this.#silenceTimer = this.#deadlineTimer = undefined;
  }

  /** Kills the children, and settles all pending tasks. */
  #abandon(): void {
    const pending = [...this.#inFlight.values(), ...this.#takeQueued(), ...this.#encoding];
    this.#inFlight.clear();
    this.#stopTimers();
    for (const handle of [...this.#handles]) {
      this.#leave(handle);
      handle.kill();
    }
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
    this.#life.prepareToBlock(this.#encoding.length > 0);
    this.#afterWork();
    return this.#life.hasEnded || this.block(() => this.#life.hasEnded, deadline);
  }

  // Statistics.

  workers(): readonly WorkerInfo[] {
    return Array.from(this.#handles, ({ pid, name }) => ({ pid, name }));
  }

  stats(): SchedulerStats {
    let running = 0;
    let handed = 0;
    for (const handle of this.#handles) {
      running += handle.running.size;
      handed += handle.handed.size + handle.own.size;
    }
    return {
      workers: this.#handles.size,
      queued: this.#queue.size - this.#cancelled + handed,
      running,
      finished: this.#finished,
      zombies: 0,
      startFailures: this.#startFailures,
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
