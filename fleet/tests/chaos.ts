/**
 * A fleet in which workers and servers are killed all the time: each task settles once, as it should.
 *
 *   deno task fleet:chaos [rounds] [tasks]
 *
 * @module
 */

import { BrokenProcessPoolError, Pool } from "@manycore/parallel";
import { random } from "../../testing/random.ts";
import { fleet } from "../mod.ts";
import { Server, Worker } from "./server.ts";
import * as tasks from "./tasks.ts";

/** What has happened in a round. */
export interface Round {
  readonly workersKilled: number;
  readonly workersDrained: number;
  readonly serversKilled: number;
  readonly time: number;
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Runs one round with so many tasks. Throws if one of them is lost, or settles otherwise than it should. */
export async function round(seed: number, count: number): Promise<Round> {
  const below = random(seed);
  const start = performance.now();
  const done = { workersKilled: 0, workersDrained: 0, serversKilled: 0 };
  await using server = await Server.start();
  const backend = await fleet(server.url, { modules: { tasks }, ackWait: 1000 });
  // A machine may be lost with a task any number of times here.
  const newWorker = (): Promise<Worker> => Worker.start(server.url, "--max-deliver", "100");
  const workers = await Promise.all([newWorker(), newWorker()]);
  const pool = new Pool({ backend });
  let settled = 0;
  const calls = Array.from({ length: count }, async (_, n) => {
    const kind = below(20);
    const time = below(4);
    try {
      if (kind === 0) {
        const error = await pool.apply(tasks.exits, [n % 100 + 1]).catch((error: unknown) => error);
        expect(error instanceof BrokenProcessPoolError && error.exitCode === n % 100 + 1, `${error}`);
      } else if (kind === 1) {
        const error = await pool.apply(tasks.refuseOdd, [2 * n + 1]).catch((error: unknown) => error);
        expect(error instanceof RangeError && error.message === `odd: ${2 * n + 1}`, `${error}`);
      } else if (kind < 12) {
        expect(await pool.apply(tasks.square, [n]) === n * n, `the square of ${n}`);
      } else if (kind < 18) {
        expect(await pool.apply(tasks.busy, [time]) === time, `${time} ms`);
      } else {
        const size = kind === 19 && below(50) === 0 ? 1_000_000 : below(20_000);
        const bytes = new Uint8Array(size).fill(n);
        const back = await pool.apply(tasks.echo<Uint8Array>, [bytes]);
        expect(back.length === size && back.every((byte) => byte === n % 256), `${size} bytes`);
      }
    } finally {
      settled++;
    }
  });
  const all = Promise.all(calls);
  all.catch(() => {}); // it is awaited below
  while (settled < count) {
    const before = settled;
    const goal = Math.min(count, settled + 1 + below(count / 5));
    for (const end = performance.now() + 30_000; settled < goal;) {
      if (performance.now() > end) {
        const state = { before, settled, seed, ...done, stored: await backend.stored(), workers: backend.workers() };
        throw new Error(`Nothing goes on: ${Deno.inspect(state)}\n${workers.map(({ output }) => output).join("\n")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (settled === count) break;
    const which = below(5);
    if (which < 2) {
      const index = below(workers.length);
      await workers[index]!.end("SIGKILL");
      workers[index] = await newWorker();
      done.workersKilled++;
    } else if (which === 2) {
      const index = below(workers.length);
      const code = await workers[index]!.end("SIGTERM");
      expect(code === 0, `a worker has ended with code ${code}: ${workers[index]!.output}`);
      workers[index] = await newWorker();
      done.workersDrained++;
    } else {
      await server.kill();
      await new Promise((resolve) => setTimeout(resolve, below(500)));
      await server.run();
      done.serversKilled++;
    }
  }
  await all;
  expect(settled === count, `${settled} of ${count} have settled`);
  pool.close();
  await pool.join();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  return { ...done, time: Math.round(performance.now() - start) };
}

if (import.meta.main) {
  const [rounds = 50, count = 2000] = Deno.args.map(Number);
  for (let seed = 1; seed <= rounds; seed++) console.log(seed, await round(seed, count));
}
