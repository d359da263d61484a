/** Values that are moved. */

import { Lock, transfer } from "../../mod.ts";
import { type Fuzz, isOn, LIMIT, wrong } from "./fuzz.ts";
import { ARGS, isRefused } from "./options.ts";
import { probe, type World } from "./steps.ts";
import { detached, resizable, revoked, sample, throwing } from "./values.ts";

export async function transfers(fuzz: Fuzz, { pool, threads, queue }: World): Promise<void> {
  const odd = sample(fuzz);
  const outcome = await fuzz.attempt(`transfer(1, ${odd.name})`, () => {
    transfer(1, wrong(odd.value));
  });
  if (outcome.ok && isRefused(ARGS, odd.value) !== false) fuzz.fail("takes what is no array");
  const buffer = new ArrayBuffer(fuzz.pick([0, 8, 5000, 100_000]));
  const bytes = new Uint8Array(buffer).fill(1);
  const expected = bytes.slice();
  const lists: readonly (() => unknown[])[] = [
    () => [buffer],
    () => [buffer, buffer],
    () => [buffer, new ArrayBuffer(8)],
    () => [buffer, new SharedArrayBuffer(8)],
    () => [buffer, {}],
    () => [buffer, detached()],
    () => [buffer, new Date()],
    () => [buffer, bytes],
    () => [buffer, revoked({})],
    () => [buffer, throwing({})],
    () => [new TextEncoder(), buffer],
    () => [new Lock(), buffer],
  ];
  const at = fuzz.next(lists.length);
  const list = lists[at]!();
  const fn = (x: unknown): unknown => x;
  const what = `transfer(bytes of ${buffer.byteLength}, list ${at})`;
  const where = fuzz.next(3);
  const sent = where === 0
    ? await fuzz.attempt(`${what} to a pool`, () => pool.apply(fn, [transfer(bytes, wrong(list))]))
    : where === 1
    ? await fuzz.attempt(
      `${what} twice`,
      () => pool.apply(fn, [[transfer(bytes, wrong(list)), transfer(bytes, [buffer])]]),
    )
    : await fuzz.attempt(`${what} to a queue`, () => {
      queue.put(transfer(bytes, wrong(list)), { block: false });
      return queue.get({ timeout: LIMIT });
    });
  if (sent.ok) {
    fuzz.same(where === 1 ? (sent.value as unknown[])[1] : sent.value, expected);
    if (!buffer.detached) fuzz.fail("keeps what it gave away");
  } else if (at === 0) {
    fuzz.fail("fails", sent.error);
  }
  while (!queue.empty()) queue.get({ block: false });
  if (buffer.detached) {
    const again = await fuzz.attempt(`${what} again`, () => pool.apply(fn, [transfer(bytes, [buffer])]));
    if (again.ok) fuzz.fail("sends what is gone");
  }
  // Found once: a typed array that follows the length of its buffer arrives with a fixed length.
  if (isOn("tracking")) {
    const view = await fuzz.must("a view", () => pool.apply(fn, [new Uint8Array(resizable())])) as Uint8Array<
      ArrayBuffer
    >;
    view.buffer.resize(12);
    fuzz.same(view.length, 12);
  }
  await fuzz.attempt("transfer here", () => threads.apply(fn, [transfer(bytes, [buffer])]));
  await probe(fuzz, pool);
}
