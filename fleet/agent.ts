/**
 * A worker machine: pulls tasks, runs them in processes of its own, and publishes the results.
 *
 * The thread of this program only talks to the servers. Tasks run in child processes, so that the servers hear of each task that is
 * held here, however busy the tasks keep the machine. A task whose process ends is answered at once; a task whose machine is not
 * heard of for `ackWait` is delivered to another one.
 *
 * @module
 */

import { BrokenProcessPoolError, SerializationError } from "@manycore/parallel/errors";
import {
  CallbackTask,
  type compileFunction,
  Decoder,
  EMPTY_ENVIRONMENT,
  Encoder,
  type FunctionSpec,
  lazyFunction,
  messageOf,
  openScheduler,
  type Outcome,
  type Scheduler,
  sourceOf,
  type TaskMode,
  type WorkerConfig,
} from "@manycore/parallel/internal";
import { processes } from "@manycore/parallel/processes";
import {
  type Connection,
  type ConnectOptions,
  connectTo,
  ensureWorkers,
  MOST_IN_MESSAGE,
  sleep,
} from "./connection.ts";
import { getPayload, putPayload, removePayload } from "./payloads.ts";
import { type Delivered, Puller } from "./pull.ts";
import {
  type Abort,
  BY_SOURCE,
  codeOf,
  type Presence,
  readAbort,
  readTaskHeaders,
  resultHeaders,
  taskHeaders,
  type TaskInfo,
  UnreadableTask,
} from "./wire.ts";

/** Options of an {@linkcode Agent}. */
export interface AgentOptions extends ConnectOptions {
  /** The URLs of the modules whose exports may be called, by their names in the fleet. */
  readonly modules: Readonly<Record<string, string>>;
  /** The functions that may be called, such as `tasks#render` or `tasks#*`; undefined for all exports of the modules. */
  readonly allow: readonly string[] | undefined;
  /** True if functions may also be sent as source text. */
  readonly bySource: boolean;
  /** The number of processes. */
  readonly processes: number;
  /** The memory of a process in MB; 0 for any amount. */
  readonly memoryLimit: number;
  /** The name of the machine, for people. */
  readonly label: string;
  /** The time after which the servers give a task to another machine if this one is not heard of, in milliseconds. */
  readonly ackWait: number;
  /** How often a task is begun at most. */
  readonly maxDeliver: number;
  /** The most tasks that wait on the servers, if this machine is the first one to come. */
  readonly maxTasks: number;
  /** Called with what people may want to know. */
  readonly log: (text: string) => void;
}

/** The time between two messages that say that this machine is there, in milliseconds. */
const PRESENCE = 1000;
/** The time after which another machine may try a task that this one cannot run, in milliseconds. */
const REFUSED_DELAY = 500;
/** The number of aborted tasks that are remembered, as their messages may come later. */
const MOST_ABORTED = 10_000;
/** The duration of tasks, in milliseconds, up to which a process is given several at a time. */
const FAST = 2;
/** The number of fast tasks that are held for each process. */
const AHEAD = 16;
/** The time that a task may wait here for a process before others get it, in milliseconds. */
const PATIENCE = 200;

/** A function of a module. */
interface Known {
  readonly fn: (...args: never[]) => unknown;
  readonly code: string;
  readonly scheduler: Scheduler;
}

/** A task that was delivered and not acknowledged. */
interface Held {
  delivered: Delivered;
  readonly info: TaskInfo;
  readonly since: number;
  task: AgentTask | undefined;
  scheduler: Scheduler | undefined;
  /** True once its outcome is being published. */
  answered: boolean;
}

class AgentTask extends CallbackTask {
  readonly #name: string;
  started = 0;

  constructor(
    info: TaskInfo,
    fn: (...args: never[]) => unknown,
    args: readonly unknown[],
    attempt: number,
    settle: (outcome: Outcome) => void,
  ) {
    super(fn, info.mode as TaskMode, args, info.limit, settle);
    this.#name = info.name;
    this.first = info.first;
    this.delivery = { id: `${info.client}.${info.id}`, attempt };
  }

  override get name(): string {
    return this.#name;
  }
}

/** What a task is refused for that another machine may take. */
class Refusal extends Error {}

/** A worker machine of a fleet. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #connection: Connection;
  readonly #functions: ReadonlyMap<string, Known>;
  readonly #schedulers: readonly Scheduler[];
  readonly #sourceScheduler: Scheduler | undefined;
  readonly #puller: Puller;
  readonly #id = crypto.randomUUID();
  readonly #held = new Set<Held>();
  readonly #aborted = new Set<string>();
  readonly #encoder = new Encoder(Infinity, undefined, "process");
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  /** How long a process is busy with a task, in milliseconds. */
  #duration = Infinity;
  /** When a task has ended last. */
  #ended = 0;
  #draining = false;
  #asking = false;
  #refused = false;
  #finished = 0;
  #failed = 0;
  #idle: (() => void) | undefined;

  /** Connects, and begins to take tasks. */
  static async start(options: AgentOptions): Promise<Agent> {
    const functions = new Map<string, Known>();
    const schedulers: Scheduler[] = [];
    for (const [name, url] of Object.entries(options.modules)) {
      const scheduler = openScheduler(processes(limitOf(options)), configOf(options, url));
      schedulers.push(scheduler);
      for (const [key, value] of Object.entries(await import(url) as Record<string, unknown>)) {
        if (typeof value !== "function" || !allows(options.allow, name, key)) continue;
        const fn = value as Known["fn"];
        functions.set(`${name}#${key}`, { fn, code: codeOf(fn), scheduler });
      }
    }
    const missing = options.allow?.find((one) => !one.endsWith("#*") && !functions.has(one));
    if (missing !== undefined) throw new RangeError(`Cannot allow '${missing}' as no module has this function`);
    if (functions.size === 0 && !options.bySource) {
      throw new TypeError("Cannot start a worker without functions: name a module, or take functions by source");
    }
    let source: Scheduler | undefined;
    if (options.bySource) {
      schedulers.push(source = openScheduler(processes(limitOf(options)), configOf(options, undefined)));
    }
    const connection = await connectTo(options, options);
    return new Agent(options, connection, functions, schedulers, source);
  }

  private constructor(
    options: AgentOptions,
    connection: Connection,
    functions: ReadonlyMap<string, Known>,
    schedulers: readonly Scheduler[],
    sourceScheduler: Scheduler | undefined,
  ) {
    this.#options = options;
    this.#connection = connection;
    this.#functions = functions;
    this.#schedulers = schedulers;
    this.#sourceScheduler = sourceScheduler;
    const { nats, names } = connection;
    this.#puller = new Puller(
      nats,
      names.tasks,
      names.workers,
      (delivered) => this.#take(delivered),
      () => this.#askSoon(),
      () => void this.#askAgain(),
    );
    nats.subscribe(names.rollCall, { callback: () => this.#sayPresent(PRESENCE) });
    nats.subscribe(names.aborts, {
      callback: (error, message) => {
        const abort = error === null ? readAbort(message.string()) : undefined;
        if (abort !== undefined) this.#abort(abort);
      },
    });
    void this.#watch();
    this.#timers.push(
      setInterval(() => this.#sayPresent(PRESENCE), PRESENCE),
      setInterval(() => this.#keepHeld(), connection.ackWait / 3),
    );
    this.#sayPresent(PRESENCE);
    this.#ask();
  }

  /** Its name in messages of the fleet. */
  get id(): string {
    return this.#id;
  }

  /** Resolves if the connection has ended though the machine has not left. */
  get closed(): Promise<void> {
    return new Promise((resolve) => {
      void this.#connection.nats.closed().then(() => {
        if (!this.#draining) resolve();
      });
    });
  }

  /** The counts of this machine. */
  get presence(): Presence {
    const { label: name, processes: slots } = this.#options;
    const running = Math.min(this.#held.size, slots);
    return { id: this.#id, name, slots, running, finished: this.#finished, failed: this.#failed, next: PRESENCE };
  }

  #sayPresent(next: number): void {
    this.#publish(this.#connection.names.presence, JSON.stringify({ ...this.presence, next } satisfies Presence));
  }

  /** Publishes what is no loss if it does not arrive. */
  #publish(subject: string, text: string): void {
    if (!this.#connection.nats.isClosed()) this.#connection.nats.publish(subject, text);
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.nats.status()) {
      if (type === "disconnect") this.#options.log("The connection is lost. Trying again");
      if (type !== "reconnect") continue;
      this.#options.log("Connected again");
      this.#keepHeld();
      this.#puller.reset();
    }
  }

  // Getting tasks.

  /** The number of tasks that may be held. */
  get #capacity(): number {
    return this.#options.processes * (this.#duration <= FAST ? AHEAD : 1);
  }

  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = true;
    queueMicrotask(() => this.#ask());
  }

  /** Asks again after a refusal: the server starts, or has lost the consumer. */
  async #askAgain(): Promise<void> {
    if (this.#refused) return;
    this.#refused = true;
    const { manager, names, ackWait, nats } = this.#connection;
    await sleep(REFUSED_DELAY);
    // Without JetStream yet, the next request is refused as well.
    if (!nats.isClosed()) await ensureWorkers(manager, names, ackWait).catch(() => {});
    this.#refused = false;
    this.#askSoon();
  }

  #ask(): void {
    this.#asking = false;
    if (this.#draining || this.#refused) return;
    const capacity = this.#capacity;
    const count = capacity - this.#held.size - this.#puller.asked;
    // A request for each of many fast tasks would cost more than the tasks.
    const fewest = capacity > this.#options.processes ? capacity / 4 : 1;
    if (count >= fewest && !this.#connection.nats.isClosed()) this.#puller.ask(count);
  }

  /** Tells the servers that the tasks are held which are held here. */
  #keepHeld(): void {
    for (const { delivered } of this.#held) this.#publish(delivered.reply, "+WPI");
    this.#puller.check();
  }

  #take(delivered: Delivered): void {
    let info: TaskInfo;
    try {
      info = readTaskHeaders(delivered.message.headers);
    } catch (error) {
      return this.#refuseUnread(delivered, error);
    }
    for (const held of this.#held) {
      if (held.answered || keyOf(held.info) !== keyOf(info)) continue;
      // The servers have not heard of it for a while, as this machine was busy; it is not lost.
      held.delivered = delivered;
      return this.#publish(delivered.reply, "+WPI");
    }
    const held: Held = {
      delivered,
      info,
      since: performance.now(),
      task: undefined,
      scheduler: undefined,
      answered: false,
    };
    this.#held.add(held);
    if (this.#draining) return void this.#handBack(held);
    if (this.#aborted.delete(keyOf(info))) return this.#drop(held);
    const { attempt } = delivered;
    if (attempt > this.#options.maxDeliver) {
      const ended = `has ended, or lost, each of the ${attempt - 1} machines that have run it, and is not run again`;
      return void this.#answer(held, {
        ok: false,
        error: new BrokenProcessPoolError(`The task '${info.name}' ${ended}`),
      });
    }
    void this.#run(held);
    if (this.#held.size > this.#options.processes) this.#watchWaiting();
  }

  /** Refuses a task of which not even the headers can be read. */
  #refuseUnread({ reply, attempt, message }: Delivered, error: unknown): void {
    const why = error instanceof UnreadableTask ? error.message : messageOf(error);
    this.#options.log(`Refused a task as ${why}`);
    if (attempt < this.#options.maxDeliver) return this.#publish(reply, refused());
    // Whoever has sent it hears of it if possible.
    const from = error instanceof UnreadableTask ? error.from : undefined;
    if (from === undefined) return this.#publish(reply, "+TERM");
    const info = { ...from, name: "" } as TaskInfo;
    const held: Held = {
      delivered: { reply, attempt, message, seq: 0 },
      info,
      since: 0,
      task: undefined,
      scheduler: undefined,
      answered: false,
    };
    this.#held.add(held);
    void this.#answer(held, { ok: false, error: new SerializationError(`No worker takes the task, as ${why}`) });
  }

  async #run(held: Held): Promise<void> {
    const { info, delivered } = held;
    let task: AgentTask;
    let scheduler: Scheduler;
    try {
      const known = info.fn === BY_SOURCE ? undefined : this.#functionOf(info);
      scheduler = known?.scheduler ?? this.#sourceScheduler ?? refuse("this worker takes no functions by source");
      const bytes = info.stored ? await getPayload(this.#connection, keyOf(info)) : delivered.message.data;
      if (held.answered || !this.#held.has(held)) return;
      const [spec, args] = this.#decode(bytes);
      const fn = known?.fn ?? lazyFunction(spec!, EMPTY_ENVIRONMENT);
      task = new AgentTask(info, fn, args, delivered.attempt, (outcome) => void this.#answer(held, outcome));
    } catch (error) {
      const refusal = error instanceof SerializationError ? error.cause : error;
      if (refusal instanceof Refusal) return this.#refuse(held, refusal.message);
      return void this.#answer(held, { ok: false, error });
    }
    held.task = task;
    held.scheduler = scheduler;
    task.started = Date.now();
    try {
      scheduler.submit(task);
    } catch (error) {
      void this.#answer(held, { ok: false, error });
    }
  }

  #functionOf({ fn, code }: TaskInfo): Known {
    const known = this.#functions.get(fn) ?? refuse(`this worker has no function '${fn}'`);
    if (known.code !== code) refuse(`this worker has another version of '${fn}'`);
    return known;
  }

  /** Decodes the function, if it is sent as source text, and the arguments of a task. */
  #decode(bytes: Uint8Array): [FunctionSpec | undefined, readonly unknown[]] {
    const compile: typeof compileFunction = this.#sourceScheduler === undefined ? refuseFunction : lazily;
    const decoder = new Decoder(() => EMPTY_ENVIRONMENT, true, compile);
    return decoder.decode(sourceOf(bytes.slice()), 0, []) as [FunctionSpec | undefined, readonly unknown[]];
  }

  /** Leaves a task to other machines; if none has taken it, the client hears why. */
  #refuse(held: Held, why: string): void {
    const { delivered: { attempt, reply }, info } = held;
    this.#options.log(`Refused '${info.name}' as ${why}`);
    if (attempt >= this.#options.maxDeliver) {
      const error = new SerializationError(`No worker has taken the task '${info.name}', the last one as ${why}`);
      return void this.#answer(held, { ok: false, error });
    }
    this.#publish(reply, refused());
    this.#release(held);
  }

  // Ending tasks.

  async #answer(held: Held, outcome: Outcome): Promise<void> {
    if (held.answered || !this.#held.has(held)) return;
    held.answered = true;
    const { info, delivered, task } = held;
    const end = Date.now();
    this.#finished++;
    if (!outcome.ok) this.#failed++;
    this.#measure(held);
    const { failed, bytes } = this.#encode(outcome);
    const stored = bytes.length > MOST_IN_MESSAGE;
    const { names } = this.#connection;
    const subject = info.job ? names.jobSubject(info.client, info.id) : names.resultSubject(info.client, info.id);
    const lost = !outcome.ok && outcome.error instanceof BrokenProcessPoolError ? outcome.error : undefined;
    const result = {
      failed,
      exitCode: lost?.exitCode,
      signal: lost?.signal,
      attempt: delivered.attempt,
      worker: this.#options.label,
      start: task?.started ?? end,
      end,
      stored,
    };
    for (;;) {
      try {
        if (stored) await putPayload(this.#connection, `result.${keyOf(info)}`, bytes);
        // Of two results of a job's task the last one stays; a job that was forgotten gets results of the same names again.
        await this.#connection.jetstream.publish(subject, stored ? undefined : bytes, {
          headers: resultHeaders(result),
          ...(info.job ? {} : { msgID: `${keyOf(info)}.result` }),
        });
        break;
      } catch (error) {
        if (this.#connection.nats.isClosed()) return;
        this.#options.log(`Cannot publish the result of '${info.name}': ${messageOf(error)}. Trying again`);
        await sleep(PRESENCE); // meanwhile the task stays held
      }
    }
    if (info.stored) void removePayload(this.#connection, keyOf(info));
    this.#publish(delivered.reply, "+ACK");
    this.#release(held);
  }

  #encode(outcome: Outcome): { readonly failed: boolean; readonly bytes: Uint8Array } {
    const value = outcome.ok ? outcome.value : outcome.error;
    for (
      const [failed, make] of [
        [!outcome.ok, () => value],
        [true, (error: unknown) => error],
        [true, (error: unknown) => new SerializationError(messageOf(error))],
      ] as const
    ) {
      try {
        return { failed, bytes: this.#encoder.encode(make(this.#encodingError)).bytes.slice() };
      } catch (error) {
        this.#encodingError = error; // the next one says why
      }
    }
    throw this.#encodingError;
  }

  #encodingError: unknown;

  /** Forgets a task that was aborted. */
  #drop(held: Held): void {
    if (held.info.stored) void removePayload(this.#connection, keyOf(held.info));
    this.#publish(held.delivered.reply, "+ACK");
    this.#release(held);
  }

  #release(held: Held): void {
    this.#held.delete(held);
    this.#askSoon();
    if (this.#held.size === 0) this.#idle?.();
  }

  /** Estimates how long a process is busy with a task, from the time since the task came, or since the one before it ended. */
  #measure({ since }: Held): void {
    const now = performance.now();
    const { processes } = this.#options;
    const duration = since > this.#ended ? now - since : (now - this.#ended) * Math.min(processes, this.#held.size);
    this.#ended = now;
    this.#duration = this.#duration === Infinity ? duration : this.#duration * 0.9 + duration * 0.1;
  }

  #abort({ client, id, reason, grace }: Abort): void {
    const key = `${client}.${id}`;
    for (const held of this.#held) {
      if (held.answered || keyOf(held.info) !== key) continue;
      const { task, scheduler } = held;
      if (task === undefined || scheduler!.cancel(task)) return this.#drop(held);
      return scheduler!.interrupt(task, new Error(reason), grace);
    }
    this.#aborted.add(key);
    if (this.#aborted.size <= MOST_ABORTED) return;
    for (const oldest of this.#aborted) return void this.#aborted.delete(oldest);
  }

  // Giving tasks back.

  /** Gives others the tasks that wait for long, as the processes are busy with slow ones. */
  #watchWaiting(): void {
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined;
      const now = performance.now();
      for (const held of this.#held) {
        if (held.answered || held.task === undefined) continue;
        if (now - held.since < PATIENCE) this.#watchWaiting();
        else if (held.scheduler!.cancel(held.task)) {
          this.#duration = Math.max(this.#duration, PATIENCE);
          void this.#handBack(held);
        }
      }
    }, PATIENCE);
  }

  /** Puts a task that was not begun at the end of the queue, as one that was never delivered. */
  async #handBack(held: Held): Promise<void> {
    held.answered = true;
    const { delivered: { message, reply }, info } = held;
    const { jetstream, names, nats } = this.#connection;
    try {
      await jetstream.publish(names.taskSubject(info.client, info.id), message.data, { headers: taskHeaders(info) });
      this.#publish(reply, "+ACK");
    } catch {
      if (!nats.isClosed()) this.#publish(reply, "-NAK"); // it stays where it is, and counts as delivered
    }
    this.#release(held);
  }

  /** Takes no more tasks, ends those that run, gives back the others, and leaves. */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    for (const held of [...this.#held]) {
      if (!held.answered && held.task !== undefined && held.scheduler!.cancel(held.task)) void this.#handBack(held);
    }
    if (this.#held.size > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    this.#sayPresent(0);
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#patience);
    for (const scheduler of this.#schedulers) scheduler.close();
    await Promise.all(this.#schedulers.map((scheduler) => scheduler.join()));
    await this.#connection.nats.drain();
  }
}

function limitOf({ memoryLimit }: AgentOptions): { memoryLimit?: number } {
  return memoryLimit === 0 ? {} : { memoryLimit };
}

function configOf({ processes: size, label }: AgentOptions, module: string | undefined): WorkerConfig {
  return {
    owner: "pool",
    size,
    name: label,
    module,
    scope: {},
    permissions: undefined,
    initializer: undefined,
    initargs: [],
    maxTasks: 0,
    limit: 0,
    idleTimeout: Infinity,
    trace: false,
  };
}

function allows(allow: readonly string[] | undefined, module: string, name: string): boolean {
  return allow === undefined || allow.includes(`${module}#${name}`) || allow.includes(`${module}#*`);
}

function keyOf({ client, id }: TaskInfo): string {
  return `${client}.${id}`;
}

function refuse(why: string): never {
  throw new Refusal(why);
}

/** The answer to the servers that another machine may try. */
function refused(): string {
  return `-NAK {"delay": ${REFUSED_DELAY * 1e6}}`;
}

function refuseFunction({ name }: FunctionSpec): never {
  throw new Refusal(`this worker takes no functions by source, such as '${name}' among the arguments`);
}

function lazily(spec: FunctionSpec): ReturnType<typeof compileFunction> {
  return lazyFunction(spec, EMPTY_ENVIRONMENT);
}
