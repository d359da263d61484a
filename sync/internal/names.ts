/**
 * Which object has which name: kept by the main thread.
 *
 * @module
 */

import type { Handle } from "../../codec/handles.ts";

/** What is asked about a name. */
export interface NameQuestion {
  /** The name. */
  readonly name: string;
  /** A lock for it, if it has none yet. */
  readonly lock: Handle;
  /** The object, if the one who asks has made it, while holding that lock. */
  readonly object: Handle | undefined;
}

/** What there is under a name. */
export interface Named {
  /** Whoever makes the object holds this lock meanwhile. */
  readonly lock: Handle;
  /** The object, if it is made. */
  readonly object: Handle | undefined;
  /** Whether that is the one which came with the question. */
  readonly yours: boolean;
}

/** The names of a program. They last as long as it does. */
export class Names {
  readonly #entries = new Map<string, { readonly lock: Handle; object: Handle | undefined }>();

  /** What there is under a name, after what comes with the question: the first object stays. */
  answer({ name, lock, object }: NameQuestion): Named {
    let entry = this.#entries.get(name);
    if (entry === undefined) this.#entries.set(name, entry = { lock, object: undefined });
    const yours = object !== undefined && entry.object === undefined;
    if (yours) entry.object = object;
    return { lock: entry.lock, object: entry.object, yours };
  }
}
