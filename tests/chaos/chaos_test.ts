/**
 * Random work under random trouble, from a seed: every task settles exactly once, with its own value or a fitting
 * error. `CHAOS_SEED=n deno test -A tests/chaos/chaos_test.ts` replays one seed, `CHAOS_SEEDS=n` runs many.
 */

import { assert, assertEquals } from "@std/assert";
import {
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  Pool,
  SerializationError,
  TimeoutError,
} from "../../mod.ts";
import { random } from "../../testing/random.ts";
import { test } from "../../testing/counted_workers.ts";

type Kind = "fast" | "slow" | "async" | "throws" | "large" | "dies" | "loops" | "stalls" | "unsendable" | "texts";

/** Does what `kind` says, and gives `n` back in some form. */
function work(kind: Kind, n: number, _ballast?: unknown): unknown {
  switch (kind) {
    case "fast":
      return n;
    case "slow":
      for (const end = performance.now() + 2; performance.now() < end;);
      return n;
    case "async":
      return new Promise((resolve) => setTimeout(resolve, 1, n));
    case "throws":
      throw new RangeError(String(n));
    case "large":
      return new Uint8Array(30_000).fill(n & 255);
    case "dies":
      return Deno.exit(n & 127);
    case "loops":
      for (;;);
    case "stalls":
      return new Promise(() => {});
    case "unsendable":
      return Symbol(n);
    case "texts":
      return String(n).repeat(500);
  }
}

function fits(kind: Kind, n: number, value: unknown): boolean {
  if (kind === "large") return value instanceof Uint8Array && value.length === 30_000 && value[29_999] === (n & 255);
  if (kind === "texts") return value === String(n).repeat(500);
  return (kind === "fast" || kind === "slow" || kind === "async") && value === n;
}

function fitsError(kind: Kind, n: number, error: unknown): boolean {
  if (error instanceof CancelledError || error instanceof ClosedError || error === "aborted") return true;
  if (kind === "throws") return error instanceof RangeError && error.message === String(n);
  if (kind === "dies") return error instanceof BrokenProcessPoolError;
  if (kind === "loops" || kind === "stalls") return error instanceof TimeoutError;
  return kind === "unsendable" && error instanceof SerializationError;
}

const KINDS: Kind[] = ["fast", "slow", "async", "throws", "large", "dies", "loops", "stalls", "unsendable", "texts"];
const COMMON: Kind[] = ["fast", "fast", "fast", "async", "throws", "large", "texts"];

async function chaos(seed: number): Promise<void> {
  const next = random(seed);
  const pool = new Pool(1 + next(3), {
    taskTimeout: 200, // far above what the harmless tasks need, on a busy machine too
    scope: { work },
    ...(next(2) === 0 ? { maxTasksPerChild: 1 + next(20) } : {}),
    ...(next(3) === 0 ? { idleTimeout: 1 + next(20) } : {}),
  });
  const pending: Promise<void>[] = [];
  const timers: ReturnType<typeof setTimeout>[] = [];
  let settled = 0;
  const watch = (kind: Kind, n: number, promise: Promise<unknown>): void => {
    pending.push(
      promise.then(
        (value) => assert(fits(kind, n, value), `seed ${seed}: ${kind} ${n} gave ${Deno.inspect(value)}`),
        (error) => assert(fitsError(kind, n, error), `seed ${seed}: ${kind} ${n} failed with ${Deno.inspect(error)}`),
      ).then(() => void settled++),
    );
  };
  let ended = false;
  for (let n = 0; n < 300; n++) {
    const kind = next(12) === 0 ? KINDS[next(KINDS.length)]! : COMMON[next(COMMON.length)]!;
    const controller = new AbortController();
    const args: [Kind, number, unknown] = [kind, n, next(6) === 0 ? new Uint8Array(next(20_000)) : undefined];
    const signal = next(8) === 0 ? controller.signal : undefined;
    if (signal !== undefined) timers.push(setTimeout(() => controller.abort("aborted"), next(15)));
    switch (next(5)) {
      case 0:
        watch(
          kind,
          n,
          pool.map((a: [Kind, number, unknown]) => work(...a), [args], { signal }).then(([value]) => value),
        );
        break;
      case 1:
        watch(kind, n, pool.starmap(work, [args], { signal }).then(([value]) => value));
        break;
      case 2:
        watch(kind, n, Promise.resolve().then(() => pool.applyAsync(work, args, { signal }).get()));
        break;
      case 3:
        watch(
          kind,
          n,
          Promise.resolve().then(() => pool.istarmap(work, [args], { signal }).next()).then((r) => r.value),
        );
        break;
      default:
        watch(kind, n, pool.apply(work, args, { signal }));
    }
    if (next(40) === 0) await new Promise((resolve) => setTimeout(resolve, next(10)));
    if (next(60) === 0 && !ended) {
      try {
        assertEquals(pool.applySync((a: number) => a, [n]), n);
      } catch (error) {
        assert(fitsError("fast", n, error) || error instanceof BrokenProcessPoolError, String(error));
      }
    }
    if (n > 200 && next(150) === 0 && !ended) {
      ended = true;
      if (next(2) === 0) pool.close();
      else pool.terminate();
    }
  }
  if (!ended) pool.close();
  await Promise.all(pending);
  assertEquals(settled, 300);
  await pool.join();
  for (const timer of timers) clearTimeout(timer);
}

const only = Deno.env.get("CHAOS_SEED");
const first = only === undefined ? 1 : Number(only);
const count = only === undefined ? Number(Deno.env.get("CHAOS_SEEDS") ?? 6) : 1;

for (let seed = first; seed < first + count; seed++) {
  test(`300 tasks under random trouble settle once each: seed ${seed}`, () => chaos(seed));
}
