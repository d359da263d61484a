/**
 * The connection to the servers, and what a fleet keeps there.
 *
 * @module
 */

import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  type JetStreamClient,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { type ObjectStore, Objm } from "@nats-io/obj";
import { connect, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "@manycore/parallel/internal";
import { type Names, namesOf } from "./wire.ts";

/** Where the servers are, and who connects. */
export interface ConnectOptions {
  /** The addresses of the servers, such as `nats://queue:4222`. */
  readonly servers: string | readonly string[];
  /** The name of the fleet. */
  readonly name: string;
  /** What else the client of NATS takes: `user`, `pass`, `token`, `authenticator`, `tls`. */
  readonly nats: Readonly<Partial<ConnectionOptions>>;
}

/** How the streams are made, if they are not there. */
export interface StreamOptions {
  /** The most tasks that wait on the servers. */
  readonly maxTasks: number;
  /** The time after which a task runs again whose worker is not heard of any more, in milliseconds. */
  readonly ackWait: number;
}

/** The most bytes of a payload in a message. A server refuses messages above 1 MB unless its configuration says otherwise. */
export const MOST_IN_MESSAGE = 900_000;
/** The time for which the server recognizes a task that is published again, in nanoseconds. */
const DUPLICATES = 120e9;
/** The time that results wait for a client that has gone, in nanoseconds. */
const RESULTS_AGE = 24 * 3600e9;
/** The time that the results of a job stay, in nanoseconds. */
const JOBS_AGE = 7 * 24 * 3600e9;
/** The time that a server may take to answer, in milliseconds. */
export const ANSWER_LIMIT = 5000;
/** The time between two attempts, in milliseconds. */
const RETRY = 250;
/** The time for which a server that starts may not have JetStream yet, in milliseconds. */
const START_LIMIT = 10_000;

/** A connection, and what is used over it. */
export interface Connection {
  readonly nats: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly payloads: ObjectStore;
  readonly names: Names;
  /** The time after which a task runs again whose worker is not heard of any more, in milliseconds. */
  readonly ackWait: number;
}

/** Waits. */
export function sleep(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time));
}

/**
 * Connects, and makes the streams if they are not there.
 *
 * @throws {Error} If no server can be reached, or the servers have no JetStream.
 */
export async function connectTo(options: ConnectOptions, streams: StreamOptions): Promise<Connection> {
  const { servers, name, nats: more } = options;
  let nats: NatsConnection;
  try {
    nats = await connect({
      ...more,
      servers: typeof servers === "string" ? servers : [...servers],
      maxReconnectAttempts: -1,
      reconnectTimeWait: RETRY,
      name: more.name ?? `parallel.${name}`,
    });
  } catch (cause) {
    throw new Error(`Cannot connect to the fleet at ${servers}: ${messageOf(cause)}`, { cause });
  }
  try {
    return await withStreams(nats, namesOf(name), streams);
  } catch (cause) {
    await nats.close();
    throw new Error(`Cannot use the fleet '${name}' at ${servers}: ${messageOf(cause)}`, { cause });
  }
}

async function withStreams(nats: NatsConnection, names: Names, options: StreamOptions): Promise<Connection> {
  const manager = await managerOf(nats);
  const { maxTasks, ackWait } = options;
  const common = { storage: StorageType.File, duplicate_window: DUPLICATES } as const;
  await ensureStream(manager, {
    ...common,
    name: names.tasks,
    subjects: [names.taskSubject("*", "*")],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_msgs: maxTasks,
  });
  await ensureStream(manager, {
    ...common,
    name: names.results,
    subjects: [names.resultSubject("*", "*")],
    retention: RetentionPolicy.Workqueue,
    max_age: RESULTS_AGE,
  });
  await ensureStream(manager, {
    ...common,
    name: names.jobs,
    subjects: [names.jobSubject("*", "*")],
    retention: RetentionPolicy.Limits,
    max_msgs_per_subject: 1,
    max_age: JOBS_AGE,
  });
  const held = await ensureWorkers(manager, names, ackWait);
  const client = jetstream(nats, { timeout: ANSWER_LIMIT });
  const payloads = await new Objm(client).create(names.payloads, { ttl: JOBS_AGE, storage: StorageType.File });
  return { nats, jetstream: client, manager, payloads, names, ackWait: held };
}

/**
 * Makes the consumer that all workers share, if it is not there: a server that was killed may have lost it. Returns the time after
 * which it delivers a task again, in milliseconds.
 */
export async function ensureWorkers(manager: JetStreamManager, names: Names, ackWait: number): Promise<number> {
  // Whoever comes first decides: a change would hit the tasks that others hold.
  const { config } = await manager.consumers.info(names.tasks, names.workers).catch(() =>
    manager.consumers.add(names.tasks, {
      durable_name: names.workers,
      ack_policy: AckPolicy.Explicit,
      ack_wait: Math.ceil(ackWait * 1e6),
      max_ack_pending: -1,
    })
  );
  return config.ack_wait! / 1e6;
}

/** A server that starts answers before it has JetStream. */
async function managerOf(nats: NatsConnection): Promise<JetStreamManager> {
  for (const end = performance.now() + START_LIMIT;;) {
    try {
      return await jetstreamManager(nats, { timeout: ANSWER_LIMIT });
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(RETRY);
    }
  }
}

async function ensureStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<void> {
  try {
    await manager.streams.add(config);
  } catch (error) {
    // It is there with other limits, which are whose who made it.
    await manager.streams.info(config.name).catch(() => {
      throw error;
    });
  }
}
