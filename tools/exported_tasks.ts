/** What a module can export, for the tests of `module`. */

const here = (name: string): string => new URL(name, import.meta.url).pathname.split("/").at(-1)!;

/** Uses its module. */
export function inModule(name: string): string {
  return here(new URL(name, import.meta.url).href);
}

function hidden(name: string): string {
  return `${import.meta.url.length > 0} ${name}`;
}

export { hidden as renamed };

export default function main(name: string): string {
  return `main ${here(name)}`;
}

/** Closures that all have the same source. */
export const times = (k: number) => (n: number): number => n * k;
export const double: (n: number) => number = times(2);
export const triple: (n: number) => number = times(3);

const plus = (k: number) => (n: number): number => k + n;
export const plusOne: (n: number) => number = plus(1);
/** Not exported, but within reach. */
export const unexported: { readonly plusTwo: (n: number) => number } = { plusTwo: plus(2) };

function add(a: number, b: number): number {
  return a + b;
}
export const addFive: (b: number) => number = add.bind(null, 5);
export const addSix: (b: number) => number = add.bind(null, 6);

/** Calls what it is given. */
export function callEach(functions: ((name: string) => unknown)[], name: string): unknown[] {
  return functions.map((fn) => fn(name));
}

/** Where an initializer leaves its mark. */
export function leaveMark(): void {
  Object.assign(globalThis, { mark: import.meta.url.split("/").at(-1) });
}

/** Fails by itself. */
export function breaks(): unknown {
  // @ts-expect-error There is no such name.
  return nowhere;
}
