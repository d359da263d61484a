/**
 * The workers of a scheduler: as many as there is work for.
 *
 * @module
 */

import { type Board, STARTING } from "./board.ts";
import type { Flight } from "./flight.ts";
import type { Host } from "./host.ts";
import { ResponseWatch } from "./response_watch.ts";
import { Starts } from "./starts.ts";
import { terminateStopsCode } from "../_platform.ts";

/** What a crew is told. */
export interface CrewOptions {
  /** How many workers it may have. */
  readonly size: number;
  /** Where they find their tasks. */
  readonly board: Board;
  /** The tasks that were handed over. */
  readonly flight: Flight;
  /** Makes the worker of this number. */
  readonly make: (number: number) => Host;
  /** Told why none could be made. */
  readonly failed: (error: unknown) => void;
  /** Told a worker that was called and does not come. */
  readonly lose: (host: Host) => void;
}

/** Starts workers, calls them to their tasks, and ends them. */
export class Crew {
  readonly #options: CrewOptions;
  readonly #hosts = new Set<Host>();
  readonly #zombies = new Set<Host>();
  #number = 0;
  /** Workers whose start is under way in a call further up. */
  #starting = 0;
  /** How many wait for the processes that were started on them. */
  parents = 0;
  /** How many of those take no more tasks. */
  #retired = 0;
  /** Those that are to be started later. */
  readonly starts: Starts = new Starts(
    () => this.room,
    () => this.#hosts.size + this.#starting > 0,
    () => this.#lacking(),
    () => this.start(),
  );
  /** Finds those that do not come. */
  readonly responses: ResponseWatch;

  /** Starts no worker yet. */
  constructor(options: CrewOptions) {
    this.#options = options;
    this.responses = new ResponseWatch(() => this.#hosts, () => options.board.unclaimed() > 0, options.lose);
  }

  /** The workers that have not ended, as far as is known. */
  get hosts(): ReadonlySet<Host> {
    return this.#hosts;
  }

  /** How many more it may start. */
  get room(): number {
    return this.#options.size - this.#hosts.size - this.#starting + this.#retired;
  }

  /** The number of the first worker among all processes and workers, if there is one. */
  get firstPid(): number | null {
    for (const host of this.#hosts) return host.pid;
    return null;
  }

  /** How many have a task. */
  get running(): number {
    let running = 0;
    for (const host of this.#hosts) if (this.#hasTask(host)) running++;
    return running;
  }

  /** How many were ended and still run. */
  get zombies(): number {
    // One that has come back to its event loop ends there.
    for (const host of this.#zombies) if (host.desk.rests) this.#zombies.delete(host);
    return this.#zombies.size;
  }

  #hasTask(host: Host): boolean {
    return this.#options.flight.get(host.desk.current) !== undefined;
  }

  /** Starts one more worker: whether that was possible. */
  start(): boolean {
    this.#number++;
    this.#starting++;
    let host: Host;
    try {
      host = this.#options.make(this.#number);
    } catch (error) {
      this.#options.failed(error);
      return false;
    } finally {
      this.#starting--;
    }
    this.#hosts.add(host);
    return true;
  }

  /** Sees to it that enough workers look at the board: wakes those that sleep, starts those that are missing, `now` if need be. */
  call(now: boolean): void {
    const { board } = this.#options;
    let needed = board.unclaimed();
    for (const host of this.#hosts) {
      if (needed <= 0) break;
      if (host.retired) continue;
      // One that starts, or is done and has not looked again yet, will claim a task without being told.
      const coming = host.desk.sleep === STARTING || (!host.waits && !this.#hasTask(host));
      if (coming || host.wake()) needed--;
    }
    if (needed > 0) this.starts.start(needed, now);
    if (board.unclaimed() > 0) this.responses.watch();
  }

  /** How many tasks nobody comes for. */
  #lacking(): number {
    let lacking = this.#options.board.unclaimed();
    for (const host of this.#hosts) if (host.desk.sleep === STARTING) lacking--;
    return lacking;
  }

  /** Takes a worker out: whether it was one of them. It is still to be ended. */
  remove(host: Host): boolean {
    if (!this.#hosts.delete(host)) return false;
    if (host.hasChildren) this.parents--;
    if (host.retired) this.#retired--;
    return true;
  }

  /** Takes note of what a record `CHILDREN` says. One that has only waited for its children ends. */
  noteChildren(host: Host, detail: number): void {
    const any = (detail & 1) === 1;
    const news = detail >> 1;
    if (news <= host.childNews || !this.#hosts.has(host)) return;
    host.childNews = news;
    if (any !== host.hasChildren) this.parents += any ? 1 : -1;
    host.hasChildren = any;
    if (host.retired && !any) this.retire(host, false);
  }

  /** One takes no more tasks: it ends, now if it is `givenUp`, else after its children. False when it was none of them any more. */
  retire(host: Host, givenUp: boolean): boolean {
    if (!this.#hosts.has(host)) return false;
    if (host.hasChildren && !givenUp) {
      if (!host.retired) this.#retired++;
      host.retired = true;
    } else {
      this.remove(host);
      host.end();
    }
    return true;
  }

  /** Ends a worker; one that runs code may not stop at once. */
  end(host: Host, runsCode: boolean = host.runsCode): void {
    if (runsCode && !terminateStopsCode()) this.#zombies.add(host);
    host.end();
  }

  /** Ends all of them. */
  endAll(): void {
    this.responses.stop();
    this.starts.stop();
    for (const host of this.#hosts) this.end(host);
    this.#options.board.raiseEpoch(); // or one of them might still claim the next task
    this.#hosts.clear();
    this.parents = this.#retired = 0;
  }
}
