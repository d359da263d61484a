/**
 * A model checker: runs code on shared memory in every possible order, one atomic step at a time.
 *
 * A thread of the model is a list of actions: the real code of `sync/`, whose steps go through `atomics`. The checker
 * makes a step of a thread by running the thread's action again from the start: it replays the results of earlier
 * steps, then makes one more. So every state (the memory, and the results of the steps in each thread's action) can
 * continue in every way, and no state is visited twice.
 *
 * @module
 */

import { atomics } from "../sync/internal/atomics.ts";
import { ThreadTable } from "../sync/internal/thread_table.ts";
import { thisThread } from "../sync/internal/current_thread.ts";
import { Member } from "../sync/internal/member.ts";

/** Thrown to interrupt an action that has reached its next step. */
const SUSPENDED = new Error("suspended");
/** More time, in milliseconds, than any deadline leaves. */
const LATE = 1e9;
/** More steps than any action needs: an action with more of them is an endless loop. */
const ENDLESS = 2000;

/** The number of the last steps that a failure shows. */
const LAST_STEPS = 80;

/** One action of a thread, with a result for the check at the end. */
export interface Action {
  /** Runs the action and returns its result. */
  run: () => unknown;
  /** True if its timeouts may expire at any moment, instead of only when nothing else can happen. */
  timed?: boolean;
}

/** A thread of a model. */
export interface ModelThread {
  /** The actions, in order. */
  readonly actions: readonly Action[];
  /** True if the thread may vanish at any step, once an action of another thread has called {@linkcode Scene.stop}. */
  readonly mortal?: boolean;
  /** True if the thread runs until it sleeps before the other threads begin. */
  readonly first?: boolean;
}

/** The means for making the threads of a model. */
export interface Scene {
  /** The thread table of all its threads. */
  readonly threadTable: SharedArrayBuffer;
  /** The ID of each thread. */
  readonly ids: readonly number[];
  /** Calls `make` as if on a thread, so that the objects made in it belong to that thread. */
  on<T>(thread: number, make: (member: Member) => T): T;
  /** A section that fails the check if two threads run it at the same time. */
  readonly section: { run(): void };
  /** Asks a thread to end. A mortal thread may vanish from then on. */
  stop(thread: number): void;
  /** Runs one callback of the event loop of the current thread; waits for one if there is none. */
  turn(): void;
}

/** The result of a run through all states. */
export interface Outcome {
  /** The number of states. */
  readonly states: number;
  /** The failure that was found, if any, with the steps that lead to it. */
  readonly failure?: string;
}

interface Thread {
  /** The index of the current action; the number of actions when all are done. */
  readonly action: number;
  /** The results of the thread's actions so far. */
  readonly results: readonly string[];
  /** The results of the steps in the current action. */
  readonly log: readonly unknown[];
  /** True if the next step has two outcomes: time passes or not. */
  readonly choice: boolean;
  /** The cell on which the thread sleeps; -1 for none. */
  readonly asleep: number;
  /** True if that sleep has a timeout. */
  readonly limited: boolean;
  /** The cell on which the thread's event loop waits; -1 for none, -2 when it was woken. */
  readonly listens: number;
  /** True while the thread waits for its event loop. */
  readonly idle: boolean;
  /** The range of bytes that the thread is copying, if any. */
  readonly copies: readonly [first: number, last: number, writes: boolean] | undefined;
  readonly gone: boolean;
}

interface State {
  readonly memory: readonly number[];
  readonly threads: readonly Thread[];
  readonly before: State | undefined;
  readonly by: string;
}

const FRESH: Thread = {
  action: 0,
  results: [],
  log: [],
  choice: false,
  asleep: -1,
  limited: false,
  listens: -1,
  idle: false,
  copies: undefined,
  gone: false,
};

class KnownThreadTable extends ThreadTable {
  readonly #id: number;
  constructor(memory: SharedArrayBuffer, id: number) {
    super(memory);
    this.#id = id;
  }
  override join(): number {
    return this.#id;
  }
}

/** A model of `threads` threads. `make` creates the objects that they share, and returns the threads. */
export class Model {
  readonly #threads: ModelThread[] = [];
  readonly #check: (results: readonly (readonly string[])[]) => string | undefined;
  readonly #cells = new Map<ArrayBufferLike, Int32Array>();
  readonly #stopped = new Int32Array(new SharedArrayBuffer(64));
  readonly #section = new Uint8Array(new SharedArrayBuffer(8));
  /** The first value of each cell. */
  readonly #first: number[] = [];
  /** Cells that some thread changes. Reading any other cell is not a separate step. */
  readonly #changing = new Set<number>();
  readonly #constant = new Set<number>();
  #restart = false;

  // The state of the current step.
  #active = -1;
  #memory: number[] = [];
  #woken: [thread: number, cell: number][] = [];
  #thread: Thread = FRESH;
  #state: State | undefined;
  #log: unknown[] = [];
  #position = 0;
  #late = false;
  #timed = false;
  #asked = 0;
  #made = false;
  #suspended = false;
  #callback: (() => unknown) | undefined;
  #next: { -readonly [K in keyof Thread]?: Thread[K] } = {};

  /** `check` gets the results of all threads' actions at the end, and returns a description of the error, if any. */
  constructor(
    threads: number,
    make: (scene: Scene) => readonly ModelThread[],
    check: (results: readonly (readonly string[])[]) => string | undefined,
  ) {
    this.#check = check;
    const threadTable = new ThreadTable();
    const ids: number[] = [];
    for (let i = 0; i < threads; i++) ids.push(threadTable.join(0));
    const scene: Scene = {
      threadTable: threadTable.memory,
      ids,
      on: (thread, make) => this.#on(threadTable.memory, ids[thread]!, thread, make),
      section: { run: () => this.#enterSection() },
      stop: (thread) => void atomics.store(this.#stopped, thread, 1),
      turn: () => this.#turn(),
    };
    this.#threads.push(...make(scene));
  }

  #on<T>(memory: SharedArrayBuffer, id: number, index: number, make: (member: Member) => T): T {
    const thread = thisThread();
    const state: Member["thread"] = {
      stopped: () => atomics.load(this.#stopped, index) !== 0,
      services: new Set(),
      guards: [],
      sharer: thread.sharer,
    };
    const member = new Member(new KnownThreadTable(memory, id), state, 0);
    const { home } = thread;
    const before = [...thread.members];
    thread.members.clear();
    thread.members.set(member.threadTable.key, member);
    thread.home = member.threadTable;
    try {
      return make(member);
    } finally {
      thread.home = home;
      thread.members.clear();
      for (const [key, member] of before) thread.members.set(key, member);
    }
  }

  /** Visits every state. */
  explore(): Outcome {
    const real = { ...atomics };
    const { setInterval, clearInterval, setTimeout, clearTimeout } = globalThis;
    const fakes = this.#fakes();
    try {
      Object.assign(atomics, fakes);
      // An event loop of the model needs no timer that keeps it running.
      Object.assign(globalThis, {
        setInterval: () => 1,
        clearInterval: () => {},
        setTimeout: () => 1,
        clearTimeout: () => {},
      });
      for (;;) {
        this.#restart = false;
        this.#failure = undefined;
        const outcome = this.#explore();
        if (!this.#restart) return outcome;
      }
    } finally {
      Object.assign(atomics, real);
      Object.assign(globalThis, { setInterval, clearInterval, setTimeout, clearTimeout });
    }
  }

  #explore(): Outcome {
    let start: State = { memory: [], threads: this.#threads.map(() => FRESH), before: undefined, by: "" };
    for (const i of this.#threads.keys()) start = this.#advance(start, i, undefined, false, true);
    this.#threads.forEach(({ first }, i) => {
      const runs = () => !this.#isOver(i, start.threads[i]!) && start.threads[i]!.asleep < 0 && !start.threads[i]!.idle;
      while (first === true && runs()) start = this.#advance(start, i, undefined);
    });
    const seen = new Set([this.#keyOf(start)]);
    const stack = [start];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      if (this.#restart) break;
      const next = this.#successors(state);
      const failure = this.#failure ?? (next.length === 0 ? this.#end(state) : undefined);
      if (failure !== undefined && !this.#restart) return { states: seen.size, failure: this.#story(state, failure) };
      for (const one of next) {
        const key = this.#keyOf(one);
        if (seen.has(key)) continue;
        seen.add(key);
        stack.push(one);
      }
    }
    return { states: seen.size };
  }

  #failure: string | undefined;

  #successors(state: State): State[] {
    const next: State[] = [];
    state.threads.forEach((thread, i) => {
      if (this.#isOver(i, thread)) return;
      const mortal = this.#threads[i]!.mortal === true && this.#stoppedIn(state, i);
      if (mortal) next.push(this.#with(state, i, { ...thread, gone: true, copies: undefined }, `${i} vanishes`));
      if (thread.idle) return;
      if (thread.asleep >= 0) {
        if (thread.limited && this.#threads[i]!.actions[thread.action]!.timed === true) {
          next.push(this.#advance(state, i, "timed-out"));
        }
        return;
      }
      next.push(this.#advance(state, i, undefined, false));
      if (thread.choice) next.push(this.#advance(state, i, undefined, true));
    });
    if (next.length > 0) return next;
    // Nothing else can happen, so time passes.
    state.threads.forEach((thread, i) => {
      if (!thread.gone && thread.asleep >= 0 && thread.limited) next.push(this.#advance(state, i, "timed-out"));
    });
    return next;
  }

  #stoppedIn(state: State, i: number): boolean {
    return state.memory[this.#cell(this.#stopped, i)] === 1;
  }

  #isOver(i: number, thread: Thread): boolean {
    return thread.gone || thread.action === this.#threads[i]!.actions.length;
  }

  #with(state: State, i: number, thread: Thread, by: string): State {
    return { memory: state.memory, threads: state.threads.with(i, thread), before: state, by };
  }

  #end(state: State): string | undefined {
    const stuck = state.threads.findIndex((thread, i) => !this.#isOver(i, thread));
    if (stuck >= 0) return `thread ${stuck} waits for ever`;
    return this.#check(state.threads.map((thread) => thread.results));
  }

  #story(state: State, failure: string): string {
    const steps: string[] = [];
    for (let at: State | undefined = state; at !== undefined; at = at.before) steps.push(at.by);
    const threads = state.threads.map((thread, i) =>
      `${i}: action ${thread.action}, gave [${thread.results}]${thread.asleep >= 0 ? ", sleeps" : ""}`
    );
    return `${failure}\n${threads.join("\n")}\n${steps.slice(0, LAST_STEPS).reverse().join("\n")}`;
  }

  #keyOf({ memory, threads }: State): string {
    const units: number[] = [];
    const numbers = threads.map((thread) => this.#numberOf(thread));
    for (const value of [...memory, ...numbers]) units.push(value & 0xffff, value >>> 16);
    return String.fromCharCode(...units);
  }

  /** Returns the number of a thread's state; equal states have the same number. */
  #numberOf(thread: Thread): number {
    let number = this.#numbers.get(thread);
    if (number === undefined) {
      const { action, results, log, asleep, listens, gone } = thread;
      const text = `${action};${results};${log};${asleep};${listens};${gone}`;
      number = this.#alike.get(text);
      if (number === undefined) this.#alike.set(text, number = this.#alike.size);
      this.#numbers.set(thread, number);
    }
    return number;
  }

  /** The numbers by object: a step keeps the objects of all other threads. */
  readonly #numbers = new WeakMap<Thread, number>();
  readonly #alike = new Map<string, number>();

  // Making one step.

  #advance(state: State, i: number, wake: "timed-out" | undefined, late = false, begin = false): State {
    const thread = state.threads[i]!;
    this.#active = i;
    this.#state = state;
    this.#thread = thread;
    this.#memory = [...state.memory];
    this.#woken = [];
    this.#late = late;
    this.#made = wake !== undefined || begin;
    this.#next = { asleep: -1, idle: false };
    const by = wake === undefined ? [] : [`sleep ${wake}`];
    this.#steps = by;
    const made = this.#runOn(thread, wake === undefined ? [...thread.log] : [...thread.log, wake]);
    const threads = state.threads.with(i, made);
    for (const [index, cell] of this.#woken) threads[index] = awaken(threads[index]!, cell);
    return { memory: this.#memory, threads, before: state, by: `${i} ${by.join()}` };
  }

  #steps: string[] = [];

  /** Runs the action of a thread, and those after it: replays the log, makes one step and stops before the next one. */
  #runOn(thread: Thread, log: unknown[]): Thread {
    let { action, results } = thread;
    const { actions } = this.#threads[this.#active]!;
    for (;;) {
      this.#log = log;
      this.#position = 0;
      this.#asked = 0;
      this.#suspended = false;
      this.#callback = undefined;
      if (log.length > ENDLESS) this.#failure ??= `thread ${this.#active} goes round in circles`;
      this.#timed = actions[action]!.timed === true;
      const result = this.#outcomeOf(actions[action]!);
      if (this.#suspended) break;
      results = [...results, result];
      action++;
      log = [];
      if (action === actions.length) break;
    }
    const { choice = false, asleep = -1, limited = false, listens = thread.listens, idle = false, copies } = this.#next;
    return { action, results, log, choice, asleep, limited, listens, idle, copies, gone: false };
  }

  #outcomeOf(action: Action): string {
    try {
      return String(action.run());
    } catch (error) {
      if (error === SUSPENDED) this.#suspended = true;
      return error instanceof Error ? error.name : "error";
    }
  }

  #cell(words: Int32Array | Uint8Array, index: number): number {
    let cells = this.#cells.get(words.buffer);
    if (cells === undefined) {
      this.#cells.set(words.buffer, cells = new Int32Array(words.buffer.byteLength / words.BYTES_PER_ELEMENT));
    }
    let cell = cells[index]! - 1;
    if (cell < 0) {
      cell = this.#first.push(words[index]!) - 1;
      cells[index] = cell + 1;
    }
    while (this.#memory.length <= cell) this.#memory.push(this.#first[this.#memory.length]!);
    return cell;
  }

  /** Returns the logged result of an earlier step, makes the current step, or interrupts the action at a later one. */
  #step<T>(what: () => string, make: () => T, choice = false): T {
    if (this.#suspended) throw SUSPENDED;
    if (this.#position < this.#log.length) return this.#log[this.#position++] as T;
    if (this.#made) {
      this.#next.choice = choice;
      return this.#suspend();
    }
    this.#made = true;
    this.#steps.push(what());
    const result = make();
    this.#log.push(result);
    this.#position++;
    return result;
  }

  #suspend(): never {
    this.#suspended = true;
    throw SUSPENDED;
  }

  #change(cell: number, value: number): void {
    if (this.#constant.has(cell)) this.#restart = true; // the cell was wrongly taken for a constant
    this.#changing.add(cell);
    this.#constant.delete(cell);
    this.#memory[cell] = value;
  }

  #fakes(): Partial<typeof atomics> {
    const name = (words: Int32Array | Uint8Array, index: number) =>
      `${[...this.#cells.keys()].indexOf(words.buffer)}:${index}`;
    const loads = (words: Int32Array, index: number): number => {
      if (this.#suspended) throw SUSPENDED;
      const cell = this.#cell(words, index);
      if (!this.#changing.has(cell)) {
        this.#constant.add(cell);
        return this.#memory[cell]!;
      }
      return this.#step(() => `load ${name(words, index)}: ${this.#memory[cell]}`, () => this.#memory[cell]!);
    };
    const stores = (words: Int32Array, index: number, value: number): number => {
      const cell = this.#cell(words, index);
      return this.#step(() => `store ${name(words, index)} = ${value}`, () => {
        this.#change(cell, value);
        return value;
      });
    };
    const writes = (memory: Uint8Array, at: number, source: Uint8Array, from: number, length: number): void => {
      this.#copy(memory, at, length, true, () => {
        for (let i = 0; i < length; i++) this.#change(this.#cell(memory, at + i), source[from + i]!);
      });
    };
    const reads = (memory: Uint8Array, at: number, target: Uint8Array, to: number, length: number): void => {
      const bytes = this.#copy(memory, at, length, false, () => {
        return Array.from({ length }, (_, i) => this.#memory[this.#cell(memory, at + i)]!);
      });
      target.set(bytes as number[], to);
    };
    const bytesOf = (words: Int32Array): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    return {
      load: loads,
      peek: loads,
      store: stores,
      poke: stores,
      add: (words, index, value) => {
        const cell = this.#cell(words, index);
        return this.#step(() => `add ${name(words, index)}: ${this.#memory[cell]} + ${value}`, () => {
          const before = this.#memory[cell]!;
          this.#change(cell, (before + value) | 0);
          return before;
        });
      },
      compareExchange: (words, index, old, value) => {
        const cell = this.#cell(words, index);
        return this.#step(
          () => `exchange ${name(words, index)}: ${this.#memory[cell]}, ${old} for ${value}`,
          () => {
            const before = this.#memory[cell]!;
            if (before === old) this.#change(cell, value);
            return before;
          },
        );
      },
      wait: (words, index, value, timeout) => this.#wait(words, index, value, timeout),
      waitAsync: (words, index, value) => this.#listen(words, index, value),
      notify: (words, index) => {
        const cell = this.#cell(words, index);
        return this.#step(() => `notify ${name(words, index)}`, () => {
          let count = 0;
          this.#state!.threads.forEach(({ asleep, listens, gone }, i) => {
            if (gone || (asleep !== cell && listens !== cell)) return;
            if (i === this.#active) this.#next.listens = -2;
            else this.#woken.push([i, cell]);
            count++;
          });
          return count;
        });
      },
      write: writes,
      read: reads,
      writeWord: (words, index, value) => {
        writes(bytesOf(words), index * 4, new Uint8Array(Int32Array.of(value).buffer), 0, 4);
      },
      readWord: (words, index) => {
        const word = new Int32Array(1);
        reads(bytesOf(words), index * 4, new Uint8Array(word.buffer), 0, 4);
        return word[0]!;
      },
      patience: 0,
      now: () => {
        if (this.#suspended) throw SUSPENDED;
        const passed = this.#passed();
        if (passed > 0 || !this.#timed || this.#asked++ === 0) return passed;
        this.#step(() => "now", () => this.#late ? "late" : "soon", true);
        return this.#passed();
      },
      clock: () => this.#passed(),
    };
  }

  /** Returns how much time has passed in the current action, in milliseconds. */
  #passed(): number {
    if (this.#suspended) throw SUSPENDED;
    let times = 0;
    for (let i = 0; i < this.#position; i++) if (this.#log[i] === "timed-out" || this.#log[i] === "late") times++;
    return times * LATE;
  }

  /** Copies bytes in two steps, the beginning and the end. Between them no other thread may touch the bytes. */
  #copy(memory: Uint8Array, at: number, length: number, writes: boolean, copy: () => unknown): unknown {
    if (length === 0) return [];
    for (let i = 0; i < length; i++) this.#cell(memory, at + i);
    const first = [...this.#cells.keys()].indexOf(memory.buffer) * 2 ** 32 + at;
    const last = first + length - 1;
    const what = (when: string) => () => `${writes ? "write" : "read"} ${at} to ${at + length - 1} ${when}`;
    const range = [first, last, writes] as const;
    this.#step(what("begins"), () => {
      this.#state!.threads.forEach(({ copies, gone }, i) => {
        if (gone || i === this.#active || copies === undefined || !(writes || copies[2])) return;
        if (copies[0] <= last && copies[1] >= first) {
          this.#failure ??= `threads ${i} and ${this.#active} touch the same bytes at once`;
        }
      });
      this.#next.copies = range;
      return "begun";
    });
    return this.#step(what("ends"), () => {
      delete this.#next.copies;
      return copy() ?? "done";
    });
  }

  #enterSection(): void {
    atomics.write(this.#section, 0, new Uint8Array(1), 0, 1);
  }

  #wait(words: Int32Array, index: number, value: number, timeout: number): string {
    const cell = this.#cell(words, index);
    return this.#step(() => `wait ${index}: ${this.#memory[cell]}, for ${value}`, () => {
      this.#changing.add(cell);
      if (this.#memory[cell] !== value) return "not-equal";
      this.#next.asleep = cell;
      this.#next.limited = timeout < Infinity;
      return this.#suspend();
    });
  }

  #listen(
    words: Int32Array,
    index: number,
    value: number,
  ): { async: true; value: PromiseLike<unknown> } | { async: false } {
    const cell = this.#cell(words, index);
    const how = this.#step(() => `listen ${index}: ${this.#memory[cell]}, for ${value}`, () => {
      if (this.#memory[cell] !== value) return "not-equal";
      this.#next.listens = cell;
      return "listens";
    });
    if (how === "not-equal") return { async: false };
    const then = (callback: () => unknown): PromiseLike<unknown> => {
      this.#callback = callback;
      return Promise.resolve();
    };
    return { async: true, value: { then } as PromiseLike<unknown> };
  }

  #turn(): void {
    this.#step(() => "turn", () => {
      const listens = this.#next.listens ?? this.#thread.listens;
      if (listens === -2) {
        this.#next.listens = -1;
        return "turn";
      }
      this.#next.idle = true;
      return this.#suspend();
    });
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.();
  }
}

function awaken(thread: Thread, cell: number): Thread {
  const heard = thread.listens === cell;
  const listens = heard ? -2 : thread.listens;
  if (thread.asleep === cell) return { ...thread, listens, asleep: -1, log: [...thread.log, "ok"] };
  if (heard && thread.idle) return { ...thread, listens: -1, idle: false, log: [...thread.log, "turn"] };
  return { ...thread, listens };
}
