/**
 * Which export of the user's module a function is, on the calling side.
 *
 * A worker finds most exports by name and text. Of several that have the same (the closures of one factory), and of one that goes by
 * another name, only the thread that has the function can tell, by importing the module too: it is evaluated there already, or the
 * function would not be one of its exports. A module that is still being evaluated (its top level awaits the very call) cannot be
 * imported before the answer is needed, nor can any while the thread is blocked. Then the answer is that it is not known.
 *
 * @module
 */

import type { AnyFunction } from "../base/values.ts";
import { keyOf, type Namespace } from "../codec/module_exports.ts";

/** A module that is evaluated at once. */
const EMPTY = "data:text/javascript,";
/**
 * How many times that is imported, one time after the other, before a module that has not come in the meantime counts as being
 * evaluated: one that is there takes as long as the first.
 */
const ROUNDS = 10;

/** Knows the exports of one module by value, as soon as it is asked for them. */
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

  /** Whether there is a module. */
  get exists(): boolean {
    return this.#url !== undefined;
  }

  /** The name that `fn` is exported under; null if it is not, undefined if that is not known. */
  keyOf(fn: AnyFunction): string | null | undefined {
    return this.#module === undefined ? undefined : keyOf(this.#module, fn) ?? null;
  }

  /** Calls `answer` when the exports are known, or cannot be known in time: at once if the thread is `blocked`. */
  ask(blocked: boolean, answer: () => void): void {
    if (this.#state === "unasked" && this.#url !== undefined) {
      this.#state = "importing";
      import(/* @vite-ignore */ this.#url).then((module: Namespace) => {
        this.#state = "known";
        this.#module = module;
        this.#known();
        this.giveUp();
      }, () => {
        this.#state = "evaluating"; // it has failed here: nobody can have a function of it
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

  /** Answers all who wait, as this thread will not know more before they have their answers. */
  giveUp(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}
