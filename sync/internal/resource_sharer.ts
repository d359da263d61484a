/**
 * The way by which shared memory, ports and other values that bytes cannot hold get from one thread to another without a message
 * between the two: they are registered at the root, the main thread, under an ID, and bytes carry the ID.
 *
 * Each thread has a link to the thread that started it. So requests go up to the root, the only thread without such a
 * link, which stores the registered values, and the answers come down again. The links have no listeners: a thread
 * reads them whenever it wakes from a wait of any kind, blocked or not, and each message notifies the event count of
 * the thread. In browsers, where only a listener can read a port, the links have one.
 *
 * @module
 */

import { hasNodeModules, isMainThread } from "../../base/platform.ts";
import type { Handle } from "../../codec/handles.ts";
import { SerializationError } from "../../errors.ts";
import { type Named, type NameQuestion, Names } from "./names.ts";
import type { Member, WaitPlace } from "./member.ts";
import { Patience } from "./patience.ts";

/** A port between a thread and one that it has started. */
export interface Link {
  /** This end of the port. */
  readonly port: MessagePort;
  /** The slot of the thread at the other end. Until that thread has sent a message, nothing is sent to it. */
  slot: number;
  /** Wakes the thread at the other end where its event count does not. */
  readonly wake: () => void;
}

type Message =
  | { readonly type: "register"; readonly id: number; readonly things: readonly unknown[] }
  | { readonly type: "acquire"; readonly id: number }
  | { readonly type: "unregister"; readonly id: number }
  | { readonly type: "name"; readonly id: number; readonly question: NameQuestion }
  | { readonly type: "answer"; readonly id: number; readonly things: readonly unknown[] };

type Receive = (port: MessagePort) => { message: unknown } | undefined;
let receive: Receive | undefined;

/**
 * Reads a port without the event loop. The reader is looked up when first needed, as its module takes a while to load.
 */
export function receiveMessage(port: MessagePort): { message: unknown } | undefined {
  if (receive === undefined) {
    const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
    const module = process?.getBuiltinModule?.("node:worker_threads") as { receiveMessageOnPort: Receive } | undefined;
    receive = module?.receiveMessageOnPort ?? (() => undefined);
  }
  return receive(port);
}

/** The place where a thread waits for answers that it must pass on. */
const ANSWERS: WaitPlace = {
  key: -0.5,
  forAll: true,
  patience: new Patience(),
  enter: () => {},
  leave: () => {},
  rung: () => true,
};

type Sent = Message & { readonly from: number };

/** Stores and passes on values for other threads. */
export class ResourceSharer {
  /** True if this thread is the root, where the registered values are stored. */
  isRoot = false;
  /** The link to the thread that started this one. */
  parent: Link | undefined;
  /** The named objects that this thread knows. They are passed to each thread that it starts. */
  readonly made: Map<string, Handle> = new Map();
  readonly #names = new Names();
  readonly #children = new Set<Link>();
  /**
   * At the root, values that were registered and not yet acquired; on other threads, values that have arrived for this
   * one.
   */
  readonly #kept = new Map<number, readonly unknown[]>();
  /** The links whose threads wait for values that have not arrived yet, by ID. */
  readonly #claims = new Map<number, Link>();
  readonly #asked = new Set<number>();
  /** The IDs of answers that no code waits for any more. */
  readonly #forgotten = new Set<number>();
  #member: Member | undefined;
  #read = 0;

  /** Opens a link to a thread that is being started, or to the one that started this one. */
  connect(member: Member, link: Link, isParent = false): void {
    this.#member = member;
    if (isParent) this.parent = link;
    else this.#children.add(link);
    if (hasNodeModules()) return;
    link.port.onmessage = ({ data }: MessageEvent<Sent>) => {
      this.#take(link, data);
      member.threadTable.notify(member.slot); // a wait of this thread may be for this message
    };
  }

  /** Closes the link to a thread that has ended. The messages that it sent before still count. */
  disconnect(link: Link): void {
    this.#serveLink(link);
    this.#children.delete(link);
    if (hasNodeModules()) link.port.close(); // else its messages are still on their way
  }

  /**
   * Registers values for the thread that asks for `id`.
   *
   * @throws {SerializationError} If a value cannot be copied or moved, or this thread has no link to the others.
   */
  register(id: number, things: readonly unknown[], moved: readonly Transferable[]): void {
    try {
      if (this.isRoot) {
        this.#keep(id, structuredClone(things, { transfer: [...moved] }));
      } else {
        this.#post(this.#up(), { type: "register", id, things }, moved);
      }
    } catch (cause) {
      if (cause instanceof SerializationError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SerializationError(`Cannot send the value to another thread: ${reason}`, { cause });
    }
  }

  /** Removes registered values. */
  unregister(id: number): void {
    if (this.isRoot) this.#kept.delete(id);
    else this.#post(this.#up(), { type: "unregister", id });
  }

  /**
   * Returns the values of `id`, once; undefined as long as they are on their way. The caller asks again after the next
   * wake-up.
   *
   * @throws {SerializationError} If this thread has no link to the others.
   */
  acquire(id: number): readonly unknown[] | undefined {
    this.serve();
    const things = this.#kept.get(id);
    if (things !== undefined) {
      this.#kept.delete(id);
      this.#asked.delete(id);
      return things;
    }
    if (!this.isRoot && !this.#asked.has(id)) {
      this.#asked.add(id);
      this.#post(this.#up(), { type: "acquire", id });
    }
    return undefined;
  }

  /**
   * Asks for the entry of a name. The answer can be acquired by `id`; it is empty if this thread is not part of the
   * program.
   */
  ask(id: number, question: NameQuestion): void {
    if (this.parent === undefined) return this.#keep(id, this.#answer(question));
    this.#asked.add(id);
    this.#post(this.parent, { type: "name", id, question });
  }

  /** Drops the answer of `id`, even if it is still on its way. */
  forget(id: number): void {
    if (!this.#kept.delete(id)) this.#forgotten.add(id);
    this.#asked.delete(id);
  }

  #answer(question: NameQuestion): readonly Named[] {
    return isMainThread() ? [this.#names.answer(question)] : [];
  }

  #serveQuestion(id: number, question: NameQuestion, link: Link): void {
    if (this.parent === undefined) {
      return this.#post(link, { type: "answer", id, things: this.#answer(question) });
    }
    this.#claims.set(id, link);
    this.#post(this.parent, { type: "name", id, question });
    this.#listen();
  }

  /** True if messages have arrived since the last read. */
  get hasMessagesHere(): boolean {
    return this.#messages !== this.#read;
  }

  get #messages(): number {
    return this.#member?.threadTable.messages(this.#member.slot) ?? 0;
  }

  /** Reads the messages that have arrived, and passes them on. */
  serve(): void {
    const messages = this.#messages;
    if (messages === this.#read) return;
    this.#read = messages;
    if (this.parent !== undefined) this.#serveLink(this.parent);
    for (const link of this.#children) this.#serveLink(link);
  }

  #serveLink(link: Link): void {
    for (let got = receiveMessage(link.port); got !== undefined; got = receiveMessage(link.port)) {
      this.#take(link, got.message as Sent);
    }
  }

  #take(link: Link, message: Sent): void {
    link.slot = message.from;
    if (message.type === "acquire") this.#serveClaim(message.id, link);
    else if (message.type === "name") this.#serveQuestion(message.id, message.question, link);
    else if (message.type === "unregister") this.unregister(message.id);
    else if (message.type === "answer" || this.isRoot) this.#keep(message.id, message.things);
    else this.#post(this.#up(), message);
  }

  #serveClaim(id: number, link: Link): void {
    const things = this.#kept.get(id);
    if (things !== undefined) {
      this.#kept.delete(id);
      return this.#post(link, { type: "answer", id, things });
    }
    this.#claims.set(id, link);
    if (this.isRoot) return;
    this.#post(this.#up(), { type: "acquire", id });
    this.#listen();
  }

  /**
   * Listens to the event count in the event loop until all answers have arrived: nothing else reports them to this
   * thread.
   */
  #listen(): void {
    const over = (): boolean => ![...this.#claims.values()].some((link) => this.#children.has(link));
    this.#member!.add(ANSWERS, { attempt: over, done: () => {}, fail: () => {} });
  }

  #keep(id: number, things: readonly unknown[]): void {
    if (this.#forgotten.delete(id)) return;
    const link = this.#claims.get(id);
    if (link === undefined) {
      this.#kept.set(id, things);
    } else {
      this.#claims.delete(id);
      this.#post(link, { type: "answer", id, things });
    }
  }

  #post(link: Link, message: Message, moved = ports(message)): void {
    const { slot, threadTable } = this.#member!;
    link.port.postMessage({ ...message, from: slot } satisfies Sent, [...moved]);
    threadTable.countMessage(link.slot); // after the message, so that a counted message can be read
    link.wake();
  }

  #up(): Link {
    if (this.parent === undefined) {
      throw new SerializationError(
        "Cannot pass shared objects, ports or the like through a queue in a Worker that this library has not started",
      );
    }
    return this.parent;
  }
}

/** Returns the ports to move when a message is passed on. */
function ports(message: Message): readonly Transferable[] {
  return "things" in message ? message.things.filter((thing) => thing instanceof MessagePort) : [];
}
