import { assertEquals, assertStringIncludes } from "@std/assert";

/** Runs the check on a page and a program, which have a text in their prose and another in their code. */
async function check(prose: string, code: string): Promise<{ code: number; output: string }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/page.md`, `${prose}\n\n\`\`\`\n${code}\n\`\`\`\n`);
    await Deno.writeTextFile(`${folder}/program.ts`, `/** ${prose} */\n${code}\n`);
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "check:words", `${folder}/page.md`, `${folder}/program.ts`],
      cwd: new URL("../", import.meta.url),
      env: { NO_COLOR: "1" },
    }).output();
    const output = new TextDecoder().decode(result.stdout) + new TextDecoder().decode(result.stderr);
    return { code: result.code, output: output.replaceAll(`${folder}/`, "") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the check of words accepts prose in American English, and any word in code", async () => {
  const { code, output } = await check("The color of `colour`.", "const colour = desk;");
  assertEquals([code, output], [0, "The words of 2 files are right\n"]);
});

Deno.test("the check of words reports British and misspelled words with their place", async () => {
  const { code, output } = await check("The colour is\nwrogn.", "1;");
  assertEquals(code, 1);
  for (const file of ["page.md", "program.ts"]) {
    assertStringIncludes(output, `${file}:1 'colour' is not in the dictionary`);
    assertStringIncludes(output, `${file}:2 'wrogn' is not in the dictionary`);
  }
});

Deno.test("the check of words reports words of insiders on pages, also over the end of a line", async () => {
  const { code, output } = await check("The desk sends it to the post\noffice.", "1;");
  assertEquals(code, 1);
  assertStringIncludes(output, "page.md:1 'desk' is for insiders: write 'control block, or completion ring'");
  assertStringIncludes(output, "page.md:1 'post office' is for insiders: write 'resource sharer'");
});
