/** Calls of executors. */

import { type AnyFunction, callable } from "./functions.ts";
import { type Fuzz, wrong } from "./fuzz.ts";
import { input } from "./iterables.ts";
import { COUNT, type Kinds, options, SIGNAL, TIMEOUT } from "./options.ts";
import { called, read, readSync, type World } from "./steps.ts";
import { sample } from "./values.ts";

const EXECUTOR_MAP: Kinds = { chunksize: COUNT, buffersize: COUNT, timeout: TIMEOUT, signal: SIGNAL };

export async function executors(fuzz: Fuzz, { executor, here }: World): Promise<void> {
  const local = fuzz.chance(3);
  const where = local ? here : executor;
  const { name, fn, identity, refused } = callable(fuzz);
  const f = wrong<AnyFunction>(fn);
  if (fuzz.chance(2)) {
    const given = sample(fuzz);
    const outcome = await called(
      fuzz,
      `submit(${name}, ${given.name})`,
      { refused, good: true },
      () => where.submit(f, given.value).result(),
    );
    if (outcome.ok && identity && !local && given.clone !== undefined) fuzz.same(outcome.value, given.clone.value);
    if (!outcome.ok && identity && !refused && given.clone !== undefined) fuzz.fail("fails", outcome.error);
  } else {
    const chosen = options(fuzz, EXECUTOR_MAP);
    const items = input(fuzz, false);
    const more = fuzz.chance(3) ? [input(fuzz, false).value] : [];
    const last = chosen.value === null || typeof chosen.value !== "object" ? {} : chosen.value;
    const blocks = !local && fuzz.chance(3);
    const what = `${blocks ? "mapSync" : "map"}(${name}, ${items.name}, ${chosen.text})`;
    const all = wrong<[Iterable<unknown>]>([items.value, ...more, last]);
    const outcome = await fuzz.attempt(what, () => blocks ? executor.mapSync(f, ...all) : where.map(f, ...all));
    if (outcome.ok && refused) fuzz.fail("takes what is no function");
    if (outcome.ok && blocks) {
      await readSync(fuzz, what, outcome.value as Iterator<unknown>);
    } else if (outcome.ok) {
      const results = await read(fuzz, what, outcome.value as AsyncIterator<unknown>);
      if (results !== undefined && identity && more.length === 0 && items.items !== undefined && chosen.good) {
        fuzz.same(results, items.items);
      }
    }
  }
  await fuzz.must("a call afterwards", () => where.submit((x: number) => x + 1, 4).result(), 5);
}
