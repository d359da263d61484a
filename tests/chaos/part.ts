/** One part of a seed, from its first call to the check that nothing is left. */

import { deadline, delay } from "@std/async";
import { asCompleted, type Future, type PoolStats, wait } from "../../mod.ts";
import { random } from "../../testing/random.ts";
import { Calls } from "./calls.ts";
import { fixtures, PART, renewFixtures } from "./fixtures.ts";
import { type Call, describe, inspect, Oracle } from "./oracle.ts";
import { type Draw, endSubject, makeSubject, type Subject } from "./subjects.ts";

/** How long all may take to settle after the last call, in milliseconds. */
const SETTLING = 15_000;

/** One part of a seed: its steps, what happens beside the calls, and what has to be true at its end. */
export class Part {
  readonly #where: string;
  readonly #pick: Draw;
  readonly #tasks: number;
  readonly #oracle = new Oracle();
  readonly #calls: Calls;
  /** The subjects that take calls. */
  readonly #subjects: Subject[] = [];
  /** All subjects, also those that have ended. */
  readonly #all: Subject[] = [];

  constructor(seed: number, part: number, tasks: number) {
    this.#where = `seed ${seed}, part ${part}`;
    this.#pick = random(seed * 1_000_003 + part * 7919);
    this.#tasks = tasks;
    this.#calls = new Calls(this.#pick, this.#oracle);
  }

  /** Runs the part. Rejects with what has gone wrong. */
  async run(): Promise<void> {
    renewFixtures();
    fixtures.held.acquire();
    while (this.#calls.taskCount < this.#tasks && this.#oracle.faults.length === 0) {
      this.#calls.nextStep();
      this.#disturb();
      const subject = this.#choose();
      try {
        this.#calls.call(subject);
      } catch (error) {
        this.#oracle.faults.push(`step ${this.#calls.step}: the call itself threw ${Deno.inspect(error)}`);
      }
      await this.#pause();
    }
    for (const subject of this.#subjects.splice(0)) this.#end(subject);
    await this.#settle();
    await this.#checkRest();
  }

  /** Throws what has gone wrong so far. */
  #complain(): void {
    if (this.#oracle.faults.length > 0) {
      throw new Error(`${this.#where}, ${this.#oracle.faults.slice(0, 5).join("\n")}`);
    }
  }

  /** Returns a subject for the next call: a new one now and then, and one that ends now and then. */
  #choose(): Subject {
    const pick = this.#pick;
    if (this.#subjects.length === 0 || (this.#subjects.length < 4 && pick(8) === 0)) {
      const subject = makeSubject(this.#all.length, pick);
      this.#subjects.push(subject);
      this.#all.push(subject);
    }
    const index = pick(this.#subjects.length);
    const subject = this.#subjects[index]!;
    if (++subject.calls > 15 && pick(25) === 0) {
      this.#subjects.splice(index, 1);
      this.#end(subject);
    }
    return subject; // one that has just ended gets one more call, which it must refuse
  }

  /** Ends a subject, which counts as a call that has to settle. */
  #end(subject: Subject): void {
    const ended = endSubject(subject).catch((error) =>
      void this.#oracle.faults.push(`${subject.name} ended with ${Deno.inspect(error)}`)
    );
    const call: Call = { ...this.#calls.newCall("the end", subject, []), started: performance.now() };
    this.#calls.open.add(call);
    this.#calls.pending.push(ended.then(() => void this.#calls.open.delete(call)));
  }

  /** Does something beside the calls, now and then. */
  #disturb(): void {
    const pick = this.#pick;
    switch (pick(60)) {
      case 0:
      case 1:
        return fixtures.event.set();
      case 2:
      case 3:
        return fixtures.event.clear();
      case 4:
        return fixtures.pair.reset();
      case 5:
      case 6: {
        const n = 2 * PART + this.#calls.step; // none of the tasks
        Atomics.store(fixtures.begun, n, 1);
        const signal = AbortSignal.timeout(200);
        this.#calls.pending.push(fixtures.narrow.putAsync([n], { signal }).catch(() => {}));
        return;
      }
      case 7:
      case 8: {
        const get = fixtures.narrow.getAsync({ timeout: 30 }).then(([n]) => void this.#oracle.got.push(n), () => {});
        this.#calls.pending.push(get);
        return;
      }
      case 9: {
        const futures = this.#calls.futures.splice(0);
        if (futures.length > 0) this.#calls.pending.push(this.#waitFor(futures, pick(4)));
      }
    }
  }

  /** Waits for several futures at once, in one of the ways there are. */
  async #waitFor(futures: Future<unknown>[], way: number): Promise<void> {
    const step = this.#calls.step;
    const all = new Set(futures);
    if (way === 0) {
      const seen = new Set<Future<unknown>>();
      for await (const future of asCompleted(futures)) {
        if (!future.done() || seen.has(future) || !all.has(future)) {
          this.#oracle.faults.push(`step ${step}: asCompleted`);
        }
        seen.add(future);
      }
      if (seen.size !== all.size) {
        this.#oracle.faults.push(`step ${step}: asCompleted gave ${seen.size} of ${all.size}`);
      }
      return;
    }
    const returnWhen = (["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"] as const)[way - 1]!;
    const { done, notDone } = await wait(futures, { returnWhen });
    if (done.size + notDone.size !== all.size || ![...done].every((future) => future.done())) {
      this.#oracle.faults.push(`step ${step}: wait ${returnWhen} gave ${done.size} and ${notDone.size} of ${all.size}`);
    }
    if (returnWhen === "ALL_COMPLETED" ? notDone.size > 0 : done.size === 0) {
      this.#oracle.faults.push(`step ${step}: wait ${returnWhen} came too early`);
    }
  }

  /** Now and then the event loop gets a turn, or time; and always when much is under way. */
  async #pause(): Promise<void> {
    const pick = this.#pick;
    switch (pick(12)) {
      case 0:
      case 1:
        await Promise.resolve();
        break;
      case 2:
      case 3:
        await delay(0);
        break;
      case 4:
        await delay(pick(8));
    }
    const many = (): boolean => [...this.#calls.open].filter(({ subject }) => !subject.doomed).length > 40;
    for (let i = 0; i < 25 && this.#calls.open.size > 40 && many(); i++) await delay(2);
  }

  /** Waits until all calls have settled. */
  async #settle(): Promise<void> {
    try {
      await deadline(Promise.all(this.#calls.pending), SETTLING);
    } catch (error) {
      if (this.#calls.open.size === 0) throw error;
      const open = [...this.#calls.open].slice(0, 10).map((call) => {
        const { pool, process } = call.subject;
        return `${describe(call)}; ${inspect(pool?.stats() ?? process?.stats())}`;
      }).join("\n");
      this.#oracle.faults.push(`${this.#calls.open.size} calls have not settled:\n${open}`);
    }
    this.#complain();
  }

  /** Checks that nothing is left, and that each task has begun once at most. */
  async #checkRest(): Promise<void> {
    for (const subject of this.#all) {
      const { name, pool, process } = subject;
      if (subject.local) continue; // its lanes stay, and stalled tasks run on
      const stats = (): PoolStats => (pool ?? process)!.stats();
      for (let i = 0; i < 300 && stats().zombies > 0; i++) await delay(10); // what they run comes to its end
      const { workers, queued, running, zombies } = stats();
      if (workers + queued + running + zombies > 0) {
        this.#oracle.faults.push(`${name} has left ${inspect(stats())}`);
      }
    }
    for (const [call, listeners] of this.#calls.listeners) {
      if (listeners.size > 0 && !call.signal?.aborted) this.#oracle.fault(call, `${listeners.size} listeners are left`);
    }
    for (let n = 0; n < this.#calls.taskCount; n++) {
      if (fixtures.begun[n]! > 1 && !this.#calls.broadcasts.has(n)) {
        this.#oracle.faults.push(`task ${n} has begun ${fixtures.begun[n]} times`);
      }
    }
    for (const queue of [fixtures.queue, fixtures.narrow]) {
      while (!queue.empty()) this.#oracle.got.push((await queue.getAsync({ timeout: 0 }))[0]);
    }
    const strange = this.#oracle.got.filter((n) => fixtures.begun[n] !== 1);
    if (new Set(this.#oracle.got).size !== this.#oracle.got.length || strange.length > 0) {
      this.#oracle.faults.push(
        `the queues gave something twice, or what nobody put: ${this.#oracle.got.sort((a, b) => a - b)}`,
      );
    }
    for (const lock of [fixtures.lock, fixtures.condition]) {
      if (lock.acquire({ timeout: 5000 })) lock.release();
      else this.#oracle.faults.push("a lock is held by nobody");
    }
    if (fixtures.wrong.value !== 0) {
      this.#oracle.faults.push(`${fixtures.wrong.value} halves of a change without 'recovered'`);
    }
    fixtures.held.release();
    this.#complain();
  }
}
