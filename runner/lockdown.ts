/**
 * Fixing the built-ins that a task must not replace, as the worker's program uses them on the memory that all workers
 * of a pool share: a replacement could get that memory, read the arguments of other tasks and write their results.
 *
 * Tasks of one worker share its globals, as tasks of one process do in Python: a task can still change globals that
 * later tasks on the same worker use. `maxTasksPerChild: 1` keeps tasks apart.
 *
 * @module
 */

const CONSTRUCTORS = ["DataView", "Float64Array", "Int32Array", "SharedArrayBuffer", "Uint8Array"];

/** Makes a property impossible to replace. */
function fix(holder: object, key: string | symbol): void {
  const property = Reflect.getOwnPropertyDescriptor(holder, key);
  if (property === undefined) return;
  Object.defineProperty(holder, key, { configurable: false, ..."value" in property && { writable: false } });
}

/**
 * As {@linkcode fix}, but objects that inherit from `holder` can still get a property of their own by assignment, which
 * a read-only property would refuse.
 */
function fixForHeirs(holder: object, key: string): void {
  const { value } = Reflect.getOwnPropertyDescriptor(holder, key)!;
  const { defineProperty } = Object; // captured, as a replacement by a task would receive the inheriting object
  defineProperty(holder, key, {
    configurable: false,
    get: () => value,
    set(this: object, own: unknown) {
      if (this === holder) throw new TypeError(`Cannot replace '${key}' in a worker`);
      defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true });
    },
  });
}

/** Fixes the built-ins. Must run before any task, module or initializer. */
export function lockDown(): void {
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  for (const key of ["buffer", "byteLength", "byteOffset", "length"]) fix(typedArray, key);
  fixForHeirs(typedArray, "set");
  for (const key of Reflect.ownKeys(DataView.prototype)) fix(DataView.prototype, key);
  for (const key of ["byteLength", "grow"]) fix(SharedArrayBuffer.prototype, key);
  for (const name of CONSTRUCTORS) fix(globalThis, name);
  // Once `node:worker_threads` is in use, Deno assigns each port its own `postMessage`.
  fixForHeirs(MessagePort.prototype, "postMessage");
}
