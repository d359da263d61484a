/**
 * The ends of a worker that the runtime keeps quiet about, and the errors that would end it.
 *
 * @module
 */

import { isDeno } from "../_platform.ts";
import { standsForRuntime } from "../codec/runtime_functions.ts";

interface Ending {
  Deno?: { exit(code?: number): never; exitCode?: number };
  process?: {
    exit(code?: number): never;
    on(type: "uncaughtException" | "unhandledRejection", listener: (error: unknown) => void): void;
  };
  close?: () => void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

/**
 * Makes every way in which code can end this worker tell `farewell` the exit code first: `close()`, `Deno.exit()`, and
 * `process.exit()`, which calls that. And keeps the worker alive through errors outside of any task, which it reports as
 * those of `name`.
 *
 * @returns What ends the worker: by an error of its own, with code 70, or for none, with 0.
 */
export function watchForEnd(name: string, farewell: (code: number) => void): (error?: unknown) => void {
  const scope = globalThis as unknown as Ending;
  const { Deno } = scope;
  const { error: print } = console; // kept, as a task may put another in its place
  const { wait } = Atomics;
  const close = scope.close?.bind(scope);
  const process = isDeno() ? undefined : scope.process; // Bun's; that of Deno calls what is replaced here
  const exit = Deno?.exit.bind(Deno) ?? process?.exit.bind(process);
  const end = (code?: number): never => {
    try {
      farewell(Number(code ?? Deno?.exitCode ?? 0) | 0);
    } finally {
      exit?.(code);
      close?.();
    }
    // In browsers the code would run on, and end its task after all: it stands still until it is terminated.
    for (;;) wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
  standsForRuntime(end);
  if (Deno !== undefined) Deno.exit = end;
  if (process !== undefined) process.exit = end;
  scope.close = () => end(0);
  standsForRuntime(scope.close);
  const tell = (error: unknown): void => print(`Uncaught error in ${name}, outside of any task:`, error);
  const report = (event: Event, error: unknown): void => {
    event.preventDefault(); // or it would end the worker, and perhaps the program
    tell(error);
  };
  if (process !== undefined) {
    // The events below do not keep a worker of Bun alive, and are not sent when these are heard.
    process.on("uncaughtException", tell);
    process.on("unhandledRejection", tell);
  }
  scope.addEventListener("error", (event) => report(event, event.error ?? event.message));
  scope.addEventListener("unhandledrejection", (event) => report(event, event.reason));
  return (error) => {
    try {
      if (error !== undefined) tell(error);
    } finally {
      end(error === undefined ? 0 : 70);
    }
  };
}
