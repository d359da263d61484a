/**
 * The calling side's end of one worker.
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

/** How long the end of a worker waits for it to have started, in milliseconds: mostly it takes 5. */
const ARRIVAL = 200;

let programUrl: string | undefined;

/** Where workers start from, which needs no permission. A `blob:` takes half the time, but fails in compiled programs. */
function makeProgramUrl(): string {
  const { Deno } = globalThis as { Deno?: { build?: { standalone?: boolean } } };
  if (Deno?.build?.standalone === true) {
    return `data:application/javascript;charset=utf-8,${encodeURIComponent(PROGRAM)}`;
  }
  return URL.createObjectURL(new Blob([PROGRAM], { type: "application/javascript" }));
}

/** What a new handle is told. */
export interface WorkerHandleOptions {
  /** The pool's submissions. */
  readonly submissions: SubmissionRing;
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** What it may do, as the runtime takes it; undefined for as much as this program. */
  readonly permissions: Deno.PermissionOptions | undefined;
  /** When the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded `Setup`. */
  readonly setup: Payload;
  /** How long each part of its preparation may take, in milliseconds; 0 for no limit. */
  readonly limit: number;
  /** Told that the worker wakes this thread by a message. */
  readonly onWake: () => void;
  /** Told every message of the worker. */
  readonly onMessage: (handle: WorkerHandle, message: WorkerRecord) => void;
  /** Told that the worker ended by an error that nothing in it caught. */
  readonly onError: (handle: WorkerHandle, message: string) => void;
}

/** One worker, as the calling side sees it. */
export class WorkerHandle {
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** Its number among all processes and workers. */
  readonly pid: number;
  /** Its shared words and records. */
  readonly completions: CompletionRing = new CompletionRing();
  /** Its words. */
  readonly control: ControlBlock = new ControlBlock(this.completions.memory);
  /** Whether the last call to the submission ring counted on it. */
  onItsWay = false;
  /** The numbers of the functions it has been seen to know. */
  readonly knownFunctions: Set<number> = new Set();
  /** The tasks that were directTasks to it alone and have not settled. */
  readonly directTasks: Set<Task> = new Set();
  /** The task whose payload was directTasks to it last; -1 for none. */
  given = -1;
  /** Whether processes live that were started on the worker, and that it waits for. */
  hasChildren = false;
  /** The number of the last news of that: of records and messages, older ones may come later. */
  childNews = 0;
  /** Whether it takes no more tasks. */
  retired = false;
  readonly #worker: Worker;
  /** Says whether it keeps the program alive, where the runtime can be told. */
  readonly #refer: ((keeps: boolean) => void) | undefined;
  #keeps = true;
  readonly #port: MessagePort;
  readonly #onMessage: WorkerHandleOptions["onMessage"];
  readonly #sharer: Link;
  /** What ends its waits. */
  readonly #waits: (() => void)[] = [];
  /** Where the port cannot be read without the event loop: what that has handed on. */
  readonly #inbox: FromWorker[] | undefined = hasNodeModules() ? undefined : [];
  #received = 0;
  #ended = false;
  /** It has ended by itself, perhaps before it began. */
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
    // The port itself has no listener: a message that the event loop has taken, but not yet handed on, could not be
    // read when this thread blocks for it, or when the worker is given up. So it is read when a record would be.
    this.#worker.onmessage = () => options.onWake();
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#failed = true;
      // It can overtake messages sent before it: let those come first.
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

  /** Whether this worker keeps the program from ending. One that was ended, though it may run on, does not. */
  keepsProgram(keeps: boolean): void {
    if (keeps === this.#keeps || this.#ended) return;
    this.#keeps = keeps;
    this.#refer?.(keeps);
  }

  /** Wakes it if it sleeps: whether it did. */
  wake(): boolean {
    const how = this.control.wake();
    if (how === "message") this.#port.postMessage(null);
    return how !== "awake";
  }

  /** Sends it a message. */
  post(message: ToWorker, transfers: Transferable[]): void {
    this.#port.postMessage(message, transfers);
  }

  /** Sends it a task of its own. */
  postTask(message: ToWorker & { type: "task" }, transfers: Transferable[]): void {
    this.#port.postMessage(message, transfers);
    this.control.countMail(); // after the message, so that one who sees the count will get it
    // It may even be done with the task, and wait in its event loop again: then it has to be told that it was woken.
    this.wake();
  }

  /** In a browser: takes messages as they come, also what the worker had sent before its end. */
  #listen(onWake: () => void): void {
    this.#port.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      this.#inbox!.push(data);
      if (this.#ended) this.receive();
      else onWake();
    };
  }

  /** Whether there are messages to receive. */
  get hasMessages(): boolean {
    return this.#inbox === undefined ? this.#received !== this.control.sent : this.#inbox.length > 0;
  }

  /** Whether there are records to read. They come after the messages that were sent before them. */
  get hasRecords(): boolean {
    return this.completions.hasRecords() && !this.isBehind;
  }

  /** Whether the event loop has still to hand on a message that was sent: only in browsers. */
  get isBehind(): boolean {
    return this.#inbox !== undefined && ((this.control.sent - this.#received) | 0) > 0;
  }

  #next(): FromWorker | undefined {
    if (this.#inbox !== undefined) return this.#inbox.shift();
    return receiveMessage(this.#port)?.message as FromWorker | undefined;
  }

  /** Handles the messages that have come: whether there was one. */
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

  /** Notes how to end the waits of the worker. */
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
    // Where it waits from now on, it sees that it is to stop; where it does already, it has said so.
    while (this.hasMessages) {
      const message = this.#next();
      if (message === undefined) break;
      this.#received++;
      if (message.type === "joined" || message.type === "blocks") this.#note(message);
    }
    this.#endWaits();
    // Deno keeps shared memory for ever that is in a message which nobody has read.
    if (isDeno() && !this.#failed) this.control.awaitArrival(ARRIVAL);
    this.#worker.terminate();
    thisThread().sharer.disconnect(this.#sharer);
    if (this.#inbox === undefined) this.#port.close(); // else the last messages are still on their way
  }

  /** Whether it sleeps, or its task goes on asynchronously. */
  get waits(): boolean {
    return this.control.sleep > BUSY;
  }

  /** Whether it runs synchronous code, of a task or before its first one, as far as can be seen. */
  get runsCode(): boolean {
    return this.control.sleep === BUSY || this.control.stage === PREPARING;
  }
}
