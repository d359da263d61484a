/**
 * How objects in shared memory travel: as a handle, from which the other side makes an object of its own.
 *
 * @module
 */

/** What of a shared object registerSharedClass. It can be cloned by `postMessage`, and its memory stays shared. */
export interface Handle {
  /** The class of the object. */
  readonly kind: string;
  /** The threads that share it. */
  readonly threadTable: SharedArrayBuffer;
  /** Its memory. */
  readonly memory: readonly SharedArrayBuffer[];
  /** What else there is to know, if anything. */
  readonly data?: unknown;
}

/**
 * The method that gives the handle of a shared object. Known to every copy of this library: a worker has one of its
 * own, and a module of the user may bring another.
 */
export const HANDLE: unique symbol = Symbol.for("@manycore/parallel/handle") as never;

const makers = new Map<string, (handle: Handle) => unknown>();

/** Tells how objects of a kind are made from their handles. */
export function registerShared(kind: string, make: (handle: Handle) => unknown): void {
  makers.set(kind, make);
}

/** The handle of `value` if it is a shared object. */
export function handleOf(value: object): Handle | undefined {
  const give = (value as { [HANDLE]?: () => Handle })[HANDLE];
  return typeof give === "function" ? give.call(value) : undefined;
}

/** The object that a handle stands for, on this thread. */
export function reviveShared(handle: Handle): unknown {
  const make = makers.get(handle.kind);
  if (make === undefined) throw new TypeError(`There is no shared object of the kind '${handle.kind}' here`);
  return make(handle);
}
