/**
 * Bundles the programs of workers and of child processes into the texts from which they are started.
 *
 * `deno task build` writes `workers/program_gen.ts` and `processes/program_gen.ts`. With `--check` the tool only checks
 * whether these files were made from the current sources. It compares a digest of the sources, so that another release
 * of the bundler makes no difference.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);
/** The programs, and the files with their texts. */
const PROGRAMS = {
  "workers/program/program.ts": {
    output: "workers/program_gen.ts",
    what: "one module that imports nothing",
    adapt: same,
  },
  "processes/program.ts": {
    output: "processes/program_gen.ts",
    what: "the body of a function, whose parameter is `parallelImportModule`",
    adapt: asFunction,
  },
  "processes/porter_program.ts": {
    output: "processes/porter_program_gen.ts",
    what: "one module that imports nothing",
    adapt: same,
  },
};

function same(program: string): string {
  return program;
}

/** The name of the program of a child process in stacks. */
const NAME = "parallel:program";

/** Returns the body of a function. To import the text as a module would take longer than to compile it. */
function asFunction(program: string): string {
  return `"use strict";${program.replaceAll("import.meta.url", JSON.stringify(NAME))}\n//# sourceURL=${NAME}`;
}

/** Returns the URLs of a program and of all modules that it imports. */
async function sources(program: string): Promise<string[]> {
  const info = JSON.parse(await run("info", "--json", program)) as {
    modules: { specifier: string }[];
  };
  return info.modules.map(({ specifier }) => specifier).sort();
}

async function digest(program: string): Promise<string> {
  const texts = await Promise.all((await sources(program)).map((url) => Deno.readTextFile(new URL(url))));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  return new Uint8Array(hash).toHex();
}

async function run(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`deno ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/**
 * Returns a program that sets the names of classes only, which users see. The bundler also sets the name of every
 * closure each time one is made, which takes longer than most calls.
 */
function namesOfClassesOnly(program: string): string {
  const setName = /=\((\w+),(\w+)\)=>(\w+)\(\1,"name",\{value:\2,configurable:!0\}\)/;
  if (!setName.test(program)) throw new Error("The bundler keeps names in another way than this tool knows");
  return program.replace(setName, '=($1,$2)=>$1.prototype===void 0?$1:$3($1,"name",{value:$2,configurable:!0})');
}

/** Returns the text of a file; an empty text if there is none. */
async function textOf(file: URL): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

for (const [source, { output, what, adapt }] of Object.entries(PROGRAMS)) {
  const file = new URL(output, ROOT);
  if (Deno.args.includes("--check")) {
    if ((await textOf(file)).includes(await digest(source))) continue;
    console.error(`${output} is stale: run 'deno task build'`);
    Deno.exit(1);
  }
  const program = await run(
    "bundle",
    "--quiet",
    "--no-lock",
    "--minify",
    "--keep-names",
    "--platform=deno",
    source,
  );
  const text = [
    "// Made by `deno task build` from `program.ts` and what it imports. Not to be edited.",
    `// Sources: ${await digest(source)}`,
    "",
    `/** The program: ${what}. */`,
    `export const PROGRAM: string = ${JSON.stringify(adapt(namesOfClassesOnly(program.trim())))};`,
    "",
  ];
  await Deno.writeTextFile(file, text.join("\n"));
}
