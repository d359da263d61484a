import { assert, assertStringIncludes } from "@std/assert";
import { NOTHING_ENCODED } from "../../codec/encoded.ts";
import { atomics } from "../../sync/internal/atomics.ts";
import { Model, type ModelThread } from "../../testing/model_checker.ts";
import { AWAKE, CALLER, SubmissionRing, WAITING } from "../shared/submission_ring.ts";
import { ControlBlock } from "../shared/control_block.ts";
import { callWorkers } from "../caller/worker_set.ts";
import { ASLEEP, POSTED, STOPPED, TaskSearch } from "./task_search.ts";

/** A worker that does not say before its claim that it is busy, so that the caller counts on it for a second task. */
class Secretive extends ControlBlock {
  override setBusy(): void {}
}

interface WorkerConfig {
  /** The number of tasks that the worker runs. The last one never ends, and neither does one that was posted to it. */
  readonly tasks: number;
  /** True if the worker is not asleep when the caller begins. */
  readonly awake?: boolean;
  /** True if the worker is started only when the caller finds a task with no worker on its way. */
  readonly late?: boolean;
  readonly secretive?: boolean;
}

/** The steps of a calling thread. */
interface Caller {
  push(): void;
  call(): void;
  post(worker: number): void;
  /** Hands a task to a worker if it is free, as the dispatcher does, otherwise puts it on the ring. */
  hand(worker: number): void;
  /** Waits until `tasks` tasks have begun, and ends the workers that are left. */
  endAfter(tasks: number): void;
  readonly submissions: SubmissionRing;
}

/** A calling thread and its workers. */
class Crowd {
  readonly #submissions = new SubmissionRing().memory;
  readonly #controls: readonly SharedArrayBuffer[];
  /** The number of tasks that have begun; then for each worker 1 if it has a message, and the number of tasks posted to it. */
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(workers: number) {
    this.#controls = Array.from({ length: workers }, () => new ControlBlock().memory);
    this.#words = new Int32Array(new SharedArrayBuffer(4 + 8 * workers));
  }

  worker(number: number, { tasks, awake = false, late = false, secretive = false }: WorkerConfig): ModelThread {
    const words = this.#words;
    const [message, posted] = [1 + 2 * number, 2 + 2 * number];
    const run = (): string => {
      const submissions = new SubmissionRing(this.#submissions);
      const control = new (secretive ? Secretive : ControlBlock)(this.#controls[number]!);
      const hasMail = (): boolean => atomics.load(words, posted) > 0;
      const wakeCaller = (): void => void submissions.wakeCaller(control);
      const search = new TaskSearch({ submissions, control, number, linger: () => 2, hasMail, wakeCaller });
      const sleep = (): void => {
        while (atomics.compareExchange(words, message, 1, 0) !== 1) atomics.wait(words, message, 0, Infinity);
      };
      if (late) sleep();
      search.begin();
      for (let begun = 0; begun < tasks;) {
        const found = search.next();
        if (found === STOPPED) return "stopped";
        if (found === ASLEEP) {
          sleep();
        } else {
          begun++;
          atomics.add(words, 0, 1);
          atomics.notify(words, 0);
          if (found === POSTED) return "kept";
        }
        if (begun < tasks) search.begin();
      }
      return "kept";
    };
    return { actions: [{ run }], first: !awake };
  }

  /** `started`: the number of workers at the beginning. The others are started one by one when they are missing. */
  caller(started: number, say: (caller: Caller) => void): ModelThread {
    const words = this.#words;
    const run = (): void => {
      const submissions = new SubmissionRing(this.#submissions);
      const send = (worker: number): void => {
        atomics.store(words, 1 + 2 * worker, 1);
        atomics.notify(words, 1 + 2 * worker);
      };
      const workers = this.#controls.map((memory, number) => {
        const control = new ControlBlock(memory);
        const wake = (): boolean => {
          const how = control.wake();
          if (how === "message") send(number);
          return how !== "awake";
        };
        return { control, wake, onItsWay: false, retired: false, handed: undefined as unknown };
      });
      let count = started;
      const push = (): void => void submissions.push(1, 0, 0, 0, NOTHING_ENCODED);
      const call = (): void => {
        const unmet = callWorkers(submissions, workers.slice(0, count));
        for (let i = 0; i < unmet && count < workers.length; i++) send(count++);
      };
      say({
        submissions,
        push,
        call,
        hand: (worker) => {
          const handle = workers[worker]!;
          if (!handle.control.reserve()) {
            push();
            return call();
          }
          handle.handed = true;
          send(worker);
          atomics.add(words, 2 + 2 * worker, 1);
          handle.control.turn();
        },
        post: (worker) => {
          atomics.add(words, 2 + 2 * worker, 1);
          workers[worker]!.wake();
        },
        endAfter: (tasks) => {
          for (let n = atomics.load(words, 0); n < tasks; n = atomics.load(words, 0)) {
            atomics.wait(words, 0, n, Infinity);
          }
          workers.forEach(({ control }, worker) => {
            control.stop();
            send(worker);
          });
        },
      });
    };
    return { actions: [{ run }] };
  }
}

/** Returns the failure in some order of the steps, if any. There must be at least `least` states. */
function failureOf(
  workers: number,
  least: number,
  make: (crowd: Crowd) => readonly ModelThread[],
): string | undefined {
  const { failure, states } = new Model(workers + 1, () => make(new Crowd(workers)), () => undefined).explore();
  assert(failure !== undefined || states >= least, `only ${states} states`);
  return failure;
}

/** Asserts that every order of the steps ends well, but not every order if a worker hides that it is busy. */
function proves(
  name: string,
  least: number,
  say: (caller: Caller) => void,
  workers: readonly WorkerConfig[],
  secretive: boolean,
): void {
  const make = (changes: Partial<WorkerConfig>) => (crowd: Crowd): ModelThread[] => [
    crowd.caller(workers.filter(({ late }) => !late).length, say),
    ...workers.map((options, i) => crowd.worker(i, { ...options, ...changes })),
  ];
  Deno.test(`in every order: ${name}`, () => {
    const failure = failureOf(workers.length, least, make({}));
    assert(failure === undefined, failure);
  });
  if (!secretive) return;
  Deno.test(`the model finds a worker that hides what it does: ${name}`, () => {
    assertStringIncludes(failureOf(workers.length, 0, make({ secretive: true }))!, "waits for ever");
  });
}

const pushes = (count: number) => ({ push, call }: Caller): void => {
  for (let i = 0; i < count; i++) {
    push();
    call();
  }
};

proves("two tasks that keep their workers, which sleep before, are both begun", 1000, pushes(2), [
  { tasks: 1 },
  { tasks: 1 },
], true);

proves("a second worker is started for a task that the first one, which has another, cannot take", 500, pushes(2), [
  { tasks: 1 },
  { tasks: 1, late: true },
], true);

proves(
  "two tasks at once that keep their workers, one of which is awake, are both begun",
  10_000,
  (caller) => {
    caller.push();
    caller.push();
    caller.call();
  },
  [{ tasks: 1, awake: true }, { tasks: 1 }],
  true,
);

proves(
  "a task that keeps its worker while another comes, which was asleep, is no reason to wait",
  100_000,
  (caller) => {
    caller.push();
    caller.push();
    caller.call();
    caller.push();
    caller.call();
  },
  [{ tasks: 2 }, { tasks: 1 }],
  true,
);

proves(
  "a task is begun though the worker that was called to it turns to one that was posted to it",
  2000,
  (caller) => {
    caller.post(0);
    caller.push();
    caller.call();
    caller.endAfter(2);
  },
  [{ tasks: 2 }, { tasks: 1 }],
  false,
);

proves(
  "a task that was handed to a free worker is begun, and so is the next one, though both keep their workers",
  500,
  ({ hand, push, call, endAfter }) => {
    hand(0);
    push();
    call();
    endAfter(2);
  },
  [{ tasks: 1 }, { tasks: 1 }],
  false,
);

proves(
  "a task that is handed to a worker that comes to rest is begun, whether by message or not",
  100,
  ({ hand, endAfter }) => {
    hand(0);
    endAfter(1);
  },
  [{ tasks: 1, awake: true }],
  false,
);

proves(
  "a caller that keeps a task hears when there is room for it",
  2000,
  ({ push, call, submissions }) => {
    push();
    call();
    submissions.setMore(true);
    submissions.setCaller(WAITING);
    if (submissions.unclaimed() > 0) atomics.wait(new Int32Array(submissions.memory, 0, 16), CALLER, WAITING, Infinity);
    submissions.setCaller(AWAKE);
    push();
    call();
  },
  [{ tasks: 2 }],
  false,
);
