import { assert, assertEquals } from "@std/assert";
import { describeFunction, type FunctionSpec } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";

/** Returns every function that is found from the global object in at most two steps, with its paths. */
function runtimeFunctions(): Map<AnyFunction, string[]> {
  const found = new Map<AnyFunction, string[]>();
  const add = (value: unknown, path: string): void => {
    if (typeof value !== "function") return;
    const fn = value as AnyFunction;
    found.set(fn, [...found.get(fn) ?? [], path]);
  };
  for (const space of Object.getOwnPropertyNames(globalThis)) {
    const holder: unknown = Reflect.get(globalThis, space);
    if (holder === globalThis || holder === null || holder === undefined) continue;
    add(holder, space);
    if (typeof holder !== "object" && typeof holder !== "function") continue;
    for (const key of Object.getOwnPropertyNames(holder)) {
      if (key === "constructor" || (space === "Deno" && key === "jupyter")) continue;
      const property = Object.getOwnPropertyDescriptor(holder, key)!;
      add(property.get === undefined ? property.value : Reflect.get(holder, key), `${space}.${key}`);
    }
  }
  return found;
}

/** Returns the path that a worker finds for each function; undefined for a function that does not travel by path. */
async function pathsInWorker(specs: readonly FunctionSpec[]): Promise<(string | undefined)[]> {
  const worker = new Worker(import.meta.resolve("../testing/fixtures/runtime_paths_worker.ts"), { type: "module" });
  try {
    return await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(specs);
    });
  } finally {
    worker.terminate();
  }
}

Deno.test("every function of the runtime goes by its path", async () => {
  runtimeFunctions(); // Deno replaces some functions when it loads the globals that were touched
  const functions = runtimeFunctions();
  assert(functions.size > 300);
  const refused: string[] = [];
  const described: [FunctionSpec, readonly string[]][] = [];
  for (const [fn, paths] of functions) {
    try {
      described.push([describeFunction(fn), paths]);
    } catch {
      refused.push(paths[0]!);
    }
  }
  assertEquals(refused, []);
  const there = await pathsInWorker(described.map(([spec]) => spec));
  const lost = described.filter(([spec, paths], i) => {
    // A function that the worker lacks fails with its name. None of them may be taken for a function of the user.
    return there[i] === undefined ? spec.kind !== "path" : !paths.includes(there[i]!);
  });
  assertEquals(lost.map(([, paths]) => paths), []);
});

Deno.test("a function of the user goes by source, wherever it is stored", async () => {
  const scope = globalThis as unknown as Record<string, unknown>;
  const real = { atob, max: Math.max, exit: Deno.exit, json: Response.json };
  const mocks = {
    twice: (n: number) => n * 2,
    atob: function atob(text: string): string {
      return `mock ${text}`;
    },
    max: (n: number) => -n,
    exit: () => 0,
    json: () => 1,
    thrice: function thrice(n: number): number {
      return n * 3;
    },
  };
  Object.assign(scope, { twice: mocks.twice, atob: mocks.atob, helpers: { thrice: mocks.thrice } });
  Object.assign(Math, { max: mocks.max });
  Object.assign(Deno, { exit: mocks.exit });
  Object.assign(Response, { json: mocks.json });
  let specs: FunctionSpec[];
  try {
    specs = Object.values(mocks).map((fn) => describeFunction(fn as AnyFunction));
  } finally {
    Object.assign(scope, { atob: real.atob });
    Object.assign(Math, { max: real.max });
    Object.assign(Deno, { exit: real.exit });
    Object.assign(Response, { json: real.json });
    delete scope.twice;
    delete scope.helpers;
  }
  assertEquals(specs.map(({ kind }) => kind), Object.keys(mocks).map(() => "source"));
  assertEquals(await pathsInWorker(specs), Object.keys(mocks).map(() => undefined));
});

Deno.test("a proxy in the place of a function of the runtime is not taken for it", async () => {
  const { max } = Math;
  Math.max = new Proxy(max, {});
  try {
    assertEquals(await pathsInWorker([describeFunction(Math.max)]), [undefined]);
  } finally {
    Math.max = max;
  }
});
