/**
 * How shared memory, ports and the like get from one thread to another without a message between the two: they are left
 * at the main thread under a number, which travels in bytes.
 *
 * Each thread has a link to the thread that has started it, so requests go up to the one without such a link, which keeps
 * what was left, and the answers come down again. The lines have no listeners: they are read whenever the thread wakes from
 * a wait of any kind, blocked or not; each message rings its bell. In browsers, where only a listener reads a port, they have one.
 *
 * @module
 */

import { hasNodeModules, isMainThread } from "../../base/platform.ts";
import type { Handle } from "../../codec/handles.ts";
import { SerializationError } from "../../errors.ts";
import { type Named, type NameQuestion, Names } from "./names.ts";
import type { Member, WaitPlace } from "./member.ts";

/** A port between a thread and one that it has started. */
export interface Link {
  /** This end of it. */
  readonly port: MessagePort;
  /** The slot of the thread at the other end; until it has written, nothing is sent to it. */
  slot: number;
  /** Wakes that thread where its bell does not. */
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

/** Reads a port without the event loop. Looked up when first needed, as it takes a while to load. */
export function receiveMessage(port: MessagePort): { message: unknown } | undefined {
  if (receive === undefined) {
    const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
    const module = process?.getBuiltinModule?.("node:worker_threads") as { receiveMessageOnPort: Receive } | undefined;
    receive = module?.receiveMessageOnPort ?? (() => undefined);
  }
  return receive(port);
}

/** Where a thread waits for answers that it is to hand on. */
const ANSWERS: WaitPlace = { key: -0.5, forAll: true, enter: () => {}, leave: () => {}, rung: () => true };

type Sent = Message & { readonly from: number };

/** What this thread keeps, and hands on, for others. */
export class ResourceSharer {
  /** Whether this is the thread at which things are kept. */
  isRoot = false;
  /** The link to the thread that has started this one. */
  parent: Link | undefined;
  /** The objects that have a name, as far as this thread knows; told to each that it starts. */
  readonly made: Map<string, Handle> = new Map();
  readonly #names = new Names();
  readonly #children = new Set<Link>();
  /** What was left and not fetched; elsewhere than at the root, what has come for this thread. */
  readonly #kept = new Map<number, readonly unknown[]>();
  /** Who is to get what has not come yet. */
  readonly #claims = new Map<number, Link>();
  readonly #asked = new Set<number>();
  /** Answers that nobody waits for any more. */
  readonly #forgotten = new Set<number>();
  #member: Member | undefined;
  #read = 0;

  /** Opens a link to a thread that is being started, or to the one that has started this one. */
  connect(member: Member, link: Link, isParent = false): void {
    this.#member = member;
    if (isParent) this.parent = link;
    else this.#children.add(link);
    if (hasNodeModules()) return;
    link.port.onmessage = ({ data }: MessageEvent<Sent>) => {
      this.#take(link, data);
      member.threadTable.notify(member.slot); // what has come may be waited for here
    };
  }

  /** The thread at the other end is gone; what it left before counts. */
  disconnect(link: Link): void {
    this.#serveLink(link);
    this.#children.delete(link);
    if (hasNodeModules()) link.port.close(); // else what it left is still on its way
  }

  /**
   * Leaves things for whoever shows the id.
   *
   * @throws {SerializationError} If they cannot be copied or moved, or this thread has no link to the others.
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

  /** Takes back what was left. */
  unregister(id: number): void {
    if (this.isRoot) this.#kept.delete(id);
    else this.#post(this.#up(), { type: "unregister", id });
  }

  /**
   * What was left under a id, once; undefined as long as it is on its way. To be asked again after the next wake-up.
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

  /** Asks what there is under a name. The answer can be claimed by the id: nothing if this is no thread of the program. */
  ask(id: number, question: NameQuestion): void {
    if (this.parent === undefined) return this.#keep(id, this.#answer(question));
    this.#asked.add(id);
    this.#post(this.parent, { type: "name", id, question });
  }

  /** Nobody waits for an answer any more. */
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

  /** Whether something has come since it was read last. */
  get hasMessagesHere(): boolean {
    return this.#messages !== this.#read;
  }

  get #messages(): number {
    return this.#member?.threadTable.messages(this.#member.slot) ?? 0;
  }

  /** Reads what has come, and hands it on. */
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

  /** Nothing but its bell tells this thread of an answer: so its event loop listens to that until all have come. */
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
    threadTable.countMessage(link.slot); // after it, so that what is counted can be read
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

/** What has to be moved when a message is handed on. */
function ports(message: Message): readonly Transferable[] {
  return "things" in message ? message.things.filter((thing) => thing instanceof MessagePort) : [];
}
