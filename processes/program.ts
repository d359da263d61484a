/**
 * The program of a child process: reads tasks from its standard input, runs them, replies in pieces on its standard error.
 *
 * It is bundled into one text (`program_gen.ts`, by `deno task build`), which comes first on the standard input.
 *
 * A child has the requests that were sent to it in order, and begins one after the other. Between tasks it blocks in a call that
 * reads, where a request reaches it in microseconds. A child that is told to rest waits in its event loop instead, where timers
 * and promises that tasks have left behind go on. During a long run of tasks it goes there every {@linkcode TURN}.
 *
 * The calling side must know which tasks have begun, as no task may run twice. A reply says whether the child has another task
 * already, which it then begins. If not, the child writes BEGIN for the next one. When more than {@linkcode SLOW} has passed since
 * the last reply or BEGIN, the child begins none of the tasks that it has: it drops them, and says so, since others may be free for
 * them. So the calling side may give them to others as soon as it has heard nothing for longer than that.
 *
 * @module
 */

import { BrokenProcessPoolError } from "../errors.ts";
import { atomics } from "../sync/internal/atomics.ts";
import "../sync/internal/current_process.ts"; // so that functions of tasks can call it by its name
import "../sync/internal/current_task.ts"; // likewise
import { thisThread } from "../sync/internal/current_thread.ts";
import { Decoder, sourceOf } from "../codec/decoder.ts";
import { NOTHING_ENCODED } from "../codec/encoded.ts";
import { messageOf } from "../codec/error_fields.ts";
import { EMPTY_ENVIRONMENT, type FunctionSpec, TASK_URL } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { rememberRuntime } from "../codec/runtime_functions.ts";
import { detachTransfers } from "../codec/transfer.ts";
import type { Encoded } from "../codec/encoded.ts";
import { SerializationError } from "../errors.ts";
import { Children } from "../runner/children.ts";
import { watchForEnd } from "../runner/exit_hooks.ts";
import { type KnownFunction, KnownFunctions } from "../runner/known_functions.ts";
import { ProgramEntry } from "../runner/program_entry.ts";
import { lockDown } from "../runner/lockdown.ts";
import { Preparation } from "../runner/preparation.ts";
import { ReadingLimit } from "../runner/reading_limit.ts";
import { ReplyEncoder } from "../runner/reply_encoder.ts";
import { trimStack } from "../runner/stack.ts";
import { afterTask, TaskRun } from "../runner/task_run.ts";
import { type Progress, type RunnerHost, TaskRunner } from "../runner/task_runner.ts";
import { timers } from "../runner/timers.ts";
import {
  type Delivery,
  FAILURE,
  type PreparationProgress,
  type Setup,
  type TaskHeader,
  UNCAUGHT,
} from "../scheduler/messages.ts";
import { MODES } from "../scheduler/task.ts";
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
  INIT,
  LACKS,
  LACKS_EXPORT,
  LACKS_FUNCTION,
  LONGEST,
  newFrame,
  nextEpoch,
  PAUSED,
  PAUSES,
  PieceWriter,
  PROTOCOL,
  READY,
  RequestReader,
  REST,
  RETIRES,
  TASK,
  WAITS,
} from "./frames.ts";
import { endStdin } from "./ended_stdin.ts";
import type { ChildInit } from "./launch.ts";

/** The time for which a child runs tasks before its event loop gets a turn, in milliseconds. */
const TURN = 8;
/** After a task that took longer than this, in milliseconds, the child drops the requests that it has not begun. */
const SLOW = 1;
/** The least time between two looks at the resident memory, in milliseconds: each takes about 20 µs. */
const MEMORY_LOOK = 10;

/** The standard streams and functions of the runtime, as they were before any task. */
interface Runtime {
  readonly version: { readonly deno: string };
  readonly pid: number;
  readonly stdin: { readSync(bytes: Uint8Array): number | null; read(bytes: Uint8Array): Promise<number | null> };
  readonly stderr: { writeSync(bytes: Uint8Array): number };
  exit(code?: number): never;
  memoryUsage(): { readonly rss: number };
}

declare const Deno: Runtime;

/** Imports the module of the user. */
type ImportModule = () => Promise<Readonly<Record<string, unknown>>>;

/** The parameter of the function that the text of this program becomes: see `bootstrap()` in `launch.ts`. */
declare const parallelImportModule: ImportModule | undefined;

const { clock } = atomics;
const { MessageChannel } = globalThis;
const { min } = Math;
const { stdin, stderr, memoryUsage } = Deno;
const readSync = stdin.readSync.bind(stdin);
const readSoon = stdin.read.bind(stdin);
const writeSync = stderr.writeSync.bind(stderr);
const exit: (code: number) => never = Deno.exit.bind(Deno);

class Program {
  readonly #init: ChildInit;
  readonly #requests: RequestReader;
  readonly #replies: PieceWriter;
  readonly #replyEncoder: ReplyEncoder;
  readonly #decoder = new Decoder(
    () => this.#environment,
    true,
    (spec, environment) => this.#reading.compile(spec, environment),
  );
  readonly #functions = new KnownFunctions();
  /** The functions that were sent and not used so far. */
  readonly #specs = new Map<number, Uint8Array>();
  readonly #frame = newFrame();
  /** The channel for one turn of the event loop. */
  readonly #yieldChannel = new MessageChannel();
  readonly #progress: PreparationProgress;
  readonly #reading: ReadingLimit;
  readonly #runner: TaskRunner;
  readonly #entry = new ProgramEntry(() => this.#recover());
  readonly #importModule: ImportModule | undefined;
  /** The processes that were started here and have to end before this one does. */
  readonly #children = new Children(() => this.#childrenChanged());
  #environment = EMPTY_ENVIRONMENT;
  #run: TaskRun | undefined;
  readonly #awaiting = new Set<TaskRun>();
  #concurrency = 1;
  #last: FunctionSpec | undefined;
  #returned = false;
  #rest = 0;
  #trace = false;
  /** True if the child may begin another task. */
  #free = false;
  #started = false;
  #retired = false;
  /** True if the child has to end as soon as its own child processes have ended. */
  #leaving = false;
  /** True while the child may block between tasks. */
  #hot = true;
  /** True while the event loop reads the next requests. */
  #listening = false;
  /** True if the calling side learns by BEGIN that the next task has begun. */
  #fresh = true;
  /** The number that requests must carry for the child to take them. It rises when the child drops some. */
  #epoch = 0;
  /** When the last reply or BEGIN was about to be written. */
  #since = 0;
  /** The number of the task that is read. */
  #readTask = 0;
  #turn = 0;
  /** The task that waits for its function or the name of an export. */
  #lacking: { readonly header: TaskHeader; readonly args: readonly unknown[] } | undefined;
  #fetchedArgs: readonly unknown[] | undefined;
  #looked = 0;
  readonly #memoryLimit: number;

  constructor(
    requests: RequestReader,
    init: ChildInit,
    importModule: ImportModule | undefined,
  ) {
    this.#init = init;
    this.#requests = requests;
    this.#importModule = importModule;
    this.#replies = new PieceWriter(init.magic, writeSync);
    this.#replyEncoder = new ReplyEncoder(() => clock() - init.epoch, "process");
    this.#progress = {
      setStage: () => {},
      setDeadline: (time) => this.#replies.send(DEADLINE, 0, time | 0, NOTHING_ENCODED),
      clearDeadline: () => this.#replies.send(DEADLINE, 0, 0, NOTHING_ENCODED),
    };
    this.#reading = new ReadingLimit({
      setStage: () => {},
      setDeadline: (time) => this.#replies.send(DEADLINE, this.#readTask, time | 0, NOTHING_ENCODED),
      clearDeadline: () => this.#replies.send(DEADLINE, this.#readTask, 0, NOTHING_ENCODED),
    }, init.epoch);
    this.#runner = new TaskRunner(this.#runnerHost());
    this.#memoryLimit = init.memoryLimit === 0 ? Infinity : memoryUsage().rss + init.memoryLimit * 2 ** 20;
    this.#yieldChannel.port1.onmessage = () =>
      this.#entry.enter(() => this.#returned ? this.#endProcess() : this.#runLoop());
    const thread = thisThread();
    thread.process = { name: init.name, pid: Deno.pid };
    Object.defineProperty(globalThis, "name", { value: init.name, configurable: true, writable: true });
    thread.environment = () => this.#environment;
    thread.task = () => {
      const run = this.#run ?? (this.#concurrency === 1 ? this.#awaiting.values().next().value : undefined);
      return run?.current;
    };
    thread.childrenChanged = () => this.#children.note(thread.children);
  }

  async start(setup: Uint8Array): Promise<void> {
    const { name, epoch, limit } = this.#init;
    this.#entry.crash = watchForEnd(name, { farewell: () => {}, uncaught: (error) => this.#uncaught(error) });
    try {
      const preparation = new Preparation(this.#progress, epoch, limit, name, this.#importModule);
      const { setup: { concurrency, maxTasks, trace }, environment } = await preparation.run(
        () => this.#decoder.decode(sourceOf(setup), 0, []) as Setup,
      );
      this.#environment = environment;
      this.#concurrency = concurrency;
      this.#rest = maxTasks;
      this.#trace = trace;
      this.#replyEncoder.timed = trace;
    } catch (error) {
      this.#replies.send(BROKEN, 0, 0, this.#replyEncoder.uncaught(error));
      return;
    }
    this.#started = true;
    this.#free = true;
    this.#replies.send(READY, 0, 0, NOTHING_ENCODED);
    this.#entry.enter(() => this.#runLoop());
  }

  /** See `EndListener`. A running task may wait for the code that has failed: then only this error can end it. */
  #uncaught(error: unknown): string | undefined {
    trimStack(error, this.#environment);
    const run = this.#run ?? this.#awaiting.values().next().value;
    if (run === undefined && this.#started) return afterTask(this.#last);
    this.#retired = true;
    const encoded = this.#replyEncoder.uncaught(error);
    if (run === undefined) this.#replies.send(BROKEN, 0, 0, encoded);
    else this.#replies.send(UNCAUGHT, run.header.taskId, this.#last === undefined ? 0 : 1, encoded);
  }

  /** Ends the task that was interrupted too late, and takes no other. */
  #recover(): void {
    const run = this.#run;
    this.#retired = true;
    if (!this.#entry.failInterrupted(run)) return;
    if (this.#runner.run(run) === "done") this.#leave();
  }

  #runnerHost(): RunnerHost {
    return {
      epoch: this.#init.epoch,
      lateInterruption: this.#entry.lateInterruption,
      setDeadline: (run, time) => {
        run.deadline = time;
        this.#replies.send(DEADLINE, run.header.taskId, time | 0, NOTHING_ENCODED);
      },
      suspend: (run) => {
        this.#awaiting.add(run);
        this.#run = undefined;
        this.#free = this.#hasRoom;
      },
      resume: (run, step) =>
        this.#entry.enter(() => {
          this.#startTurn();
          this.#run = run;
          if (step() === "suspended") return;
          this.#run = undefined;
          this.#free = this.#hasRoom;
          this.#runLoop();
        }),
      retire: () => {
        this.#retired = true;
      },
      end: (run) => this.#end(run),
    };
  }

  /** True if this child may begin another task. */
  get #hasRoom(): boolean {
    const { size } = this.#awaiting;
    return size < this.#concurrency && (this.#rest <= 0 || size < this.#rest) && !(this.#retired && size > 0) &&
      this.#lacking === undefined;
  }

  // Getting tasks.

  #startTurn(): void {
    this.#turn = clock();
  }

  /** Runs tasks until there are none, one goes on asynchronously, or a turn of the event loop is due. */
  #runLoop(): void {
    this.#startTurn();
    while (!this.#retired || this.#lacking !== undefined) {
      const found = this.#free ? this.#requests.next(this.#frame) : this.#requests.nextControl(this.#frame);
      if (!found) {
        if (this.#listening) return;
        if (!this.#hot || !this.#free || this.#awaiting.size > 0 || this.#leaving) return this.#listen();
        this.#read(readSync(this.#requests.room()));
        continue;
      }
      this.#take(this.#frame);
      if (clock() - this.#turn >= TURN) return this.#yield();
    }
    if (this.#awaiting.size === 0) this.#leave();
    else this.#listen();
  }

  /** Schedules the next run of the loop after a turn of the event loop. */
  #yield(): void {
    this.#yieldChannel.port2.postMessage(null);
  }

  /** Reads the next requests in the event loop. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    readSoon(this.#requests.room()).then((count) => {
      this.#listening = false;
      this.#entry.enter(() => {
        this.#read(count);
        this.#runLoop();
      });
    }, (error) => this.#entry.crash(error));
  }

  /** Called when so many bytes of requests were read. The end of the input means that the calling side is gone. */
  #read(count: number | null): void {
    if (count === null) return exit(0);
    this.#requests.advance(count);
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case TASK:
        return this.#takeTask(frame);
      case FUNCTION:
        this.#specs.set(frame.taskId, frame.bytes.slice(frame.at, frame.at + frame.size));
        if (this.#lacking?.header.fn === frame.taskId) this.#goOn();
        return;
      case EXPORT:
        if (this.#lacking?.header.taskId === frame.taskId) this.#goOn(this.#spec(frame.bytes, frame.at));
        return;
      case DROP:
        if (this.#lacking?.header.taskId !== frame.taskId) return;
        this.#lacking = undefined;
        this.#free = this.#hasRoom;
        return;
      case ABORT:
        return this.#abort(frame);
      case REST:
        this.#hot = false;
        return;
      case END:
        this.#leaving = true;
        this.#hot = false;
        return this.#endNow();
    }
  }

  /** Aborts a task that goes on asynchronously. Any other one has ended. */
  #abort(frame: Frame): void {
    for (const run of this.#awaiting) {
      if (run.header.taskId !== frame.taskId) continue;
      run.abort(this.#decoder.decode({ bytes: frame.bytes, view: viewOf(frame.bytes) }, frame.at, []));
    }
  }

  #childrenChanged(): void {
    if (this.#children.any) return;
    if (this.#leaving) exit(0);
    if (this.#returned) this.#yield();
  }

  #takeTask(frame: Frame): void {
    if (frame.detail >> 2 !== this.#epoch) return; // dropped before it came
    const mode = frame.detail & 3;
    const { taskId, fn, limit, first } = frame;
    this.#hot = true;
    let header: TaskHeader = { taskId, fn, mode, limit, first };
    if (this.#fresh) {
      this.#since = clock();
      this.#replies.send(BEGIN, taskId, 0, NOTHING_ENCODED);
      this.#fresh = this.#concurrency > 1;
    } else if (clock() - this.#since > SLOW) {
      this.#pause();
      return this.#replies.send(PAUSED, 0, this.#epoch, NOTHING_ENCODED);
    }
    this.#readTask = taskId;
    let args: readonly unknown[];
    this.#reading.start(header);
    try {
      let delivery: Delivery | undefined;
      [delivery, args] = this.#decoder.decode({ bytes: frame.bytes, view: viewOf(frame.bytes) }, frame.at, []) as [
        Delivery | undefined,
        readonly unknown[],
      ];
      if (delivery !== undefined) header = { ...header, delivery };
    } catch (error) {
      return this.#refuse(header, error);
    }
    this.#startTask(header, args, undefined);
  }

  /** Drops the tasks that were not begun. */
  #pause(): void {
    this.#epoch = nextEpoch(this.#epoch);
    this.#fresh = true;
  }

  #spec(bytes: Uint8Array, at: number): FunctionSpec {
    const [spec] = this.#decoder.decode({ bytes, view: viewOf(bytes) }, at, []) as [FunctionSpec];
    return spec;
  }

  readonly #compileTask = (spec: FunctionSpec): AnyFunction => this.#reading.compile(spec, this.#environment, TASK_URL);

  #startTask(header: TaskHeader, args: readonly unknown[], answer: FunctionSpec | undefined): void {
    let fn: KnownFunction | undefined;
    try {
      fn = this.#functionOf(header.fn, answer);
    } catch (error) {
      return this.#refuse(header, error);
    }
    if (fn === undefined || fn.unsure) {
      this.#reading.interrupt();
      this.#lacking = { header, args };
      this.#free = false;
      this.#pause();
      const lacks = fn === undefined ? LACKS_FUNCTION : LACKS_EXPORT;
      return this.#replies.send(LACKS, header.taskId, lacks, NOTHING_ENCODED);
    }
    const read = this.#reading.stop();
    const started = this.#trace ? clock() - this.#init.epoch : 0;
    const run = this.#run = new TaskRun(header, MODES[header.mode]!, fn, this.#environment, args, started, read);
    this.#runner.run(run);
  }

  #functionOf(number: number, answer: FunctionSpec | undefined): KnownFunction | undefined {
    if (answer !== undefined) return this.#functions.learn(number, answer, this.#environment, this.#compileTask);
    const known = this.#functions.get(number);
    if (known !== undefined) return known;
    const bytes = this.#specs.get(number);
    if (bytes === undefined) return undefined;
    const fn = this.#functions.learn(number, this.#spec(bytes, 0), this.#environment, this.#compileTask);
    this.#specs.delete(number); // only now: whoever sends the function again gets the same error
    return fn;
  }

  /** Called when the answer for the task that lacks a part has come. */
  #goOn(answer?: FunctionSpec): void {
    const { header, args } = this.#lacking!;
    this.#lacking = undefined;
    this.#free = true;
    this.#readTask = header.taskId;
    this.#reading.start(header);
    this.#startTask(header, args, answer);
  }

  /** Fails a task that cannot be begun. */
  #refuse(header: TaskHeader, error: unknown): void {
    const reason = this.#reading.fail(error);
    trimStack(reason, this.#environment);
    this.#reply(FAILURE, header.taskId, this.#replyEncoder.error(reason), 0);
  }

  // Replying.

  /** Ends a task. A process first waits for the work that its target has left behind. */
  #end(run: TaskRun): Progress {
    if (run.mode === "run") {
      if (!this.#returned) return this.#return(run);
      run.results[0] = undefined;
    }
    this.#awaiting.delete(run);
    const givesUp = this.#retired;
    if (--this.#rest === 0 || this.#isTooLarge()) this.#retired = true;
    // Tasks that await, or lack a part, still reply: the calling side goes by the last reply.
    const isLast = this.#awaiting.size === 0 && this.#lacking === undefined;
    const flags = !this.#retired ? 0 : givesUp && isLast ? GIVES_UP : RETIRES;
    this.#last = run.fn.spec;
    const encoded = run.isOneCall ? this.#replyEncoder.result(run) : this.#replyEncoder.chunk(run);
    this.#reply(this.#replyEncoder.kind, run.header.taskId, encoded, flags);
    this.#run = undefined;
    return "done";
  }

  #reply(kind: number, taskId: number, encoded: Encoded, flags: number): void {
    const since = this.#since;
    const now = clock();
    this.#since = now;
    if (this.#concurrency > 1) {
      flags |= DRAINED; // BEGIN comes with each task
    } else if (now - since > SLOW) {
      this.#pause();
      flags |= PAUSES;
    } else if (!this.#requests.hasTask()) {
      this.#fresh = true;
      flags |= DRAINED;
    }
    const detail = flags | min(LONGEST, (now - since) * 1000 | 0) << DURATION_SHIFT;
    if (encoded.transfers.length > 0) {
      try {
        detachTransfers(encoded); // it is copied, and gone here all the same, as with any other worker
      } catch (cause) {
        const reason = new SerializationError(`Cannot send the result of the task: ${messageOf(cause)}`, { cause });
        return this.#replies.send(FAILURE, taskId, detail, this.#replyEncoder.error(reason));
      }
    }
    this.#replies.send(kind, taskId, detail, encoded);
  }

  /** Returns whether the resident memory is above the limit. */
  #isTooLarge(): boolean {
    if (this.#memoryLimit === Infinity) return false;
    const now = clock();
    if (now - this.#looked < MEMORY_LOOK) return false;
    this.#looked = now;
    return memoryUsage().rss > this.#memoryLimit;
  }

  /** Called when the target of a process has returned or thrown. Code that it left in this turn of the event loop may still fail. */
  #return(run: TaskRun): Progress {
    this.#returned = true;
    this.#free = false;
    this.#awaiting.add(run);
    timers.set()(() => this.#entry.enter(() => this.#endProcess()), 0);
    return "suspended";
  }

  /** Ends a process, unless processes that it has started still run. */
  #endProcess(): void {
    const run = this.#run ?? this.#awaiting.values().next().value;
    if (run === undefined || this.#children.any) return;
    this.#end(run);
    this.#free = true;
    this.#runLoop();
  }

  /** Ends this process, after its own child processes. */
  #leave(): void {
    this.#leaving = true;
    this.#endNow();
    this.#listen();
  }

  /** Ends this process, unless its own child processes still run. */
  #endNow(): void {
    if (!this.#children.any) exit(0);
    this.#replies.send(WAITS, 0, 0, NOTHING_ENCODED);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Runs the program. `importModule` imports the user's module, if there is one. */
function main(importModule: ImportModule | undefined): void {
  const requests = new RequestReader();
  const frame = newFrame();
  while (!requests.next(frame)) {
    const count = readSync(requests.room());
    if (count === null) return exit(0);
    requests.advance(count);
  }
  if (frame.kind !== INIT) {
    throw new BrokenProcessPoolError(`Cannot start: the first request is of the kind ${frame.kind}`);
  }
  lockDown();
  rememberRuntime();
  const init = new Decoder(() => EMPTY_ENVIRONMENT, false).decode(sourceOf(frame.bytes), frame.at, []) as ChildInit;
  const version = new TextEncoder().encode(Deno.version.deno);
  const hello = { length: version.length, bytes: version };
  new PieceWriter(init.magic, writeSync).send(HELLO, PROTOCOL, 0, hello);
  endStdin(stdin);
  void new Program(requests, init, importModule).start(init.setup);
}

main(parallelImportModule);
