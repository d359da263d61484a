/** Subjects: the pools and executors that take the calls. */

import { Pool, ProcessPoolExecutor, ThreadPool, ThreadPoolExecutor } from "../../mod.ts";
import { fixtures } from "./fixtures.ts";
import { change, makeLoad, throwFor, work } from "./tasks.ts";

/** Returns a random whole number from 0 to `below - 1`. */
export type Draw = (below: number) => number;
export type PoolLike = Omit<Pool, `${string}Sync` | "trace">;
export type ExecutorLike = Pick<ProcessPoolExecutor, "submit" | "map" | "shutdown">;
type Ending = "close" | "dispose" | "terminate" | "cancel" | "leave";

/** A pool or an executor, and what was done to it. */
export interface Subject {
  readonly name: string;
  readonly pool: PoolLike | undefined;
  /** The same, if it has workers. */
  readonly workers: Pool | undefined;
  readonly executor: ExecutorLike | undefined;
  readonly process: ProcessPoolExecutor | undefined;
  readonly local: boolean;
  readonly size: number;
  readonly ending: Ending;
  /** Tasks may wait in it for ever, as it will be terminated. */
  readonly doomed: boolean;
  /** Nothing in it waits for anything but its own workers, so that this thread may block for it. */
  readonly quiet: boolean;
  /** Its workers do not start for ever. */
  readonly cursed: boolean;
  calls: number;
  deaths: number;
  /** Tasks that may leave an error behind, by which whatever runs then on their worker fails. */
  strays: number;
  ended: boolean;
  terminated: boolean;
  cancelled: boolean;
  broken: boolean;
}

/** Makes a subject of a random kind; `number` counts those of the part. */
export function makeSubject(number: number, pick: Draw): Subject {
  const shape = ["pool", "pool", "pool", "processes", "processes", "threads", "thread executor"][pick(7)]!;
  const local = shape === "threads" || shape === "thread executor";
  const size = 1 + pick(3);
  const ending = (["close", "dispose", "terminate", "cancel", "leave"] as const)[pick(5)]!;
  const stoppable = shape !== "thread executor" && ending === "terminate";
  const cursed = pick(15) === 0;
  const quiet = pick(4) === 0;
  const after = pick(3);
  const fails = pick(2) === 0;
  const initializer = (subject: number, after: number, fails: boolean, local: boolean): void => {
    if (Atomics.add(fixtures.starts, subject, 1) < after) return;
    if (fails || local) throw new RangeError("cursed");
    Deno.exit(9);
  };
  const initargs = [number, cursed ? after : Infinity, fails, local] as const;
  const options = {
    initializer,
    initargs,
    scope: { fixtures, makeLoad, throwFor, change, work },
    ...(pick(4) === 0 && !quiet && { maxTasksPerChild: pick(4) === 0 ? 1 : 4 + pick(20) }),
    ...(pick(3) === 0 && { idleTimeout: 1 + pick(20) }),
    name: `Subject-${number}`,
  };
  const workers = shape === "pool" ? new Pool(size, options) : undefined;
  const process = shape === "processes" ? new ProcessPoolExecutor(size, options) : undefined;
  const own = { initializer, initargs };
  return {
    name: `${shape} ${number} of ${size}${cursed ? `, cursed after ${after}` : ""}, to ${ending}`,
    pool: shape === "threads" ? new ThreadPool(size, own) : workers,
    workers,
    executor: shape === "thread executor" ? new ThreadPoolExecutor(size, own) : process,
    process,
    local,
    size,
    ending,
    doomed: stoppable && pick(3) === 0,
    quiet,
    cursed,
    calls: 0,
    deaths: 0,
    strays: 0,
    ended: false,
    terminated: false,
    cancelled: false,
    broken: false,
  };
}

/** Ends a subject in its way. Resolves when the subject is gone. */
export async function endSubject(subject: Subject): Promise<void> {
  const { pool, executor, process, ending } = subject;
  subject.ended = true;
  if (pool !== undefined) {
    if (ending === "terminate") {
      subject.terminated = true;
      pool.terminate();
      pool.close();
    } else if (ending === "dispose") {
      return await pool[Symbol.asyncDispose]();
    } else {
      pool.close();
    }
    return await pool.join();
  }
  if (process !== undefined && ending === "terminate") {
    subject.broken = subject.cancelled = true;
    process.terminateWorkers();
  } else if (ending === "cancel") {
    subject.cancelled = true;
    return await executor!.shutdown({ cancelFutures: true });
  } else if (ending === "leave") {
    await executor!.shutdown({ wait: false });
  }
  await executor!.shutdown();
}
