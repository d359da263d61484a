/** Pipes. */

import { type Connection, Pipe } from "../../mod.ts";
import { type Fuzz, label, LIMIT, wrong } from "./fuzz.ts";
import { ARGS, isRefused, options, SIGNAL, TIMEOUT } from "./options.ts";
import { called, type World } from "./steps.ts";
import { sample } from "./values.ts";

export async function pipes(fuzz: Fuzz, { pipe, pool }: World): Promise<void> {
  const duplex = sample(fuzz);
  const isRight = typeof duplex.value === "boolean" || duplex.value === undefined;
  const made = await called(fuzz, `Pipe({ duplex: ${duplex.name} })`, {
    refused: !isRight && duplex.value !== null,
    good: false,
  }, () => Pipe({ duplex: wrong(duplex.value) }));
  if (made.ok) { for (const end of made.value as Connection[]) end.close(); }
  const [a, b] = pipe;
  const given = sample(fuzz);
  const sent = await fuzz.attempt(`send(${given.name})`, () => a.send(given.value));
  if (!sent.ok && given.clone !== undefined) fuzz.fail("fails", sent.error);
  const short = fuzz.pick<unknown>([NaN, -1, 0.5, -Infinity, "1", null, 1n, Symbol("s")]);
  const badTime = typeof short !== "number" || Number.isNaN(short);
  const polled = await called(
    fuzz,
    `poll(${label(short)})`,
    { refused: badTime, good: false },
    () => b.poll(wrong(short)),
  );
  if (polled.ok && polled.value !== sent.ok) fuzz.fail(`gives ${label(polled.value)}`);
  if (sent.ok) {
    const got = await fuzz.attempt("recv", () => fuzz.chance(2) ? b.recv(LIMIT) : b.recvAsync({ timeout: LIMIT }));
    if (got.ok && given.clone !== undefined) fuzz.same(got.value, given.clone.value);
    if (!got.ok && given.clone !== undefined) fuzz.fail("fails", got.error);
  }
  const isAsync = fuzz.chance(2);
  await called(
    fuzz,
    `recv(${label(short)})`,
    { refused: true, good: false },
    () => isAsync ? b.recvAsync(wrong(short)) : b.recv(wrong(short)),
  );
  a.send("last");
  const chosen = options(fuzz, { timeout: TIMEOUT, signal: SIGNAL });
  if (chosen.value !== null && typeof chosen.value === "object" && isRefused(ARGS, chosen.value) === true) {
    const got = await called(fuzz, `recvAsync(${chosen.text})`, chosen, () => b.recvAsync(wrong(chosen.value)));
    if (got.ok) fuzz.same(got.value, "last");
    else if (chosen.good) fuzz.fail("fails", got.error);
  }
  if (b.poll()) b.recv(0);
  if (fuzz.chance(4)) {
    const echo = fuzz.must("in a worker", () => pool.apply((end: Connection) => end.send(end.recv()), [b]));
    a.send([1, { x: 2 }]);
    await echo;
    await fuzz.must("recv", () => a.recv(LIMIT), [1, { x: 2 }]);
  }
}
