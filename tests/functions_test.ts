/** The ways in which functions reach a worker, and which function runs there. */

import { basename } from "node:path";
import { assert, assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { BrokenProcessPoolError, Pool, Process, ProcessPoolExecutor, Queue, SerializationError } from "../mod.ts";
import { runFile } from "../testing/run_program.ts";
import { rejection, test } from "../testing/counted_workers.ts";

test("a function that a program has put on the global object runs, and not one of the runtime", async () => {
  await using pool = new Pool(1);
  const scope = globalThis as unknown as Record<string, unknown>;
  const { atob } = scope;
  const { max } = Math;
  scope.twice = function twice(n: number): number {
    return n * 2;
  };
  scope.helpers = {
    thrice: function thrice(n: number): number {
      return n * 3;
    },
  };
  scope.atob = function atob(text: string): string {
    return `mock ${text}`;
  };
  Math.max = function max(n: number): number {
    return -n;
  };
  try {
    type Helper = (n: number) => number;
    assertEquals(await pool.map(scope.twice as Helper, [1, 2]), [2, 4]);
    assertEquals(await pool.map((scope.helpers as { thrice: Helper }).thrice, [1, 2]), [3, 6]);
    assertEquals(await pool.apply(scope.atob as typeof globalThis.atob, ["YQ=="]), "mock YQ==");
    assertEquals(await pool.apply(Math.max, [5]), -5);
  } finally {
    delete scope.twice;
    delete scope.helpers;
    scope.atob = atob;
    Math.max = max;
  }
  assertEquals(await pool.apply(globalThis.atob, ["YQ=="]), "a");
  assertEquals(await pool.apply(Math.max, [5]), 5);
});

test("functions of the runtime run as the worker has them, also what an initializer has put in their place", async () => {
  await using pool = new Pool(1, {
    initializer: () => {
      Math.random = () => 4;
      globalThis.atob = () => "mock";
    },
  });
  assertEquals(await pool.apply(Math.random), 4);
  assertEquals(await pool.apply(atob, ["YQ=="]), "mock");
  assertEquals((await pool.apply(crypto.randomUUID)).length, 36);
  const missing = await rejection(pool.apply(alert, ["hi"]));
  assertInstanceOf(missing, SerializationError);
  assertStringIncludes(missing.message, "'alert'");
});

test("a recursive function that has the name of a global sees itself, and one that only calls the global that", async () => {
  await using pool = new Pool(1);
  const close = (n: number): number => n <= 0 ? 0 : close(n - 1);
  const self = (n: number): number => n <= 1 ? 1 : n * self(n - 1);
  const name = (list: unknown): number => Array.isArray(list) ? list.map(name).reduce((a, b) => a + b, 1) : 1;
  assertEquals(await pool.apply(close, [3]), 0);
  assertEquals(await pool.apply(self, [5]), 120);
  assertEquals(await pool.apply(name, [[[], [[]]]]), 4);
  const wrappers = {
    Number: (text: string) => Number(text),
    Date: (time: number) => new Date(time).toISOString(),
    structuredClone: async (value: unknown) => {
      const copy = await Promise.resolve(structuredClone(value));
      if (copy === undefined) throw new Error("no copy");
      return copy;
    },
    parseInt(text: string): number {
      return text === "" ? 0 : parseInt(text);
    },
  };
  assertEquals(await pool.apply(wrappers.Number, ["5"]), 5);
  assertEquals(await pool.apply(wrappers.Date, [0]), "1970-01-01T00:00:00.000Z");
  assertEquals(await pool.apply(wrappers.structuredClone, [[1]]), [1]);
  assertEquals(await pool.apply(wrappers.parseInt, ["7"]), 7);
});

test("a function of 'scope' sees itself by its own name too", async () => {
  const factorial = (n: number): number => n <= 1 ? 1 : n * factorial(n - 1);
  await using pool = new Pool(1, { scope: { f: factorial } });
  const f = factorial;
  assertEquals(await pool.apply(() => f(5)), 120);
});

const EXPORTS = new URL("../testing/fixtures/exported_tasks.ts", import.meta.url);

test("module: a task may use 'import.meta', wherever it is called from", async () => {
  const { callEach, inModule, leaveMark, renamed } = await import("../testing/fixtures/exported_tasks.ts");
  const scope = { there: inModule };
  await using pool = new Pool(1, { module: EXPORTS, initializer: leaveMark, scope });
  assertEquals(await pool.apply(inModule, ["a"]), "a");
  assertEquals(pool.applySync(inModule, ["a"]), "a");
  assertEquals(await pool.apply(callEach, [[inModule, renamed], "b"]), ["b", "true b"]);
  const there = inModule;
  assertEquals(
    await pool.apply(() => `${there("c")} ${(globalThis as { mark?: string }).mark}`),
    "c exported_tasks.ts",
  );
  await using executor = new ProcessPoolExecutor({ maxWorkers: 1, module: EXPORTS });
  assertEquals(await executor.submit(inModule, "d").result(), "d");
  const queue = new Queue<string>();
  const process = new Process({
    target: (name: string, fn: (name: string) => string, queue: Queue<string>) => queue.put(fn(name)),
    args: ["e", inModule, queue],
    module: EXPORTS,
  });
  process.start();
  assertEquals(await queue.getAsync(), "e");
  await process.join();
});

test("module: exports under other names are found, default ones, renamed ones and minified ones", async () => {
  const { default: main, renamed } = await import("../testing/fixtures/exported_tasks.ts");
  await using pool = new Pool(2, { module: EXPORTS });
  assertEquals(await pool.map(main, ["a", "b"]), ["main a", "main b"]);
  assertEquals(await pool.map(renamed, ["a", "b"]), ["true a", "true b"]);
  assertEquals(pool.mapSync(renamed, ["a"]), ["true a"]);
  const module = new URL("../testing/fixtures/minified_tasks.js", import.meta.url);
  const { here, task } = await import(module.href);
  await using minified = new Pool(1, { module });
  assertEquals(await minified.apply(here, ["a"]), "a");
  assertEquals(await minified.apply(task, ["a/b"]), "b!2");
});

test("module: of exports with the same source the very one runs, in all tasks at once", async () => {
  const { addFive, addSix, double, times, triple } = await import("../testing/fixtures/exported_tasks.ts");
  await using pool = new Pool(2, { module: EXPORTS });
  const items = [1, 2, 3, 4];
  const all = await Promise.all([
    ...items.map((n) => pool.apply(double, [n])),
    ...items.map((n) => pool.apply(triple, [n])),
    pool.map(double, items),
    pool.map(triple, items, { chunksize: 1 }),
    pool.apply(addFive, [1]),
    pool.apply(addSix, [1]),
  ]);
  assertEquals(all, [2, 4, 6, 8, 3, 6, 9, 12, [2, 4, 6, 8], [3, 6, 9, 12], 6, 7]);
  assertEquals([pool.applySync(double, [5]), pool.applySync(triple, [5])], [10, 15]);
  // A function that looks like an export, but is not exported, is not taken for one.
  assertInstanceOf(await rejection(pool.apply(times(4), [1])), ReferenceError);
});

test("module: a function that looks like an export, but is none, is not taken for it", async () => {
  const { plusOne, unexported } = await import("../testing/fixtures/exported_tasks.ts");
  await using pool = new Pool(1, { module: EXPORTS });
  assertInstanceOf(await rejection(pool.apply(unexported.plusTwo, [1])), ReferenceError);
  assertEquals(await pool.apply(plusOne, [1]), 2);
});

test("module: where it cannot be told in time which export is meant, the task fails and says what to do", async () => {
  const { double, triple } = await import("../testing/fixtures/exported_tasks.ts");
  await using pool = new Pool(1, { module: EXPORTS });
  const error = assertThrows(() => pool.applySync(double, [1]), SerializationError);
  for (const part of ["'double'", "'triple'", "'module'"]) assertStringIncludes(error.message, part);
  // A call that waits for the answer about its export must not keep a blocking call from the worker.
  const waiting = rejection(pool.apply(triple, [1]));
  assertEquals(pool.applySync((n: number) => n, [1]), 1);
  await waiting;
  assertEquals(await pool.apply(triple, [1]), 3);
  assertEquals(pool.applySync(double, [1]), 2);
});

test("module: what it does not export and cannot be sent fails its own task", async () => {
  await using pool = new Pool(1, { module: EXPORTS });
  const bound = ((n: number) => n).bind(null);
  const meta = (): string => import.meta.url;
  for (const fn of [bound, meta] as ((n: number) => unknown)[]) {
    const error = await rejection(pool.apply(fn, [1]));
    assertInstanceOf(error, SerializationError);
    assertStringIncludes(error.message, "'module' exports no such function");
  }
  assertEquals(await pool.apply((n: number) => n + 1, [1]), 2);
  await using without = new Pool(1);
  const error = await rejection(without.apply(meta));
  assertInstanceOf(error, SerializationError);
  assertStringIncludes(error.message, "import.meta");
});

test("module: a main program whose top level waits for its own tasks gets them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/main.ts`;
    await Deno.writeTextFile(
      path,
      `import { Pool } from "${new URL("../mod.ts", import.meta.url)}";
      export function here() { return import.meta.url.slice(-7); }
      export default function () { return import.meta.url.length > 0; }
      const times = (k: number) => (n: number) => n * k;
      export const double = times(2), triple = times(3);
      if (import.meta.main) {
        await using pool = new Pool(2, { module: import.meta.url });
        const main = (await Promise.all([pool.apply(here), pool.apply(here)])).join();
        console.log(main, await pool.map(double, [1]), await pool.map(triple, [1]));
      }
      export const late = times(4);
      if (import.meta.main) {
        await using pool = new Pool(2, { module: import.meta.url });
        console.log(await pool.map(late, [1]));
      }`,
    );
    const { code, output } = await runFile(path, "--allow-read");
    assertEquals(code, 0, output);
    assertEquals(output, "main.ts,main.ts [ 2 ] [ 3 ]\n[ 4 ]\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Returns a function with the given text, as it stands in a bundled or compiled program. */
function compiled(text: string): (...args: unknown[]) => unknown {
  return new Function(`return ${text}`)();
}

test("a ReferenceError in a function of 'scope' that comes from a module says so", async () => {
  await using pool = new Pool(1, { scope: { basename } });
  const error = await rejection(pool.apply(() => basename("a/b")));
  assertInstanceOf(error, ReferenceError);
  assertStringIncludes(error.message, "'basename' of 'scope'");
  assertStringIncludes(error.message, "await import(…)");
  assertStringIncludes(error.message, "'module'");
  const missing = error.message.split(" ")[0]!;
  assert(!error.message.includes(`scope: { ${missing} }`), error.message);
});

test("a ReferenceError for a name that a bundler gave says so", async () => {
  await using pool = new Pool(1, { scope: { helper: (n: number) => n } });
  const renamed = await rejection(pool.apply(compiled("() => helper2(1)")));
  assertInstanceOf(renamed, ReferenceError);
  assertStringIncludes(renamed.message, "renamed 'helper' of 'scope'");
  const minified = await rejection(pool.apply(compiled("(e)=>r(t(e))+1"), [1]));
  assertInstanceOf(minified, ReferenceError);
  assertStringIncludes(minified.message, "minifier");
  const decorated = await rejection(pool.apply(compiled(
    "() => { let _A; class A { static { ({ c: [_A] } = _apply_decs_2203_r(this, [], [])); } } return 1; }",
  )));
  assertInstanceOf(decorated, ReferenceError);
  assertStringIncludes(decorated.message, "'_apply_decs_2203_r' is a helper that the compiler keeps in the module");
});

test("a ReferenceError of a function that was taken from the module is left as it is", async () => {
  const { breaks } = await import("../testing/fixtures/exported_tasks.ts");
  await using pool = new Pool(1, { module: EXPORTS });
  const error = await rejection(pool.apply(breaks));
  assertInstanceOf(error, ReferenceError);
  assertEquals(error.message, "nowhere is not defined");
});

test("helpers that compilers leave in a function are there", async () => {
  await using pool = new Pool(1);
  // The helpers as esbuild (also tsx and `deno bundle`), TypeScript, SWC and Babel write them.
  const texts: Record<string, string> = {
    esbuild: `(log) => { const end = /* @__PURE__ */ __name(() => { log.push(end.name); }, "end");
      var _stack = []; try { const _ = __using(_stack, { [Symbol.dispose]: end }); log.push("body"); }
      catch (_) { var _error = _, _hasError = true; } finally { __callDispose(_stack, _error, _hasError); } return log; }`,
    esbuildNumbered: `(log) => { log.push(__name2(() => {}, "body").name, "end"); return log; }`,
    esbuildAsync: `(log) => __async(this, null, function* () { var _stack = []; try {
      const a = __using(_stack, yield { [Symbol.asyncDispose]: async () => { log.push("end"); } }, true);
      log.push("body"); } catch (_) { var _error = _, _hasError = true; } finally {
      var _promise = __callDispose(_stack, _error, _hasError); _promise && (yield _promise); } return log; })`,
    typescript: `(log) => { const env_1 = { stack: [], error: void 0, hasError: false }; try {
      const _ = __addDisposableResource(env_1, { [Symbol.dispose]() { log.push("end"); } }, false);
      log.push("body"); } catch (e_1) { env_1.error = e_1; env_1.hasError = true; } finally {
      __disposeResources(env_1); } return __spreadArray([], log, true); }`,
    typescriptAwaiter: `(log) => __awaiter(void 0, void 0, void 0, function* () {
      log.push(yield Promise.resolve("body")); log.push("end"); return log; })`,
    swc: `(log) => { const env = { stack: [], error: void 0, hasError: false }; try {
      const _ = _ts_add_disposable_resource(env, { [Symbol.dispose]: () => log.push("end") }, false);
      log.push("body"); } catch (e) { env.error = e; env.hasError = true; } finally { _ts_dispose_resources(env); }
      return log; }`,
    babel:
      `(log) => { try { var _usingCtx2 = _usingCtx(); const _ = _usingCtx2.u({ [Symbol.dispose]: () => log.push("end") });
      log.push("body"); } catch (_) { _usingCtx2.e = _; } finally { _usingCtx2.d(); } return log; }`,
    istanbul:
      `(log) => { cov_2dvmqt2cqp().f[0]++; ++cov_2dvmqt2cqp().s[1]; (cov_2dvmqt2cqp().b[0][0]++, log).push("body", "end");
      return log; }`,
    spread:
      `(log) => __spreadProps(__spreadValues({}, { log }), { a: 1 }).log.concat(__objRest({ body: 1, end: 2, a: 3 }, ["a"]) &&
      ["body", "end"])`,
  };
  for (const [compiler, text] of Object.entries(texts)) {
    assertEquals(await pool.apply(compiled(text), [[]]), ["body", "end"], compiler);
  }
  await using scoped = new Pool(1, {
    scope: { helper: compiled(texts.esbuild!), __name: (_: unknown) => ({ name: "own" }) },
  });
  const own = compiled(`() => __name(() => {}, "x").name`);
  assertEquals(await scoped.apply(own), "own");
});

test("a 'using' that was compiled ends what it has, in reverse order, and keeps every error", async () => {
  await using pool = new Pool(1);
  const fails = compiled(`() => { var _stack = []; try {
    __using(_stack, { [Symbol.dispose]() { throw new Error("first"); } });
    __using(_stack, { [Symbol.dispose]() { throw new Error("second"); } });
    __using(_stack, null); throw new Error("body");
  } catch (_) { var _error = _, _hasError = true; } finally { __callDispose(_stack, _error, _hasError); } }`);
  const error = await rejection(pool.apply(fails)) as SuppressedError;
  assertEquals(error.name, "SuppressedError");
  assertEquals([error.error.message, error.suppressed.error.message], ["first", "second"]);
  assertEquals(error.suppressed.suppressed.message, "body");
});

test("a method may be called 'static', 'get' or 'async'", async () => {
  await using pool = new Pool(1);
  const methods = {
    static(n: number): number {
      return n + 1;
    },
    get(n: number): number {
      return n + 2;
    },
    async(n: number): number {
      return n + 3;
    },
    async *each(n: number): AsyncGenerator<number> {
      yield await Promise.resolve(n);
    },
    function(n: number): number {
      return n + 4;
    },
  };
  class Holder {
    static static(n: number): number {
      return n + 5;
    }
  }
  const fns = [methods.static, methods.get, methods.async, methods.function, Holder.static];
  assertEquals(await Promise.all(fns.map((fn) => pool.apply(fn, [1]))), [2, 3, 4, 5, 6]);
  const { get } = Object.getOwnPropertyDescriptor({
    get ñame() {
      return 1;
    },
  }, "ñame")!;
  assertInstanceOf(await rejection(pool.apply(get!)), SerializationError);
});

test("a function that its module does not export, and an initializer, are told what to do in their own case", async () => {
  const local = compiled("() => missingName");
  await using pool = new Pool(1, { module: EXPORTS });
  const error = await rejection(pool.apply(local));
  assertInstanceOf(error, ReferenceError);
  assertStringIncludes(error.message, "export the function from the pool's 'module', which has no such export");
  await using broken = new Pool(1, { initializer: compiled("() => void missingName.push(1)") });
  const cause = await rejection(broken.apply(() => 1));
  assertInstanceOf(cause, BrokenProcessPoolError);
  assertStringIncludes(cause.message, "assign it to 'globalThis.missingName'");
});
