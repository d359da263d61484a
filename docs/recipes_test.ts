/**
 * Each recipe, run as a user runs it, with the permissions that `recipes.md` states, on small inputs made here.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { decode, encode } from "fast-png";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";

const RECIPES = new URL("./recipes/", import.meta.url);

/** The flags of the command that `recipes.md` shows for a program. */
function flagsOf(name: string): string[] {
  const text = Deno.readTextFileSync(new URL("./recipes.md", import.meta.url));
  const [, flags] = new RegExp(`deno run((?: --\\S+)*) docs/recipes/${name}\\.ts`).exec(text)!;
  return flags!.trim().split(" ").filter((flag) => flag !== "");
}

function command(name: string, cwd: string, args: string[], stdin: "null" | "piped" = "null"): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", ...flagsOf(name), new URL(`${name}.ts`, RECIPES).pathname, ...args],
    cwd,
    stdin,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

/** The lines that a recipe prints. */
async function run(name: string, cwd: string, args: string[], input?: string): Promise<string[]> {
  const process = command(name, cwd, args, input === undefined ? "null" : "piped").spawn();
  if (input !== undefined) await new Blob([input]).stream().pipeTo(process.stdin);
  const { success, stdout, stderr } = await process.output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

function test(name: string, body: (directory: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await body(directory);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

Deno.test("recipes.md shows the text of each program", () => {
  const text = Deno.readTextFileSync(new URL("./recipes.md", import.meta.url));
  const blocks = [...text.matchAll(/^```(?:ts ignore|python)\n(.*?)^```$/gms)].map(([, block]) => block);
  const programs = [...Deno.readDirSync(RECIPES)].map(({ name }) => Deno.readTextFileSync(new URL(name, RECIPES)));
  assertEquals(blocks.toSorted(), programs.toSorted());
});

test("hash_tree.ts writes a compressed copy of each file, and the hashes of all", async (directory) => {
  const files: Record<string, string> = { "a.txt": "a".repeat(100_000), "empty": "", "b/c/deep.txt": "Grüße" };
  Deno.mkdirSync(`${directory}/in/b/c`, { recursive: true });
  for (const [path, text] of Object.entries(files)) Deno.writeTextFileSync(`${directory}/in/${path}`, text);
  assertEquals(await run("hash_tree", directory, ["in", "out"]), ["3 files"]);
  let sums = "";
  for (const path of Object.keys(files).sort()) {
    const unpacked = gunzipSync(Deno.readFileSync(`${directory}/out/${path}.gz`));
    assertEquals(new TextDecoder().decode(unpacked), files[path]);
    sums += `${createHash("sha256").update(unpacked).digest("hex")}  ${path}\n`;
  }
  assertEquals(Deno.readTextFileSync(`${directory}/out/SHA256SUMS`), sums);
});

test("word_count.ts counts every word of a text of several slices once", async (directory) => {
  const lines = 800_000; // 17.6 MB: three slices
  Deno.writeTextFileSync(`${directory}/text.txt`, "Über die, the the été\n".repeat(lines));
  assertEquals(await run("word_count", directory, ["text.txt"]), [
    `${2 * lines} the`,
    `${lines} die`,
    `${lines} été`,
    `${lines} über`,
  ]);
});

test("thumbnails.ts writes thumbnails, and reports a file that is no picture", async (directory) => {
  const data = new Uint8Array(500 * 300 * 3);
  for (let i = 0; i < data.length; i++) data[i] = [200, 100, 50][i % 3]!;
  const names = Array.from({ length: 5 }, (_, i) => `${i}.png`);
  for (const name of names) {
    Deno.writeFileSync(`${directory}/${name}`, encode({ width: 500, height: 300, channels: 3, data }));
  }
  Deno.writeTextFileSync(`${directory}/broken.png`, "no picture");
  const lines = await run("thumbnails", directory, ["broken.png", ...names]);
  assertEquals(lines, names.map((name) => name.replace(".png", ".thumb.png")));
  const small = decode(Deno.readFileSync(`${directory}/4.thumb.png`));
  assertEquals([small.width, small.height, small.channels], [125, 75, 3]);
  assertEquals([...small.data.subarray(-3)], [200, 100, 50]);
});

test("server.ts answers, limits the time of a request, and refuses what would wait too long", async (directory) => {
  await using process = command("server", directory, ["0"]).spawn();
  const reader = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  while (!/:(\d+)\//.test(output)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The server has ended: ${output}`);
    output += value;
  }
  const base = `http://127.0.0.1:${/:(\d+)\//.exec(output)![1]}`;
  const get = async (path: string, signal: AbortSignal | null = null) => {
    const response = await fetch(base + path, { signal });
    return [response.status, await response.text()];
  };
  assertEquals(await get("/primes?below=100000"), [200, "9592"]);
  assertEquals(await get("/primes?below=many"), [400, "bad 'below'\n"]);

  const gone = new AbortController();
  const long = get("/primes?below=1000000000", gone.signal).catch((error: Error) => error.name);
  gone.abort();
  assertEquals(await long, "AbortError");

  const statuses = (await Promise.all(Array.from({ length: 60 }, () => get("/primes?below=1000000000"))))
    .map(([status]) => status);
  assert(statuses.includes(503), `${statuses}`);
  assert(statuses.includes(504), `${statuses}`);
  assert(statuses.every((status) => status === 503 || status === 504), `${statuses}`);
  assertEquals(await get("/primes?below=100"), [200, "25"]);
  process.kill("SIGTERM");
  assertEquals((await process.status).code, 0);
  while (!(await reader.read()).done);
  await process.stdout.cancel();
});

test("monte_carlo.ts counts each sample once", async (directory) => {
  const lines = await run("monte_carlo", directory, ["120000"]);
  assertEquals(lines.length, 21);
  const percents = lines.map((line) => Number(/,000 +(\d+\.\d\d) %/.exec(line)![1]));
  assert(Math.abs(percents.reduce((a, b) => a + b) - 100) < 0.2);
  assert(percents[2]! > percents[0]! && percents[2]! > percents[9]!);
});

test("pipeline.ts counts the links of each page, and fetches only so far ahead", async (directory) => {
  let [now, most, answered] = [0, 0, 0];
  const waiting: (() => void)[] = [];
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    most = Math.max(most, ++now);
    // No request is answered before 8 have come, or all that are left. The timer gives a ninth the time to come, and be a fault.
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) < Math.min(8, urls.length - answered)) return;
      answered += waiting.length;
      for (const answer of waiting.splice(0)) setTimeout(answer, 5);
    });
    now--;
    const n = Number(new URL(request.url).pathname.slice(1));
    return new Response(Array.from({ length: n }, (_, i) => `<p><a class="x" href="/${i}">${i}</a>`).join("\n"));
  });
  const urls = Array.from({ length: 100 }, (_, i) => `http://127.0.0.1:${server.addr.port}/${i}`);
  const lines = await run("pipeline", directory, [], urls.join("\n"));
  assertEquals(lines.toSorted(), urls.map((url, i) => `${i} ${url}`).toSorted());
  assertEquals(most, 8);
});

test("spelling.ts prints what spelling.py prints", async (directory) => {
  Deno.writeTextFileSync(`${directory}/words.txt`, "the\ncat\nsat\n");
  const texts = ["The cat sat.", "The dgo sta", "", "mat"];
  texts.forEach((text, i) => Deno.writeTextFileSync(`${directory}/${i}.txt`, text));
  const args = ["words.txt", ...texts.keys().map((i) => `${i}.txt`)];
  const expected = ["0.txt 0", "1.txt 2", "2.txt 0", "3.txt 1"];
  assertEquals((await run("spelling", directory, args)).toSorted(), expected);
  try {
    const { stdout } = await new Deno.Command("python3", {
      args: [new URL("spelling.py", RECIPES).pathname, ...args],
      cwd: directory,
    }).output();
    assertEquals(new TextDecoder().decode(stdout).trimEnd().split("\n").toSorted(), expected);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // no Python here
  }
});

test("sqlite.ts prints the best seller of each month", async (directory) => {
  const database = new DatabaseSync(`${directory}/sales.db`);
  database.exec("CREATE TABLE sales (day TEXT, product TEXT, price REAL, pieces INTEGER)");
  const insert = database.prepare("INSERT INTO sales VALUES (?, ?, ?, ?)");
  for (let month = 1; month <= 11; month++) {
    const day = `2024-${String(month).padStart(2, "0")}-15`;
    insert.run(day, "pen", 2, month);
    insert.run(day, "ink", 10.5, 1);
  }
  database.close();
  const lines = await run("sqlite", directory, ["sales.db", "2024"]);
  assertEquals(lines.length, 12);
  assertEquals([lines[0], lines[5], lines[11]], ["2024-01 ink 10.5", "2024-06 pen 12", "2024-12 nothing"]);
  assertMatch(lines[10]!, /^2024-11 pen 22(\.0)?$/);
});
