/**
 * Runs separate programs, for tests of what a program may do and how it ends.
 *
 * @module
 */

/** The end of a program. */
export interface Ended {
  /** The exit code. */
  readonly code: number;
  /** The standard output, followed by the standard error output. */
  readonly output: string;
}

/** The limit of a program, in milliseconds. The limit ends a program that hangs, and no program needs nearly as much. */
const LIMIT = 20_000;

/** Runs the text of a program, in which `MODULE` stands for this library. Kills one that hangs: its code is 143. */
export function run(program: string, ...flags: string[]): Promise<Ended> {
  return start("-", program.replaceAll("MODULE", new URL("../mod.ts", import.meta.url).href), flags);
}

/** As {@linkcode run}, for the program in a file. */
export function runFile(path: string, ...flags: string[]): Promise<Ended> {
  return start(path, "", flags);
}

async function start(path: string, input: string, flags: readonly string[]): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--no-prompt", ...flags, path],
    cwd: new URL("../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(LIMIT),
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}
