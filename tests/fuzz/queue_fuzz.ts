/** Queues. */

import { JoinableQueue, Queue } from "../../mod.ts";
import { type Fuzz, label, LIMIT, wrong } from "./fuzz.ts";
import { ACQUIRE, ACQUIRE_ASYNC, options } from "./options.ts";
import { called, type World } from "./steps.ts";
import { sample } from "./values.ts";

export async function queues(fuzz: Fuzz, { queue, joinable, pool }: World): Promise<void> {
  const given = sample(fuzz);
  const isAsync = fuzz.chance(2);
  const chosen = options(fuzz, isAsync ? ACQUIRE_ASYNC : ACQUIRE);
  const o = wrong<Record<string, never>>(chosen.value);
  const target = fuzz.chance(2) ? queue : joinable;
  const soft = { refused: chosen.refused && !/timeout/.test(chosen.text), good: chosen.good };
  const put = await called(
    fuzz,
    `put(${given.name}, ${chosen.text})`,
    soft,
    () => isAsync ? target.putAsync(given.value, o) : target.put(given.value, o),
  );
  if (!put.ok && chosen.good && given.clone !== undefined) fuzz.fail("fails", put.error);
  await fuzz.must("qsize", () => target.qsize(), put.ok ? 1 : 0);
  if (put.ok) {
    const got = await fuzz.attempt(
      "get",
      () => isAsync ? target.getAsync({ timeout: LIMIT }) : target.get({ timeout: LIMIT }),
    );
    if (got.ok && given.clone !== undefined) fuzz.same(got.value, given.clone.value);
    if (!got.ok && given.clone !== undefined) fuzz.fail("fails", got.error);
    if (target === joinable) joinable.taskDone();
  }
  target.put("last");
  const odd = options(fuzz, isAsync ? ACQUIRE_ASYNC : ACQUIRE);
  const refused = odd.refused && !/timeout/.test(odd.text);
  const taken = await called(
    fuzz,
    `get(${odd.text})`,
    { refused, good: odd.good },
    () => isAsync ? target.getAsync(wrong(odd.value)) : target.get(wrong(odd.value)),
  );
  if (taken.ok) fuzz.same(taken.value, "last");
  else if (odd.good) fuzz.fail("fails", taken.error);
  if (!target.empty()) target.get({ block: false });
  if (target === joinable) joinable.taskDone();
  const short = fuzz.pick<unknown>([NaN, -1, 0.5, -Infinity, "1", null, 1n]);
  const badTime = typeof short !== "number" || Number.isNaN(short);
  await called(
    fuzz,
    `get({ timeout: ${label(short)} })`,
    { refused: true, good: false },
    () => isAsync ? target.getAsync({ timeout: wrong(short) }) : target.get({ timeout: wrong(short) }),
  );
  await called(
    fuzz,
    `join(${label(short)})`,
    { refused: badTime, good: false },
    () => isAsync ? joinable.joinAsync(wrong(short)) : joinable.join(wrong(short)),
  );
  await called(fuzz, "taskDone too often", { refused: true, good: false }, () => joinable.taskDone());
  const n = sample(fuzz);
  const badSize = typeof n.value !== "number" && n.value !== undefined;
  const Type = fuzz.chance(2) ? Queue : JoinableQueue;
  const made = await called(
    fuzz,
    `new ${Type.name}(${n.name})`,
    { refused: badSize, good: false },
    () => new Type(wrong(n.value)),
  );
  if (made.ok) {
    const another = made.value as Queue;
    another.put(1);
    await fuzz.must("full", () => another.full(), n.value === 1);
    another.close();
    await fuzz.must("get", () => another.get({ block: false }), 1);
    await called(fuzz, "put when closed", { refused: true, good: false }, () => another.put(1));
  }
  if (fuzz.chance(3)) {
    await fuzz.must("in a worker", () => pool.apply((q: Queue) => q.put("from there"), [target]));
    await fuzz.must("get", () => target.getAsync(), "from there");
    if (target === joinable) joinable.taskDone();
  }
}
