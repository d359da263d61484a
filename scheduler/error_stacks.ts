/**
 * Completing the stacks of errors that workers send, with the places of functions that were sent by source, the item
 * that the error belongs to, and the code that made the call.
 *
 * @module
 */

import { isError, readText } from "../codec/error_fields.ts";
import { describeFunction, type SourceSpec } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { type CallSite, deepCallSite, FRAMES, type UserStack, userStack } from "../base/call_site.ts";
import { findPlace, type Place } from "./places.ts";
import type { ChunkValue, Outcome, Task } from "./task.ts";

/** The number of places that are remembered. */
const CAPACITY = 100;
/** The number of levels of causes of an error are completed. */
const DEEPEST = 5;

/** Matches a place in a function, as the worker writes it. */
const IN_FUNCTION = /(\(?)\b(task|scope):([^\s:]*):(\d+):(\d+)(\)?)$/;

/** Completes the errors of one scheduler. */
export class ErrorStacks {
  readonly #scope: Readonly<Record<string, unknown>>;
  readonly #firstCall: (fn: AnyFunction) => CallSite | undefined;
  /** The place where the scheduler was created. */
  readonly #created: CallSite = deepCallSite(FRAMES);
  readonly #places = new Map<string, Place | undefined>();
  readonly #sites = new WeakMap<CallSite, UserStack>();

  /** `scope`: the values that workers get by name. `firstCall` returns where a function was first sent, if known. */
  constructor(scope: Readonly<Record<string, unknown>>, firstCall: (fn: AnyFunction) => CallSite | undefined) {
    this.#scope = scope;
    this.#firstCall = firstCall;
  }

  /** Adds places to the error of an initializer or of a module. */
  completeStart(initializer: AnyFunction | undefined, error: unknown): void {
    if (isError(error)) this.#locate(initializer, error, this.#stackOf(this.#created));
  }

  /** Returns the outcome of a worker's reply with its errors completed, as far as that is possible now. */
  complete(task: Task, outcome: Outcome): Outcome {
    const { site } = task;
    if (!outcome.ok) {
      const { error } = outcome;
      if (!isError(error)) return outcome;
      if (site !== undefined) {
        this.#finish(task, error, this.#stackOf(site), task.calls === 1 ? task.first : undefined);
        return outcome;
      }
      const first = this.#firstCall(task.fn);
      if (first !== undefined) this.#locate(task.fn, error, this.#stackOf(first));
      let done = false;
      const complete = (stack: string): void => {
        if (done) return;
        done = true;
        this.#finish(task, error, userStack(stack), undefined);
      };
      return { ...outcome, complete };
    }
    if (task.mode !== "map" && task.mode !== "starmap") return outcome;
    const [failures] = outcome.value as ChunkValue;
    if (failures === undefined) return outcome;
    const stack = site === undefined ? { method: undefined, frames: [] } : this.#stackOf(site);
    const met = new Set<unknown>();
    for (const [index, error] of failures) {
      if (!isError(error) || met.has(error)) continue; // several items may have thrown the same error
      met.add(error);
      this.#finish(task, error, stack, task.first + index);
    }
    return outcome;
  }

  #stackOf(site: CallSite): UserStack {
    let stack = this.#sites.get(site);
    if (stack === undefined) this.#sites.set(site, stack = userStack(site.stack ?? ""));
    return stack;
  }

  /** Adds the places, the item and the frames of the call to the stack of an error. */
  #finish(task: Task, error: Error, call: UserStack, index: number | undefined): void {
    this.#locate(task.fn, error, call);
    const lines = [readText(error, "stack")];
    if (index !== undefined) lines.push(`    at async ${call.method ?? task.mode} (index ${index})`);
    lines.push(...call.frames);
    if (lines.length > 1) setStack(error, lines.join("\n"));
  }

  /** Replaces places in functions by places in files, in the stacks of an error and its causes. */
  #locate(fn: AnyFunction | undefined, error: Error, call: UserStack, depth = 0): void {
    const stack = readText(error, "stack");
    if (stack.includes("task:") || stack.includes("scope:")) {
      const lines = stack.split("\n").map((line) => this.#locateFrame(fn, line, call));
      setStack(error, lines.join("\n"));
    }
    const { cause } = error;
    if (depth < DEEPEST && isError(cause)) this.#locate(fn, cause, call, depth + 1);
  }

  #locateFrame(fn: AnyFunction | undefined, text: string, call: UserStack): string {
    const match = IN_FUNCTION.exec(text);
    if (match === null || !/^\s+at /.test(text)) return text;
    const [all, open, kind, name, line, column, close] = match;
    const spec = kind === "task" ? sourceOf(fn) : this.#inScope(decode(name!));
    if (
      spec === undefined || (kind === "task" && encodeURIComponent(spec.name.toWellFormed() || "anonymous") !== name)
    ) {
      return text;
    }
    const shown = this.#place(spec, call)?.show({ line: Number(line), column: Number(column) });
    if (shown === undefined) return text;
    const before = text.slice(0, -all.length);
    // V8 names a function without a name `eval` if it was compiled from text.
    return /\beval $/.test(before) ? before.replace(/eval $/, shown) : `${before}${open}${shown}${close}`;
  }

  #inScope(name: string): SourceSpec | undefined {
    return Object.hasOwn(this.#scope, name) ? sourceOf(this.#scope[name]) : undefined;
  }

  #place(spec: SourceSpec, { method, frames }: UserStack): Place | undefined {
    if (frames.length === 0) return undefined;
    const key = `${spec.name}\n${spec.source}\n${frames[0]}`;
    if (this.#places.has(key)) return this.#places.get(key);
    if (this.#places.size >= CAPACITY) this.#places.delete(this.#places.keys().next().value!);
    const place = findPlace(spec.name, spec.source, frames, method?.split(".").at(-1));
    this.#places.set(key, place);
    return place;
  }
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return "";
  }
}

function sourceOf(fn: unknown): SourceSpec | undefined {
  if (typeof fn !== "function") return undefined;
  const spec = describeFunction(fn as AnyFunction, true);
  return spec.kind === "source" ? spec : undefined;
}

function setStack(error: Error, value: string): void {
  Reflect.defineProperty(error, "stack", { value, writable: true, enumerable: false, configurable: true });
}
