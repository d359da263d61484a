/**
 * What a task must not replace, since the worker program uses it on the memory that all workers of a pool share: whoever got hold
 * of that could read the arguments of other tasks and write their results.
 *
 * Tasks of one worker share its globals, as those of one process do in Python: one task can still spoil what later ones on the
 * same worker find there. `maxTasksPerChild: 1` keeps them apart.
 *
 * @module
 */

const CONSTRUCTORS = ["DataView", "Float64Array", "Int32Array", "SharedArrayBuffer", "Uint8Array"];

/** No one can put another in its place. */
function fix(holder: object, key: string | symbol): void {
  const property = Reflect.getOwnPropertyDescriptor(holder, key);
  if (property === undefined) return;
  Object.defineProperty(holder, key, { configurable: false, ..."value" in property && { writable: false } });
}

/** The same, but heirs of `holder` can have their own by assignment, which a property that is read-only would refuse to them. */
function fixForHeirs(holder: object, key: string): void {
  const { value } = Reflect.getOwnPropertyDescriptor(holder, key)!;
  const { defineProperty } = Object; // kept, as a task may put another in its place, and would be given the heir
  defineProperty(holder, key, {
    configurable: false,
    get: () => value,
    set(this: object, own: unknown) {
      if (this === holder) throw new TypeError(`Cannot replace '${key}' in a worker`);
      defineProperty(this, key, { value: own, writable: true, enumerable: true, configurable: true });
    },
  });
}

/** Fixes them; before any task, module or initializer runs. */
export function lockDown(): void {
  const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
  for (const key of ["buffer", "byteLength", "byteOffset", "length"]) fix(typedArray, key);
  fixForHeirs(typedArray, "set");
  for (const key of Reflect.ownKeys(DataView.prototype)) fix(DataView.prototype, key);
  for (const key of ["byteLength", "grow"]) fix(SharedArrayBuffer.prototype, key);
  for (const name of CONSTRUCTORS) fix(globalThis, name);
  // Deno gives each port one of its own, by assignment, once `node:worker_threads` is in use.
  fixForHeirs(MessagePort.prototype, "postMessage");
}
