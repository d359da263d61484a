/**
 * The time of one call that carries a payload, here and in other pools, by kind, size, direction and calls in flight. All
 * libraries are measured in turns in one run. The packages of the peers come from npm, into a temporary folder.
 *
 *   deno task bench:payloads            # all kinds; writes the section of `bench/README.md` and `bench/payloads.svg`
 *   deno task bench:payloads --quick    # the same with 3 rounds instead of 5
 *   deno task bench:payloads ascii json # only these kinds; only prints
 */

import { chart } from "./chart.ts";
import { KINDS, LARGE, LARGE_KINDS, SIZES } from "./payloads.mjs";
import { type Case, kindTable, medianOf, OURS, summaryTable, tables, withSection } from "./report.ts";

const PEERS = ["piscina", "tinypool", "workerpool"];
/** How long a round of one library lasts, in milliseconds, unless its calls take longer. */
const ROUND = 25;
/** How long each direction and number of calls in flight is warmed up before a kind is measured, in milliseconds. */
const WARM_UP = 100;
/** A case has fewer rounds if they took longer than this, in milliseconds: 3 of the first limit, 2 of the second one. */
const LIMITS = [[3, 1500], [2, 2500]] as const;
/** Processes that use more memory than this, in MB, are replaced before the next kind. */
const MEMORY = 1500;
/** The most bytes that are in flight at a time. */
const OUTSTANDING = 64e6;

const rounds = Deno.args.includes("--quick") ? 3 : 5;
const named = Deno.args.filter((arg) => !arg.startsWith("--"));
const unknown = [...Deno.args.filter((arg) => arg.startsWith("--") && arg !== "--quick")]
  .concat(named.filter((kind) => !KINDS.includes(kind)));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}. Kinds are ${KINDS.join(", ")}; the only option is --quick.`);
  Deno.exit(2);
}
const kinds: string[] = named.length > 0 ? KINDS.filter((kind: string) => named.includes(kind)) : KINDS;

async function run(command: string, args: string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args, ...(cwd && { cwd }), stdin: "null" })
    .output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** A process that measures one library. */
class Meter {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #name: string;
  #text = "";
  /** The memory of the process in MB, at its last answer. */
  memory = 0;

  constructor(name: string, command: string, args: string[], cwd?: string) {
    this.#name = name;
    this.#process = new Deno.Command(command, {
      args,
      ...(cwd && { cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Returns the microseconds a call. */
  async measure(command: string): Promise<number> {
    await this.#input.write(new TextEncoder().encode(`${command}\n`));
    while (!this.#text.includes("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`The process of ${this.#name} ended at "${command}"`);
      this.#text += value;
    }
    const end = this.#text.indexOf("\n");
    const [time, memory] = this.#text.slice(0, end).split(" ").map(Number);
    this.#text = this.#text.slice(end + 1);
    this.memory = memory!;
    return time!;
  }

  async end(): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#output.cancel();
    await this.#process.status;
  }
}

const folder = await Deno.makeTempDir();
const versions: string[] = [];

function startMeters(): Map<string, Meter> {
  const deno = (file: string) => [
    "run",
    "--no-check",
    "--allow-read",
    new URL(import.meta.resolve(file)).pathname,
  ];
  return new Map([
    [OURS, new Meter(OURS, Deno.execPath(), deno("./ours.ts"))],
    ["bare workers", new Meter("bare workers", Deno.execPath(), deno("./bare.ts"))],
    ...PEERS.map((peer) => [peer, new Meter(peer, "node", ["node.mjs", peer], folder)] as const),
  ]);
}

async function endAll(meters: Map<string, Meter>): Promise<void> {
  for (const meter of meters.values()) await meter.end();
}

/** Calls with small payloads of a kind, until the runtimes have optimized what encodes and decodes them. */
async function warmUp(meters: Map<string, Meter>, kind: string): Promise<void> {
  for (const meter of meters.values()) {
    for (const direction of ["argument", "result"]) {
      for (const inFlight of [1, 64]) await meter.measure(`${kind} 1000 ${direction} ${inFlight} ${WARM_UP}`);
    }
  }
}

async function measure(meters: Map<string, Meter>, measured: Omit<Case, "times">): Promise<Case> {
  const { kind, size, direction, inFlight } = measured;
  const times = new Map([...meters.keys()].map((name) => [name, [] as number[]]));
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    const spent = performance.now() - start;
    if (LIMITS.some(([least, limit]) => round >= least && spent > limit)) break;
    // Each round begins with another library, so that none always follows the same one.
    const order = [...meters.keys()];
    order.push(...order.splice(0, round % order.length));
    for (const name of order) {
      const time = await meters.get(name)!.measure(`${kind} ${size} ${direction} ${inFlight} ${ROUND}`);
      times.get(name)!.push(time);
    }
  }
  return { ...measured, times: Object.fromEntries([...times].map(([name, all]) => [name, medianOf(all)])) };
}

const cases: Case[] = [];
const started = performance.now();
try {
  for (const { name } of Deno.readDirSync(new URL("./", import.meta.url))) {
    if (name.endsWith(".mjs")) await Deno.copyFile(new URL(name, import.meta.url), `${folder}/${name}`);
  }
  await Deno.writeTextFile(`${folder}/package.json`, "{}");
  await run("npm", ["install", "--silent", ...PEERS], folder);
  for (const peer of PEERS) {
    const { version } = JSON.parse(await Deno.readTextFile(`${folder}/node_modules/${peer}/package.json`));
    versions.push(`${peer} ${version}`);
  }
  let meters = startMeters();
  try {
    for (const kind of kinds) {
      const begin = performance.now();
      if ([...meters.values()].some(({ memory }) => memory > MEMORY)) {
        await endAll(meters);
        meters = startMeters();
      }
      await warmUp(meters, kind);
      const ofKind: Case[] = [];
      for (const size of LARGE_KINDS.includes(kind) ? [...SIZES, LARGE] : SIZES) {
        for (const direction of ["argument", "result"] as const) {
          for (const inFlight of size === LARGE ? [1] : [1, 64]) {
            const limit = Math.min(inFlight, Math.floor(OUTSTANDING / size) || 1);
            // Fewer calls in flight stand in the same row.
            const measured = await measure(meters, { kind, size, direction, inFlight: limit });
            ofKind.push({ ...measured, inFlight });
          }
        }
      }
      const seconds = Math.round((performance.now() - begin) / 1000);
      console.log(`${kindTable(ofKind)}\n\n${kind}: ${seconds} s\n`);
      cases.push(...ofKind);
    }
  } finally {
    await endAll(meters);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
console.log(summaryTable(cases));
console.log(`\n${Math.round((performance.now() - started) / 1000)} s`);

if (kinds.length === KINDS.length) {
  const node = (await run("node", ["--version"])).trim();
  versions.push(`Node ${node.slice(1)}`, `Deno ${Deno.version.deno}`);
  const cpu = (await Deno.readTextFile("/proc/cpuinfo").catch(() => "")).match(/model name\s*: (.*)/)?.[1] ??
    Deno.build.arch;
  const machine = `${navigator.hardwareConcurrency} cores (${cpu}), ${Deno.build.os}`;
  const page = new URL("../README.md", import.meta.url);
  const text = `## Payloads

\`deno task bench:payloads\` measures one call that carries a payload, with two workers each: as its argument, or as its result,
which the worker has ready. Up to 64 calls are in flight, fewer if they had more than 64 MB together. A cell has the time of a call here, the
time of the best of the others, and how many times as long as here that is; cells where this library is slower are bold.
The bare workers are two Deno workers with \`postMessage()\` in turns. The size is that of the JSON text for kinds of
many values. All libraries are measured in turns; figures are medians of ${rounds} rounds, of 2 or 3 for the slowest.

![Time of a call by the size of its argument, for each library, on logarithmic axes](payloads.svg)

${tables(cases)}
${versions.join(", ")}; ${machine}. Written by \`bench/payloads/run.ts\`.
`;
  await Deno.writeTextFile(page, withSection(await Deno.readTextFile(page), text));
  await Deno.writeTextFile(new URL("../payloads.svg", import.meta.url), chart(cases));
  await run(Deno.execPath(), ["fmt", page.pathname]);
}
