/** Tests that the stacks of errors name the lines of the user's files, the item, and the code that made the call. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Pool, Process, ProcessPoolExecutor } from "../mod.ts";
import { closure, imported, sameElsewhere } from "../testing/fixtures/failing_tasks.ts";
import { runFile } from "../testing/run_program.ts";
import { rejection, test } from "../testing/counted_workers.ts";

const HERE = import.meta.url;
const TASKS = import.meta.resolve("../testing/fixtures/failing_tasks.ts");

/** Returns the place of the line that is marked as that of `name`, in the form of stacks. */
async function lineOf(name: string, url = HERE): Promise<string> {
  const lines = (await Deno.readTextFile(new URL(url))).split("\n");
  const found = lines.flatMap((line, i) => line.endsWith(`// line of ${name}`) ? [`${url}:${i + 1}:`] : []);
  assertEquals(found.length, 1, name);
  return found[0]!;
}

/** Returns the frames of an error, from the top. */
function frames(error: unknown): string[] {
  return (error as Error).stack!.split("\n").filter((line) => /^ {4}at /.test(line));
}

/** Asserts that the first frames of an error contain `parts`, one each. */
function assertFrames(error: unknown, ...parts: string[]): void {
  const lines = frames(error);
  for (const [i, part] of parts.entries()) assertStringIncludes(lines[i] ?? "", part, (error as Error).stack);
}

type Count = number;

const arrow = (n: Count, text?: string): Count => {
  const list = { n } as { n: Count; deep?: { z: Count } };
  return list.deep!.z + (text as string).length; // line of arrow
};
const helper = (n: Count): Count => {
  throw new TypeError(`helper ${n}`); // line of helper
};
// deno-fmt-ignore
const first = (n: Count): Count => { throw new Error("twin" + n); }; // line of first
// deno-fmt-ignore
const second = (n: Count): Count => { throw new Error("twin" + n); }; // line of second
const shorter = {
  sameElsewhere: (n: Count): Count => {
    throw new Error("same" + n + 1);
  },
};

test("a task that went by source fails on the lines of the user's file, whoever calls it", async () => {
  await using pool = new Pool(1, { scope: { helper } });
  assertFrames(await rejection(pool.apply(arrow, [1])), `at arrow (${await lineOf("arrow")}`);
  assertFrames(await rejection(pool.map(arrow, [1])), `at arrow (${await lineOf("arrow")}`);
  assertFrames(await rejection(pool.map(imported, [1, 3])), `at imported (${await lineOf("imported", TASKS)}`);
  assertFrames(await rejection(pool.applyAsync(arrow, [1]).get()), `at arrow (${await lineOf("arrow")}`);
  assertFrames(await rejection(pool.imap(arrow, [1]).next()), `at arrow (${await lineOf("arrow")}`);
  const inline = await rejection(pool.map((n: Count): Count => {
    if (n === 0) return n;
    return helper(n); // line of inline
  }, [1]));
  assertFrames(inline, `at helper (${await lineOf("helper")}`, `at ${await lineOf("inline")}`);
  await using executor = new ProcessPoolExecutor(1);
  assertFrames(await rejection(executor.submit(arrow, 1).result()), `at arrow (${await lineOf("arrow")}`);
  const later = await rejection(pool.apply(async (text: string): Promise<void> => {
    await Promise.resolve();
    const cause = new Error(`why ${text}`); // line of cause
    throw new Error("later", { cause }); // line of later
  }, ["now"])) as Error;
  assertFrames(later, `at ${await lineOf("later")}`);
  assertFrames(later.cause, `at ${await lineOf("cause")}`);
});

test("an initializer, and the function of a process, fail on the lines of the user's file", async () => {
  await using pool = new Pool(1, {
    initializer: (n: Count): void => {
      if (n === 5) throw new Error("cannot begin"); // line of initializer
    },
    initargs: [5],
  });
  const broken = await rejection(pool.apply(arrow, [1])) as Error;
  assertFrames(broken.cause, `at initializer (${await lineOf("initializer")}`);
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (...args) => void printed.push(...args);
  try {
    const process = new Process({ target: arrow, args: [1] });
    process.start();
    await process.join();
  } finally {
    console.error = error;
  }
  assertFrames(printed.at(-1), `at arrow (${await lineOf("arrow")}`);
});

test("functions that are made anew for each call keep their line", async () => {
  await using pool = new Pool(1);
  for (let i = 0; i < 3; i++) {
    const error = await rejection(pool.apply((n: Count): Count => {
      throw new Error("again" + n); // line of again
    }, [i]));
    assertFrames(error, `at ${await lineOf("again")}`);
  }
});

test("of functions with the same text each fails on its own line, or on none", async () => {
  await using pool = new Pool(1);
  assertFrames(await rejection(pool.map(first, [1])), `at first (${await lineOf("first")}`);
  assertFrames(await rejection(pool.map(second, [1])), `at second (${await lineOf("second")}`);
  assertFrames(await rejection(pool.apply(second, [1])), `at second (${await lineOf("second")}`);
  // deno-fmt-ignore
  const calls = [
    await rejection(pool.map((n: Count): Count => { throw new Error("inline" + n); }, [1])), // line of call 1
    await rejection(pool.map((n: Count): Count => { throw new Error("inline" + n); }, [1])), // line of call 2
  ];
  assertFrames(calls[0], `at ${await lineOf("call 1")}`);
  assertFrames(calls[1], `at ${await lineOf("call 2")}`);
  // A function with nearly the same text is not mistaken for it.
  const near = await rejection(pool.map(shorter.sameElsewhere, [1]));
  assertStringIncludes(frames(near)[0]!, HERE);
  assertStringIncludes(frames(await rejection(pool.map(sameElsewhere, [1])))[0]!, TASKS);
});

test("a function whose place cannot be told has the lines of its text", async () => {
  await using pool = new Pool(1, { scope: { text: "t" } });
  const compiled = new Function("return (n) => {\n  throw new Error(text + n);\n}")() as (n: number) => number;
  assertFrames(await rejection(pool.map(compiled, [1])), "task:anonymous:2:9");
  await using other = new Pool(1, { scope: { text: "t" } });
  const error = await rejection(other.map(closure, [1]));
  assertFrames(error, `at ${await lineOf("made", TASKS)}`);
});

test("the error of a map names its item, and the call; message and class are as they were", async () => {
  await using pool = new Pool(2);
  const fails = (n: Count): Count => {
    if (n === 7) throw new RangeError("seven"); // line of seven
    return n;
  };
  const items = Array.from({ length: 9 }, (_, i) => i);
  const called = pool.map(fails, items); // line of the call
  const error = await rejection(called) as Error;
  assertEquals([error.name, error.message, Object.keys(error)], ["RangeError", "seven", []]);
  assert(error instanceof RangeError);
  assertFrames(error, `at fails (${await lineOf("seven")}`, "at async Pool.map (index 7)", await lineOf("the call"));
  assertFrames(await rejection(pool.starmap(fails, [[1], [7]])), "at fails (", "at async Pool.starmap (index 1)", HERE);
  const results = await pool.map(fails, items, { returnExceptions: true });
  assertFrames(results[7], "at fails (", "at async Pool.map (index 7)", HERE);
  const stream = pool.imap(fails, [1, 7], { chunksize: 2 });
  assertEquals(await stream.next(), { done: false, value: 1 });
  assertFrames(await rejection(stream.next()), "at fails (", "at async Pool.imap (index 1)", HERE);
  let sync: unknown;
  try {
    pool.mapSync(fails, [1, 2, 7]);
  } catch (error) {
    sync = error;
  }
  assertFrames(sync, "at fails (", "at async Pool.mapSync (index 2)", HERE);
  await using executor = new ProcessPoolExecutor(1);
  const mapped = executor.map(fails, [7]);
  assertFrames(await rejection(mapped.next()), "at fails (", "at async ProcessPoolExecutor.map (index 0)", HERE);
});

test("several items that throw the same error name the first", async () => {
  await using pool = new Pool(1);
  const results = await pool.map(
    () => {
      const scope = globalThis as { same?: Error };
      throw scope.same ??= new Error("same");
    },
    [1, 2, 3],
    { chunksize: 3, returnExceptions: true },
  );
  assertEquals(results.map((error) => frames(error).filter((line) => line.includes("(index ")).length), [1, 1, 1]);
});

test("the error of a single call tells who waits for it", async () => {
  await using pool = new Pool(1);
  const waits = async (): Promise<void> => {
    await pool.apply(arrow, [1]); // line of apply
  };
  assertFrames(await rejection(waits()), "at arrow (", `at async waits (${await lineOf("apply")}`);
  const blocks = (): void => {
    pool.applySync(arrow, [1]); // line of applySync
  };
  let error: unknown;
  try {
    blocks();
  } catch (thrown) {
    error = thrown;
  }
  assertFrames(error, "at arrow (", `at blocks (${await lineOf("applySync")}`);
  const result = pool.applyAsync(arrow, [1]);
  const once = await rejection(result.get());
  const stack = (once as Error).stack;
  assert(await rejection(result.get()) === once);
  assertEquals((once as Error).stack, stack);
});

test("without a permission to read, what is written into the call has its lines, and nothing else wrong ones", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/main.ts`;
    await Deno.writeTextFile(
      path,
      `import { Pool } from "${new URL("../mod.ts", import.meta.url)}";
      interface Item { readonly n: number; }

      function named(n: number): number {
        const item: Item = { n };
        throw new Error("named" + item.n);
      }
      await using pool = new Pool(1);
      const print = (error: Error) => console.log(error.stack!.split("\\n").slice(1).join("\\n"));
      await pool.map((n: number): number => {
        const item: Item = { n };

        if (n > 0) throw new Error("inline" + item.n);
        return n;
      }, [1]).catch(print);
      await pool.apply((n: number): number => {
        const item: Item = { n };
        throw new Error("inline" + item.n);
      }, [1]).catch(print);
      await pool.map(named, [1]).catch(print);
      console.log(await pool.map(named, [2]).catch((error) => error));`,
    );
    const { code, output } = await runFile(path);
    const url = `file://${path}`;
    assertEquals(code, 0, output);
    assertEquals(output.split("\n").slice(0, 8), [
      `    at ${url}:13:26`,
      "    at async Pool.map (index 0)",
      `    at ${url}:10:18`,
      `    at ${url}:18:15`,
      `    at async ${url}:16:7`,
      "    at named (task:named:5:9)",
      "    at async Pool.map (index 0)",
      `    at ${url}:20:18`,
    ]);
    // As Deno prints an error.
    assertMatch(output, /Error: named2\n\s+at named \(task:named:5:9\)\n\s+at async Pool\.map \(index 0\)/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
