/**
 * Encoding tasks for workers.
 *
 * @module
 */

import type { Encoded, Reach } from "../codec/encoded.ts";
import type { FunctionSpec } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { CallSite } from "../base/call_site.ts";
import { FunctionTable } from "./function_table.ts";
import { moveCopied, PayloadEncoder, type StoredPayload } from "../codec/payload.ts";
import type { Task } from "./task.ts";

/** Encodes the tasks of one scheduler. */
export class TaskEncoder {
  readonly #functions: FunctionTable;
  readonly #payloads: PayloadEncoder;

  /** `module`: the URL of the user's module, if there is one. `reach`: where the tasks go. */
  constructor(module: string | undefined, reach: Reach = "thread") {
    this.#functions = new FunctionTable(module);
    this.#payloads = new PayloadEncoder(this.#functions.describe, reach);
  }

  /**
   * Sets the number of the function of a task.
   *
   * @throws {SerializationError} If the function cannot be sent.
   */
  number(task: Task): void {
    task.functionId = this.#functions.get(task.fn).number;
  }

  /**
   * Encodes the arguments of a task, and its function unless each of the workers knows the function.
   *
   * @throws {SerializationError} If an argument cannot be sent.
   */
  pack(task: Task, workers: ReadonlySet<{ readonly knownFunctions: ReadonlySet<number> }>): Encoded {
    let knownFunctions = workers.size > 0;
    for (const worker of workers) knownFunctions &&= worker.knownFunctions.has(task.functionId);
    return this.#payloads.encode(
      knownFunctions ? undefined : this.#functions.get(task.fn).spec,
      task.range ?? task.args,
    );
  }

  /**
   * Encodes the arguments of a task alone, and its delivery if it has one.
   *
   * @throws {SerializationError} If an argument cannot be sent.
   */
  packArguments(task: Task): Encoded {
    return this.#payloads.encode(task.delivery, task.range ?? task.args);
  }

  /**
   * Encodes the function and the arguments of a task.
   *
   * @throws {SerializationError} If one of them cannot be sent.
   */
  packCall(task: Task): Encoded {
    return this.#payloads.encode(this.#functions.get(task.fn).spec, task.args);
  }

  /**
   * Stores a packed payload with its task. Buffers to be moved are detached on this thread immediately.
   *
   * @throws {SerializationError} If an object cannot be moved.
   */
  keep(task: Task, encoded: Encoded): void {
    task.payload = this.#payloads.keep(encoded);
    task.moved = encoded.transfers.length > 0;
    task.range = undefined; // its numbers are in the payload
  }

  /**
   * Detaches the buffers to be moved of a task whose encoded payload holds copies of them.
   *
   * @throws {SerializationError} If one cannot be moved.
   */
  move(task: Task, encoded: Encoded): void {
    moveCopied(encoded);
    task.moved = true;
  }

  /** Returns a payload with only the function of a task. */
  packFunction(task: Task): StoredPayload {
    return this.#payloads.keep(this.#payloads.encode(this.#functions.get(task.fn).spec, undefined));
  }

  /**
   * As {@linkcode packFunction}, for a worker that asks which export of the module the function is. Calls `give` with
   * the payload; immediately if this thread is `blocked` and cannot find out.
   */
  packExport(task: Task, blocked: boolean, give: (payload: StoredPayload) => void): void {
    this.#functions.module.ask(blocked, () => {
      const spec = { ...this.#functions.describe(task.fn), asked: true };
      give(this.#payloads.keep(this.#payloads.encode(spec as FunctionSpec, undefined)));
    });
  }

  /** Returns where a function was sent first; undefined if another function with its text was sent before. */
  readonly firstCall = (fn: AnyFunction): CallSite | undefined => this.#functions.firstCall(fn);

  /** Answers all workers that ask for an export, as this thread will block and can find out nothing meanwhile. */
  answerAll(): void {
    this.#functions.module.giveUp();
  }
}
