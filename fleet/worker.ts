/**
 * The command that makes a machine a worker of a fleet.
 *
 * ```sh
 * deno run --allow-net=queue:4222 --allow-run --allow-read=. jsr:@manycore/fleet/worker \
 *   --servers nats://queue:4222 --module tasks=./tasks.ts --processes 8
 * ```
 *
 * SIGTERM and Ctrl-C make it take no more tasks, end those that run, give back the others, and leave.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { messageOf } from "@manycore/parallel/internal";
import { Agent, type AgentOptions } from "./agent.ts";
import { checkToken } from "./wire.ts";

const USAGE = `Runs tasks of a fleet on this machine.

  --servers ADDRESS     such as nats://queue:4222; several with commas
  --module NAME=PATH    a module whose exports may be called, as NAME#function; several times if needed
  --allow NAME#FUNCTION only this function; NAME#* for all of a module; several times if needed
  --by-source           also take functions as source text: whoever writes to the queue can then run any code here
  --processes N         the number of processes; by default that of the processors
  --memory-limit MB     the memory of a process
  --fleet NAME          the name of the fleet; by default main
  --name NAME           the name of this machine, for people
  --ack-wait MS         when others get the tasks of this machine if it is not heard of; by default 15000
  --max-deliver N       how often a task is begun at most; by default 3
  --user, --pass, --token, --ca FILE, --cert FILE, --key FILE
                        how to connect`;

/** Returns the options of the command line; undefined if only the help is wanted. */
function readArguments(args: string[]): AgentOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      servers: { type: "string" },
      module: { type: "string", multiple: true, default: [] },
      allow: { type: "string", multiple: true },
      "by-source": { type: "boolean", default: false },
      processes: { type: "string" },
      "memory-limit": { type: "string" },
      fleet: { type: "string", default: "main" },
      name: { type: "string" },
      "ack-wait": { type: "string" },
      "max-deliver": { type: "string" },
      user: { type: "string" },
      pass: { type: "string" },
      token: { type: "string" },
      ca: { type: "string" },
      cert: { type: "string" },
      key: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.servers === undefined) throw new TypeError("Give --servers, such as nats://queue:4222");
  const modules: Record<string, string> = {};
  for (const one of values.module) {
    const at = one.indexOf("=");
    const name = one.slice(0, at);
    if (at < 1 || !/^[\w-]+$/.test(name)) throw new TypeError(`Give --module NAME=PATH, not '${one}'`);
    modules[name] = urlOf(one.slice(at + 1));
  }
  const { user, pass, token, ca, cert, key } = values;
  const tls = ca === undefined && cert === undefined ? undefined : { caFile: ca, certFile: cert, keyFile: key };
  return {
    servers: values.servers.split(","),
    name: checkToken(values.fleet, "--fleet"),
    nats: {
      waitOnFirstConnect: true,
      ...(user !== undefined && { user }),
      ...(pass !== undefined && { pass }),
      ...(token !== undefined && { token }),
      ...(tls !== undefined && { tls }),
    } as AgentOptions["nats"],
    modules,
    allow: values.allow,
    bySource: values["by-source"],
    processes: count(values.processes, "--processes", navigator.hardwareConcurrency),
    memoryLimit: count(values["memory-limit"], "--memory-limit", 0),
    label: values.name ?? `${hostName()}-${Deno.pid}`,
    ackWait: count(values["ack-wait"], "--ack-wait", 15_000),
    maxDeliver: count(values["max-deliver"], "--max-deliver", 3),
    maxTasks: 100_000,
    log: (text) => console.error(text),
  };
}

function count(text: string | undefined, name: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`Give ${name} a whole number above 0, not '${text}'`);
  return value;
}

function urlOf(path: string): string {
  return /^[a-z]{2,}:/i.test(path) ? path : new URL(path, `file://${Deno.cwd()}/`).href;
}

function hostName(): string {
  return Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state === "granted" ? Deno.hostname() : "worker";
}

async function main(): Promise<void> {
  let agent: Agent;
  let options: AgentOptions | undefined;
  try {
    options = readArguments([...Deno.args]);
    if (options === undefined) return console.log(USAGE);
    const waits = setTimeout(() => console.error(`Waiting for a server at ${options?.servers}`), 2000);
    agent = await Agent.start(options);
    clearTimeout(waits);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${USAGE}`);
    Deno.exit(1);
  }
  const { label, processes, name } = options;
  void agent.closed.then(() => {
    console.error(`${label} has lost the servers for good`);
    Deno.exit(1);
  });
  console.log(`${label} takes tasks of the fleet '${name}' in ${processes} processes`);
  const leave = async (): Promise<void> => {
    console.log(`${label} takes no more tasks`);
    await agent.drain();
    const { finished, failed } = agent.presence;
    console.log(`${label} leaves after ${finished} tasks, ${failed} of them failed`);
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGTERM", () => void leave());
  Deno.addSignalListener("SIGINT", () => void leave());
}

if (import.meta.main) await main();
