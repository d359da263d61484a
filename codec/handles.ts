/**
 * Objects in shared memory on their way between threads: each travels as a handle, from which the receiving thread makes an object over the same
 * memory.
 *
 * @module
 */

/** The part of a shared object that is sent. `postMessage` can clone a handle, and the memory stays shared. */
export interface Handle {
  /** The class of the object. */
  readonly kind: string;
  /** The memory of the table of the threads that share the object. */
  readonly threadTable: SharedArrayBuffer;
  /** The memory of the object. */
  readonly memory: readonly SharedArrayBuffer[];
  /** Further data of the class, if any. */
  readonly data?: unknown;
}

/**
 * The key of the method that returns the handle of a shared object. Every copy of this library knows the key: a
 * worker's program contains one copy, and a module of the user may bring another.
 */
export const HANDLE: unique symbol = Symbol.for("@manycore/parallel/handle") as never;

const makers = new Map<string, (handle: Handle) => unknown>();

/** Registers the function that makes objects of a kind from their handles. */
export function registerShared(kind: string, make: (handle: Handle) => unknown): void {
  makers.set(kind, make);
}

/** Returns the handle of `value`; undefined if the value is no shared object. */
export function handleOf(value: object): Handle | undefined {
  const give = (value as { [HANDLE]?: () => Handle })[HANDLE];
  return typeof give === "function" ? give.call(value) : undefined;
}

/** Returns the object of this thread that a handle stands for. */
export function reviveShared(handle: Handle): unknown {
  const make = makers.get(handle.kind);
  if (make === undefined) throw new TypeError(`There is no shared object of the kind '${handle.kind}' here`);
  return make(handle);
}
