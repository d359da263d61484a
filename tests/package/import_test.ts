/** What importing the library does: nothing. */

import { assertEquals } from "@std/assert";
import { run } from "../../testing/run_program.ts";
import { test } from "../../testing/counted_workers.ts";

test("importing starts nothing, loads no built-in module of Node, and leaves the globals as they are", async () => {
  const { code, output } = await run(`
    const touched = [];
    const names = ["Worker", "setTimeout", "setInterval", "SharedArrayBuffer", "MessageChannel", "fetch"];
    for (const name of names) {
      const original = globalThis[name];
      globalThis[name] = new Proxy(original, {
        apply: (...args) => (touched.push(name), Reflect.apply(...args)),
        construct: (...args) => (touched.push(name), Reflect.construct(...args)),
      });
    }
    const load = process.getBuiltinModule;
    process.getBuiltinModule = (name) => (touched.push(name), load(name));
    const before = [...Reflect.ownKeys(globalThis), ...Reflect.ownKeys(Array.prototype), ...Reflect.ownKeys(Object.prototype)].length;
    const { Pool } = await import("MODULE");
    const after = [...Reflect.ownKeys(globalThis), ...Reflect.ownKeys(Array.prototype), ...Reflect.ownKeys(Object.prototype)].length;
    console.log(touched, after - before, typeof Pool);
  `);
  assertEquals([output, code], ["[] 0 function\n", 0]);
});
