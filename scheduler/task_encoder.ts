/**
 * What of a task goes to a worker, in bytes.
 *
 * @module
 */

import type { Encoded } from "../codec/encoder.ts";
import type { FunctionSpec } from "../codec/functions.ts";
import type { AnyFunction } from "../base/values.ts";
import type { CallSite } from "../base/call_site.ts";
import { FunctionTable } from "./function_table.ts";
import { PayloadEncoder, type StoredPayload } from "../codec/payload.ts";
import type { Task } from "./task.ts";

/** Packs the tasks of one scheduler. */
export class TaskEncoder {
  readonly #functions: FunctionTable;
  readonly #payloads: PayloadEncoder;

  /** `module`: the address of the module of the user, if there is one. */
  constructor(module: string | undefined) {
    this.#functions = new FunctionTable(module);
    this.#payloads = new PayloadEncoder(this.#functions.describe);
  }

  /**
   * Numbers the function of a task.
   *
   * @throws {SerializationError} If it cannot be sent.
   */
  number(task: Task): void {
    task.functionId = this.#functions.get(task.fn).number;
  }

  /**
   * The arguments, and the function unless each of the workers knows it.
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
   * Keeps what was packed with the task. What is to be moved leaves this thread's hands at once.
   *
   * @throws {SerializationError} If something cannot be moved.
   */
  keep(task: Task, encoded: Encoded): void {
    task.payload = this.#payloads.keep(encoded);
    task.moved = encoded.transfers.length > 0;
    task.range = undefined; // its numbers are in the payload
  }

  /** The function alone. */
  packFunction(task: Task): StoredPayload {
    return this.#payloads.keep(this.#payloads.encode(this.#functions.get(task.fn).spec, undefined));
  }

  /**
   * The same for a worker that asks which export of the module it is: `give` gets it, at once if this thread is `blocked` and cannot
   * find out.
   */
  packExport(task: Task, blocked: boolean, give: (payload: StoredPayload) => void): void {
    this.#functions.module.ask(blocked, () => {
      const spec = { ...this.#functions.describe(task.fn), asked: true };
      give(this.#payloads.keep(this.#payloads.encode(spec as FunctionSpec, undefined)));
    });
  }

  /** Where a function was sent first, if none with its text was before. */
  readonly firstCall = (fn: AnyFunction): CallSite | undefined => this.#functions.firstCall(fn);

  /** This thread blocks, and can find out nothing meanwhile. */
  answerAll(): void {
    this.#functions.module.giveUp();
  }
}
