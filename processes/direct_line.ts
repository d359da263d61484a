/**
 * The way to a child process that this thread has started itself.
 *
 * @module
 */

import type { Launch } from "./launch.ts";

/** The end of a child. */
export interface ChildEnd {
  /** Its exit code. */
  readonly code: number;
  /** The signal that has ended it, if any. */
  readonly signal: string | null;
}

/** Called with what comes from a child. */
export interface LineListener {
  /** Called with bytes from its standard error, valid only until it returns. */
  data(bytes: Uint8Array): void;
  /** Called when it has ended, after its last bytes. */
  ended(end: ChildEnd): void;
  /** Called if it cannot be started, unless that is thrown. */
  failed(message: string): void;
}

/** The way to one child. */
export interface Line {
  /** The number of the process. */
  readonly pid: number;
  /** The number of bytes that were written and not taken by the child so far. */
  readonly unwritten: number;
  /** Writes to the standard input of the child. Returns a promise that resolves when the child has the bytes or is gone, if known. */
  write(chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<unknown> | undefined;
  /** Calls `passed` once everything that the child has written until now was given to the listener. */
  fence(passed: () => void): void;
  /** Kills the child, whatever it does. */
  kill(): void;
  /** Sets whether the child keeps this program from ending. */
  keepProgram(keeps: boolean): void;
}

/**
 * How long the pipe of a child that has ended may bring nothing before the line is given up, in milliseconds. What the child has
 * written is in the pipe by then; only children of its own can keep the pipe open.
 */
const QUIET = 20;
/** The number of times that is waited for. Children of its own that print all the time could keep the line open longer. */
const MOST_WAITS = 50;

/** The most that is read at once, in bytes. */
const CHUNK = 2 ** 16;

/**
 * The number of timers, one after the other, after which a read that was ready before the first one has come. While the event loop
 * sleeps for a timer, it learns which pipes are ready; it may call that timer before the code that waits for the pipe, but not the
 * one after the next.
 */
const FENCE_TURNS = 3;

/** Starts a child. Throws what the runtime throws if it cannot. */
export function openDirect({ command, args, cwd, env }: Launch, listener: LineListener): Line {
  return new DirectLine(
    new Deno.Command(command, {
      args,
      env: { ...env },
      stdin: "piped",
      stdout: "inherit",
      stderr: "piped",
      ...(cwd !== undefined && { cwd }),
    }).spawn(),
    listener,
  );
}

class DirectLine implements Line {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #listener: LineListener;
  #ended = false;
  /** The number of chunks that were read. */
  #chunks = 0;
  unwritten = 0;

  constructor(child: Deno.ChildProcess, listener: LineListener) {
    this.#child = child;
    this.#listener = listener;
    this.#writer = child.stdin.getWriter();
    // The end of this program by `Deno.exit()` would leave a busy child behind.
    globalThis.addEventListener("unload", this.#unload);
    void this.#watch(this.#read());
  }

  readonly #unload = (): void => this.kill();

  get pid(): number {
    return this.#child.pid;
  }

  async #read(): Promise<void> {
    const reader = this.#child.stderr.getReader({ mode: "byob" });
    let memory = new ArrayBuffer(CHUNK); // the stream would make one for each chunk, which takes longer than to read it
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(memory));
      if (done) return;
      this.#chunks++;
      this.#listener.data(value);
      memory = value.buffer;
    }
  }

  async #watch(reading: Promise<void>): Promise<void> {
    const end = await this.#child.status;
    this.#ended = true;
    globalThis.removeEventListener("unload", this.#unload);
    for (let before = -1, waits = 0; before !== this.#chunks && waits < MOST_WAITS; waits++) {
      before = this.#chunks;
      let timer: ReturnType<typeof setTimeout> | undefined;
      // The second timer: if other code has blocked this thread meanwhile, the event loop reads before that one ends.
      const quiet = new Promise<void>((resolve) => {
        timer = setTimeout(() => timer = setTimeout(resolve, 1), QUIET);
      });
      const closed = await Promise.race([reading.then(() => true), quiet]);
      clearTimeout(timer);
      if (closed === true) break;
    }
    // What could not be written any more is lost with the child, whose end is reported.
    await this.#writer.abort().catch(() => {});
    this.#listener.ended(end);
  }

  write(chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<unknown> | undefined {
    let last: Promise<unknown> | undefined;
    for (const chunk of chunks) {
      this.unwritten += chunk.length;
      const done = (): void => void (this.unwritten -= chunk.length);
      last = this.#writer.write(chunk).then(done, done); // if the child is gone, its end is reported
    }
    return last;
  }

  fence(passed: () => void, turns = FENCE_TURNS): void {
    setTimeout(() => turns > 1 ? this.fence(passed, turns - 1) : passed(), 1);
  }

  kill(): void {
    if (this.#ended) return;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended, which is about to be reported.
    }
  }

  keepProgram(keeps: boolean): void {
    if (keeps) this.#child.ref();
    else this.#child.unref();
  }
}
