/**
 * How shared memory, ports and the like get from one thread to another without a message between the two: they are left
 * at the main thread under a number, which travels in bytes.
 *
 * Each thread has a line to the thread that has started it, so requests go up to the one without such a line, which keeps
 * what was left, and the answers come down again. The lines have no listeners: they are read whenever the thread wakes from
 * a wait of any kind, blocked or not; each letter rings its bell. In browsers, where only a listener reads a port, they have one.
 *
 * @module
 */

import { hasNodeModules, isMainThread } from "../../base/platform.ts";
import type { Handle } from "../../codec/handles.ts";
import { SerializationError } from "../../errors.ts";
import { type Named, type NameQuestion, Names } from "./names.ts";
import type { Member, WaitPlace } from "./current_thread.ts";

/** A port between a thread and one that it has started. */
export interface Line {
  /** This end of it. */
  readonly port: MessagePort;
  /** The slot of the thread at the other end; until it has written, nothing is sent to it. */
  slot: number;
  /** Wakes that thread where its bell does not. */
  readonly wake: () => void;
}

type Letter =
  | { readonly type: "deposit"; readonly ticket: number; readonly things: readonly unknown[] }
  | { readonly type: "claim"; readonly ticket: number }
  | { readonly type: "withdraw"; readonly ticket: number }
  | { readonly type: "name"; readonly ticket: number; readonly question: NameQuestion }
  | { readonly type: "answer"; readonly ticket: number; readonly things: readonly unknown[] };

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

type Sent = Letter & { readonly from: number };

/** What this thread keeps, and hands on, for others. */
export class PostOffice {
  /** Whether this is the thread at which things are kept. */
  isRoot = false;
  /** The line to the thread that has started this one. */
  parent: Line | undefined;
  /** The objects that have a name, as far as this thread knows; told to each that it starts. */
  readonly made: Map<string, Handle> = new Map();
  readonly #names = new Names();
  readonly #children = new Set<Line>();
  /** What was left and not fetched; elsewhere than at the root, what has come for this thread. */
  readonly #kept = new Map<number, readonly unknown[]>();
  /** Who is to get what has not come yet. */
  readonly #claims = new Map<number, Line>();
  readonly #asked = new Set<number>();
  /** Answers that nobody waits for any more. */
  readonly #forgotten = new Set<number>();
  #member: Member | undefined;
  #read = 0;

  /** Opens a line to a thread that is being started, or to the one that has started this one. */
  connect(member: Member, line: Line, isParent = false): void {
    this.#member = member;
    if (isParent) this.parent = line;
    else this.#children.add(line);
    if (hasNodeModules()) return;
    line.port.onmessage = ({ data }: MessageEvent<Sent>) => {
      this.#take(line, data);
      member.registry.ring(member.slot); // what has come may be waited for here
    };
  }

  /** The thread at the other end is gone; what it left before counts. */
  disconnect(line: Line): void {
    this.#serveLine(line);
    this.#children.delete(line);
    if (hasNodeModules()) line.port.close(); // else what it left is still on its way
  }

  /**
   * Leaves things for whoever shows the ticket.
   *
   * @throws {SerializationError} If they cannot be copied or moved, or this thread has no line to the others.
   */
  deposit(ticket: number, things: readonly unknown[], moved: readonly Transferable[]): void {
    try {
      if (this.isRoot) {
        this.#keep(ticket, structuredClone(things, { transfer: [...moved] }));
      } else {
        this.#post(this.#up(), { type: "deposit", ticket, things }, moved);
      }
    } catch (cause) {
      if (cause instanceof SerializationError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SerializationError(`Cannot send the value to another thread: ${reason}`, { cause });
    }
  }

  /** Takes back what was left. */
  withdraw(ticket: number): void {
    if (this.isRoot) this.#kept.delete(ticket);
    else this.#post(this.#up(), { type: "withdraw", ticket });
  }

  /**
   * What was left under a ticket, once; undefined as long as it is on its way. To be asked again after the next wake-up.
   *
   * @throws {SerializationError} If this thread has no line to the others.
   */
  claim(ticket: number): readonly unknown[] | undefined {
    this.serve();
    const things = this.#kept.get(ticket);
    if (things !== undefined) {
      this.#kept.delete(ticket);
      this.#asked.delete(ticket);
      return things;
    }
    if (!this.isRoot && !this.#asked.has(ticket)) {
      this.#asked.add(ticket);
      this.#post(this.#up(), { type: "claim", ticket });
    }
    return undefined;
  }

  /** Asks what there is under a name. The answer can be claimed by the ticket: nothing if this is no thread of the program. */
  ask(ticket: number, question: NameQuestion): void {
    if (this.parent === undefined) return this.#keep(ticket, this.#answer(question));
    this.#asked.add(ticket);
    this.#post(this.parent, { type: "name", ticket, question });
  }

  /** Nobody waits for an answer any more. */
  forget(ticket: number): void {
    if (!this.#kept.delete(ticket)) this.#forgotten.add(ticket);
    this.#asked.delete(ticket);
  }

  #answer(question: NameQuestion): readonly Named[] {
    return isMainThread() ? [this.#names.answer(question)] : [];
  }

  #serveQuestion(ticket: number, question: NameQuestion, line: Line): void {
    if (this.parent === undefined) {
      return this.#post(line, { type: "answer", ticket, things: this.#answer(question) });
    }
    this.#claims.set(ticket, line);
    this.#post(this.parent, { type: "name", ticket, question });
    this.#listen();
  }

  /** Whether something has come since it was read last. */
  get hasLetters(): boolean {
    return this.#letters !== this.#read;
  }

  get #letters(): number {
    return this.#member?.registry.letters(this.#member.slot) ?? 0;
  }

  /** Reads what has come, and hands it on. */
  serve(): void {
    const letters = this.#letters;
    if (letters === this.#read) return;
    this.#read = letters;
    if (this.parent !== undefined) this.#serveLine(this.parent);
    for (const line of this.#children) this.#serveLine(line);
  }

  #serveLine(line: Line): void {
    for (let got = receiveMessage(line.port); got !== undefined; got = receiveMessage(line.port)) {
      this.#take(line, got.message as Sent);
    }
  }

  #take(line: Line, letter: Sent): void {
    line.slot = letter.from;
    if (letter.type === "claim") this.#serveClaim(letter.ticket, line);
    else if (letter.type === "name") this.#serveQuestion(letter.ticket, letter.question, line);
    else if (letter.type === "withdraw") this.withdraw(letter.ticket);
    else if (letter.type === "answer" || this.isRoot) this.#keep(letter.ticket, letter.things);
    else this.#post(this.#up(), letter);
  }

  #serveClaim(ticket: number, line: Line): void {
    const things = this.#kept.get(ticket);
    if (things !== undefined) {
      this.#kept.delete(ticket);
      return this.#post(line, { type: "answer", ticket, things });
    }
    this.#claims.set(ticket, line);
    if (this.isRoot) return;
    this.#post(this.#up(), { type: "claim", ticket });
    this.#listen();
  }

  /** Nothing but its bell tells this thread of an answer: so its event loop listens to that until all have come. */
  #listen(): void {
    const over = (): boolean => ![...this.#claims.values()].some((line) => this.#children.has(line));
    this.#member!.add(ANSWERS, { attempt: over, done: () => {}, fail: () => {} });
  }

  #keep(ticket: number, things: readonly unknown[]): void {
    if (this.#forgotten.delete(ticket)) return;
    const line = this.#claims.get(ticket);
    if (line === undefined) {
      this.#kept.set(ticket, things);
    } else {
      this.#claims.delete(ticket);
      this.#post(line, { type: "answer", ticket, things });
    }
  }

  #post(line: Line, letter: Letter, moved = ports(letter)): void {
    const { slot, registry } = this.#member!;
    line.port.postMessage({ ...letter, from: slot } satisfies Sent, [...moved]);
    registry.countLetter(line.slot); // after it, so that what is counted can be read
    line.wake();
  }

  #up(): Line {
    if (this.parent === undefined) {
      throw new SerializationError(
        "Cannot pass shared objects, ports or the like through a queue in a Worker that this library has not started",
      );
    }
    return this.parent;
  }
}

/** What has to be moved when a letter is handed on. */
function ports(letter: Letter): readonly Transferable[] {
  return "things" in letter ? letter.things.filter((thing) => thing instanceof MessagePort) : [];
}
