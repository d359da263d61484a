/**
 * The names of shared objects, stored by the main thread.
 *
 * @module
 */

import type { Handle } from "../../codec/handles.ts";

/** A question about a name. */
export interface NameQuestion {
  /** The name. */
  readonly name: string;
  /** A new lock, for a name that has none yet. */
  readonly lock: Handle;
  /** The object, if the asking thread has made it while holding the lock of the name. */
  readonly object: Handle | undefined;
}

/** The entry of a name. */
export interface Named {
  /** The lock of the name. The thread that makes the object holds it meanwhile. */
  readonly lock: Handle;
  /** The object, if it is made. */
  readonly object: Handle | undefined;
  /** True if it is the object that came with the question. */
  readonly yours: boolean;
}

/** The names of a program. They last as long as the program. */
export class Names {
  readonly #entries = new Map<string, { readonly lock: Handle; object: Handle | undefined }>();

  /** Stores the lock and the object of a question, unless the name has them already. Returns the entry of the name. */
  answer({ name, lock, object }: NameQuestion): Named {
    let entry = this.#entries.get(name);
    if (entry === undefined) this.#entries.set(name, entry = { lock, object: undefined });
    const yours = object !== undefined && entry.object === undefined;
    if (yours) entry.object = object;
    return { lock: entry.lock, object: entry.object, yours };
  }
}
