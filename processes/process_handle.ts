/**
 * A child process, as its scheduler sees it.
 *
 * @module
 */

import { Deque } from "../base/deque.ts";
import { Encoder } from "../codec/encoder.ts";
import type { Outcome, Task } from "../scheduler/task.ts";
import type { ChildEnd, Line } from "./direct_line.ts";
import {
  type Frame,
  FUNCTION,
  INIT,
  newMagic,
  NO_PART,
  type Part,
  PieceReader,
  RequestWriter,
  TASK,
} from "./frames.ts";
import { type ChildInit, programBytes } from "./launch.ts";
import { PROGRAM } from "./program_gen.ts";

/** The number of bytes of the text of a child that are kept for the error about its end. */
const WORDS = 4096;
/** The number of characters of these that the error shows. */
const SHOWN = 300;
/** No more is written to a child while it has so many bytes to read, unless it has nothing else to do. */
const MOST_UNWRITTEN = 2 ** 20;

/** Called with what a child reports. */
export interface ChildListener {
  /** Opens the way to the child. */
  open(handle: ProcessHandle): Line;
  /** Called with each reply. */
  frame(handle: ProcessHandle, frame: Frame): void;
  /** Called after all replies that came together. */
  received(handle: ProcessHandle): void;
  /** Called with a reply that cannot be read. */
  unreadable(handle: ProcessHandle, error: unknown): void;
  /** Called with text that the child has printed. */
  text(bytes: Uint8Array): void;
  /** Called when the child has ended. */
  ended(handle: ProcessHandle, end: ChildEnd): void;
  /** Called if the child could not be started. */
  failed(handle: ProcessHandle, message: string): void;
}

/** A child process. */
export class ProcessHandle {
  /** Its number, unique in its scheduler. */
  readonly number: number;
  /** Its name. */
  readonly name: string;
  /** `"starting"`: it takes no tasks so far. `"retiring"`: it only ends those that it runs. `"ending"`: it has none any more. */
  state: "starting" | "ready" | "retiring" | "ending" = "starting";
  /** The functions that were sent to it. */
  readonly knownFunctions: Set<number> = new Set();
  /** The tasks that were handed to it and have not begun, in the order in which they begin. */
  readonly handed: Deque<Task> = new Deque();
  /** The tasks that it has begun. */
  readonly running: Set<Task> = new Set();
  /** The tasks for this child alone that were not handed to it. */
  readonly own: Deque<Task> = new Deque();
  /** The tasks for this child alone. */
  readonly posted: Set<Task> = new Set();
  /** When each running call must have ended, in milliseconds since the epoch, by task number; 0 for the preparation. */
  readonly deadlines: Map<number, number> = new Map();
  /** The number that tasks must carry for the child to take them. */
  epoch = 0;
  /** When a piece of a reply has come last, in milliseconds. */
  heard: number = performance.now();
  /** True if the child waits for a part of a task. */
  lacking = false;
  /** True if tasks behind a slow one were taken back from the child, which will report that it has dropped them. */
  stuck = false;
  /** The timer that ends the child if it does not end by itself. */
  endTimer: ReturnType<typeof setTimeout> | undefined;
  /** True while a {@linkcode fence} is under way. */
  fencing = false;
  /** True if the child may block while it waits for requests. */
  hot = true;
  /** The error that nothing has caught and that ends the child. `others`: whether the child has run other tasks. */
  uncaught: { readonly reply: Outcome; readonly others: boolean } | undefined;
  /** The runtime's version, as the child has reported it. */
  version = "";
  readonly #requests = new RequestWriter();
  readonly #pieces: PieceReader;
  readonly #listener: ChildListener;
  readonly #line: Line;
  #words = new Uint8Array(0);
  #dirty = false;
  /** The tasks that were handed over since the last {@linkcode flush}. */
  #unflushed = 0;
  /** True if tasks and their functions are all that was added since then. */
  #onlyTasks = true;
  /** True if the child gets no more tasks, as others whose replies come to a blocked thread take its place. */
  superseded = false;

  /** Starts a child. */
  constructor(number: number, init: Omit<ChildInit, "magic">, listener: ChildListener) {
    this.number = number;
    this.name = init.name;
    this.#listener = listener;
    const magic = newMagic();
    this.#pieces = new PieceReader(magic, {
      piece: () => this.heard = performance.now(),
      frame: (frame) => listener.frame(this, frame),
      text: (bytes) => this.#text(bytes),
    });
    this.#line = listener.open(this);
    void this.#line.write([programBytes(PROGRAM)]);
    this.send(INIT, 0, 0, new Encoder(Infinity).encode({ ...init, magic } satisfies ChildInit));
    this.flush();
  }

  /** The number of the process. */
  get pid(): number {
    return this.#line.pid;
  }

  /** The number of tasks that the child has. */
  get inFlight(): number {
    return this.handed.size + this.running.size;
  }

  /** True if the child has more to read than it should be sent. */
  get isFull(): boolean {
    return this.#line.unwritten > MOST_UNWRITTEN && this.inFlight > 0;
  }

  /** True if the child can be handed tasks now. */
  get isFree(): boolean {
    return this.state === "ready" && !this.superseded && !this.lacking && !this.stuck && !this.isFull;
  }

  /** Adds a request, to be written by {@linkcode flush}. */
  send(kind: number, taskId: number, detail = 0, part: Part = NO_PART, fn = 0, limit = 0, first = 0): void {
    this.#requests.add(kind, taskId, detail, fn, limit, first, part);
    this.#dirty = true;
    if (kind === TASK) this.#unflushed++;
    else if (kind !== FUNCTION) this.#onlyTasks = false;
  }

  /**
   * Forgets the requests that were not written, if they are only tasks and their functions. Returns the number of these tasks, which
   * are the last ones that were handed over.
   */
  takeUnflushed(): number {
    const count = this.#onlyTasks ? this.#unflushed : 0;
    if (count > 0) {
      this.#requests.take();
      this.#dirty = false;
      this.#unflushed = 0;
    }
    return count;
  }

  /** Writes what was added. */
  flush(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#unflushed = 0;
    this.#onlyTasks = true;
    void this.#line.write(this.#requests.take());
  }

  /** Takes bytes from the child. */
  data(bytes: Uint8Array): void {
    try {
      this.#pieces.push(bytes);
    } catch (error) {
      this.#listener.unreadable(this, error);
    }
    this.#listener.received(this);
  }

  /** Called when the child has ended. */
  ended(end: ChildEnd): void {
    this.#pieces.end();
    this.#listener.ended(this, end);
  }

  #text(bytes: Uint8Array): void {
    const kept = this.#words.subarray(Math.max(0, this.#words.length + bytes.length - WORDS));
    const words = new Uint8Array(Math.min(WORDS, kept.length + bytes.length));
    words.set(kept);
    words.set(bytes.subarray(Math.max(0, bytes.length - WORDS)), kept.length);
    this.#words = words;
    this.#listener.text(bytes);
  }

  /** Returns what the child has printed last on its standard error, in a form for messages; empty if there was nothing. */
  get lastWords(): string {
    const text = new TextDecoder().decode(this.#words).replace(ESCAPES, "");
    const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    // The runtime prints a report of many lines before and after the one that says what has happened.
    const said = lines.findLast((line) => /\bfatal\b|\bpanicked\b|^error\b/i.test(line)) ?? lines.at(-1) ?? "";
    return said.length > SHOWN ? `${said.slice(0, SHOWN)}…` : said;
  }

  /** Calls `passed` once everything that the child has written until now was read. */
  fence(passed: () => void): void {
    this.#line.fence(passed);
  }

  /** Kills the child, whatever it does. */
  kill(): void {
    this.#line.kill();
  }

  /** Sets whether the child keeps this program from ending. */
  keepProgram(keeps: boolean): void {
    this.#line.keepProgram(keeps);
  }
}

/** Sequences that color text on a terminal. */
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, "g");
