/**
 * The ends of a worker that the runtime keeps quiet about, and the errors that would end it.
 *
 * @module
 */

import { isDeno } from "../base/platform.ts";
import { standsForRuntime } from "../codec/runtime_functions.ts";

interface NodeProcess {
  exit(code?: number): never;
  on(type: NodeType, listener: (error: unknown, promise: Promise<unknown>) => void): void;
  listenerCount?: (type: NodeType) => number;
}

type NodeType = "uncaughtException" | "unhandledRejection";

interface Ending {
  Deno?: { exit(code?: number): never; exitCode?: number };
  process?: NodeProcess;
  close?: () => void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
  dispatchEvent(event: Event): boolean;
}

/** What is told of the end of a worker. */
export interface EndListener {
  /** Code of this worker ends it, with this exit code. */
  readonly farewell: (code: number) => void;
  /**
   * Nothing has caught this error. Gives in words when it came, if the worker goes on; undefined if it is to end by the error, of
   * which the calling side has been told.
   */
  readonly uncaught: (error: unknown) => string | undefined;
}

/** The exit code after an error of the worker's own program. */
const SOFTWARE_ERROR = 70;

/**
 * Makes every way in which code can end this worker tell the `listener` first: `close()`, `Deno.exit()`, and
 * `process.exit()`, which calls that. And asks it about each error that nothing catches, unless a listener of the user's
 * code for it calls `preventDefault()`.
 *
 * @returns What ends the worker: by an error of its own, with code 70, or for none, with 0.
 */
export function watchForEnd(name: string, listener: EndListener): (error?: unknown) => void {
  const scope = globalThis as unknown as Ending;
  const { Deno } = scope;
  const { error: print } = console; // kept, as a task may put another in its place
  const { wait } = Atomics;
  const close = scope.close?.bind(scope);
  const dispatch = scope.dispatchEvent.bind(scope);
  const process = isDeno() ? undefined : scope.process; // Bun's; that of Deno calls what is replaced here
  const exit = Deno?.exit.bind(Deno) ?? process?.exit.bind(process);
  const stop = (code: number | undefined): void => {
    exit?.(code);
    close?.();
  };
  // In browsers the code would run on, and end its task after all: it stands still until it is terminated.
  const standStill = (): never => {
    for (;;) wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
  const end = (code?: number): never => {
    try {
      listener.farewell(Number(code ?? Deno?.exitCode ?? 0) | 0);
    } finally {
      stop(code);
    }
    return standStill();
  };
  standsForRuntime(end);
  if (Deno !== undefined) Deno.exit = end;
  if (process !== undefined) process.exit = end;
  scope.close = () => end(0);
  standsForRuntime(scope.close);

  const crash = (error: unknown): void => {
    try {
      if (error !== undefined) print(`Uncaught error in the program of ${name}:`, error);
    } finally {
      end(error === undefined ? 0 : SOFTWARE_ERROR);
    }
  };
  const tell = (error: unknown): void => {
    let when: string | undefined;
    try {
      when = listener.uncaught(error);
    } catch (reason) {
      return crash(reason);
    }
    if (when !== undefined) return print(`Uncaught error in ${name}, ${when}:`, error);
    stop(1);
    standStill();
  };
  let asking: Event | undefined;
  /** Whether a listener of the user's code says that it has handled what an event of this kind tells. */
  const isHandled = (event: Event): boolean => {
    const outer = asking;
    asking = event;
    try {
      return !dispatch(event);
    } finally {
      asking = outer;
    }
  };
  // This listener comes first, and must prevent the default, by which the worker would end. So it asks the others by a copy.
  const report = (event: Event, error: unknown): void => {
    if (event === asking) return;
    if (event.type === "unhandledrejection" && nodeListens(scope.process)) return; // the runtime calls those afterwards
    event.preventDefault();
    event.stopImmediatePropagation();
    const Kind = event.constructor as new (type: string, init: unknown) => Event;
    if (!isHandled(new Kind(event.type, event))) tell(error);
  };
  scope.addEventListener("error", (event) => report(event, event.error ?? event.message));
  scope.addEventListener("unhandledrejection", (event) => report(event, event.reason));
  if (process !== undefined) {
    // The events above do not keep a worker of Bun alive, and are not sent when these are heard.
    const hear = (node: NodeType, type: string): void =>
      process.on(node, (error, promise) => {
        if ((process.listenerCount?.(node) ?? 0) > 1) return;
        const event = Object.assign(new Event(type, { cancelable: true }), { error, reason: error, promise });
        if (!isHandled(event)) tell(error);
      });
    hear("uncaughtException", "error");
    hear("unhandledRejection", "unhandledrejection");
  }
  return crash;
}

/** Whether code has asked, in the way of Node, to be told of rejections; Deno raises those as errors if only these are heard. */
function nodeListens(process: NodeProcess | undefined): boolean {
  const count = (type: NodeType): number => process?.listenerCount?.(type) ?? 0;
  return count("unhandledRejection") > 0 || count("uncaughtException") > 0;
}
