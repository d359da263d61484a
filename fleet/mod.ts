/**
 * The calls of a pool or an executor on many machines, over NATS JetStream.
 *
 * The machines run `@manycore/fleet/worker`. Tasks and results are kept by a `nats-server` until they are done, so that each task of a
 * client that lives settles, whichever worker or server ends on the way. A task may run more than once: see `currentTask().attempt`.
 *
 * @example Render on all machines
 * ```ts ignore
 * import { ProcessPoolExecutor } from "@manycore/parallel";
 * import { fleet } from "@manycore/fleet";
 * import * as tasks from "./tasks.ts";
 *
 * await using executor = new ProcessPoolExecutor({ backend: await fleet("nats://queue:4222", { modules: { tasks } }) });
 * for await (const image of executor.map(tasks.render, frames)) save(image);
 * ```
 *
 * @module
 */

import { FleetBackend, type Stored } from "./backend.ts";
import { FunctionNames, type Modules } from "./function_names.ts";
import { checkToken, type Presence } from "./wire.ts";

export { FleetBackend };
export type { Presence, Stored };
export type { Modules };

/** Options of {@linkcode fleet}. */
export interface FleetOptions {
  /**
   * Namespace objects of modules, from `import * as tasks from "./tasks.ts"`, by the names that the workers give the modules. Their
   * functions are called by name. Other functions are sent as source text, which workers refuse unless they were started to take it.
   *
   * @default {{}}
   */
  modules?: Modules;
  /**
   * The name of the fleet: clients and workers of one name belong together. Letters, digits, "_" and "-".
   *
   * @default {"main"}
   */
  name?: string;
  /**
   * The time after which tasks fail with `TimeoutError` if no worker is heard of, in milliseconds.
   *
   * @default {60_000}
   */
  workerTimeout?: number;
  /**
   * The most tasks that wait on the servers, if this program is the first one to come; others wait in their programs.
   *
   * @default {100_000}
   */
  maxTasks?: number;
  /**
   * The time after which a task runs again whose worker is not heard of any more, in milliseconds, if this program is the first one to
   * come. Workers are heard of three times as often.
   *
   * @default {15_000}
   */
  ackWait?: number;
  /**
   * A name for the work of this program. Its tasks then have the numbers in which they are submitted, and their results stay for a
   * week: the same program, run again under the same name, gets the results that are there, and only the other tasks run. So work that
   * was interrupted goes on where it was. Letters, digits, "_" and "-".
   *
   * @default {undefined}
   */
  job?: string;
  /** The user. */
  user?: string;
  /** The password of the user. */
  pass?: string;
  /** A token, in place of a user. */
  token?: string;
  /** True to use TLS, or the files for it. By default, what the server asks for. */
  tls?: boolean | { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

const KEYS = ["modules", "name", "job", "workerTimeout", "maxTasks", "ackWait", "user", "pass", "token", "tls"];

/**
 * Connects to a fleet, and returns a backend for pools and executors.
 *
 * The connection is closed when the last pool has ended that uses it.
 *
 * - **Functions** are called by the names of `modules`; a worker checks that its code of the function is the same.
 * - **Values** are copied; shared memory, ports and streams are refused, as by `processes()`. Payloads above 900 KB are stored beside the
 *   messages.
 * - **`signal`** ends a task wherever it is: one that waits never runs, and the process of one that runs is killed after `abortGrace`.
 * - **Not here:** `broadcast`, calls that block, `Process`, and the options `module`, `scope`, `initializer`, `permissions`,
 *   `concurrency` and `maxTasksPerChild`.
 *
 * @param servers The addresses of the servers, such as `nats://queue:4222`.
 * @param options The options.
 * @returns The backend.
 * @throws {TypeError} If an option is of a wrong kind or unknown.
 * @throws {RangeError} If a number is not above 0.
 * @throws {Error} If no server can be reached, or the servers have no JetStream.
 *
 * @example Wait for workers
 * ```ts ignore
 * import { fleet } from "@manycore/fleet";
 *
 * const backend = await fleet("nats://queue:4222");
 * console.log(await backend.start()); // the names of the workers; throws if there is none
 * ```
 */
export async function fleet(servers: string | readonly string[], options: FleetOptions = {}): Promise<FleetBackend> {
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw new TypeError(`Cannot use the option '${unknown}' as fleet() has none of that name`);
  const list = typeof servers === "string" ? [servers] : servers;
  if (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === "string" && one !== "")) {
    throw new TypeError(`Cannot connect as 'servers' must be addresses: current value is ${Deno.inspect(servers)}`);
  }
  const { modules = {}, name = "main", user, pass, token, tls } = options;
  return await FleetBackend.connect({
    servers,
    name: checkToken(name, "name"),
    job: options.job === undefined ? undefined : checkToken(options.job, "job"),
    functions: new FunctionNames(modules),
    workerTimeout: positive(options.workerTimeout, "workerTimeout", 60_000),
    maxTasks: positive(options.maxTasks, "maxTasks", 100_000),
    ackWait: positive(options.ackWait, "ackWait", 15_000),
    nats: {
      ...(user !== undefined && { user }),
      ...(pass !== undefined && { pass }),
      ...(token !== undefined && { token }),
      ...(tls === true ? { tls: {} } : typeof tls === "object" ? { tls } : {}),
    },
  });
}

function positive(value: unknown, name: string, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`Cannot use '${name}' as it must be a number: current value is ${Deno.inspect(value)}`);
  }
  if (value <= 0) throw new RangeError(`Cannot use '${name}' as it must be above 0: current value is ${value}`);
  return value;
}
