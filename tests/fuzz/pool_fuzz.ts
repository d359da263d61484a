/** Calls of pools: single ones, maps and streams. */

import { type Pool, type ThreadPool, TimeoutError } from "../../mod.ts";
import { type AnyFunction, callable } from "./functions.ts";
import { type Fuzz, LIMIT, wrong } from "./fuzz.ts";
import { input } from "./iterables.ts";
import { ARGS, COUNT, FUNCTION, isRefused, type Kinds, LONG_LIMIT, options, SIGNAL, SOFT_FLAG } from "./options.ts";
import { called, probe, read, readSync, type World } from "./steps.ts";
import { type Sample, sample } from "./values.ts";

const CALL: Kinds = { signal: SIGNAL, taskTimeout: LONG_LIMIT };
const CALLBACKS: Kinds = { callback: FUNCTION, errorCallback: FUNCTION };
const MAP: Kinds = { ...CALL, chunksize: COUNT, onProgress: FUNCTION, returnExceptions: SOFT_FLAG };
const IMAP: Kinds = { ...MAP, buffersize: COUNT };
const SINGLE = ["apply", "apply", "applySync", "applyAsync", "broadcast"];
const MANY = ["map", "map", "mapAsync", "starmap", "starmapAsync"];

export async function single(fuzz: Fuzz, { pool, threads }: World): Promise<void> {
  const local = fuzz.chance(3);
  const { name, fn, identity, refused } = callable(fuzz);
  const given = sample(fuzz);
  const kinds = local ? ["apply", "applyAsync", "broadcast"] : [...SINGLE, "applyAsync, getSync"];
  const method = fuzz.pick(kinds);
  const chosen = options(fuzz, method.includes("Async") ? { ...CALL, ...CALLBACKS } : CALL);
  const odd = fuzz.chance(10) ? sample(fuzz) : undefined;
  const args = odd?.name === "few in many" ? undefined : odd; // no engine takes a million arguments
  const list = args === undefined ? [given.value] : args.value;
  const badArgs = args !== undefined && isRefused(ARGS, args.value) === true;
  const f = wrong<AnyFunction>(fn);
  const a = wrong<unknown[]>(list);
  const o = wrong<Record<string, never>>(chosen.value);
  const where = local ? threads : pool;
  const calls: Readonly<Record<string, () => unknown>> = {
    apply: () => where.apply(f, a, o),
    applySync: () => pool.applySync(f, a, o),
    applyAsync: () => where.applyAsync(f, a, o).get(),
    "applyAsync, getSync": () => pool.applyAsync(f, a, o).getSync(LIMIT),
    broadcast: () => where.broadcast(f, a, o),
  };
  const many = method === "broadcast";
  const what = `${local ? "ThreadPool." : ""}${method}(${name}, [${args?.name ?? given.name}], ${chosen.text})`;
  const refuses = { refused: chosen.refused || refused || badArgs, good: chosen.good };
  const outcome = await called(fuzz, what, refuses, calls[method]!);
  if (outcome.ok && identity && args === undefined && !refused) {
    const results = many ? outcome.value as unknown[] : [outcome.value];
    for (const result of results) {
      if (local) { if (!Object.is(result, given.value)) checkThenable(fuzz, given); }
      else if (given.clone !== undefined) fuzz.same(result, given.clone.value);
    }
  }
  if (!outcome.ok && identity && args === undefined && chosen.good && given.clone !== undefined) {
    if (!(outcome.error instanceof TimeoutError)) fuzz.fail("fails", outcome.error);
  }
  await probe(fuzz, local ? threads : pool);
}

/** On this thread only a thenable comes back as something else. */
function checkThenable(fuzz: Fuzz, { name }: Sample): void {
  if (!/then|promise/.test(name)) fuzz.fail("gives another value than it got");
}

export async function many(fuzz: Fuzz, { pool, threads }: World): Promise<void> {
  const local = fuzz.chance(3);
  const where: Pool | ThreadPool = local ? threads : pool;
  const { name, fn, identity, refused } = callable(fuzz);
  const method = fuzz.pick(local ? MANY : [...MANY, "mapSync", "starmapSync"]);
  const chosen = options(fuzz, method.endsWith("Async") ? { ...MAP, ...CALLBACKS } : MAP);
  const items = input(fuzz, false);
  const f = wrong<AnyFunction>(fn);
  const i = wrong<Iterable<unknown>>(items.value);
  const t = wrong<Iterable<unknown[]>>(items.value);
  const o = wrong<Record<string, never>>(chosen.value);
  const calls: Readonly<Record<string, () => unknown>> = {
    map: () => where.map(f, i, o),
    mapAsync: () => where.mapAsync(f, i, o).get(),
    mapSync: () => pool.mapSync(f, i, o),
    starmap: () => where.starmap(f, t, o),
    starmapAsync: () => where.starmapAsync(f, t, o).get(),
    starmapSync: () => pool.starmapSync(f, t, o),
  };
  const what = `${local ? "ThreadPool." : ""}${method}(${name}, ${items.name}, ${chosen.text})`;
  const refuses = { refused: chosen.refused || refused, good: chosen.good };
  const outcome = await called(fuzz, what, refuses, calls[method]!);
  const star = method.startsWith("star");
  if (outcome.ok && identity && items.items !== undefined && !star) fuzz.same(outcome.value, items.items);
  const sync = method.endsWith("Sync");
  const right = chosen.good && identity && items.items !== undefined && !star && !(sync && items.isAsync);
  if (!outcome.ok && right && !refused) fuzz.fail("fails", outcome.error);
  await probe(fuzz, where);
}

type StreamMethod = (fn: AnyFunction, items: Iterable<unknown>, options: object) => ReturnType<Pool["imap"]>;

export async function stream(fuzz: Fuzz, { pool, threads }: World): Promise<void> {
  const local = fuzz.chance(3);
  const where: Pool | ThreadPool = local ? threads : pool;
  const { name, fn, identity, refused } = callable(fuzz);
  const chosen = options(fuzz, IMAP);
  const items = input(fuzz, chosen.good);
  const f = wrong<AnyFunction>(fn);
  const i = wrong<Iterable<unknown>>(items.value);
  const o = wrong<Record<string, never>>(chosen.value);
  const method = fuzz.pick(["imap", "imapUnordered", "istarmap", "istarmapUnordered"] as const);
  if (!local && fuzz.chance(3)) {
    const blocks = `${method}Sync` as const;
    const what = `${blocks}(${name}, ${items.name}, ${chosen.text})`;
    const made = await called(
      fuzz,
      what,
      { refused: chosen.refused || refused, good: chosen.good },
      () => wrong<StreamMethod>(pool[blocks]).call(pool, f, i, o),
    );
    if (made.ok) await readSync(fuzz, what, made.value as Iterator<unknown>);
    return await probe(fuzz, where);
  }
  const what = `${local ? "ThreadPool." : ""}${method}(${name}, ${items.name}, ${chosen.text})`;
  const refuses = { refused: chosen.refused || refused, good: chosen.good };
  const outcome = await called(fuzz, what, refuses, () => wrong<StreamMethod>(where[method]).call(where, f, i, o));
  if (outcome.ok) {
    const results = outcome.value as ReturnType<Pool["imap"]>;
    const late = sample(fuzz);
    if (typeof late.value !== "number") {
      const { ok } = await fuzz.attempt(`next(${late.name})`, () => results.next(wrong(late.value)));
      if (ok && late.value !== undefined) fuzz.fail("takes a time that is no number");
      if (late.value === undefined) return await end(fuzz, results, where);
    }
    const all = await read(fuzz, what, results);
    if (all !== undefined && identity && items.items !== undefined && items.items.length < 12 && method === "imap") {
      fuzz.same(all, items.items);
    }
  }
  await probe(fuzz, where);
}

async function end(fuzz: Fuzz, results: AsyncIterator<unknown>, pool: Pool | ThreadPool): Promise<void> {
  await fuzz.attempt("return()", () => results.return?.());
  await probe(fuzz, pool);
}
