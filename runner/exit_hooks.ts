/**
 * Hooks for the exits of a worker that the runtime does not report, and for errors that would end the worker.
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

/** Callbacks for the end of a worker. */
export interface EndListener {
  /** Called when code of this worker ends the worker, with the exit code. */
  readonly farewell: (code: number) => void;
  /**
   * Called with an error that nothing caught. Returns a phrase for when the error came, if the worker continues.
   * Returns undefined if the worker must end by the error, which it has reported to the calling side.
   */
  readonly uncaught: (error: unknown) => string | undefined;
}

/** The exit code after an error of the worker's own program. */
const SOFTWARE_ERROR = 70;

/**
 * Makes every way in which code can end this worker call the `listener` first: `close()`, `Deno.exit()`, and
 * `process.exit()`, which calls `Deno.exit()`. Also calls the `listener` with each error that nothing catches, unless
 * an event listener of the user's code calls `preventDefault()`.
 *
 * @returns A function that ends the worker: with code 70 if it gets an error of the worker's own program, else with 0.
 */
export function watchForEnd(name: string, listener: EndListener): (error?: unknown) => void {
  const scope = globalThis as unknown as Ending;
  const { Deno } = scope;
  const { error: print } = console; // captured, as a task may replace it
  const { wait } = Atomics;
  const close = scope.close?.bind(scope);
  const dispatch = scope.dispatchEvent.bind(scope);
  const process = isDeno() ? undefined : scope.process; // of Bun; Deno's `process` calls `Deno.exit`, replaced below
  const exit = Deno?.exit.bind(Deno) ?? process?.exit.bind(process);
  const stop = (code: number | undefined): void => {
    exit?.(code);
    close?.();
  };
  // In browsers the code would continue and still end its task. So the thread blocks until it is terminated.
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
  /** Returns whether a listener of the user's code has handled an event, by preventing its default. */
  const isHandled = (event: Event): boolean => {
    const outer = asking;
    asking = event;
    try {
      return !dispatch(event);
    } finally {
      asking = outer;
    }
  };
  // This listener runs first and must prevent the default action, which would end the worker. So it asks the other
  // listeners by a copy of the event.
  const report = (event: Event, error: unknown): void => {
    if (event === asking) return;
    if (event.type === "unhandledrejection" && nodeListens(scope.process)) return; // the runtime calls them later
    event.preventDefault();
    event.stopImmediatePropagation();
    const Kind = event.constructor as new (type: string, init: unknown) => Event;
    if (!isHandled(new Kind(event.type, event))) tell(error);
  };
  scope.addEventListener("error", (event) => report(event, event.error ?? event.message));
  scope.addEventListener("unhandledrejection", (event) => report(event, event.reason));
  if (process !== undefined) {
    // In Bun the listeners above do not keep a worker alive, and are not called when the following ones exist.
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

/**
 * Returns whether code listens for rejections by Node's events. Deno raises a rejection as an uncaught exception if
 * only `uncaughtException` has listeners.
 */
function nodeListens(process: NodeProcess | undefined): boolean {
  const count = (type: NodeType): number => process?.listenerCount?.(type) ?? 0;
  return count("unhandledRejection") > 0 || count("uncaughtException") > 0;
}
