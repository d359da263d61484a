/**
 * Pulling tasks from the servers: as many as there is room for, and not one more.
 *
 * The ready-made ways of the client library keep a buffer of messages, which nobody else can run meanwhile. So requests are made
 * here: each asks for a number of messages, and is fulfilled in the order of the requests, or ends with a status.
 *
 * @module
 */

import { createInbox, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";

/** The time after which a request ends at the server if it is not fulfilled, in milliseconds. */
const EXPIRES = 30_000;
/** The time after that in which the server must have said so, in milliseconds. */
const LATE = 5000;
/** The most messages of one request. */
const MOST = 1000;

interface Request {
  readonly subject: string;
  /** The number of messages that are still to come. */
  left: number;
  /** When it is given up, by `performance.now()`. */
  readonly due: number;
}

/** A message of a stream. */
export interface Delivered {
  readonly message: Msg;
  /** The subject on which it is acknowledged. */
  readonly reply: string;
  /** Its number in the stream. */
  readonly seq: number;
  /** How often it was delivered, this time included. */
  readonly attempt: number;
}

/** Reads the subject of an acknowledgment, which says what the message is. */
function delivered(message: Msg): Delivered | undefined {
  const { reply } = message;
  if (reply === undefined || !reply.startsWith("$JS.ACK.")) return undefined;
  const parts = reply.split(".");
  const at = parts.length >= 11 ? 6 : 4; // with a domain and an account in front of the stream
  const [attempt, seq] = [Number(parts[at]), Number(parts[at + 1])];
  return attempt >= 1 && seq >= 1 ? { message, reply, seq, attempt } : undefined;
}

/** Pulls the messages of one consumer. */
export class Puller {
  readonly #nats: NatsConnection;
  readonly #subject: string;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #take: (delivered: Delivered) => void;
  readonly #changed: () => void;
  readonly #refused: () => void;
  #requests: Request[] = [];
  #count = 0;

  /**
   * `take` is called with each message, `changed` when fewer messages are asked for than before, `refused` when the server refuses a
   * request: nothing more is asked for then until somebody does.
   */
  constructor(
    nats: NatsConnection,
    stream: string,
    consumer: string,
    take: (delivered: Delivered) => void,
    changed: () => void,
    refused: () => void,
  ) {
    this.#nats = nats;
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#take = take;
    this.#changed = changed;
    this.#refused = refused;
    this.#subscription = nats.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
      },
    });
  }

  /** The number of messages that may still come. */
  get asked(): number {
    let asked = 0;
    for (const { left } of this.#requests) asked += left;
    return asked;
  }

  /** Asks for messages. */
  ask(count: number): void {
    while (count > 0) {
      const batch = Math.min(count, MOST);
      const subject = `${this.#inbox}.${++this.#count}`;
      this.#requests.push({ subject, left: batch, due: performance.now() + EXPIRES + LATE });
      this.#nats.publish(this.#subject, JSON.stringify({ batch, expires: EXPIRES * 1e6 }), { reply: subject });
      count -= batch;
    }
  }

  /** Forgets all requests: a server to which the connection was lost forgets them as well. */
  reset(): void {
    this.#requests = [];
    this.#changed();
  }

  /** Forgets the requests that the server has forgotten. */
  check(): void {
    const now = performance.now();
    const before = this.#requests.length;
    this.#requests = this.#requests.filter(({ due }) => due > now);
    if (this.#requests.length < before) this.#changed();
  }

  #receive(message: Msg): void {
    const found = delivered(message);
    if (found !== undefined) {
      const first = this.#requests[0];
      if (first !== undefined && --first.left === 0) this.#requests.shift();
      return this.#take(found);
    }
    if (message.headers?.code === 100) return; // the server only says that it is there
    // A request that has expired, or that the server refuses, as it does while it starts.
    this.#requests = this.#requests.filter(({ subject }) => subject !== message.subject);
    const refused = message.headers === undefined || ![404, 408].includes(message.headers.code);
    if (refused) this.#refused();
    else this.#changed();
  }

  /** Takes no more messages. */
  stop(): void {
    this.#subscription.unsubscribe();
    this.#requests = [];
  }
}
