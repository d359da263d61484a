/**
 * The program of a worker: claims tasks, runs them, replies.
 *
 * It is bundled into one self-contained text (`program_gen.ts`, by `deno task build`), since a worker started from a
 * `data:` URL needs no permission, and cannot import other files.
 *
 * A worker has one task at a time. Between tasks it parks on its control block, where a wake-up costs microseconds. But a parked
 * worker runs no timers and no promises, so after {@linkcode LINGER} without a task it goes back to its event loop. During a long
 * run of tasks it goes there every {@linkcode TURN}.
 *
 * @module
 */

import { SerializationError } from "../../errors.ts";
import { hasNodeModules, waitAsyncWakes } from "../../base/platform.ts";
import { receiveMessage } from "../../sync/internal/resource_sharer.ts";
import "../../sync/internal/current_process.ts"; // so that functions of tasks can call it by its name
import "../../sync/internal/current_task.ts"; // likewise
import { atomics } from "../../sync/internal/atomics.ts";
import "../../sync/mod.ts"; // so that shared objects can be decoded here from their handles
import { thisThread } from "../../sync/internal/current_thread.ts";
import { LISTENING, type SlotHeader, SubmissionRing } from "../shared/submission_ring.ts";
import { ControlBlock } from "../shared/control_block.ts";
import { FETCHING, NONE } from "../../scheduler/messages.ts";
import { CallerLink } from "./caller_link.ts";
import { Decoder, sourceOf } from "../../codec/decoder.ts";
import { NOTHING_ENCODED } from "../../codec/encoded.ts";
import { readCopies } from "../../codec/text.ts";
import { EMPTY_ENVIRONMENT, type FunctionSpec, TASK_URL } from "../../codec/functions.ts";
import type { AnyFunction } from "../../base/values.ts";
import { rememberRuntime } from "../../codec/runtime_functions.ts";
import { FAILURE, GIVEN_UP, RETIRING, type Setup, type TaskHeader, UNCAUGHT } from "../../scheduler/messages.ts";
import {
  CHILDREN,
  EXITING,
  type Init,
  LACKS_ARGUMENTS,
  LACKS_EXPORT,
  LACKS_FUNCTION,
  NEED_PAYLOAD,
  PAYLOAD_BY_MESSAGE,
  type ToWorker,
} from "../shared/messages.ts";
import type { Payload } from "../../codec/payload.ts";
import { Children } from "../../runner/children.ts";
import { enterThread } from "./enter_thread.ts";
import { ProgramEntry } from "../../runner/program_entry.ts";
import { lockDown } from "../../runner/lockdown.ts";
import { Preparation } from "../../runner/preparation.ts";
import { ReadingLimit } from "../../runner/reading_limit.ts";
import { ReplyEncoder } from "../../runner/reply_encoder.ts";
import { type KnownFunction, KnownFunctions } from "../../runner/known_functions.ts";
import { afterTask, TaskRun } from "../../runner/task_run.ts";
import { trimStack } from "../../runner/stack.ts";
import { ASLEEP, POSTED, STOPPED, TaskSearch } from "./task_search.ts";
import { MODES } from "../../scheduler/task.ts";
import { type Progress, type RunnerHost, TaskRunner } from "../../runner/task_runner.ts";
import { timers } from "../../runner/timers.ts";
import { watchForEnd } from "../../runner/exit_hooks.ts";

/** The time for which an idle worker stays parked, in milliseconds. While tasks follow closely, each finds the worker parked. */
const LINGER = 2;
/** The time for which a worker runs tasks before its event loop gets a turn, in milliseconds. */
const TURN = 8;

// Captured early, as a task may replace them.
const { MessageChannel } = globalThis;
const wake = (self as unknown as { postMessage(message: null): void }).postMessage.bind(self);
const { now } = Date;
const { clock } = atomics;

/** The outcome of a task that was aborted before it began, for which nobody waits any more. */
const NOT_WANTED = "aborted";

class Program {
  readonly #submissions: SubmissionRing;
  readonly #control: ControlBlock;
  readonly #link: CallerLink;
  readonly #port: MessagePort;
  readonly #number: number;
  readonly #name: string;
  readonly #ringParent: () => void;
  readonly #epoch: number;
  readonly #decoder = new Decoder(
    () => this.#environment,
    true,
    (spec, environment) => this.#reading.compile(spec, environment),
  );
  readonly #replyEncoder: ReplyEncoder;
  readonly #functions = new KnownFunctions();
  readonly #inbox: { header: TaskHeader; payload: Payload }[] = [];
  /** The channel for one turn of the event loop: a message posted to it comes back in the next turn. */
  readonly #yieldChannel = new MessageChannel();
  readonly #search: TaskSearch;
  #environment = EMPTY_ENVIRONMENT;
  /** The task under way. */
  #run: TaskRun | undefined;
  /** The tasks that await while this worker may begin others. The calling side knows of each. */
  readonly #awaiting = new Set<TaskRun>();
  /** The number of tasks that may be begun at the same time. */
  #concurrency = 1;
  /** The function of the last task. */
  #last: FunctionSpec | undefined;
  /** True if the target of a process has returned. The reply follows once all children have ended. */
  #returned = false;
  /** The processes that were started here and have to end before this worker does. */
  readonly #children = new Children((detail) => {
    this.#link.send(CHILDREN, 0, detail, NOTHING_ENCODED);
    if (this.#returned) this.#yieldChannel.port2.postMessage(null);
  });
  readonly #entry = new ProgramEntry(() => this.#recover());
  readonly #runner: TaskRunner;
  /** The number of tasks that this worker still takes; below 1 for any number. */
  #rest = 0;
  #trace = false;
  #mail = 0;
  /** The time when the event loop had its last turn. */
  #turn = 0;
  /** True if the next turn of the event loop is due. */
  #due = false;
  /** True if the worker is ready for tasks, and not running one. */
  #free = false;
  /** True if the worker has begun to look for tasks. */
  #started = false;
  /** True if the worker takes no more tasks. */
  #retired = false;
  /** The task that waits for its payload. */
  #fetching: SlotHeader | undefined;
  #fetchedArgs: readonly unknown[] | undefined;
  readonly #reading: ReadingLimit;
  /** The tasks that were aborted and have not begun. */
  readonly #aborted = new Set<number>();

  constructor(init: Init) {
    this.#submissions = new SubmissionRing(init.submissions);
    this.#control = new ControlBlock(init.control);
    this.#control.arrive();
    this.#port = init.port;
    this.#number = init.number;
    this.#search = new TaskSearch({
      submissions: this.#submissions,
      control: this.#control,
      number: init.number,
      // A worker that is parked runs no timers, which the tasks that await may need.
      linger: () => this.#awaiting.size > 0 ? 0 : LINGER,
      hasMail: () => this.#hasMail(),
      wakeCaller: () => this.#link.wakeCaller(),
    });
    this.#name = init.name;
    this.#epoch = init.epoch;
    this.#reading = new ReadingLimit(this.#control, init.epoch);
    this.#runner = new TaskRunner(this.#runnerHost(init.epoch));
    this.#replyEncoder = new ReplyEncoder(() => clock() - init.epoch);
    this.#link = new CallerLink(init, {
      submissions: this.#submissions,
      control: this.#control,
      replyEncoder: this.#replyEncoder,
      wake,
      ringParent: () => this.#ringParent(),
    });
    this.#port.onmessage = (event) => this.#entry.enter(() => this.#receive(event.data));
    this.#port.onmessageerror = () => this.#entry.enter(() => this.#lostPayload());
    this.#yieldChannel.port1.onmessage = () =>
      this.#entry.enter(() => this.#returned ? this.#endProcess() : this.#runLoop());
    this.#ringParent = enterThread(init, {
      stopped: () => this.#control.stopped,
      environment: () => this.#environment,
      post: (note) => this.#link.post(note, []),
      wakeParent: this.#wakeParent,
      childrenChanged: (count) => this.#children.note(count),
    });
    thisThread().task = () => this.#run?.current;
  }

  /** Wakes the calling thread, which may sleep in its event loop, or in a call of its pool. */
  readonly #wakeParent = (): void => {
    if (this.#submissions.wakeCaller(this.#control) === LISTENING || !waitAsyncWakes()) wake(null);
  };

  async start({ setup: payload, limit }: Init): Promise<void> {
    this.#entry.crash = watchForEnd(this.#name, {
      farewell: (code) => {
        this.#retired = true;
        this.#link.send(EXITING, 0, code, NOTHING_ENCODED);
        if (this.#started) this.#control.leave();
      },
      uncaught: (error) => this.#uncaught(error),
    });
    try {
      const preparation = new Preparation(this.#control, this.#epoch, limit, this.#name);
      const { setup, environment } = await preparation.run(() => this.#unpack(payload) as Setup);
      this.#environment = environment;
      this.#concurrency = setup.concurrency;
      this.#rest = setup.maxTasks;
      this.#trace = setup.trace;
      this.#replyEncoder.timed = setup.trace;
    } catch (error) {
      return this.#link.post(
        { type: "broken", payload: this.#replyEncoder.payload(this.#replyEncoder.error(error)) },
        [],
      );
    }
    this.#free = true;
    this.#started = true;
    this.#entry.enter(() => this.#runLoop());
  }

  /** See `EndListener`. A running task may wait for the code that has failed: then only this error can end it. */
  #uncaught(error: unknown): string | undefined {
    trimStack(error, this.#environment);
    // Of several tasks that await, any one: they all fail with this worker.
    const run = this.#run ?? this.#awaiting.values().next().value;
    if (run === undefined && this.#started) {
      return afterTask(this.#last);
    }
    this.#retired = true;
    const encoded = this.#replyEncoder.uncaught(error);
    if (run === undefined) this.#link.post({ type: "broken", payload: this.#replyEncoder.payload(encoded) }, []);
    else this.#link.send(UNCAUGHT, run.header.taskId, this.#last === undefined ? 0 : 1, encoded);
    if (this.#started) this.#control.leave();
  }

  /** Ends the task that was interrupted, and takes no other: the ports may receive nothing any more. */
  #recover(): void {
    const run = this.#run;
    this.#retired = true;
    if (!this.#entry.failInterrupted(run)) return;
    if (this.#runner.run(run) === "done") this.#control.leave();
  }

  #runnerHost(epoch: number): RunnerHost {
    return {
      epoch,
      lateInterruption: this.#entry.lateInterruption,
      setDeadline: (run, time) => {
        run.deadline = time;
        this.#tellDeadline();
      },
      suspend: (run) => {
        if (this.#concurrency > 1) return this.#setAside(run);
        this.#free = false;
        this.#control.setAwaiting();
      },
      resume: (run, step) =>
        this.#entry.enter(() => {
          // The calling side may have woken this worker for a task on the ring, which this one could keep waiting.
          if (this.#control.becomeBusy() && this.#submissions.hasTasks()) this.#link.wakeCaller();
          this.#startTurn();
          this.#run = run;
          const progress = step();
          if (progress === "suspended" && this.#concurrency === 1) return;
          this.#run = undefined;
          if (this.#fetching !== undefined) return this.#control.setTurning();
          this.#free = this.#hasRoom;
          if (this.#free) this.#runLoop();
          else this.#control.setAwaiting();
        }),
      retire: () => {
        this.#retired = true;
      },
      end: (run) => this.#end(run),
    };
  }

  // Several tasks at once.

  /** True if this worker may begin another task. */
  get #hasRoom(): boolean {
    const { size } = this.#awaiting;
    return size < this.#concurrency && (this.#rest <= 0 || size < this.#rest) && !(this.#retired && size > 0);
  }

  /** Called when a task awaits and others may be begun meanwhile. */
  #setAside(run: TaskRun): void {
    const first = !this.#awaiting.has(run);
    if (first || run.limit !== 0) {
      this.#awaiting.add(run);
      // Before the task leaves the control block: at each moment the caller finds it there or among the records.
      this.#link.sendAwaits(run.header.taskId, run.deadline | 0);
      this.#control.setAside(this.#awaiting.size);
      if (first) this.#control.finish();
    }
    this.#run = undefined;
    this.#tellDeadline();
    this.#checkTurn();
    this.#free = this.#hasRoom;
    if (!this.#free) this.#control.setAwaiting();
  }

  /** Tells the calling side when the first of the tasks under way must have ended. */
  #tellDeadline(): void {
    let first = this.#run?.deadline ?? 0;
    for (const { deadline } of this.#awaiting) {
      if (deadline !== 0 && (first === 0 || deadline < first)) first = deadline;
    }
    if (first === 0) this.#control.clearDeadline();
    else this.#control.setDeadline(first);
  }

  // Getting tasks.

  /** Runs tasks until there are none, one goes on asynchronously, or a turn of the event loop is due. */
  #runLoop(): void {
    if (!this.#free) return;
    this.#startTurn();
    this.#control.countLook();
    this.#search.begin();
    while (!this.#retired && this.#free) {
      const found = this.#search.next();
      if (found === STOPPED) return this.#control.leave();
      if (found === ASLEEP) return;
      if (!(found === POSTED ? this.#takeMail() : this.#readSlot(found))) return;
      if (!this.#due) continue;
      // A worker that was terminated meanwhile never comes back from its event loop to say that it has left.
      if (this.#control.stopped) return this.#control.leave();
      return this.#yield();
    }
    if (!this.#retired) return; // all that it may begin is begun
    if (this.#awaiting.size > 0) return this.#control.setAwaiting();
    this.#control.leave();
  }

  #startTurn(): void {
    this.#turn = now();
    this.#due = false;
  }

  /** Returns whether a turn of the event loop is due. */
  #checkTurn(): boolean {
    return this.#due = now() - this.#turn >= TURN;
  }

  /** Schedules the next run of the loop after a turn of the event loop. */
  #yield(): void {
    this.#control.setTurning();
    this.#yieldChannel.port2.postMessage(null);
  }

  /**
   * Returns whether a task was posted to this worker, even if the event loop has not delivered it yet. A message can even come
   * before it is counted.
   */
  #hasMail(): boolean {
    return this.#inbox.length > 0 || ((this.#control.mail - this.#mail) | 0) > 0;
  }

  /** Begins a task that was posted. Returns false if the worker cannot go on to another one. */
  #takeMail(): boolean {
    if (this.#inbox.length === 0) this.#pull();
    const posted = this.#inbox.shift();
    if (posted === undefined) {
      this.#control.setTurning(); // the event loop still has to deliver the message
      return false;
    }
    this.#control.setBusy();
    this.#control.hold(posted.header.taskId);
    return this.#begin(posted.header, posted.payload);
  }

  /** Takes the messages that the event loop has not delivered yet, if it has not got hold of them. */
  #pull(): void {
    if (!hasNodeModules()) return;
    for (let next = receiveMessage(this.#port); next !== undefined; next = receiveMessage(this.#port)) {
      const message = next.message as ToWorker;
      if (message?.type === "abort") this.#abort(message.taskId, message.payload);
      if (message?.type !== "task") continue; // the others wake a worker that sleeps, or answer one that waits
      this.#mail++;
      this.#inbox.push(message);
    }
  }

  #receive(message: ToWorker): void {
    if (message?.type === "task") {
      this.#mail++;
      this.#inbox.push(message);
    } else if (message?.type === "abort") {
      return this.#abort(message.taskId, message.payload);
    } else if (message?.type === "payload") {
      const header = this.#fetching;
      if (header === undefined || header.taskId !== message.taskId) return;
      this.#fetching = undefined;
      this.#free = true;
      this.#control.setStage(NONE);
      this.#control.setBusy();
      if (!this.#begin(header, message.payload)) return;
    } else if (message?.type === "drop") {
      if (this.#fetching?.taskId !== message.taskId) return;
      this.#fetching = undefined;
      this.#fetchedArgs = undefined;
      this.#control.setStage(NONE);
      this.#control.finish();
      this.#free = true;
    }
    this.#runLoop();
  }

  // Aborts.

  /** Aborts a task. It may be over, or not begun. */
  #abort(taskId: number, payload: Payload): void {
    let reason: unknown;
    try {
      reason = this.#unpack(payload);
    } catch {
      reason = undefined; // an error of the kind that a signal has by default says as much
    }
    const run = this.#run?.header.taskId === taskId
      ? this.#run
      : [...this.#awaiting].find(({ header }) => header.taskId === taskId);
    if (run !== undefined) run.abort(reason);
    else this.#aborted.add(taskId);
  }

  /** Returns whether a task that has not begun was aborted. */
  #wasAborted(taskId: number): boolean {
    const aborted = this.#aborted.delete(taskId) || this.#control.aborted === taskId;
    // The messages that have come are about tasks that ended before, unless they wait here.
    if (this.#inbox.length === 0) this.#aborted.clear();
    return aborted;
  }

  /** Learns whether a task was aborted, from code that may never come back to the event loop. */
  readonly #lookForAbort = (run: TaskRun): void => {
    if (run.isAborted || this.#control.aborted !== run.header.taskId) return;
    this.#pull();
    if (!run.isAborted) run.abort(undefined); // the event loop has got hold of the message
  };

  readonly #compileTask = (spec: FunctionSpec): AnyFunction => this.#reading.compile(spec, this.#environment, TASK_URL);

  /** Reads a claimed task. Returns true if the worker can go on to another one. */
  #readSlot(slot: number): boolean {
    const header = this.#submissions.header(slot);
    let content: unknown;
    let failure: unknown;
    const remote = (header.mode & PAYLOAD_BY_MESSAGE) !== 0;
    if (!remote) {
      this.#reading.start(header);
      try {
        const at = this.#submissions.payloadAt(slot); // may renew the source
        content = this.#decoder.decode(this.#submissions.source, at, []);
      } catch (error) {
        failure = error;
      }
    }
    // Held before the slot is freed: at each moment the caller finds the task in the control block or in the slot.
    this.#control.hold(header.taskId);
    if (!this.#submissions.release(slot, this.#number)) {
      this.#reading.fail(undefined);
      this.#control.finish();
      return true;
    }
    if (failure !== undefined) return this.#refuse(header, failure);
    if (!remote) return this.#startTask(header, content);
    return this.#fetch(header, this.#functions.get(header.fn), undefined);
  }

  /** Reads and starts a task whose payload came by message. Returns true if the worker can go on to another one. */
  #begin(header: TaskHeader, payload: Payload): boolean {
    let content: unknown;
    this.#reading.start(header);
    try {
      content = this.#unpack(payload);
    } catch (error) {
      return this.#refuse(header, error);
    }
    return this.#startTask(header, content);
  }

  #startTask(header: TaskHeader, content: unknown): boolean {
    const [spec, args] = content as [FunctionSpec | undefined, readonly unknown[] | undefined];
    let fn = this.#functions.get(header.fn);
    if (spec !== undefined) {
      try {
        fn = this.#functions.learn(header.fn, spec, this.#environment, this.#compileTask);
      } catch (error) {
        return this.#refuse(header, error);
      }
    }
    const given = args ?? this.#fetchedArgs;
    if (fn === undefined || fn.unsure || given === undefined) return this.#fetch(header, fn, given);
    this.#fetchedArgs = undefined;
    if (this.#control.anyAborted && this.#wasAborted(header.taskId)) return this.#refuse(header, NOT_WANTED);
    const read = this.#reading.stop();
    if (!this.#control.begin(header.taskId)) {
      this.#control.finish();
      return true;
    }
    this.#run = new TaskRun(
      header,
      MODES[header.mode & ~PAYLOAD_BY_MESSAGE]!,
      fn,
      this.#environment,
      given,
      this.#trace ? clock() - this.#epoch : 0,
      read,
      this.#lookForAbort,
    );
    return this.#runner.run(this.#run) === "done" || this.#free;
  }

  /** Asks the caller for the parts that a task lacks. Always returns false: the answer comes through the event loop. */
  #fetch(header: TaskHeader, fn: KnownFunction | undefined, args: readonly unknown[] | undefined): false {
    const lacks = args === undefined
      ? LACKS_ARGUMENTS | (fn === undefined ? LACKS_FUNCTION : 0)
      : fn === undefined
      ? LACKS_FUNCTION
      : LACKS_EXPORT;
    this.#reading.interrupt();
    this.#fetching = header;
    this.#fetchedArgs = args;
    this.#free = false;
    this.#control.setStage(FETCHING);
    this.#link.send(NEED_PAYLOAD, header.taskId, lacks, NOTHING_ENCODED);
    this.#control.setTurning();
    return false;
  }

  /** Called when a message could not be read at all. If a task waits for its payload, the message was that payload. */
  #lostPayload(): void {
    const header = this.#fetching;
    if (header === undefined) return void this.#mail++;
    this.#fetching = undefined;
    this.#free = true;
    this.#control.setStage(NONE);
    this.#refuse(header, new SerializationError("Cannot read the arguments of the task in the worker"));
    this.#runLoop();
  }

  /** Fails a task that cannot be begun. Always returns true: the worker goes on. */
  #refuse(header: TaskHeader, error: unknown): boolean {
    this.#fetchedArgs = undefined;
    const reason = this.#reading.fail(error);
    trimStack(reason, this.#environment);
    if (this.#control.begin(header.taskId)) {
      this.#link.reply(header.taskId, FAILURE, this.#replyEncoder.error(reason), 0);
    }
    this.#control.finish();
    this.#checkTurn();
    return true;
  }

  // Replying.

  /** Replies to the caller. A process first waits for the work that its target has left behind. */
  #end(run: TaskRun): Progress {
    if (run.mode === "run") {
      if (!this.#returned) return this.#return();
      run.results[0] = undefined;
    }
    const aside = this.#awaiting.delete(run);
    let detail = this.#retired && this.#awaiting.size === 0 ? GIVEN_UP : 0;
    if (--this.#rest === 0) {
      this.#retired = true;
      detail ||= RETIRING;
    }
    this.#last = run.fn.spec;
    const encoded = run.isOneCall ? this.#replyEncoder.result(run) : this.#replyEncoder.chunk(run);
    const { kind } = this.#replyEncoder;
    // Before the reply, as the caller may have the next task at once. No code of the user runs before the next look for tasks.
    const ready = !this.#checkTurn() && !this.#retired && this.#fetching === undefined;
    if (ready && !this.#hasMail()) this.#search.begin();
    this.#link.reply(run.header.taskId, kind, encoded, detail);
    this.#run = undefined;
    if (aside) this.#control.setAside(this.#awaiting.size);
    else this.#control.finish();
    if (this.#concurrency > 1) this.#tellDeadline();
    return "done";
  }

  /** Called when the target of a process has returned or thrown. Code that it left in this turn of the event loop may still fail. */
  #return(): Progress {
    this.#returned = true;
    this.#free = false;
    this.#control.setAwaiting();
    // A timer, as Deno 2.5 delivers messages before it reports an unhandled rejection.
    timers.set()(() => this.#entry.enter(() => this.#endProcess()), 0);
    return "suspended";
  }

  /** Ends a process, unless processes that it has started still run. */
  #endProcess(): void {
    const run = this.#run;
    if (run === undefined || this.#children.any) return;
    this.#control.setBusy();
    this.#end(run);
    this.#free = true;
    this.#runLoop();
  }

  #unpack(payload: Payload): unknown {
    return this.#decoder.decode(sourceOf(new Uint8Array(payload.bytes)), 0, payload.refs);
  }
}

declare const self: {
  readonly name: string | undefined;
  onmessage: ((event: MessageEvent<Init>) => void) | null;
};

lockDown();
rememberRuntime();
readCopies();
self.onmessage = (event): void => {
  self.onmessage = null;
  void new Program(event.data).start(event.data);
};
