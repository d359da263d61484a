/**
 * Measures how fast two threads hand over to each other: `Semaphore` and `Condition` against bare `Atomics.wait` and
 * `notify`, in fresh processes. `deno run -A bench/sync/handover.ts [runs]`; with `taskset -c 0` before
 * it for both threads on one core.
 *
 * @module
 */

import { Condition, type Handle, Semaphore } from "../../sync/mod.ts";

/** One side of the ping-pong: takes `rounds` turns. */
type Side = (rounds: number) => void;

/** The shared objects of all kinds of ping-pong. */
interface Shared {
  readonly word: Int32Array;
  readonly semaphores: readonly [Handle, Handle];
  readonly condition: Handle;
}

const KINDS = ["bare", "semaphore", "condition", "condition, held by step"] as const;
type Kind = typeof KINDS[number];

/** Makes both sides of each kind. `me`: 0 for the side that begins, 1 for the other. */
function sides({ word, semaphores, condition: handle }: Shared, me: 0 | 1): Record<Kind, Side> {
  const other = 1 - me;
  const mine = Semaphore.fromHandle(semaphores[me]);
  const theirs = Semaphore.fromHandle(semaphores[other]!);
  const condition = Condition.fromHandle(handle);
  const { load, store, wait, notify } = Atomics;
  const waitForTurn = (): void => {
    while (load(word, 0) !== me) wait(word, 0, other);
  };
  const myTurn = (): boolean => word[1] === me;
  return {
    bare: (rounds) => {
      for (let i = 0; i < rounds; i++) {
        waitForTurn();
        store(word, 0, other);
        notify(word, 0);
      }
    },
    semaphore: (rounds) => {
      for (let i = 0; i < rounds; i++) {
        mine.acquire();
        theirs.release();
      }
    },
    condition: (rounds) => {
      using _ = condition.hold();
      for (let i = 0; i < rounds; i++) {
        while (!myTurn()) condition.wait();
        word[1] = other;
        condition.notify();
      }
    },
    "condition, held by step": (rounds) => {
      for (let i = 0; i < rounds; i++) {
        condition.acquire();
        condition.waitFor(myTurn);
        word[1] = other;
        condition.notify();
        condition.release();
      }
    },
  };
}

/** Lets both threads begin together: each counts itself and waits for the other. */
function meet(word: Int32Array): void {
  const round = Atomics.load(word, 3);
  if (Atomics.add(word, 2, 1) % 2 === 1) {
    Atomics.store(word, 3, round + 1);
    Atomics.notify(word, 3);
  } else {
    while (Atomics.load(word, 3) === round) Atomics.wait(word, 3, round);
  }
}

const SCRIPT = [...KINDS];
const ROUNDS = 4000;
const REPEATS = 14;

/** Runs all kinds in turn, many times. Returns the time of a round of each in microseconds. */
function measure(shared: Shared, me: 0 | 1): Record<string, number[]> {
  const all = sides(shared, me);
  const times: Record<string, number[]> = {};
  for (let i = 0; i < REPEATS; i++) {
    for (const kind of SCRIPT) {
      meet(shared.word);
      const start = performance.now();
      all[kind](ROUNDS);
      const time = (performance.now() - start) * 1000 / ROUNDS;
      if (i >= 6) (times[kind] ??= []).push(time);
    }
  }
  return times;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

declare const self: {
  onmessage: ((event: MessageEvent<Shared>) => void) | null;
  postMessage(message: null): void;
};

if ("WorkerGlobalScope" in globalThis) {
  self.onmessage = ({ data }): void => {
    measure(data, 1);
    self.postMessage(null);
  };
} else if (Deno.args[0] === "--one") {
  const semaphores = [new Semaphore(1), new Semaphore(0)];
  const shared: Shared = {
    word: new Int32Array(new SharedArrayBuffer(64)),
    semaphores: [semaphores[0]!.handle, semaphores[1]!.handle],
    condition: new Condition().handle,
  };
  const worker = new Worker(import.meta.url, { type: "module" });
  const done = new Promise((resolve) => worker.onmessage = resolve);
  worker.postMessage(shared);
  const times = measure(shared, 0);
  await done;
  worker.terminate();
  console.log(JSON.stringify(Object.fromEntries(KINDS.map((kind) => [kind, median(times[kind]!)]))));
} else {
  const runs = Number(Deno.args[0] ?? 10);
  const ratios: Record<string, number[]> = {};
  for (let run = 0; run < runs; run++) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-all", import.meta.filename!, "--one"],
      stderr: "inherit",
    }).output();
    const times = JSON.parse(new TextDecoder().decode(stdout)) as Record<Kind, number>;
    console.log(
      KINDS.map((kind) => {
        const ratio = times[kind] / times.bare;
        (ratios[kind] ??= []).push(ratio);
        return `${kind} ${times[kind].toFixed(2)} µs` + (kind === "bare" ? "" : ` (${ratio.toFixed(2)})`);
      }).join("   "),
    );
  }
  for (const kind of KINDS.slice(1)) {
    console.log(
      `${kind}: ${median(ratios[kind]!).toFixed(2)} times bare, at most ${Math.max(...ratios[kind]!).toFixed(2)}`,
    );
  }
}
