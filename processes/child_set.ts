/**
 * The children of a scheduler: as many as there is work for.
 *
 * @module
 */

import { unrefTimer } from "../base/platform.ts";
import { warnOfStart } from "../scheduler/failures.ts";
import type { WorkerConfig } from "../scheduler/worker_config.ts";
import { END } from "./frames.ts";
import type { ChildInit } from "./launch.ts";
import { type ChildListener, ProcessHandle } from "./process_handle.ts";

/** The time that a child has to end after it was told to, unless it waits for its own child processes, in milliseconds. */
const LEAVING = 1000;

/** Options of a {@linkcode ChildSet}. */
export interface ChildSetOptions {
  /** The configuration of the scheduler. */
  readonly config: WorkerConfig;
  /** The first data that every child gets, beside its name. */
  readonly init: Omit<ChildInit, "magic" | "name">;
  /** Called with what the children report. */
  readonly listener: ChildListener;
  /** Called with the error if no child can be started and there is no other one. */
  readonly failed: (error: unknown) => void;
}

/** Starts children, and ends them. */
export class ChildSet {
  /** The children that take tasks, or will. */
  readonly handles: Set<ProcessHandle> = new Set();
  /** The children that take no more tasks and have not ended. */
  readonly ending: Set<ProcessHandle> = new Set();
  /** The number of starts that have failed. */
  startFailures = 0;
  readonly #options: ChildSetOptions;
  #number = 0;
  #keepsProgram = true;

  /** Starts no child yet. */
  constructor(options: ChildSetOptions) {
    this.#options = options;
  }

  /** The number of children that get tasks, now or once they are ready. */
  get active(): number {
    let active = 0;
    for (const { superseded } of this.handles) if (!superseded) active++;
    return active;
  }

  /** True if another child may be started. */
  get hasRoom(): boolean {
    return this.active < this.#options.config.size;
  }

  /** Starts a child. Returns false on failure. */
  start(): boolean {
    const { config: { name, exactName }, init, listener } = this.#options;
    const number = ++this.#number;
    try {
      const handle = new ProcessHandle(number, { ...init, name: exactName ? name : `${name}-${number}` }, listener);
      this.handles.add(handle);
      handle.keepProgram(this.#keepsProgram);
      return true;
    } catch (error) {
      this.startFailed(error);
      return false;
    }
  }

  /** Called when a child could not be started, or has ended before it was ready. */
  startFailed(error: unknown): void {
    this.startFailures++;
    if (this.handles.size === 0) return this.#options.failed(error);
    if (this.startFailures > 1) return;
    const { name, size } = this.#options.config;
    warnOfStart("process", name, error, this.handles.size, size);
  }

  /** Moves a child to those that take no more tasks. */
  leave(handle: ProcessHandle): void {
    handle.state = "ending";
    if (!this.handles.delete(handle)) return;
    this.ending.add(handle);
    handle.endTimer = setTimeout(() => handle.kill(), LEAVING); // code that a task has left behind may never end
    unrefTimer(handle.endTimer);
  }

  /** Ends a child that has no tasks, after its own child processes. */
  end(handle: ProcessHandle): void {
    if (handle.state === "starting") handle.kill();
    else handle.send(END, 0);
    handle.flush();
    this.leave(handle);
  }

  /** Ends all children, which have no tasks. */
  endAll(): void {
    for (const handle of [...this.handles]) this.end(handle);
  }

  /** Kills all children. */
  killAll(): void {
    for (const handle of [...this.handles]) {
      this.leave(handle);
      handle.kill();
    }
  }

  /** Sets whether the children keep this program from ending. */
  keepProgram(keeps: boolean): void {
    if (keeps === this.#keepsProgram) return;
    this.#keepsProgram = keeps;
    for (const handle of this.handles) handle.keepProgram(keeps);
  }
}
