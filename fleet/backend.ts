/**
 * The client's side of a fleet: a backend for pools and executors, whose tasks run on other machines.
 *
 * @module
 */

import type { Backend } from "@manycore/parallel";
import type { WorkerConfig } from "@manycore/parallel/internal";
import { InvalidStateError } from "@manycore/parallel/errors";
import { type Connection, type ConnectOptions, connectTo, type StreamOptions } from "./connection.ts";
import { FleetScheduler } from "./fleet_scheduler.ts";
import type { FunctionNames } from "./function_names.ts";
import { Members } from "./members.ts";
import type { Presence } from "./wire.ts";

/** How many messages the servers have. */
export interface Stored {
  /** The tasks that wait or run. */
  readonly tasks: number;
  /** The results that nobody has read. */
  readonly results: number;
  /** The payloads that are too large for a message. */
  readonly payloads: number;
}

/** How a client behaves. */
export interface ClientOptions extends ConnectOptions, StreamOptions {
  /** The names of the functions that workers know. */
  readonly functions: FunctionNames;
  /** The job that the tasks belong to, if any. */
  readonly job: string | undefined;
  /** The time after which tasks fail if no worker is heard of, in milliseconds. */
  readonly workerTimeout: number;
}

/** Where the calls of a pool or an executor run that is given `backend: await fleet(…)`. */
export class FleetBackend implements Backend, AsyncDisposable {
  readonly #options: ClientOptions;
  #connection: Promise<Connection> | undefined;
  #members: Members | undefined;
  readonly #schedulers = new Set<FleetScheduler>();
  #closed = false;

  /** Only `fleet()` makes backends. */
  private constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Connects. */
  static async connect(options: ClientOptions): Promise<FleetBackend> {
    const backend = new FleetBackend(options);
    await backend.#connect();
    return backend;
  }

  #connect(): Promise<Connection> {
    return this.#connection ??= connectTo(this.#options, this.#options).then((connection) => {
      this.#members = new Members(connection);
      return connection;
    });
  }

  /** Opens a scheduler. Only the library calls this method. */
  open(config: never): unknown {
    if (this.#closed) throw new InvalidStateError("Cannot use the fleet as its connection was closed");
    refuseUnfit(config);
    const { job } = this.#options;
    if (job !== undefined && this.#schedulers.size > 0) {
      throw new InvalidStateError(`Cannot give the job '${job}' to two pools at a time`);
    }
    const scheduler = new FleetScheduler(config as WorkerConfig, this.#options, {
      connect: async () => [await this.#connect(), this.#members!],
      ended: () => void this.#ended(scheduler),
    });
    this.#schedulers.add(scheduler);
    return scheduler;
  }

  async #ended(scheduler: FleetScheduler): Promise<void> {
    this.#schedulers.delete(scheduler);
    if (this.#schedulers.size === 0) await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined; // the next pool connects again
    this.#members?.stop();
    const { nats } = await connection ?? {};
    await nats?.close();
  }

  /**
   * Returns the workers that are there, by their names; waits for answers for at most two seconds.
   *
   * @throws {InvalidStateError} If none has answered.
   */
  async start(): Promise<string[]> {
    await this.#connect();
    const names = await this.#members!.whoIsThere();
    if (names.length > 0) return names;
    throw new InvalidStateError(
      `Cannot start as no worker of the fleet '${this.#options.name}' has answered within 2 s: start one on some machine`,
    );
  }

  /** Returns the workers that were heard of lately. */
  workers(): Presence[] {
    return this.#members?.list() ?? [];
  }

  /**
   * Forgets the results of the job, so that it runs again from the start.
   *
   * @throws {InvalidStateError} If the fleet was connected to without one, or a pool works on it.
   */
  async forgetJob(): Promise<void> {
    const { job } = this.#options;
    if (job === undefined) throw new InvalidStateError("Cannot forget a job as fleet() was called without 'job'");
    if (this.#schedulers.size > 0) {
      throw new InvalidStateError(`Cannot forget the job '${job}' while a pool works on it`);
    }
    const { manager, names } = await this.#connect();
    await manager.streams.purge(names.jobs, { filter: names.jobSubject(job, "*") });
  }

  /** Returns how many tasks, results and large payloads the servers have, of all clients. */
  async stored(): Promise<Stored> {
    const { manager, names, payloads } = await this.#connect();
    const [tasks, results] = await Promise.all([names.tasks, names.results].map((name) => manager.streams.info(name)));
    const list = await payloads.list();
    return { tasks: tasks!.state.messages, results: results!.state.messages, payloads: list.length };
  }

  /** Closes the connection. Pools that use it are terminated. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const scheduler of [...this.#schedulers]) scheduler.terminate();
    await this.#disconnect();
  }
}

/** Refuses what makes no sense on other machines, by name. */
function refuseUnfit(config: WorkerConfig): void {
  const { owner, module, scope, permissions, initializer, concurrency = 1, maxTasks } = config;
  if (owner === "process") throw new TypeError("Cannot run a Process on a fleet: use a pool or an executor");
  const refused: readonly (readonly [string, boolean, string])[] = [
    ["module", module !== undefined, "give 'modules' to fleet()"],
    ["scope", Object.keys(scope).length > 0, "import what the functions need in their module"],
    ["initializer", initializer !== undefined, "let the module do it when it is imported"],
    ["permissions", permissions !== undefined, "they are those of the worker's command"],
    ["concurrency", concurrency !== 1, "start more processes on the workers"],
    ["maxTasksPerChild", maxTasks !== 0, "the workers decide when a process ends"],
  ];
  for (const [name, given, instead] of refused) {
    if (given) throw new TypeError(`Cannot use '${name}' with a fleet: ${instead}`);
  }
}
