/**
 * This library beside its peers, in one run: prints a table, and writes it to `bench/README.md` with a chart (`chart.ts`). The
 * packages of the peers come from npm, into a temporary folder.
 *
 *   deno task bench:peers
 */

import { sectionOf } from "../payloads/report.ts";
import { chart } from "./chart.ts";

type Figures = Record<string, number>;

const here = new URL("./", import.meta.url);
const PEERS = ["piscina", "tinypool", "workerpool"];
const ON_DENO = "workerpool on Deno";

async function run(command: string, args: string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, ...(cwd && { cwd }), stdin: "null" })
    .output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

const figuresOf = (output: string): Figures => JSON.parse(output.trim().split("\n").at(-1)!);

interface Row {
  what: string;
  unit: string;
  ours: string;
  peers: Record<string, string>;
  /** How many times as fast as the best of the peers. */
  least: number;
}

const ROWS: Row[] = [
  {
    what: "20,000 tiny tasks, each its own `apply`, all awaited",
    unit: "µs a task",
    ours: "burst",
    peers: { piscina: "burst", tinypool: "burst", workerpool: "burst", [ON_DENO]: "burst", Python: "burst" },
    least: 20,
  },
  {
    what: "the same by `submit`",
    unit: "µs a task",
    ours: "burstSubmit",
    peers: { piscina: "burst", tinypool: "burst", workerpool: "burst", [ON_DENO]: "burst", Python: "burstSubmit" },
    least: 20,
  },
  {
    what: "one tiny task at a time, `await pool.apply`",
    unit: "µs a task",
    ours: "single",
    peers: { piscina: "single", tinypool: "single", workerpool: "single", [ON_DENO]: "single", Python: "single" },
    least: 4,
  },
  {
    what: "one tiny task at a time, `applySync`",
    unit: "µs a task",
    ours: "singleSync",
    peers: { piscina: "single", tinypool: "single", workerpool: "single", [ON_DENO]: "single", Python: "single" },
    least: 5,
  },
  { what: "`map` over a million numbers", unit: "ms", ours: "million", peers: { Python: "million" }, least: 8 },
  {
    what: "`imap` of 20,000 numbers, chunksize 1",
    unit: "µs an item",
    ours: "imap",
    peers: { Python: "imap" },
    least: 8,
  },
  {
    what: "a lock that nobody else wants, acquired and released",
    unit: "ns",
    ours: "lock",
    peers: { multithreading: "lock" },
    least: 2,
  },
  {
    what: "a lock that two threads want all the time",
    unit: "ns a turn",
    ours: "contended",
    peers: { multithreading: "contended" },
    least: 2,
  },
  { what: "`Queue` from thread to thread", unit: "µs an item", ours: "queue", peers: { Python: "queue" }, least: 8 },
];

const IN_PROCESSES: Row[] = [
  {
    what: "20,000 tiny tasks, each its own `apply`, all awaited",
    unit: "µs a task",
    ours: "burst",
    peers: { workerpool: "burst", tinypool: "burst", Python: "burst", "Python's executor": "burstSubmit" },
    least: 10,
  },
  {
    what: "one tiny task at a time, `await pool.apply`",
    unit: "µs a task",
    ours: "single",
    peers: { workerpool: "single", tinypool: "single", Python: "single", "Python's executor": "singleSubmit" },
    least: 1,
  },
  {
    what: "one tiny task at a time, `applySync`",
    unit: "µs a task",
    ours: "singleSync",
    peers: { Python: "single", "Python's executor": "singleSubmit" },
    least: 1,
  },
  {
    what: "`imap` of 20,000 numbers, chunksize 1",
    unit: "µs an item",
    ours: "imap",
    peers: { Python: "imap" },
    least: 5,
  },
  { what: "`map` over a million numbers", unit: "ms", ours: "million", peers: { Python: "million" }, least: 2.5 },
  { what: "64 MB to a process and back", unit: "ms", ours: "echo", peers: { Python: "echo" }, least: 2 },
  {
    what: "a new pool to its first result",
    unit: "ms",
    ours: "start",
    peers: { workerpool: "start", tinypool: "start", Python: "start" },
    least: 1,
  },
];

const folder = await Deno.makeTempDir();
const results: Record<string, Figures> = {};
const versions: string[] = [];
try {
  for (const file of ["node.mjs", "task.mjs", "workerpool_task.mjs"]) {
    await Deno.copyFile(new URL(file, here), `${folder}/${file}`);
  }
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  await run("npm", ["install", "--silent", ...PEERS], folder);
  for (const peer of PEERS) {
    const { version } = JSON.parse(await Deno.readTextFile(`${folder}/node_modules/${peer}/package.json`));
    versions.push(`${peer} ${version}`);
    results[peer] = figuresOf(await run("node", ["node.mjs", peer], folder));
  }
  results[ON_DENO] = figuresOf(await run(Deno.execPath(), ["run", "--allow-all", "node.mjs", "workerpool"], folder));
  const mutex = new URL("multithreading.mjs", here).pathname;
  results.multithreading = figuresOf(
    await run(Deno.execPath(), ["run", "--no-check", "--no-lock", "--allow-all", mutex]),
  );
  const ofProcesses = new URL("processes.ts", here).pathname;
  results.ourProcesses = figuresOf(await run(Deno.execPath(), ["run", "--no-check", "--allow-run", ofProcesses]));
  for (const peer of ["workerpool", "tinypool"]) {
    results[`${peer} processes`] = figuresOf(await run("node", ["node.mjs", peer, "process"], folder));
  }
  results.Python = figuresOf(await run("python3", [new URL("python.py", here).pathname]));
  results.ours = figuresOf(await run(Deno.execPath(), ["run", "--no-check", new URL("ours.ts", here).pathname]));
} finally {
  await Deno.remove(folder, { recursive: true });
}
const python = (await run("python3", ["--version"])).trim();
const node = (await run("node", ["--version"])).trim();
versions.push(python, `Node ${node.slice(1)}`, `Deno ${Deno.version.deno}`);

const number = (value: number | undefined): string =>
  value === undefined ? "" : value.toPrecision(3).replace(/\.0+$/, "");
const { ours, ourProcesses } = results as { ours: Figures; ourProcesses: Figures };

/** Returns a table of rows. `of` are the figures of each peer. */
function tableOf(
  rows: readonly Row[],
  mine: Figures,
  columns: readonly string[],
  of: (peer: string) => Figures,
): string {
  const lines = [
    `|  | unit | here | ${columns.join(" | ")} | times the best | wanted |`,
    `| --- | --- | --- | ${columns.map(() => "---").join(" | ")} | --- | --- |`,
  ];
  for (const { what, unit, ours: key, peers, least } of rows) {
    const theirs = columns.map((peer) => peers[peer] === undefined ? undefined : of(peer)[peers[peer]]);
    const ratio = Math.min(...theirs.filter((value) => value !== undefined)) / mine[key]!;
    const verdict = ratio < 1 ? `${number(ratio)}: **slower**` : number(ratio);
    lines.push(
      `| ${what} | ${unit} | ${number(mine[key])} | ${theirs.map(number).join(" | ")} | ${verdict} | ${least} |`,
    );
  }
  return lines.join("\n");
}

const threads = tableOf(ROWS, ours, [...PEERS, ON_DENO, "multithreading", "Python"], (peer) => results[peer]!);
const inProcesses = tableOf(
  IN_PROCESSES,
  ourProcesses,
  ["workerpool", "tinypool", "Python", "Python's executor"],
  (peer) => results[peer.startsWith("Python") ? "Python" : `${peer} processes`]!,
);
const more = [
  "|  | measured | wanted |",
  "| --- | --- | --- |",
  `| \`new Pool(2)\` to the first result, against a bare Worker that answers once | ${number(ours.start)} ms, ${
    number(ours.startBare)
  } ms: ${number(ours.start! / ours.startBare!)} times | 1.5 times |`,
  `| \`map(fib, 37…1)\` with chunksize 1 on 2 workers, against the best schedule of these calls | ${
    number(ours.schedule)
  } times | 1.08 times |`,
  `| 64 MB to a worker and back by \`transfer\` | ${number(ours.transfer)} ms | no copy |`,
  `| 64 MB in place on a \`SharedArray\` | ${number(ours.inPlace)} ms | no copy |`,
  `| memory of an idle worker above a bare Worker's | ${number(ours.idle)} MB | 1.5 MB |`,
  `| a process that is killed by SIGKILL, until its task has failed | ${number(ourProcesses.known)} ms | 5 ms |`,
];
const cpu = (await Deno.readTextFile("/proc/cpuinfo").catch(() => "")).match(/model name\s*: (.*)/)?.[1] ??
  Deno.build.arch;
const machine = `${navigator.hardwareConcurrency} cores (${cpu}), ${Deno.build.os}`;
const table = `${threads}\n\n${more.join("\n")}\n`;
console.log(`${table}\n${inProcesses}`);

await Deno.writeTextFile(new URL("../peers.svg", import.meta.url), chart(table));
const page = new URL("../README.md", import.meta.url);
const payloads = sectionOf(await Deno.readTextFile(page));
await Deno.writeTextFile(
  page,
  `# Benchmarks

\`deno task bench\` compares chunk sizes, on even and uneven work, with serial code and a bare Worker. \`deno task bench:peers\` compares
with other pools and writes this page. All of it is measured in one run, medians, with two workers each.

${table}
![Time needed by each library, compared with this library's, on a logarithmic axis: the figures of the first table](peers.svg)

## Processes

The same with \`backend: processes()\`, beside pools whose workers are processes too, two each.

${inProcesses}

${versions.join(", ")}; ${machine}. Written by \`bench/peers/run.ts\`.

${payloads}
`,
);
await run(Deno.execPath(), ["fmt", page.pathname]);
