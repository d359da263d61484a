/**
 * What of this library works in other runtimes: `deno task runtimes [bun] [chromium]`, both if none is named.
 *
 * Runs `runtimes/checks.ts`, bundled, in Bun, which npm installs into a temporary folder, and on a cross-origin
 * isolated page in the Chromium of this machine. Prints a table; the exit code is 1 when something does not work, or a
 * named runtime is missing.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);
const RUNTIMES = ["bun", "chromium"] as const;
/** How long one check, or the start, may take, in milliseconds. */
const LIMIT = 20_000;

type Runtime = typeof RUNTIMES[number];

/** What the checks tell. */
type Told =
  | { readonly begins: string }
  | { readonly ended: string; readonly outcome: string }
  | { readonly agent: string };

/** What is known of a run through all checks. */
interface Result {
  readonly outcomes: Map<string, string>;
  agent: string;
}

/** Spawner a runtime on the checks from an index on. */
type Start = (url: string, from: number) => Promise<Deno.ChildProcess>;

async function run(command: string, args: string[], cwd: string | URL): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether there is a program of this name. */
async function find(command: string): Promise<boolean> {
  try {
    await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Where a page is that runs the checks in `folder`, and what they tell. */
function serve(folder: string, told: (message: Told) => void): Deno.HttpServer<Deno.NetAddr> {
  const isolated = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  };
  const listening = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  return Deno.serve(listening, async (request) => {
    if (request.method === "POST") {
      told(await request.json());
      return new Response();
    }
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/checks.js") {
      const headers = { ...isolated, "Content-Type": "text/javascript" };
      return new Response(await Deno.readFile(`${folder}/checks.js`), { headers });
    }
    const wishes = { url: "/", from: Number(searchParams.get("from")) };
    const page = `<!doctype html><script>wishes = ${JSON.stringify(wishes)}</script>` +
      `<script type="module" src="checks.js"></script>`;
    return new Response(page, { headers: { ...isolated, "Content-Type": "text/html" } });
  });
}

/** Runs all checks; where one does not end, goes on after it with a new process. */
async function runChecks(folder: string, start: Start): Promise<Result> {
  const result: Result = { outcomes: new Map(), agent: "" };
  let current: string | undefined;
  let heard = (): void => {};
  const server = serve(folder, (message) => {
    if ("begins" in message) result.outcomes.set(current = message.begins, "does not end");
    else if ("ended" in message) result.outcomes.set(message.ended, message.outcome);
    else result.agent = /Bun\/[\d.]+|Chrome\/[\d.]+/.exec(message.agent)?.[0] ?? message.agent;
    heard();
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  while (result.agent === "") {
    current = undefined;
    const stopped = Promise.withResolvers<string>();
    const process = await start(url, result.outcomes.size);
    // It ends when all processes that were started there have ended.
    const output = process.stderr.pipeTo(new WritableStream());
    let timer: ReturnType<typeof setTimeout> | undefined;
    heard = () => {
      clearTimeout(timer);
      if (result.agent !== "") stopped.resolve("");
      else timer = setTimeout(() => stopped.resolve("does not end"), LIMIT);
    };
    heard();
    const crashed = process.status.then(({ code, signal }) => `ends the program: ${signal ?? code}`);
    const how = await Promise.race([stopped.promise, crashed]);
    clearTimeout(timer);
    try {
      process.kill(); // not SIGKILL, or Chromium leaves processes behind
    } catch {
      // It has ended.
    }
    await output;
    await process.status;
    if (how === "") break;
    if (current === undefined) {
      result.agent = "does not start";
      result.outcomes.set("start", how);
    } else if (result.outcomes.get(current) === "does not end") {
      result.outcomes.set(current, how);
    }
  }
  await server.shutdown();
  return result;
}

/** How to start Bun, installed from npm into `folder`. */
async function startBun(folder: string): Promise<Start> {
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  await run("npm", ["install", "bun"], folder);
  return async (url, from) => {
    const program = `globalThis.wishes = ${JSON.stringify({ url, from })};\nawait import("./checks.js");\n`;
    await Deno.writeTextFile(`${folder}/main.js`, program);
    const command = `${folder}/node_modules/.bin/bun`;
    return new Deno.Command(command, { args: ["main.js"], cwd: folder, stdout: "null", stderr: "piped" }).spawn();
  };
}

/** How to start Chromium with a profile in `folder`. */
function startChromium(folder: string): Start {
  const sandbox = Deno.uid() === 0 ? ["--no-sandbox"] : []; // root may have none
  const args = ["--headless", "--disable-gpu", "--no-first-run", `--user-data-dir=${folder}/profile`, ...sandbox];
  return (url, from) => {
    const all = [...args, `${url}?from=${from}`];
    const env = { TMPDIR: folder };
    return Promise.resolve(new Deno.Command("chromium", { args: all, env, stdout: "null", stderr: "piped" }).spawn());
  };
}

/** Prints the table, and what is to be said of all that is not simply good: whether nothing is wrong. */
function print(results: ReadonlyMap<Runtime, Result>): boolean {
  const names = new Set([...results.values()].flatMap(({ outcomes }) => [...outcomes.keys()]));
  const rows = [["", ...Array.from(results.values(), ({ agent }) => agent)]];
  const notes: string[] = [];
  let good = true;
  for (const name of names) {
    const row = [name];
    for (const [runtime, { outcomes }] of results) {
      const outcome = outcomes.get(name) ?? "not run";
      const refused = outcome.startsWith("refused");
      row.push(outcome === "ok" ? "ok" : refused ? "refused" : "WRONG");
      if (outcome !== "ok") notes.push(`${runtime}, ${name}\n  ${outcome}`);
      good &&= outcome === "ok" || refused;
    }
    rows.push(row);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  for (const note of notes) console.log(`\n${note}`);
  return good;
}

const asked = RUNTIMES.filter((runtime) => Deno.args.includes(runtime));
const folder = await Deno.makeTempDir();
const results = new Map<Runtime, Result>();
let good = true;
try {
  const bundle = ["bundle", "--quiet", "--platform=browser", "--output", `${folder}/checks.js`];
  await run(Deno.execPath(), [...bundle, "tools/runtimes/checks.ts"], ROOT);
  for (const runtime of asked.length > 0 ? asked : RUNTIMES) {
    const command = runtime === "bun" ? "npm" : runtime;
    if (await find(command)) {
      const start = runtime === "bun" ? await startBun(folder) : startChromium(folder);
      results.set(runtime, await runChecks(folder, start));
    } else {
      console.log(`${runtime}: '${command}' was not found`);
      if (asked.length > 0) good = false;
    }
  }
  if (results.size > 0) good = print(results) && good;
} finally {
  await Deno.remove(folder, { recursive: true });
}
Deno.exit(good ? 0 : 1);
