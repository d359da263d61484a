import { assertEquals, assertMatch } from "@std/assert";

Deno.test("the demo loses nothing", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", new URL("../demo/demo.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  assertMatch(output, /is killed/);
  assertMatch(output, /90 pictures of 90 in [\d.]+ s, none lost/);
});
