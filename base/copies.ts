/**
 * Several copies of this library in one thread: the program of a worker has one of its own, a module of the user that is
 * imported there brings another, and a program may use two versions. What an object of one copy is to the others is said
 * under symbols that all of them know.
 *
 * @module
 */

const CLASS = Symbol.for("@manycore/parallel/class");
const ordinary = Function.prototype[Symbol.hasInstance];

/** Returns what all copies on this thread share; the first that asks makes it. */
export function ofThread<T>(name: string, make: () => T): T {
  const key = Symbol.for(`@manycore/parallel/${name}`);
  const scope = globalThis as unknown as Record<symbol, T>;
  if (!Object.hasOwn(scope, key)) Object.defineProperty(scope, key, { value: make() });
  return scope[key]!;
}

/** Lets `instanceof type` be true for instances of the class of this name in every copy. For heirs it stays as it is. */
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

/** The name of the shared class that has this prototype, in whatever copy. */
export function sharedName(prototype: object): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, CLASS)?.value;
  return typeof name === "string" ? name : undefined;
}
