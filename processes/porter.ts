/**
 * The calling side of the porter: a thread that keeps the lines of children, so that their replies come while this thread is blocked.
 *
 * A pipe can only be read in the event loop of the thread that has started the child. So a thread that blocks for its children has
 * another one start them, which passes bytes on in both directions.
 *
 * @module
 */

import { referenceOf } from "../base/platform.ts";
import { atomics } from "../sync/internal/atomics.ts";
import { memberOf } from "../sync/internal/current_thread.ts";
import { receiveMessage } from "../sync/internal/resource_sharer.ts";
import type { Line, LineListener } from "./direct_line.ts";
import type { Launch } from "./launch.ts";
import { PROGRAM } from "./porter_program_gen.ts";
import { CALLED, type FromPorter, type PorterInit, SENT, type ToPorter, WORDS } from "./porter_messages.ts";

/** The time in which the thread must have sent its first message, in milliseconds. */
const START_LIMIT = 10_000;

/** A thread with the lines of children. */
export class Porter {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  /** The words that the porter writes. */
  readonly #sent = new Int32Array(new SharedArrayBuffer(4 * WORDS));
  readonly #lines = new Map<number, PorterLine>();
  readonly #refer: ((keeps: boolean) => void) | undefined;
  readonly #onError: (message: string) => void;
  readonly #startLimit = performance.now() + START_LIMIT;
  #received = 0;
  #next = 0;
  #keeping = 0;
  #ended = false;

  /** Starts the thread. `onWake` is called in the event loop when messages have come. `onError` is called if the thread fails. */
  constructor(onWake: () => void, onError: (message: string) => void) {
    this.#worker = new Worker(`data:text/javascript,${encodeURIComponent(PROGRAM)}`, {
      type: "module",
      name: "porter",
    });
    this.#onError = onError;
    this.#refer = referenceOf(this.#worker);
    this.#refer?.(false);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1; // read, never listened to: a message that the event loop has got could not be read while it is blocked
    this.#worker.onmessage = () => {
      atomics.store(this.#sent, CALLED, 0); // first: the porter calls again for what comes from now on
      onWake();
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.fail(event.message);
    };
    const { threadTable, slot } = memberOf();
    const init: PorterInit = { port: port2, sent: this.#sent, threadTable: threadTable.memory, slot };
    this.#worker.postMessage(init, [port2]);
  }

  /** Posts a message to the porter. */
  post(message: ToPorter, transfers: Transferable[] = []): void {
    this.#port.postMessage(message, transfers);
  }

  /** Starts a child. */
  open(launch: Launch, listener: LineListener): Line {
    const id = ++this.#next;
    const line = new PorterLine(this, id, listener);
    this.#lines.set(id, line);
    this.post({ type: "open", id, launch });
    return line;
  }

  /** Handles the messages that have come. Returns whether there was one. */
  receive(): boolean {
    let received = false;
    while (!this.#ended && this.#received !== atomics.load(this.#sent, SENT)) {
      const message = receiveMessage(this.#port)?.message as FromPorter | undefined;
      if (message === undefined) break; // taken by a call within this one
      received = true;
      this.#received = (this.#received + 1) | 0;
      const line = this.#lines.get(message.id);
      if (message.type === "ended" || message.type === "failed") this.#lines.delete(message.id);
      line?.take(message);
    }
    return received;
  }

  /** Returns the time in which the thread must show that it runs, in milliseconds; `Infinity` if it has. */
  untilOverdue(): number {
    return this.#received === 0 ? this.#startLimit - performance.now() : Infinity;
  }

  /** Ends the thread, of which nothing more will come, and all lines: the pipes of its children are closed with it. */
  fail(message: string): void {
    this.#worker.terminate();
    this.#onError(message);
    for (const [id, line] of [...this.#lines]) {
      this.#lines.delete(id);
      line.take({ type: "failed", id, message });
    }
  }

  /** Counts the lines that keep the program from ending. */
  keep(by: 1 | -1): void {
    this.#keeping += by;
    this.#refer?.(this.#keeping > 0);
  }

  /** Ends the thread. Its children have ended. What it has sent and nobody has read is dropped. */
  end(): void {
    this.#ended = true;
    this.#refer?.(false);
    this.#worker.terminate();
    this.#port.close();
  }
}

/** The way to a child that the porter has started. */
class PorterLine implements Line {
  readonly #porter: Porter;
  readonly #id: number;
  readonly #listener: LineListener;
  readonly #fences: (() => void)[] = [];
  #keeps = false;
  #ended = false;
  pid = 0;
  unwritten = 0;

  constructor(porter: Porter, id: number, listener: LineListener) {
    this.#porter = porter;
    this.#id = id;
    this.#listener = listener;
  }

  take(message: FromPorter): void {
    switch (message.type) {
      case "started":
        this.pid = message.pid;
        return;
      case "data":
        return this.#listener.data(message.bytes);
      case "fenced":
        return this.#fences.shift()?.();
      case "written":
        this.unwritten -= message.count;
        return;
      case "ended":
      case "failed":
        this.#ended = true;
        this.keepProgram(false);
        if (message.type === "ended") this.#listener.ended(message.end);
        else this.#listener.failed(message.message);
    }
  }

  write(chunks: readonly Uint8Array<ArrayBuffer>[]): undefined {
    if (this.#ended) return;
    let count = 0;
    for (const { length } of chunks) count += length;
    this.unwritten += count;
    this.#porter.post({ type: "write", id: this.#id, chunks, count });
  }

  fence(passed: () => void): void {
    this.#fences.push(passed);
    this.#porter.post({ type: "fence", id: this.#id });
  }

  kill(): void {
    if (!this.#ended) this.#porter.post({ type: "kill", id: this.#id });
  }

  keepProgram(keeps: boolean): void {
    if (keeps === this.#keeps || (keeps && this.#ended)) return;
    this.#keeps = keeps;
    this.#porter.keep(keeps ? 1 : -1);
  }
}
