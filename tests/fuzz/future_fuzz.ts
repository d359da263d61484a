/** Results and futures, and waiting for several of them. */

import { asCompleted, asCompletedSync, type AsyncResult, Future, TimeoutError, wait, waitSync } from "../../mod.ts";
import type { AnyFunction } from "./functions.ts";
import { type Fuzz, isOn, wrong } from "./fuzz.ts";
import { input } from "./iterables.ts";
import { type Kind, options, SIGNAL, TIMEOUT } from "./options.ts";
import { called, read, type World } from "./steps.ts";
import { type Sample, sample } from "./values.ts";

export async function results(fuzz: Fuzz, { pool, executor }: World): Promise<void> {
  const given = sample(fuzz);
  const time = wrong<number>(given.value);
  const refused = typeof given.value === "number" ? Number.isNaN(given.value) : given.value !== undefined;
  const future = fuzz.chance(2) ? executor.submit((x: number) => x, 7) : undefined;
  const result: AsyncResult<number> = pool.applyAsync((x: number) => x, [7]);
  const methods: readonly (readonly [string, () => unknown, unknown])[] = future === undefined
    ? [
      ["get", () => result.get(time), 7],
      ["getSync", () => result.getSync(time), 7],
      ["wait", () => result.wait(time), true],
      ["waitSync", () => result.waitSync(time), true],
    ]
    : [
      ["result", () => future.result(time), 7],
      ["resultSync", () => future.resultSync(time), 7],
      ["exception", () => future.exception(time), null],
      ["addDoneCallback", () => future.addDoneCallback(wrong(5)), undefined],
    ];
  const [method, call] = fuzz.pick(methods);
  const isCallback = method === "addDoneCallback";
  await called(fuzz, `${method}(${given.name})`, { refused: refused || isCallback, good: false }, call);
  await fuzz.must("get", () => result.get(), 7);
  if (future !== undefined) await fuzz.must("result", () => future.result(), 7);
  await fuzz.must("successful", () => result.successful(), true);
}

export async function ownFutures(fuzz: Fuzz): Promise<void> {
  const future = new Future<unknown>();
  const given = sample(fuzz);
  let calls = 0;
  const odd = fuzz.pick<AnyFunction>([
    () => calls++,
    () => {
      calls++;
      throw given.value;
    },
    () => {
      calls++;
      return Promise.reject(given.value);
    },
  ]);
  future.addDoneCallback(odd);
  await fuzz.attempt(`addDoneCallback(${given.name})`, () => {
    if (typeof given.value !== "function") future.addDoneCallback(wrong(given.value));
  });
  const fails = fuzz.chance(2);
  const box = { value: given.value };
  if (fails) await fuzz.must(`setException(${given.name})`, () => future.setException(box));
  else await fuzz.must(`setResult(${given.name})`, () => future.setResult(box));
  if (calls !== 1) fuzz.fail(`calls back ${calls} times`);
  await fuzz.attempt("setResult", () => future.setResult(1));
  if (fails) {
    if (await fuzz.must("exception", () => future.exception()) !== box) fuzz.fail("gives another error");
  } else if (await fuzz.must("result", () => future.result()) !== box || future.resultSync() !== box) {
    fuzz.fail("gives another result");
  }
  const shown = new Future<unknown>();
  // Found once: a future that holds a proxy, or an object of an oddly named class, cannot be shown.
  shown.setException(isOn("shows") ? given.value : box);
  await fuzz.must(`String(${given.name})`, () => String(shown) + Deno.inspect(shown));
}

/** A value; a future that nobody would ever settle is cancelled, or whoever waits for it would do so for ever, rightly. */
function over({ name, value }: Sample): unknown {
  if (name === "a future") (value as Future<unknown>).cancel();
  return value;
}

export async function futures(fuzz: Fuzz, { here, executor }: World): Promise<void> {
  const blocks = fuzz.chance(3);
  const where = blocks && fuzz.chance(2) ? executor : here;
  const list = [1, 2, 3].map((n) => where.submit((n: number) => n, n));
  const good = fuzz.chance(2);
  const items = good ? { name: "futures", value: list } : input(fuzz, false);
  const given: unknown = good || fuzz.chance(3)
    ? items.value
    : [list[0], fuzz.chance(2) ? Object.create(Future.prototype) : over(sample(fuzz))];
  if (blocks) {
    const chosen = options(fuzz, { timeout: TIMEOUT });
    const [name, call] = fuzz.pick<[string, (futures: Future[], options: Record<string, never>) => unknown]>([
      ["waitSync", waitSync],
      ["asCompletedSync", (futures, options) => [...asCompletedSync(futures, options)]],
    ]);
    const what = `${name}(${items.name}, ${chosen.text})`;
    const outcome = await called(fuzz, what, chosen, () => call(wrong(given), wrong(chosen.value)));
    if (!outcome.ok && good && chosen.good && where === executor && !(outcome.error instanceof TimeoutError)) {
      fuzz.fail("fails", outcome.error);
    }
  } else if (fuzz.chance(2)) {
    const chosen = options(fuzz, { timeout: TIMEOUT, signal: SIGNAL });
    const what = `asCompleted(${items.name}, ${chosen.text})`;
    const outcome = await called(fuzz, what, chosen, () => asCompleted(wrong<Future[]>(given), wrong(chosen.value)));
    if (outcome.ok) {
      const all = await read(fuzz, what, outcome.value as AsyncIterator<unknown>);
      if (all !== undefined && good && chosen.good) fuzz.same(all.length, 3);
    }
  } else {
    const returnWhen: Kind = {
      good: () => fuzz.pick(["ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"]),
      refuses: (value) => value === undefined ? undefined : "either",
    };
    const chosen = options(fuzz, { timeout: TIMEOUT, signal: SIGNAL, returnWhen });
    const what = `wait(${items.name}, ${chosen.text})`;
    const outcome = await called(fuzz, what, chosen, () => wait(wrong<Future[]>(given), wrong(chosen.value)));
    if (outcome.ok && good) {
      const { done, notDone } = outcome.value as { done: Set<unknown>; notDone: Set<unknown> };
      fuzz.same(done.size + notDone.size, 3);
    }
  }
  for (const [i, future] of list.entries()) await fuzz.must("result", () => future.result(), i + 1);
}
