/**
 * The scheduler of a client: publishes tasks, and settles each with the result that comes.
 *
 * A task is **queued** here until the fleet has room for it, then **published**: the servers have confirmed that they have it, or the
 * client publishes it again, under the same number. From then on a result comes, from whichever machine has run the task; of two
 * results the first one counts. A task is settled once, and its result removed from the servers.
 *
 * @module
 */

import { BrokenProcessPoolError, InvalidStateError, TimeoutError } from "@manycore/parallel/errors";
import {
  Deque,
  FAILURE,
  Lifecycle,
  messageOf,
  type Outcome,
  PendingSettlements,
  received,
  ReplyDecoder,
  RESULT,
  type Scheduler,
  type SchedulerStats,
  sourceOf,
  type Task,
  TaskEncoder,
  type TaskProducer,
  type TraceEvent,
  type WorkerConfig,
  type WorkerInfo,
} from "@manycore/parallel/internal";
import { AckPolicy, type ConsumerMessages, type JsMsg } from "@nats-io/jetstream";
import type { ClientOptions } from "./backend.ts";
import { type Connection, MOST_IN_MESSAGE, sleep } from "./connection.ts";
import type { Members } from "./members.ts";
import { getPayload, putPayload, removePayload } from "./payloads.ts";
import { BY_SOURCE, type Presence, readResultHeaders, taskHeaders, type TaskInfo } from "./wire.ts";

/** The work that is published ahead, in milliseconds for each process of the fleet. */
const AHEAD_TIME = 1000;
/** The fewest and the most tasks that are published ahead, for each process of the fleet. */
const FEWEST_AHEAD = 4;
const MOST_AHEAD = 500;
/** The number of processes that is assumed while no worker is known. */
const ASSUMED_SLOTS = 4;
/** The time between two attempts to publish a task, in milliseconds. */
const RETRY = 250;
/** The time without a worker after which the program is warned, in milliseconds. */
const WARNED_AFTER = 2000;
/** The time that is spent on telling servers that cannot be reached what nobody needs any more, in milliseconds. */
const FAREWELL = 2000;
/** When lost tasks are looked for after a server was lost, each after the one before, in milliseconds. */
const LOOKED_AFTER = [1000, 4000];
/** How long the results of a client wait that has gone, in nanoseconds. */
const CLIENT_GONE = 3600e9;

/** What a scheduler needs of its backend. */
export interface FleetHost {
  /** Returns the connection, and the workers that are heard of over it. */
  readonly connect: () => Promise<readonly [Connection, Members]>;
  /** Called when the scheduler has ended. */
  readonly ended: () => void;
}

/** A task, from when it is submitted until it is settled. */
interface Entry {
  readonly task: Task;
  readonly info: TaskInfo;
  readonly bytes: Uint8Array;
  /** The number of its message in the stream; 0 while it is not published. */
  seq: number;
  /** True if nobody wants the result any more. */
  withdrawn: boolean;
  /** How often a server has lost the task. */
  losses: number;
}

/** A {@linkcode Scheduler} whose tasks run on other machines. */
export class FleetScheduler implements Scheduler {
  readonly takesRanges = false;
  readonly canBlock = false;
  readonly #config: WorkerConfig;
  readonly #options: ClientOptions;
  readonly #host: FleetHost;
  /** The name under which its tasks and results go. */
  readonly #client: string;
  readonly #life: Lifecycle;
  readonly #taskEncoder = new TaskEncoder(undefined, "process");
  readonly #replyDecoder = new ReplyDecoder();
  readonly #settlements = new PendingSettlements();
  readonly #queue = new Deque<Entry>();
  /** The results of a job that were there before their tasks. */
  readonly #early = new Map<string, JsMsg>();
  readonly #published = new Map<string, Entry>();
  /** What is told to the servers of tasks that were withdrawn. */
  readonly #farewells = new Set<Promise<void>>();
  readonly #events: TraceEvent[] = [];
  readonly #workerNumbers = new Map<string, number>();
  readonly #epoch = Date.now();
  #connection: Connection | undefined;
  #members: Members | undefined;
  #consumer: ConsumerMessages | undefined;
  #stopListening: (() => void) | undefined;
  #connecting = false;
  #pumping = false;
  #ending = false;
  #lastId = 0;
  #cancelled = 0;
  #finished = 0;
  #duration = 100;
  #since = 0;
  #warned = false;
  #watch: ReturnType<typeof setTimeout> | undefined;

  /** Publishes nothing yet. */
  constructor(config: WorkerConfig, options: ClientOptions, host: FleetHost) {
    this.#config = config;
    this.#options = options;
    this.#host = host;
    this.#client = options.job ?? crypto.randomUUID();
    this.#life = new Lifecycle(config.owner);
  }

  get size(): number {
    return this.#members?.slots || this.#config.size;
  }

  get state(): Lifecycle["state"] {
    return this.#life.state;
  }

  // Taking tasks.

  submit(task: Task): void {
    this.#life.refuseUnlessOpen();
    this.submitFrom(task);
  }

  attach(producer: TaskProducer): void {
    this.#life.add(producer);
  }

  detach(producer: TaskProducer): void {
    this.#life.remove(producer);
    this.#endIfComplete();
  }

  submitToAll(): number {
    throw new InvalidStateError("Cannot broadcast on a fleet, as nobody knows all of its processes");
  }

  submitFrom(task: Task): void {
    this.#life.refuseUnlessRunning();
    let entry: Entry;
    try {
      entry = this.#encode(task);
    } catch (error) {
      return this.#settle(task, { ok: false, error });
    }
    // Getters of its arguments may have ended the pool.
    if (!this.#life.running) return this.#settle(task, this.#life.refusal());
    if (task.settled) return;
    this.#queue.push(entry);
    this.#pumpSoon();
  }

  #encode(task: Task): Entry {
    const named = this.#options.functions.find(task.fn);
    const encoded = named === undefined ? this.#taskEncoder.packCall(task) : this.#taskEncoder.packArguments(task);
    const bytes = encoded.bytes.slice();
    if (encoded.transfers.length > 0) this.#taskEncoder.move(task, encoded);
    const id = String(++this.#lastId);
    task.taskId = this.#lastId;
    const { fn, code } = named ?? { fn: BY_SOURCE, code: "" };
    const { name, mode, limit, first } = task;
    const stored = bytes.length > MOST_IN_MESSAGE;
    const job = this.#options.job !== undefined;
    const info: TaskInfo = { id, client: this.#client, job, fn, code, name, mode, limit, first, stored };
    return { task, info, bytes, seq: 0, withdrawn: false, losses: 0 };
  }

  // Publishing.

  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  /** The number of tasks that may be published and not answered. */
  get #window(): number {
    const slots = this.#members?.slots || ASSUMED_SLOTS;
    const ahead = Math.ceil(AHEAD_TIME / Math.max(this.#duration, 1));
    return slots * Math.min(MOST_AHEAD, Math.max(FEWEST_AHEAD, ahead));
  }

  #pump(): void {
    if (this.#queue.empty || this.#ending) return;
    if (this.#connection === undefined) return this.#connect();
    this.#watchWorkers();
    const window = this.#window;
    while (this.#published.size < window) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      if (entry.task.settled) {
        this.#cancelled--;
        continue;
      }
      const { id } = entry.info;
      this.#published.set(id, entry);
      const early = this.#early.get(id);
      this.#early.delete(id);
      if (early === undefined) void this.#publish(this.#connection, entry);
      else void this.#take(this.#connection, early);
    }
  }

  #connect(): void {
    if (this.#connecting) return;
    this.#connecting = true;
    this.#listen().then(() => {
      this.#connecting = false;
      this.#pump();
      this.#endIfComplete();
    }, (error) => {
      this.#connecting = false;
      this.#break(error);
    });
  }

  /** Listens for results. */
  async #listen(): Promise<void> {
    const [connection, members] = await this.#host.connect();
    if (this.#options.job === undefined) await this.#listenForResults(connection);
    else await this.#listenForJob(connection);
    this.#members = members;
    this.#stopListening = members.onChange(() => this.#pump());
    this.#connection = connection;
    void this.#watchConnection(connection);
  }

  /** A server that is killed may lose what it has confirmed last, as it writes it to the disk a moment later. */
  async #watchConnection(connection: Connection): Promise<void> {
    for await (const { type } of connection.nats.status()) {
      if (type !== "reconnect") continue;
      for (const time of LOOKED_AFTER) {
        if (this.#ending) return;
        await sleep(time);
        if (this.#options.job === undefined) await this.#ensureConsumer(connection).catch(() => {}); // or the next time
        await this.#findLost(connection);
      }
    }
  }

  /** Publishes the tasks again of which a server has neither the task nor the result. */
  async #findLost(connection: Connection): Promise<void> {
    const { names, nats } = connection;
    for (const entry of [...this.#published.values()]) {
      const { client, id, job } = entry.info;
      if (entry.seq === 0) continue;
      if (this.#ending || nats.isClosed()) return;
      if (await mayHave(connection, names.tasks, names.taskSubject(client, id))) continue;
      const result = job ? names.jobSubject(client, id) : names.resultSubject(client, id);
      if (await mayHave(connection, job ? names.jobs : names.results, result)) continue;
      if (this.#published.get(id) !== entry || entry.withdrawn) continue; // the result has come meanwhile
      entry.losses++;
      entry.seq = 0;
      void this.#publish(connection, entry);
    }
  }

  async #listenForResults(connection: Connection): Promise<void> {
    const { names, jetstream } = connection;
    await this.#ensureConsumer(connection);
    const consumer = await jetstream.consumers.get(names.results, this.#client);
    this.#consumer = await consumer.consume({
      max_messages: 1000,
      expires: 2000,
      idle_heartbeat: 1000, // after a restart of the server the requests are made again within two of these
      callback: (message) => void this.#take(connection, message),
    });
  }

  /** Makes the consumer of the results, if it is not there: a server that was killed may have lost it. */
  async #ensureConsumer({ manager, names }: Connection): Promise<void> {
    await manager.consumers.add(names.results, {
      durable_name: this.#client,
      filter_subject: names.resultSubject(this.#client, "*"),
      ack_policy: AckPolicy.Explicit,
      max_ack_pending: -1,
      inactive_threshold: CLIENT_GONE,
    });
  }

  /** Reads the results of a job, those that are there first: what has a result is not published again. */
  async #listenForJob(connection: Connection): Promise<void> {
    const { manager, names, jetstream } = connection;
    const filter = names.jobSubject(this.#client, "*");
    const { state } = await manager.streams.info(names.jobs, { subjects_filter: filter });
    let left = Object.keys(state.subjects ?? {}).length;
    const { promise, resolve } = Promise.withResolvers<void>();
    const consumer = await jetstream.consumers.get(names.jobs, { filter_subjects: filter });
    this.#consumer = await consumer.consume({
      expires: 2000,
      idle_heartbeat: 1000,
      callback: (message) => {
        const id = idOf(message);
        if (this.#published.has(id)) void this.#take(connection, message);
        else this.#early.set(id, message);
        if (--left === 0) resolve();
      },
    });
    if (left > 0) await promise;
  }

  /** Publishes a task until the servers have confirmed it. */
  async #publish(connection: Connection, entry: Entry): Promise<void> {
    const { info, bytes } = entry;
    const { jetstream, names, nats } = connection;
    const headers = taskHeaders(info);
    const key = `${info.client}.${info.id}`;
    // The message of a task of a job may be there from an earlier run of the program: it must be the first one of its subject.
    const once = info.job
      ? { expect: { lastSubjectSequence: 0 } }
      : { msgID: entry.losses === 0 ? key : `${key}.again${entry.losses}` };
    while (!entry.withdrawn) {
      try {
        if (info.stored) await putPayload(connection, key, bytes);
        const { seq } = await jetstream.publish(
          names.taskSubject(info.client, info.id),
          info.stored ? undefined : bytes,
          { headers, ...once },
        );
        entry.seq = seq;
        break;
      } catch (error) {
        if (nats.isClosed()) return;
        if (info.job && codeOf(error) === NOT_THE_FIRST) break; // it waits, or runs
        if (isPermanent(error)) return this.#fail(entry, error);
        await sleep(RETRY); // the stream is full, or no server is there
      }
    }
    if (entry.withdrawn) this.#sayFarewell(this.#deleteMessage(connection, entry));
  }

  #fail(entry: Entry, error: unknown): void {
    if (!this.#published.delete(entry.info.id)) return;
    this.#settle(entry.task, {
      ok: false,
      error: new Error(`Cannot publish the task: ${messageOf(error)}`, { cause: error }),
    });
    this.#goOn();
  }

  // Taking results.

  async #take(connection: Connection, message: JsMsg): Promise<void> {
    const id = idOf(message);
    const entry = this.#published.get(id);
    const result = readResultHeaders(message.headers);
    const key = `result.${this.#client}.${id}`;
    if (entry !== undefined) {
      let bytes: Uint8Array;
      let reply: Outcome;
      try {
        bytes = result.stored ? await getPayload(connection, key) : message.data;
        reply = this.#replyDecoder.read(entry.task, result.failed ? FAILURE : RESULT, sourceOf(bytes.slice()), 0);
      } catch (error) {
        if (connection.nats.isClosed()) return;
        reply = { ok: false, error };
      }
      if (this.#published.delete(id)) {
        this.#note(entry, result);
        this.#settle(entry.task, received(entry.task, withEnd(reply, result)));
      }
    }
    if (connection.nats.isClosed()) return;
    message.ack(); // also that of a task that was withdrawn, or has run twice
    if (result.stored && this.#options.job === undefined) void removePayload(connection, key);
    this.#goOn();
  }

  #note({ task }: Entry, { worker, start, end }: ReturnType<typeof readResultHeaders>): void {
    const duration = Math.max(0, end - start);
    this.#duration = this.#duration * 0.9 + duration * 0.1;
    if (!this.#config.trace) return;
    let number = this.#workerNumbers.get(worker);
    if (number === undefined) this.#workerNumbers.set(worker, number = this.#workerNumbers.size + 1);
    this.#events.push({ worker: number, name: task.name, calls: task.calls, start: start - this.#epoch, duration });
  }

  #goOn(): void {
    this.#pump();
    this.#endIfComplete();
  }

  #settle(task: Task, outcome: Outcome): void {
    if (task.settled) return;
    task.settled = true;
    this.#finished++;
    task.settle(outcome);
  }

  // Workers that are not there.

  #watchWorkers(): void {
    if (this.#watch !== undefined || this.#members === undefined) return;
    if (this.#since === 0) this.#since = performance.now();
    const quiet = performance.now() - Math.max(this.#members.heard, this.#since);
    const next = quiet < WARNED_AFTER && !this.#warned ? WARNED_AFTER : this.#options.workerTimeout;
    if (next === Infinity) return;
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      this.#lookForWorkers();
    }, Math.max(1, next - quiet));
  }

  #lookForWorkers(): void {
    if (this.#ending || this.#published.size + this.#queue.size === 0) {
      this.#since = 0;
      return;
    }
    const { name, workerTimeout } = this.#options;
    const quiet = performance.now() - Math.max(this.#members!.heard, this.#since);
    if (this.#members!.list().length === 0) {
      if (quiet >= workerTimeout) {
        const text = `No worker of the fleet '${name}' was heard of for ${workerTimeout} ms`;
        return this.#dropAll(() => ({ ok: false, error: new TimeoutError(text) }));
      }
      if (quiet >= WARNED_AFTER && !this.#warned) {
        this.#warned = true;
        console.warn(`No worker of the fleet '${name}' is there. Tasks wait for one`);
      }
    }
    this.#watchWorkers();
  }

  // Cancelling.

  cancel(task: Task): boolean {
    if (task.settled) {
      this.#settlements.run();
      return false;
    }
    if (this.#entryOf(task) !== undefined) return false; // a machine may have begun it
    this.#cancelled++;
    task.settled = true;
    this.#endIfComplete();
    return true;
  }

  #entryOf(task: Task): Entry | undefined {
    const entry = this.#published.get(String(task.taskId));
    return entry?.task === task ? entry : undefined;
  }

  isRunning(task: Task): boolean {
    return !task.settled && this.#entryOf(task) !== undefined;
  }

  interrupt(task: Task, reason: unknown, grace: number): void {
    const entry = this.#entryOf(task);
    if (entry === undefined) return;
    this.#withdraw(entry, reason, grace);
    this.#settle(task, { ok: false, error: reason, cancelled: true });
    this.#goOn();
  }

  /** Takes a published task back: one that nobody has begun never runs, and the process of one that runs is ended after `grace`. */
  #withdraw(entry: Entry, reason: unknown, grace: number): void {
    const { info: { client, id } } = entry;
    entry.withdrawn = true;
    this.#published.delete(id);
    const { nats, names } = this.#connection!;
    if (nats.isClosed()) return;
    nats.publish(
      names.aborts,
      JSON.stringify({ client, id, reason: messageOf(reason), grace: Math.min(grace, 2 ** 31) }),
    );
    if (entry.seq > 0) this.#sayFarewell(this.#deleteMessage(this.#connection!, entry));
  }

  #sayFarewell(farewell: Promise<void>): void {
    const said = farewell.then(() => {
      this.#farewells.delete(said);
      this.#endIfComplete();
    });
    this.#farewells.add(said);
  }

  /** Removes the message of a task, so that no machine gets it any more. */
  async #deleteMessage({ manager, names, nats }: Connection, { seq }: Entry): Promise<void> {
    for (const end = performance.now() + FAREWELL; performance.now() < end && !nats.isClosed();) {
      try {
        await manager.streams.deleteMessage(names.tasks, seq, false);
        return;
      } catch (error) {
        if (isPermanent(error)) return; // it is gone already
        await sleep(RETRY);
      }
    }
  }

  cancelAll(outcome: () => Outcome): void {
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) {
      if (entry.task.settled) this.#cancelled--;
      else this.#settlements.add(entry.task, outcome());
    }
    this.#settlements.run();
    this.#endIfComplete();
  }

  /** Settles all tasks, and takes back those that are published. */
  #dropAll(outcome: () => Outcome): void {
    for (const entry of [...this.#published.values()]) {
      this.#withdraw(entry, "nobody waits for the result", 0);
      if (entry.task.settled) continue;
      this.#finished++;
      this.#settlements.add(entry.task, outcome());
    }
    this.cancelAll(outcome);
  }

  // Ending.

  #endIfComplete(): void {
    if (!this.#life.complete || this.#connecting || this.#ending) return;
    if (this.#queue.size - this.#cancelled > 0 || this.#published.size > 0 || this.#farewells.size > 0) return;
    void this.#end();
  }

  async #end(): Promise<void> {
    this.#ending = true;
    clearTimeout(this.#watch);
    this.#stopListening?.();
    const connection = this.#connection;
    if (connection !== undefined && !connection.nats.isClosed()) {
      const leave = async (): Promise<void> => {
        await this.#consumer?.close();
        if (this.#options.job !== undefined) return; // the library has removed its consumer
        await connection.manager.consumers.delete(connection.names.results, this.#client);
      };
      // If the servers cannot be reached, they remove it later by themselves.
      await within(FAREWELL, leave().catch(() => {}));
    }
    this.#host.ended();
    this.#life.ended();
  }

  close(cut?: Error): void {
    if (this.state === "open") this.#life.close(cut);
    this.#endIfComplete();
  }

  terminate(): void {
    if (!this.#life.running) return;
    this.#life.abandon("terminated");
    this.#dropAll(() => this.#life.refusal());
  }

  abort(cause: BrokenProcessPoolError): void {
    this.#break(cause);
  }

  #break(cause: unknown): void {
    if (!this.#life.running) return;
    this.#life.abandon("broken", cause);
    this.#dropAll(() => this.#life.refusal());
  }

  join(): Promise<void> {
    return this.#life.join();
  }

  block(done: () => boolean): boolean {
    this.#settlements.run();
    if (done()) return true;
    throw new InvalidStateError("Cannot block for a fleet, whose results come through the event loop: await it");
  }

  joinSync(): boolean {
    throw new InvalidStateError(
      "Cannot block for the end of a fleet's work, which comes through the event loop: await it",
    );
  }

  // Statistics.

  #present(): Presence[] {
    return this.#members?.list() ?? [];
  }

  workers(): readonly WorkerInfo[] {
    return this.#present().map(({ name }, index) => ({ pid: this.#workerNumbers.get(name) ?? index + 1, name }));
  }

  stats(): SchedulerStats {
    return {
      workers: this.#present().length,
      queued: this.#queue.size - this.#cancelled,
      running: this.#published.size,
      finished: this.#finished,
      zombies: 0,
      startFailures: 0,
    };
  }

  trace(): readonly TraceEvent[] {
    return this.#events;
  }
}

/** Waits for a promise, at most for `time` milliseconds. */
async function within(time: number, promise: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([promise, new Promise((resolve) => timer = setTimeout(resolve, time))]);
  clearTimeout(timer);
}

/** Returns an outcome whose error tells how the process has ended. */
function withEnd(reply: Outcome, { exitCode, signal }: ReturnType<typeof readResultHeaders>): Outcome {
  if (reply.ok || !(reply.error instanceof BrokenProcessPoolError)) return reply;
  const { message, cause, stack } = reply.error;
  const options = { exitCode, signal, ...(cause === undefined ? {} : { cause }) };
  const error = Object.assign(new BrokenProcessPoolError(message, options), { stack });
  return { ok: false, error };
}

/** Returns whether a stream has a message of a subject; true if that cannot be told. */
async function mayHave({ manager }: Connection, stream: string, subject: string): Promise<boolean> {
  try {
    return await manager.streams.getMessage(stream, { last_by_subj: subject }) !== null;
  } catch {
    return true;
  }
}

/** Returns the number of the task of a result. */
function idOf({ subject }: JsMsg): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

/** The number of the error of a stream that is full. */
const STREAM_FULL = 10077;
/** The number of the error of a message that is not the first one of its subject. */
const NOT_THE_FIRST = 10071;

/** Returns whether an error of the servers will be the same next time. */
function isPermanent(error: unknown): boolean {
  const { code, status } = error as { readonly code?: unknown; readonly status?: unknown };
  if (code === STREAM_FULL) return false;
  // What the servers answer has the numbers of HTTP; 5xx is theirs.
  return typeof code === "number" && typeof status === "number" && status >= 400 && status < 500;
}
