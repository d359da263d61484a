/**
 * Several copies of this library in one thread: the program of a worker contains one copy, a module of the user that is
 * imported there may bring another, and a program may use two versions. The copies recognize each other's objects by
 * symbols of the global symbol registry, which all copies know.
 *
 * @module
 */

const CLASS = Symbol.for("@manycore/parallel/class");
const ordinary = Function.prototype[Symbol.hasInstance];

/** Returns the value that all copies on this thread share under `name`. The first copy that asks makes the value. */
export function ofThread<T>(name: string, make: () => T): T {
  const key = Symbol.for(`@manycore/parallel/${name}`);
  const scope = globalThis as unknown as Record<symbol, T>;
  if (!Object.hasOwn(scope, key)) Object.defineProperty(scope, key, { value: make() });
  return scope[key]!;
}

/** Makes `instanceof type` true for instances of the class `name` of every copy. Subclasses of `type` are as before. */
export function shareClass(type: { readonly prototype: object }, name: string): void {
  Object.defineProperty(type.prototype, CLASS, { value: name });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== type) return Reflect.apply(ordinary, this, [value]);
      if (typeof value !== "object" || value === null) return false;
      for (let p = Object.getPrototypeOf(value); p !== null; p = Object.getPrototypeOf(p)) {
        if (sharedName(p) === name) return true;
      }
      return false;
    },
  });
}

/** Returns the name of the shared class of any copy that has this prototype; undefined if there is none. */
export function sharedName(prototype: object): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, CLASS)?.value;
  return typeof name === "string" ? name : undefined;
}
