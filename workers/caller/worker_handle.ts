/**
 * One worker, as the calling side sees it.
 *
 * @module
 */

import { hasNodeModules, isDeno, referenceOf } from "../../base/platform.ts";
import { SubmissionRing } from "../shared/submission_ring.ts";
import { BUSY, ControlBlock } from "../shared/control_block.ts";
import { PREPARING } from "../../scheduler/messages.ts";
import { CompletionRing } from "../shared/completion_ring.ts";
import { PROGRAM } from "../program_gen.ts";
import { type Link, receiveMessage } from "../../sync/internal/resource_sharer.ts";
import { ThreadTable } from "../../sync/internal/thread_table.ts";
import { memberOf, thisThread } from "../../sync/internal/current_thread.ts";
import type { Task } from "../../scheduler/task.ts";
import type { FromWorker, Init, ToWorker, WorkerNote, WorkerRecord } from "../shared/messages.ts";
import type { Payload } from "../../codec/payload.ts";

/** The longest time to wait, before a worker is ended, until it has started, in milliseconds. Mostly a start takes 5. */
const ARRIVAL = 200;

let programUrl: string | undefined;

/** Returns a URL that workers start from without a permission. A `blob:` takes half the time, but fails in compiled programs. */
function makeProgramUrl(): string {
  const { Deno } = globalThis as { Deno?: { build?: { standalone?: boolean } } };
  if (Deno?.build?.standalone === true) {
    return `data:application/javascript;charset=utf-8,${encodeURIComponent(PROGRAM)}`;
  }
  return URL.createObjectURL(new Blob([PROGRAM], { type: "application/javascript" }));
}

/** Options of a {@linkcode WorkerHandle}. */
export interface WorkerHandleOptions {
  /** The submission ring of the pool. */
  readonly submissions: SubmissionRing;
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** The worker's permissions, in the form that the runtime takes; undefined for those of this program. */
  readonly permissions: Deno.PermissionOptions | undefined;
  /** The time when the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded `Setup`. */
  readonly setup: Payload;
  /** The time limit of each part of the worker's preparation, in milliseconds; 0 for no limit. */
  readonly limit: number;
  /** Called when the worker wakes this thread by a message. */
  readonly onWake: () => void;
  /** Called with every message of the worker. */
  readonly onMessage: (handle: WorkerHandle, message: WorkerRecord) => void;
  /** Called when the worker has ended by an error that nothing in it caught. */
  readonly onError: (handle: WorkerHandle, message: string) => void;
}

/** One worker, as the calling side sees it. */
export class WorkerHandle {
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** The worker's number among all processes and workers. */
  readonly pid: number;
  /** The worker's completion ring. */
  readonly completions: CompletionRing = new CompletionRing();
  /** The worker's control block. */
  readonly control: ControlBlock = new ControlBlock(this.completions.memory);
  /** True if the last call to the submission ring counted on the worker. */
  onItsWay = false;
  /** The numbers of the functions that the worker is known to have. */
  readonly knownFunctions: Set<number> = new Set();
  /** The tasks that were posted to the worker alone and have not settled. */
  readonly directTasks: Set<Task> = new Set();
  /** The task that was handed to the worker alone, as it was free, and has not settled: its payload could not be shared. */
  handed: Task | undefined;
  /** The tasks that await in the worker while it may begin others, and their deadlines; see `AWAITS`. */
  readonly awaiting: Map<Task, number> = new Map();
  /** The looks of the worker (see `ControlBlock.looks`) when it was found not to come. */
  stuckSince = -1;
  /** The number of the task whose payload was posted to the worker last; -1 for none. */
  given = -1;
  /** True while processes live that were started on the worker and that it waits for. */
  hasChildren = false;
  /** The number of the last report of such processes. Records and messages can overtake each other, so older reports may follow. */
  childNews = 0;
  /** True if the worker takes no more tasks. */
  retired = false;
  readonly #worker: Worker;
  /** Sets whether the worker keeps the program alive, on runtimes that can do so. */
  readonly #refer: ((keeps: boolean) => void) | undefined;
  #keeps = true;
  readonly #port: MessagePort;
  readonly #onMessage: WorkerHandleOptions["onMessage"];
  readonly #sharer: Link;
  /** The functions that end the waits of the worker. */
  readonly #waits: (() => void)[] = [];
  /** The messages that the event loop has delivered, on runtimes where the port cannot be read without the event loop. */
  readonly #inbox: FromWorker[] | undefined = hasNodeModules() ? undefined : [];
  #received = 0;
  #ended = false;
  /** True if the worker has ended by itself, perhaps before it began. */
  #failed = false;

  constructor(options: WorkerHandleOptions) {
    this.number = options.number;
    this.name = options.name;
    this.#onMessage = options.onMessage;
    programUrl ??= makeProgramUrl();
    const { name, permissions } = options;
    const given = permissions === undefined ? {} : { deno: { permissions } };
    this.#worker = new Worker(programUrl, { type: "module", name, ...given });
    this.#refer = referenceOf(this.#worker);
    this.keepsProgram(false);
    // The port itself has no listener: a message that the event loop has taken, but not yet delivered, could not be read when
    // this thread blocks for it, or when the worker is given up. So messages are read at the same moments as records.
    this.#worker.onmessage = () => options.onWake();
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#failed = true;
      // The error can overtake messages sent before it: those are read first.
      setTimeout(() => options.onError(this, event.message), 0);
    };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    if (this.#inbox !== undefined) this.#listen(options.onWake);
    const sharer = new MessageChannel();
    const member = memberOf();
    this.#sharer = { port: sharer.port1, slot: member.slot, wake: () => {} };
    thisThread().sharer.connect(member, this.#sharer);
    this.pid = member.threadTable.nextNumber();
    const init: Init = {
      submissions: options.submissions.memory,
      control: this.control.memory,
      port: port2,
      number: options.number,
      name: options.name,
      epoch: options.epoch,
      setup: options.setup,
      limit: options.limit,
      threadTable: member.threadTable.memory,
      parent: member.id,
      pid: this.pid,
      named: thisThread().sharer.made,
      sharer: sharer.port2,
    };
    this.#worker.postMessage(init, [port2, sharer.port2]);
  }

  /** Sets whether this worker keeps the program from ending. A worker that was ended never does, though it may run on. */
  keepsProgram(keeps: boolean): void {
    if (keeps === this.#keeps || this.#ended) return;
    this.#keeps = keeps;
    this.#refer?.(keeps);
  }

  /** Wakes the worker if it sleeps. Returns whether it did. */
  wake(): boolean {
    const how = this.control.wake();
    if (how === "message") this.#port.postMessage(null);
    return how !== "awake";
  }

  /** Posts a message to the worker. */
  post(message: ToWorker, transfers: Transferable[]): void {
    this.#port.postMessage(message, transfers);
  }

  /** Returns whether a task is the one that the worker is at, or one that awaits. */
  hasBegun(task: Task): boolean {
    return this.control.current === task.taskId || this.awaiting.has(task) || this.handed === task;
  }

  /** Tells the worker that a task of its was aborted. */
  abort(taskId: number, reason: ArrayBuffer): void {
    this.control.setAborted(taskId);
    this.post({ type: "abort", taskId, payload: { bytes: reason, refs: [] } }, []);
  }

  /** Posts a task to the worker. */
  postTask(message: ToWorker & { type: "task" }, transfers: Transferable[]): void {
    this.#port.postMessage(message, transfers);
    this.control.countMail(); // after the message, so that a worker that sees the count will get it
    // The worker may even have run the task and be idle in its event loop again: then its sleep word has to say that it was woken.
    this.wake();
  }

  /**
   * Posts a task to the worker if it is parked: then it has nothing else to do before this task. Returns false if it is not parked.
   * `post` is called with a function that posts.
   */
  handTask(
    post: (post: (message: ToWorker & { type: "task" }, transfers: Transferable[]) => void) => boolean,
  ): boolean {
    if (!this.control.reserve()) return false;
    const posted = post((message, transfers) => {
      this.#port.postMessage(message, transfers);
      this.control.countMail();
    });
    this.control.turn(); // in any case, as it was reserved
    return posted;
  }

  /** In a browser: takes messages as they come, including those that the worker had sent before its end. */
  #listen(onWake: () => void): void {
    this.#port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      this.#inbox!.push(data);
      if (this.#ended) this.receive();
      else onWake();
    };
  }

  /** True if there are messages to receive. */
  get hasMessages(): boolean {
    return this.#inbox === undefined ? this.#received !== this.control.sent : this.#inbox.length > 0;
  }

  /** True if there are records to read. They come after the messages that were sent before them. */
  get hasRecords(): boolean {
    return this.completions.hasRecords() && !this.isBehind;
  }

  /** True if the event loop has not yet delivered a message that was sent. Only in browsers. */
  get isBehind(): boolean {
    return this.#inbox !== undefined && ((this.control.sent - this.#received) | 0) > 0;
  }

  #next(): FromWorker | undefined {
    if (this.#inbox !== undefined) return this.#inbox.shift();
    return receiveMessage(this.#port)?.message as FromWorker | undefined;
  }

  /** Handles the messages that have come. Returns whether there was one. */
  receive(): boolean {
    let any = false;
    while (this.hasMessages) {
      const message = this.#next();
      if (message === undefined) break; // taken by a call within this one
      any = true;
      this.#received++;
      if (message.type === "record" || message.type === "broken") this.#onMessage(this, message);
      else this.#note(message);
    }
    return any;
  }

  /** Records how to end the waits of the worker. */
  #note(message: WorkerNote): void {
    if (message.type === "joined") {
      const threadTable = new ThreadTable(message.threadTable);
      this.#waits.push(() => threadTable.markDead(message.id));
    } else {
      const submissions = new SubmissionRing(message.submissions);
      this.#waits.push(() => submissions.stopWaiting());
    }
    if (this.#ended) this.#endWaits();
  }

  #endWaits(): void {
    for (const end of this.#waits.splice(0)) end();
  }

  /** Ends the worker. Where the runtime cannot stop code that runs, it may be busy for longer. */
  end(): void {
    if (this.#ended) return;
    this.keepsProgram(false);
    this.#ended = true;
    this.control.stop();
    // A wait that begins after this sees the stop word. A wait that began before was announced by a message.
    while (this.hasMessages) {
      const message = this.#next();
      if (message === undefined) break;
      this.#received++;
      if (message.type === "joined" || message.type === "blocks") this.#note(message);
    }
    this.#endWaits();
    // Deno never frees shared memory that is in an unread message.
    if (isDeno() && !this.#failed) this.control.awaitArrival(ARRIVAL);
    this.#worker.terminate();
    thisThread().sharer.disconnect(this.#sharer);
    if (this.#inbox === undefined) this.#port.close(); // in browsers the last messages are still on their way
  }

  /** True if the worker was found not to come to the submission ring, as a task that awaited keeps its thread, and has not come since. */
  get stuck(): boolean {
    return this.stuckSince >= 0 && this.stuckSince === this.control.looks;
  }

  /** True if the worker sleeps, or its task goes on asynchronously. */
  get waits(): boolean {
    return this.control.sleep > BUSY;
  }

  /** True if the worker, as far as can be seen, runs synchronous code, of a task or before its first one. */
  get runsCode(): boolean {
    return this.control.sleep === BUSY || this.control.stage === PREPARING;
  }
}
