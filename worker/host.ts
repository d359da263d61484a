/**
 * The calling side's end of one worker.
 *
 * @module
 */

import { type Board, BUSY, Desk } from "./board.ts";
import { PROGRAM } from "./program_gen.ts";
import { type Source, sourceOf } from "../codec/decoder.ts";
import type { FromWorker, Init, Parcel, Task, ToWorker } from "./task.ts";

let programUrl: string | undefined;

/** What a new host is told. */
export interface HostOptions {
  /** The pool's board. */
  readonly board: Board;
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** When the pool was made, in milliseconds since 1970. */
  readonly epoch: number;
  /** An encoded `Setup`. */
  readonly setup: Parcel;
  /** Told that the worker wakes this thread by a message. */
  readonly onWake: () => void;
  /** Told every message of the worker. */
  readonly onMessage: (host: Host, message: FromWorker) => void;
  /** Told that the worker ended by an error that nothing in it caught. */
  readonly onError: (host: Host, message: string) => void;
}

/** One worker, as the calling side sees it. */
export class Host {
  /** The worker's number, unique in its pool. */
  readonly number: number;
  /** The worker's name. */
  readonly name: string;
  /** Its shared words and records. */
  readonly desk = new Desk();
  /** The desk, to decode records from. */
  readonly source: Source = sourceOf(this.desk.bytes);
  /** The numbers of the functions it has been seen to know. */
  readonly known = new Set<number>();
  /** The tasks that were posted to it alone and have not settled. */
  readonly posted = new Set<Task>();
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #onMessage: HostOptions["onMessage"];
  #received = 0;

  constructor(options: HostOptions) {
    this.number = options.number;
    this.name = options.name;
    this.#onMessage = options.onMessage;
    programUrl ??= `data:application/javascript;charset=utf-8,${encodeURIComponent(PROGRAM)}`;
    this.#worker = new Worker(programUrl, { type: "module", name: options.name });
    // The port itself has no listener: a message that the event loop has taken, but not yet handed on, could not be
    // read when this thread blocks for it, or when the worker is given up. So it is read when a record would be.
    this.#worker.onmessage = () => options.onWake();
    this.#worker.onerror = (event) => {
      event.preventDefault();
      // It can overtake messages sent before it: let those come first.
      setTimeout(() => options.onError(this, event.message), 0);
    };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const init: Init = {
      board: options.board.memory,
      desk: this.desk.memory,
      port: port2,
      number: options.number,
      name: options.name,
      epoch: options.epoch,
      setup: options.setup,
    };
    this.#worker.postMessage(init, [port2]);
  }

  /** Wakes it if it sleeps: whether it did. */
  wake(): boolean {
    const how = this.desk.wake();
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
    this.desk.countMail(); // after the message, so that one who sees the count will get it
    this.desk.wake(); // out of its park; in the event loop the message itself wakes it
  }

  /** Whether there are messages to receive. */
  get hasMessages(): boolean {
    return this.#received !== this.desk.sent;
  }

  /** Handles the messages that have come: whether there was one. */
  receive(): boolean {
    let any = false;
    while (this.hasMessages) {
      const received = receiver()(this.#port);
      if (received === undefined) break; // taken by a call within this one
      any = true;
      this.#received++;
      this.#onMessage(this, received.message as FromWorker);
    }
    return any;
  }

  /** Ends the worker. Where the runtime cannot stop code that runs, it may be busy for longer. */
  end(): void {
    this.desk.stop();
    this.#worker.terminate();
    this.#port.close();
  }

  /** Whether it sleeps, or its task goes on asynchronously. */
  get waits(): boolean {
    return this.desk.sleep > BUSY;
  }

  /** Whether it runs synchronous code of a task, as far as can be seen. */
  get runsCode(): boolean {
    return this.desk.sleep === BUSY && this.desk.current >= 0;
  }
}

type Receive = (port: MessagePort) => { message: unknown } | undefined;
let receive: Receive | undefined;

/** Reads a port without the event loop. Looked up when first needed, by the first large reply: it takes a while to load. */
function receiver(): Receive {
  if (receive === undefined) {
    const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
    const module = process?.getBuiltinModule?.("node:worker_threads") as { receiveMessageOnPort: Receive } | undefined;
    receive = module?.receiveMessageOnPort ?? (() => undefined);
  }
  return receive;
}
