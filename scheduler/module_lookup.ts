/**
 * Finding out, on the calling side, which export of the user's module a function is.
 *
 * A worker finds most exports by name and text. If several exports share both (the closures of one factory), or an
 * export has another name than its function, only the thread with the function can tell them apart, by importing the
 * module too. The module is already evaluated there, or the function would not be one of its exports. Two cases have no
 * answer: a module that is still being evaluated (its top level awaits the very call) cannot be imported before the
 * answer is needed, and a blocked thread can import none. The worker then gets a description without the name of an
 * export.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { keyOf, type Namespace } from "../codec/module_exports.ts";

/** An empty module, whose evaluation takes no time. */
const EMPTY = "data:text/javascript,";
/**
 * The number of imports of the empty module, one after the other, the user's module may take before it counts as still being
 * evaluated. The import of an evaluated module takes as long as one of them.
 */
const ROUNDS = 10;

/** The exports of one module, which is imported when they are first asked for. */
export class ModuleLookup {
  readonly #url: string | undefined;
  readonly #known: () => void;
  #module: Namespace | undefined;
  #state: "unasked" | "importing" | "evaluating" | "known" = "unasked";
  #waiting: (() => void)[] = [];

  /** `known` is called when the exports have become known. */
  constructor(url: string | undefined, known: () => void) {
    this.#url = url;
    this.#known = known;
  }

  /** True if there is a module. */
  get exists(): boolean {
    return this.#url !== undefined;
  }

  /** Returns the name that `fn` is exported under; null if it is not exported; undefined if that is not known. */
  keyOf(fn: AnyFunction): string | null | undefined {
    return this.#module === undefined ? undefined : keyOf(this.#module, fn) ?? null;
  }

  /** Calls `answer` when the exports are known or cannot be known in time; immediately if the thread is `blocked`. */
  ask(blocked: boolean, answer: () => void): void {
    if (this.#state === "unasked" && this.#url !== undefined) {
      this.#state = "importing";
      import(/* @vite-ignore */ this.#url).then((module: Namespace) => {
        this.#state = "known";
        this.#module = module;
        this.#known();
        this.giveUp();
      }, () => {
        this.#state = "evaluating"; // the import has failed, so no code of this thread can have its functions
        this.giveUp();
      });
      void this.#wait();
    }
    if (this.#state === "importing" && !blocked) this.#waiting.push(answer);
    else answer();
  }

  async #wait(): Promise<void> {
    for (let round = 0; round < ROUNDS && this.#state === "importing"; round++) await import(EMPTY).catch(() => {});
    if (this.#state === "importing") this.#state = "evaluating";
    this.giveUp();
  }

  /** Calls all waiting `answer` callbacks, as this thread will learn nothing more before they are called. */
  giveUp(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}
