/** Random calls of every kind, each watched to its end. */

import { delay } from "@std/async";
import { type ExecutorMapOptions, type Future, type ImapOptions, type Pool, transfer } from "../../mod.ts";
import { fixtures } from "./fixtures.ts";
import { type Call, endsWith, inspect, isFitting, isLast, isLate, isRight, type Oracle, REASON } from "./oracle.ts";
import type { Draw, ExecutorLike, PoolLike, Subject } from "./subjects.ts";
import {
  BLOCKED,
  DYING,
  HARMLESS,
  isOneOf,
  type Item,
  type Kind,
  localWork,
  localWorkOn,
  makeLoad,
  OUTSIDE,
  PAIRED,
  SHARING,
  work,
  workOn,
  workOnAll,
} from "./tasks.ts";

/** Makes random calls, and watches each of them to its end. */
export class Calls {
  readonly #pick: Draw;
  readonly #oracle: Oracle;
  readonly #later = new Map<number, (() => void)[]>();
  /** The calls that have not settled. */
  readonly open: Set<Call> = new Set();
  /** Everything that has to settle before the part ends. */
  readonly pending: Promise<void>[] = [];
  /** The listeners that each signal has. */
  readonly listeners: Map<Call, Set<unknown>> = new Map();
  /** Futures to wait for. */
  readonly futures: Future<unknown>[] = [];
  /** The numbers of the tasks that run on each worker. */
  readonly broadcasts: Set<number> = new Set();
  /** The number of tasks so far. */
  taskCount = 0;
  /** The number of steps so far. */
  step = 0;

  constructor(pick: Draw, oracle: Oracle) {
    this.#pick = pick;
    this.#oracle = oracle;
  }

  /** Begins a step: what was put off until then happens first. */
  nextStep(): void {
    this.step++;
    for (const run of this.#later.get(this.step) ?? []) run();
  }

  /** Makes one call of a random kind. */
  call(subject: Subject): void {
    const pick = this.#pick;
    const limited = pick(3) === 0;
    const limit = limited ? 25 + pick(60) : 0;
    if (subject.pool !== undefined) this.#callPool(subject, subject.pool, limit);
    else this.#callExecutor(subject, subject.executor!);
  }

  #kind(subject: Subject, limited: boolean): Kind {
    const pick = this.#pick;
    const one = <K extends Kind>(kinds: readonly K[]): Kind => kinds[pick(kinds.length)]!;
    const way = pick(100);
    if (way < 5) return "throws";
    if (way < 7) return "unsendable";
    if (way < 8) return "unsendableArgument";
    if (way < 9) return one(OUTSIDE);
    if (way < 15 && !subject.quiet) {
      const kind = one(SHARING);
      const endless = isOneOf(["get", "put", "event", "meet"], kind) && !subject.local;
      return endless && !limited ? "permit" : kind;
    }
    const gentle = subject.ending !== "terminate" && !subject.cursed && !subject.local && !subject.quiet;
    if (way < 18 && gentle) {
      const kind = one(PAIRED);
      return kind === "loopsLocked" && !limited ? "lock" : kind;
    }
    if (way < 21 && !subject.local) return one(DYING.filter((kind) => kind !== "diesLocked"));
    if (way < 29 && (limited || (subject.doomed && pick(6) === 0))) {
      return subject.local ? "stalls" : one(BLOCKED.slice(subject.quiet ? -1 : 0));
    }
    if (way < 31 && limited && !subject.local) return pick(12) === 0 ? "loopsLater" : "loops";
    return one(HARMLESS);
  }

  #item(subject: Subject, limited: boolean): Item {
    const pick = this.#pick;
    const kind = this.#kind(subject, limited);
    const n = this.taskCount++;
    const large = kind === "large" || kind === "echo" || kind === "takes";
    const size = large ? (pick(25) === 0 ? pick(300_000) : pick(3000)) : pick(1000);
    if (kind === "unsendableArgument") return [kind, n, size, Symbol("argument")];
    if (isOneOf(DYING, kind)) subject.deaths++;
    if (isOneOf(OUTSIDE, kind)) subject.strays++;
    return kind === "echo" || kind === "takes" ? [kind, n, size, makeLoad(n, size)] : [kind, n, size];
  }

  #items(subject: Subject, limited: boolean): Item[] {
    return Array.from({ length: this.#pick(9) }, () => this.#item(subject, limited));
  }

  /** The items, now and then from a generator, which may be slow, or fail. */
  #input(call: Call): Iterable<Item> | AsyncIterable<Item> {
    const { items, inputFails } = call;
    const way = this.#pick(6);
    if (way > 1 && !inputFails) return items;
    if (way === 0) {
      return (async function* () {
        for (const item of items) {
          await delay(0);
          yield item;
        }
        if (inputFails) throw new RangeError("input");
      })();
    }
    return (function* () {
      yield* items;
      if (inputFails) throw new RangeError("input");
    })();
  }

  /** Returns a call with neither limit nor signal. */
  newCall(how: string, subject: Subject, items: readonly Item[]): Call {
    return {
      step: this.step,
      how,
      subject,
      items,
      limit: 0,
      chunksize: 1,
      signal: undefined,
      started: performance.now(),
      refused: subject.ended,
      inputFails: false,
      moved: false,
      cancelled: false,
    };
  }

  /** Gives a call a signal that aborts in a while, or never, and knows who listens. */
  #addSignal(call: Call): void {
    const pick = this.#pick;
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = new Set<unknown>();
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    };
    this.listeners.set(call, listeners);
    call.signal = signal;
    if (pick(4) > 0) this.#at(pick(20), () => controller.abort(`${REASON}${call.step}`));
  }

  #at(steps: number, run: () => void): void {
    if (steps === 0) return queueMicrotask(run);
    const step = this.step + steps;
    this.#later.set(step, [...this.#later.get(step) ?? [], run]);
  }

  /** Watches a call to its end. */
  #watch(call: Call, run: () => Promise<void>): void {
    this.open.add(call);
    const ended = (async () => {
      try {
        await run();
      } catch (error) {
        this.#oracle.fault(call, `the watcher failed with ${Deno.inspect(error)}`);
      }
      this.open.delete(call);
    })();
    this.pending.push(ended);
  }

  #callPool(subject: Subject, pool: PoolLike, limit: number): void {
    const pick = this.#pick;
    const hows = ["apply", "applyAsync", "map", "mapAsync", "starmap", "starmapAsync"].concat(
      ["imap", "imapUnordered", "istarmap", "istarmapUnordered", "broadcast", "sync"],
    );
    const how = hows[pick(hows.length)]!;
    const single = how.startsWith("apply");
    const streams = how.startsWith("i");
    if (how === "broadcast") return this.#broadcast(subject, pool);
    if (how === "sync") {
      if (subject.workers !== undefined && subject.quiet && !subject.doomed) this.#block(subject, subject.workers);
      return;
    }
    const items = single ? [this.#item(subject, limit > 0)] : this.#items(subject, limit > 0);
    const chunksize = single ? 1 : 1 + pick(4);
    const inputFails = !single && pick(30) === 0;
    const call: Call = { ...this.newCall(how, subject, items), limit, chunksize, inputFails };
    if (pick(8) === 0) this.#addSignal(call);
    const chosen = { signal: call.signal, ...(limit > 0 && { taskTimeout: limit }) };
    const errorsToo = !single && pick(4) === 0;
    const many: ImapOptions = { ...chosen, chunksize, returnExceptions: errorsToo };
    const run = subject.local ? localWork : work;
    const runOn = subject.local ? localWorkOn : workOn;
    switch (how) {
      case "apply": {
        const args = items[0]!;
        if (!subject.local && args[3] instanceof Uint8Array && pick(2) === 0) {
          args[3] = transfer(args[3], [args[3].buffer as ArrayBuffer]);
          call.moved = true;
        }
        return this.#watch(call, async () => this.#oracle.check(call, 0, await settled(pool.apply(run, args, chosen))));
      }
      case "applyAsync": {
        let told = 0;
        const callback = (): void => void told++;
        const start = () => pool.applyAsync(run, items[0]!, { ...chosen, callback, errorCallback: callback });
        const result = attempt(start);
        const timeout = pick(30);
        return this.#watch(call, async () => {
          if (result.status === "rejected") return this.#oracle.check(call, 0, result);
          await result.value.wait(timeout);
          const outcome = await settled(result.value.get());
          if (told !== 1 || !result.value.ready()) this.#oracle.fault(call, `${told} callbacks`);
          if (result.value.successful() !== (outcome.status === "fulfilled")) this.#oracle.fault(call, "successful()");
          this.#oracle.check(call, 0, outcome);
        });
      }
      case "map":
      case "starmap": {
        const input = this.#input(call);
        return this.#watch(call, async () => {
          const results = how === "map" ? pool.map(runOn, input, many) : pool.starmap(run, input, many);
          this.#oracle.checkMap(call, await settled(results), errorsToo);
        });
      }
      case "mapAsync":
      case "starmapAsync": {
        const input = this.#input(call);
        let told = 0;
        const callback = (): void => void told++;
        const wanted = { ...many, callback, errorCallback: callback };
        const result = attempt(() =>
          how === "mapAsync" ? pool.mapAsync(runOn, input, wanted) : pool.starmapAsync(run, input, wanted)
        );
        return this.#watch(call, async () => {
          if (result.status === "rejected") return this.#oracle.checkMap(call, result, errorsToo);
          this.#oracle.checkMap(call, await settled(result.value.get()), errorsToo);
          if (told !== 1) this.#oracle.fault(call, `${told} callbacks`);
        });
      }
    }
    if (!streams) return;
    const wanted = pick(3) === 0 ? { ...many, buffersize: 1 + pick(5) } : many;
    const input = this.#input(call);
    const started = attempt(() =>
      how === "imap"
        ? pool.imap(runOn, input, wanted)
        : how === "imapUnordered"
        ? pool.imapUnordered(runOn, input, wanted)
        : how === "istarmap"
        ? pool.istarmap(run, input, wanted)
        : pool.istarmapUnordered(run, input, wanted)
    );
    this.#read(call, started, errorsToo);
  }

  #broadcast(subject: Subject, pool: PoolLike): void {
    const item: Item = ["fast", this.taskCount++, 0];
    this.broadcasts.add(item[1]);
    const call = this.newCall("broadcast", subject, [item]);
    if (this.#pick(4) === 0) this.#addSignal(call);
    const { signal } = call;
    this.#watch(call, async () => {
      const outcome = await settled(pool.broadcast(workOnAll, [item[1]], { signal }));
      const begun = Atomics.load(fixtures.begun, item[1]);
      if (outcome.status === "rejected") return this.#oracle.check(call, 0, outcome);
      const { value } = outcome;
      const right = [...value].sort().every((one, i) => one === i) && value.length === subject.size &&
        begun === subject.size;
      if (!right || call.refused) this.#oracle.fault(call, `gave ${inspect(value)} from ${begun} calls`);
    });
  }

  /** Calls that block this thread. */
  #block(subject: Subject, pool: Pool): void {
    if (this.#pick(2) === 0) {
      const item = this.#item(subject, false);
      const call = this.newCall("applySync", subject, [item]);
      return this.#oracle.check(call, 0, attempt(() => pool.applySync(work, item)));
    }
    const call: Call = {
      ...this.newCall("mapSync", subject, this.#items(subject, false)),
      chunksize: 1 + this.#pick(3),
    };
    const { items, chunksize } = call;
    const errorsToo = this.#pick(2) === 0;
    const outcome = attempt(() => pool.mapSync(workOn, items, { chunksize, returnExceptions: errorsToo }));
    this.#oracle.checkMap(call, outcome, errorsToo);
  }

  #callExecutor(subject: Subject, executor: ExecutorLike): void {
    const pick = this.#pick;
    const run = subject.local ? localWork : work;
    if (pick(3) > 0) {
      for (let i = pick(6); i >= 0; i--) this.#submit(subject, executor, run);
      return;
    }
    const zipped = pick(2) === 0;
    const items = this.#items(subject, false);
    const how = `executor.map${zipped ? ", zipped" : ""}`;
    const chunksize = 1 + pick(3);
    const call: Call = { ...this.newCall(how, subject, items), chunksize, inputFails: !zipped && pick(20) === 0 };
    if (pick(5) === 0) this.#addSignal(call);
    const chosen: ExecutorMapOptions = {
      chunksize,
      signal: call.signal,
      ...(pick(3) === 0 && { buffersize: 1 + pick(3) }),
    };
    const input = zipped ? items : this.#input(call);
    const columns = [0, 1, 2, 3].map((i) => items.map((item) => item[i])) as [Kind[], number[], number[], unknown[]];
    const started = attempt(() =>
      zipped ? executor.map(run, ...columns, chosen) : executor.map(subject.local ? localWorkOn : workOn, input, chosen)
    );
    this.#read(call, started, false);
  }

  #submit(subject: Subject, executor: ExecutorLike, run: typeof work): void {
    const pick = this.#pick;
    const item = this.#item(subject, false);
    const call = this.newCall("submit", subject, [item]);
    const submitted = attempt(() => executor.submit(run, ...item));
    if (submitted.status === "rejected") return this.#oracle.check(call, 0, submitted);
    const future = submitted.value;
    if (pick(3) === 0 && !subject.doomed) this.futures.push(future);
    let told = 0;
    future.addDoneCallback(() => void told++);
    if (pick(6) === 0) {
      this.#at(pick(6), () => {
        if (future.done()) return;
        call.cancelled = future.cancel();
        if (call.cancelled !== future.cancelled()) this.#oracle.fault(call, "cancel() and cancelled() differ");
      });
    }
    const way = pick(3);
    this.#watch(call, async () => {
      if (way === 0) await settled(future.result(pick(20)));
      const outcome = await settled(future.result());
      if (way === 1 && outcome.status === "fulfilled" && await future.exception() !== null) {
        this.#oracle.fault(call, "an exception beside a value");
      }
      if (told !== 1 || !future.done() || future.running()) this.#oracle.fault(call, `${told} callbacks, ${future}`);
      if (call.cancelled && outcome.status === "fulfilled") this.#oracle.fault(call, "a value though it was cancelled");
      if (future.cancelled() && Atomics.load(fixtures.begun, item[1]) > 0) {
        this.#oracle.fault(call, "cancelled, but begun");
      }
      this.#oracle.check(call, 0, outcome);
    });
  }

  /** Reads the results of a stream, perhaps not to the end. */
  #read(
    call: Call,
    started: PromiseSettledResult<AsyncIterableIterator<unknown>>,
    errorsToo: boolean,
  ): void {
    const pick = this.#pick;
    const { items } = call;
    const most = pick(3) === 0 ? pick(items.length + 1) : Infinity;
    const closes = pick(2) === 0;
    const timeout = pick(4) === 0 && call.how.startsWith("i") ? 1 + pick(10) : undefined;
    const ordered = !call.how.endsWith("Unordered");
    this.#watch(call, async () => {
      if (started.status === "rejected") return this.#oracle.checkMap(call, started, false);
      const results = started.value as AsyncIterator<unknown, unknown, number | undefined>;
      const left = new Set(items.keys());
      const errors: unknown[] = [];
      let over = false;
      let last = false;
      for (let count = 0; count < most;) {
        const outcome = await settled(timeout === undefined ? results.next() : results.next(timeout));
        if (outcome.status === "rejected" && isLate(outcome.reason)) continue;
        if (outcome.status === "fulfilled" && outcome.value.done) {
          this.#oracle.match(call, left, errors);
          if (left.size > 0 && !over) this.#oracle.fault(call, `ended ${left.size} results too early`);
          return;
        }
        const one = outcome.status === "rejected" ? outcome.reason : outcome.value.value;
        if (last) return this.#oracle.fault(call, `went on after its last error with ${inspect(one)}`);
        const at = ordered ? count : [...left].find((i) => isRight(call, i, one));
        if (outcome.status === "fulfilled" && at !== undefined && left.has(at) && isRight(call, at, one)) {
          left.delete(at);
          if (items[at]![0] === "get") this.#oracle.got.push(-1 - (one as number));
        } else if (outcome.status === "fulfilled" && !errorsToo) {
          return this.#oracle.fault(call, `result ${count} is ${inspect(one)}`);
        } else if (outcome.status === "rejected" && isLast(call, one, left.size - errors.length)) {
          over = last = true;
        } else if (ordered) {
          if (endsWith(call, one)) over = true; // perhaps of the whole, perhaps of the item
          else if (!left.has(count) || !isFitting(call, count, one)) {
            return this.#oracle.fault(call, `result ${count} failed with ${inspect(one)}`);
          }
          left.delete(count);
        } else {
          errors.push(one);
          over ||= endsWith(call, one);
        }
        count++;
      }
      if (!ordered) this.#oracle.match(call, left, errors);
      if (!closes) return; // left half read
      const end = await settled(results.return!());
      const after = await settled(results.next());
      if (end.status === "rejected" && !call.inputFails) {
        this.#oracle.fault(call, `return() threw ${inspect(end.reason)}`);
      }
      if (after.status === "rejected" || !after.value.done) {
        this.#oracle.fault(call, `gave ${inspect(after)} after return()`);
      }
    });
  }
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [outcome] = await Promise.allSettled([promise]);
  return outcome;
}

function attempt<T>(run: () => T): PromiseSettledResult<T> {
  try {
    return { status: "fulfilled", value: run() };
  } catch (reason) {
    return { status: "rejected", reason };
  }
}
