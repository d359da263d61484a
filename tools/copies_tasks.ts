/** Tasks that bring a copy of the library into a worker which has one already. */

import * as parallel from "../mod.ts";

const { Condition, Lock, Pipe, Pool, Process, ProcessPoolExecutor, Queue, transfer, Value } = parallel;

export function make(n: number): Uint8Array {
  const bytes = new Uint8Array(n).fill(7);
  return transfer(bytes, [bytes.buffer]);
}

export async function makeLater(n: number): Promise<{ deep: Map<string, Uint8Array> }> {
  const bytes = await Promise.resolve(new Uint8Array(n).fill(7));
  return { deep: new Map([["bytes", transfer(bytes, [bytes.buffer])]]) };
}

/** Puts a buffer that it gives away: what is left of it here, before and after a put that fails. */
export function putMade(queue: parallel.Queue<Uint8Array>, n: number): number[] {
  const bytes = transfer(new Uint8Array(n).fill(7), []);
  transfer(bytes, [bytes.buffer]);
  queue.put(bytes);
  const left = [bytes.length];
  const more = new Uint8Array(n);
  try {
    queue.put(transfer(more, [more.buffer]), { block: false });
  } catch (error) {
    if (!(error instanceof parallel.QueueFullError)) throw error;
  }
  left.push(more.length);
  return left;
}

export function throws(name: "TimeoutError"): never {
  throw Object.assign(new parallel[name](`a ${name}`), { code: 5 });
}

/** What the classes of this copy say of what the other one has made or thrown. */
export function recognizes(queue: parallel.JoinableQueue, lock: parallel.Lock, value: parallel.Value): unknown[] {
  class Own extends Queue {}
  const kinds = [
    queue instanceof parallel.JoinableQueue,
    queue instanceof Queue,
    queue instanceof Own,
    queue instanceof Lock,
  ];
  kinds.push(lock instanceof Lock, value instanceof Value, value.getLock() instanceof parallel.RLock);
  try {
    queue.get({ block: false });
  } catch (error) {
    kinds.push(error instanceof parallel.QueueEmptyError, error instanceof parallel.QueueFullError);
  }
  return kinds;
}

/** A lock of the other copy, in objects of this one. */
export function locksWith(lock: parallel.Lock): boolean[] {
  const condition = new Condition(lock);
  const value = new Value("i", 0, { lock });
  using _ = condition.hold();
  return [lock.acquire({ block: false }), (value.getLock() as parallel.Lock).acquire({ block: false })];
}

/** Things that mean nothing elsewhere. */
export function gives(what: number): unknown {
  const pool = new Pool(1);
  const executor = new ProcessPoolExecutor(1);
  const things = [
    () => pool,
    () => executor,
    () => executor.submit(Math.sqrt, 4),
    () => pool.applyAsync(Math.sqrt, [4]),
    () => pool.imap(Math.sqrt, [4]),
    () => new Process(),
    () => new parallel.ThreadPool(1),
    () => Pool,
    () => parallel.Future,
  ];
  const thing = things[what]?.();
  pool.terminate();
  executor.terminateWorkers();
  return thing;
}

/** How many kinds `gives` has. */
export const KINDS = 9;

/** Functions of the library, of this copy. */
export function functions(): unknown[] {
  return [transfer, Lock, parallel.currentProcess];
}

/** Sends on what the other copy has received. */
export async function sendsOn(queue: parallel.Queue<(n: number) => number>): Promise<number> {
  const received = queue.get();
  await using pool = new Pool(1);
  return await pool.apply((fn: (n: number) => number, n: number) => fn(n), [received, 20]);
}

/** An end of a pipe that both copies have open: closing that of this copy must not close the other. */
export function closesOne(end: parallel.Connection): void {
  parallel.Connection.fromHandle(end.handle).close();
  end.send("still open");
}

/** Whether a pipe of this copy is one for the other. */
export function pipes(): parallel.Connection {
  return Pipe()[0];
}
