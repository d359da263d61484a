/** Locks, semaphores, conditions, events and barriers. */

import { Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore } from "../../mod.ts";
import { Own, throwOwn } from "./errors.ts";
import { type Fuzz, isOn, label, LIMIT, wrong } from "./fuzz.ts";
import { ACQUIRE, ACQUIRE_ASYNC, ARGS, FUNCTION, isRefused, options, SIGNAL, TIMEOUT } from "./options.ts";
import { called, type World } from "./steps.ts";
import { revoked, sample } from "./values.ts";

export async function locks(fuzz: Fuzz, { lock, rlock }: World): Promise<void> {
  const bounded = new BoundedSemaphore(1);
  const condition = new Condition(fuzz.chance(2) ? new Lock() : undefined);
  const target = fuzz.pick([lock, rlock, bounded, new Semaphore(1), condition]);
  const blocks = fuzz.chance(2);
  const chosen = options(fuzz, blocks ? ACQUIRE : ACQUIRE_ASYNC);
  const o = wrong<Record<string, never>>(chosen.value);
  const name = target.constructor.name;
  const isFalse = chosen.text.includes("block: false"); // then `timeout` does not matter
  const outcome = await called(
    fuzz,
    `${name}.acquire${blocks ? "" : "Async"}(${chosen.text})`,
    { refused: chosen.refused && !isFalse && !/timeout/.test(chosen.text), good: chosen.good },
    () => blocks ? target.acquire(o) : target.acquireAsync(o),
  );
  if (outcome.ok) {
    if (outcome.value !== true) fuzz.fail(`gives ${label(outcome.value)} though it is free`);
    target.release();
  }
  const odd = options(fuzz, { signal: SIGNAL });
  const held = await called(fuzz, `${name}.holdAsync(${odd.text})`, odd, () => target.holdAsync(wrong(odd.value)));
  if (held.ok) (held.value as { release(): void }).release();
  {
    using _ = target.hold();
    const time = fuzz.pick([NaN, -0, -1, 0, 0.5, -Infinity, 1e-300, "1", null, {}, 1n]);
    if (target !== rlock && target !== condition) {
      const refused = typeof time !== "number" || Number.isNaN(time);
      const wait = { timeout: wrong<number>(time) };
      const taken = await called(
        fuzz,
        `${name}.acquire({ timeout: ${label(time)} }), held`,
        { refused, good: false },
        () => blocks ? target.acquire(wait) : target.acquireAsync(wait),
      );
      if (taken.ok && taken.value !== false) fuzz.fail("is taken twice");
    }
  }
  await fuzz.must("acquire afterwards", () => target.acquire({ block: false }), true);
  target.release();
  const n = sample(fuzz);
  if (target instanceof Semaphore) {
    if ((await fuzz.attempt(`release(${n.name})`, () => target.release(wrong(n.value)))).ok && target === bounded) {
      fuzz.fail("has more permits than at first");
    }
    const refused = typeof n.value !== "number" && n.value !== undefined;
    const made = await called(
      fuzz,
      `new Semaphore(${n.name})`,
      { refused, good: false },
      () => new Semaphore(wrong(n.value)),
    );
    if (made.ok) {
      fuzz.same((made.value as Semaphore).getValue(), n.value === undefined ? 1 : Object.is(n.value, -0) ? 0 : n.value);
    }
  } else if (!(target instanceof Condition)) {
    await called(fuzz, "release too often", { refused: true, good: false }, () => target.release());
  }
  const Type = fuzz.pick([Lock, RLock, Event, Condition]);
  // Found once: a proxy of a lock, given to a condition, is an error of the inside.
  if (n.name.startsWith("a proxy of a lock") && !isOn("fakes")) return;
  const bare = await fuzz.attempt(`new ${Type.name}(${n.name})`, () => new Type(wrong(n.value)));
  if (bare.ok && n.value !== undefined && Type === Condition && !/lock/.test(n.name)) {
    fuzz.fail("takes what is no lock");
  }
}

export async function conditions(fuzz: Fuzz): Promise<void> {
  const condition = new Condition();
  const time = fuzz.pick<unknown>([NaN, -0, -1, 0, 0.5, -Infinity, 5e-324, "1", null, 1n, Symbol("s"), revoked({})]);
  const refused = typeof time !== "number" || Number.isNaN(time);
  const n = sample(fuzz);
  const badCount = typeof n.value !== "number" ? n.value !== undefined : !Number.isInteger(n.value) || n.value < 1;
  await called(fuzz, "wait without the lock", { refused: true, good: false }, () => condition.wait(1));
  await called(fuzz, "notify without the lock", { refused: true, good: false }, () => condition.notify());
  using _ = condition.hold();
  const waited = await called(
    fuzz,
    `wait(${label(time)})`,
    { refused, good: false },
    () => condition.wait(wrong(time)),
  );
  if (waited.ok && waited.value !== false) fuzz.fail("is notified by nobody");
  const isObject = typeof time === "object" && time !== null;
  await called(fuzz, `waitAsync(${label(time)})`, { refused, good: false }, () => condition.waitAsync(wrong(time)));
  const chosen = { timeout: 1, signal: fuzz.pick<unknown>([AbortSignal.abort(new Own()), 5, {}, null]) };
  const badChoice = !isRefused(SIGNAL, chosen.signal);
  const abortable = await fuzz.attempt("waitAsync({ signal })", () => condition.waitAsync(wrong(chosen)));
  if (abortable.ok && !badChoice) fuzz.fail("takes what is no signal");
  await called(fuzz, `notify(${n.name})`, { refused: badCount, good: false }, () => condition.notify(wrong(n.value)));
  const predicate = typeof n.value === "function" ? throwOwn : n.value;
  await called(
    fuzz,
    `waitFor(${n.name})`,
    { refused: true, good: false },
    () => condition.waitFor(wrong(predicate), 1),
  );
  await called(fuzz, "waitFor(throws)", { refused: true, good: false }, () => condition.waitFor(throwOwn, 1));
  await called(fuzz, "waitForAsync(throws)", { refused: true, good: false }, () => condition.waitForAsync(throwOwn, 1));
  await called(
    fuzz,
    "waitForAsync(rejects)",
    { refused: true, good: false },
    () => condition.waitForAsync(() => Promise.reject(new Own()), isObject ? 1 : { timeout: 1 }),
  );
  await fuzz.must("waitFor", () => condition.waitFor(() => 5, 1), 5);
  await fuzz.must("notifyAll", () => condition.notifyAll());
}

export async function events(fuzz: Fuzz): Promise<void> {
  const event = new Event();
  const short = fuzz.pick<unknown>([NaN, -0, -1, 0.5, -Infinity, 5e-324, "1", null, 1n, false, Symbol("s"), () => 1]);
  const refused = typeof short !== "number" || Number.isNaN(short);
  const waits = async (set: boolean, value: unknown, bad: boolean): Promise<void> => {
    const blocks = fuzz.chance(2);
    const outcome = await called(
      fuzz,
      `wait(${label(value)})`,
      { refused: bad, good: false },
      () => blocks ? event.wait(wrong(value)) : event.waitAsync(wrong(value)),
    );
    if (outcome.ok && outcome.value !== set) fuzz.fail(`gives ${label(outcome.value)}`);
  };
  await waits(false, short, refused);
  event.set();
  await waits(true, short, refused);
  const chosen = options(fuzz, { timeout: TIMEOUT, signal: SIGNAL });
  // Found once: an array is taken for the options of a wait.
  const isPlain = isRefused(ARGS, chosen.value) !== undefined && chosen.value !== null &&
    typeof chosen.value === "object" &&
    (isOn("arrays") || !Array.isArray(chosen.value));
  if (isPlain) {
    const outcome = await called(fuzz, `waitAsync(${chosen.text})`, chosen, () => event.waitAsync(wrong(chosen.value)));
    if (Array.isArray(chosen.value) && outcome.ok) fuzz.fail("takes an array as options");
  }
  event.clear();
  await fuzz.must("isSet", () => event.isSet(), false);
}

export async function barriers(fuzz: Fuzz): Promise<void> {
  const n = sample(fuzz);
  const chosen = options(fuzz, { action: FUNCTION, timeout: TIMEOUT });
  const parties = typeof n.value === "number" && Number.isInteger(n.value) && n.value > 0 && n.value < 65536;
  const what = `new Barrier(${n.name}, ${chosen.text})`;
  const refused = chosen.refused || !parties;
  await called(fuzz, what, { refused, good: false }, () => new Barrier(wrong(n.value), wrong(chosen.value)));
  const action = fuzz.pick([() => {}, throwOwn, undefined]);
  const barrier = new Barrier(1, action === undefined ? {} : { action });
  const time = sample(fuzz);
  const badTime = typeof time.value === "number" ? Number.isNaN(time.value) : time.value !== undefined;
  const blocks = fuzz.chance(2);
  if (blocks || typeof time.value !== "object") {
    await called(
      fuzz,
      `wait(${time.name})`,
      { refused: badTime, good: false },
      () => blocks ? barrier.wait(wrong(time.value)) : barrier.waitAsync(wrong(time.value)),
    );
  }
  barrier.abort();
  await called(fuzz, "wait at a broken one", { refused: true, good: false }, () => barrier.wait(1));
  barrier.reset();
  if (action !== throwOwn) await fuzz.must("wait", () => barrier.wait(LIMIT), 0);
}
