/**
 * The workers of a fleet, as a client hears of them.
 *
 * @module
 */

import { type Connection, sleep } from "./connection.ts";
import { type Presence, readPresence } from "./wire.ts";

/** The time in which workers must answer, in milliseconds. */
const ANSWER = 2000;
/** The time after the first answer in which others may follow, in milliseconds. */
const OTHERS = 100;
/** The part of the time until the next message after which a worker counts as gone. */
const MISSED = 3.5;

interface Member {
  readonly presence: Presence;
  /** When it counts as gone, by `performance.now()`. */
  readonly until: number;
}

/** The workers of a fleet. */
export class Members {
  readonly #connection: Connection;
  readonly #members = new Map<string, Member>();
  readonly #listeners = new Set<() => void>();
  #stopped = false;
  /** When a worker was heard of last, by `performance.now()`. */
  heard: number = performance.now();

  /** Listens, and asks who is there. */
  constructor(connection: Connection) {
    this.#connection = connection;
    const { nats, names } = connection;
    nats.subscribe(names.presence, {
      callback: (error, message) => {
        const presence = error === null ? readPresence(message.string()) : undefined;
        if (presence !== undefined) this.#note(presence);
      },
    });
    nats.publish(names.rollCall);
  }

  #note(presence: Presence): void {
    if (presence.next <= 0) this.#members.delete(presence.id);
    else {
      this.heard = performance.now();
      this.#members.set(presence.id, { presence, until: this.heard + presence.next * MISSED });
    }
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` whenever a worker is heard of. Returns a function that ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns the workers that are there. */
  list(): Presence[] {
    const now = performance.now();
    const there: Presence[] = [];
    for (const [id, { presence, until }] of this.#members) {
      if (until < now) this.#members.delete(id);
      else there.push(presence);
    }
    return there;
  }

  /** The number of tasks that the workers can run at once. */
  get slots(): number {
    return this.list().reduce((sum, { slots }) => sum + slots, 0);
  }

  /** Returns the names of the workers that answer within two seconds. */
  async whoIsThere(): Promise<string[]> {
    const first = Promise.withResolvers<void>();
    const stop = this.onChange(first.resolve);
    this.#members.clear();
    this.#connection.nats.publish(this.#connection.names.rollCall);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([first.promise, new Promise((resolve) => timer = setTimeout(resolve, ANSWER))]);
    clearTimeout(timer);
    stop();
    if (!this.#stopped && this.#members.size > 0) await sleep(OTHERS);
    return this.list().map(({ name }) => name);
  }

  /** Forgets the listeners. */
  stop(): void {
    this.#stopped = true;
    this.#listeners.clear();
  }
}
