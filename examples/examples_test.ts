/**
 * Each example, run as a user runs it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";

/** Runs an example without flags and without a terminal: what it prints, line by line, without trailing blank. */
async function run(name: string, ...flags: string[]): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...flags, new URL(`./${name}.ts`, import.meta.url).pathname],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

Deno.test("fib_map.ts prints time, n and fib(n) for 1 to 39, all after the last result", async () => {
  const lines = await run("fib_map");
  assertEquals(lines.length, 39);
  let [a, b] = [1, 2];
  for (const [i, line] of lines.entries()) {
    assertMatch(line, /^\d\d:\d\d:\d\d\.\d{3} +\d+ +\d+$/);
    assertEquals(line.trim().split(/ +/).slice(1).map(Number), [i + 1, a]);
    [a, b] = [b, a + b];
  }
});

Deno.test("shared_array_in_place.ts prints two roots that workers have written", async () => {
  assertEquals(await run("shared_array_in_place"), ["√250000 = 500, √998001 = 999"]);
});
