/**
 * A fleet on one machine: a server, two workers of which one is killed on the way, and a client that has a film drawn.
 *
 *   deno task fleet:demo
 *
 * @module
 */

import { Pool } from "@manycore/parallel";
import { fleet } from "../mod.ts";
import * as tasks from "./tasks.ts";

const FRAMES = 90;
const [WIDTH, HEIGHT] = [240, 120];
/** The size of the picture on the terminal. */
const [COLUMNS, ROWS] = [80, 30];
const SHADES = "  .:-=+*#%@";

const store = Deno.makeTempDirSync({ prefix: "fleet-demo-" });
const children: Deno.ChildProcess[] = [];

function startServer(port: number): void {
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", store];
  try {
    children.push(new Deno.Command("nats-server", { args, stdout: "null", stderr: "null" }).spawn());
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.error("The demo needs nats-server: 'apt-get install nats-server', 'brew install nats-server',");
    console.error("or https://github.com/nats-io/nats-server/releases");
    Deno.exit(1);
  }
}

/** Starts a worker with two processes. */
function startWorker(servers: string, name: string): Deno.ChildProcess {
  const flags = ["--allow-net", "--allow-run", "--allow-read", "--allow-env"];
  const [program, module] = ["../worker.ts", "./tasks.ts"].map((path) => new URL(path, import.meta.url).href);
  const worker = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      ...flags,
      program!,
      "--servers",
      servers,
      "--module",
      `tasks=${module}`,
      "--processes",
      "2",
      "--name",
      name,
    ],
    env: { MACHINE: name },
    stdin: "null",
  }).spawn();
  children.push(worker);
  return worker;
}

/** Returns a picture of letters. */
function picture({ steps }: tasks.Frame): string {
  const rows = Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length: COLUMNS }, (_, column) => {
      const value = steps[Math.floor(row * HEIGHT / ROWS) * WIDTH + Math.floor(column * WIDTH / COLUMNS)]!;
      return SHADES[value === 0 ? 0 : Math.min(SHADES.length - 1, Math.floor(1.2 * Math.log2(value + 1)))];
    }).join(""));
  return rows.join("\n");
}

/** Returns the port of a server, which nobody uses. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function connect(servers: string): ReturnType<typeof fleet> {
  for (let attempt = 1;; attempt++) {
    try {
      return await fleet(servers, { modules: { tasks }, ackWait: 2000 });
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100)); // the server starts
    }
  }
}

async function demo(): Promise<void> {
  const port = freePort();
  const servers = `nats://127.0.0.1:${port}`;
  startServer(port);
  const backend = await connect(servers);
  const doomed = startWorker(servers, "one");
  startWorker(servers, "two");
  while (backend.workers().length < 2) await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(`Drawing ${FRAMES} pictures on ${(await backend.start()).join(" and ")}`);
  const start = performance.now();
  const counts = new Map<string, { drawn: number; again: number }>();
  let last: tasks.Frame | undefined;
  let done = 0;
  const pool = new Pool({ backend });
  for await (
    const frame of pool.istarmap(
      tasks.render,
      Array.from({ length: FRAMES }, (_, i) => [i, WIDTH, HEIGHT] as const),
    )
  ) {
    const count = counts.get(frame.machine) ?? { drawn: 0, again: 0 };
    counts.set(frame.machine, count);
    count.drawn++;
    if (frame.attempt > 1) count.again++;
    last = frame;
    if (++done === Math.floor(FRAMES / 3)) {
      doomed.kill("SIGKILL");
      console.log(`After ${done} pictures, machine 'one' is killed; what it was drawing is drawn again in 2 s`);
    }
  }
  pool.close();
  await pool.join();
  console.log(`\n${picture(last!)}\n`);
  console.log("machine | pictures | of these begun before on a machine that was lost");
  for (const [machine, { drawn, again }] of counts) {
    console.log(`${machine.padEnd(7)} | ${String(drawn).padStart(8)} | ${String(again).padStart(3)}`);
  }
  console.log(`${done} pictures of ${FRAMES} in ${((performance.now() - start) / 1000).toFixed(1)} s, none lost`);
}

if (import.meta.main) {
  try {
    await demo();
  } finally {
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    }
    await Deno.remove(store, { recursive: true });
  }
}
