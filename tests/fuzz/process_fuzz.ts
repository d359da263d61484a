/** Processes and threads. */

import { activeChildren, currentProcess, Process, Thread } from "../../mod.ts";
import { type Fuzz, LIMIT, wrong } from "./fuzz.ts";
import { ARGS, FUNCTION, type Kinds, MODULE, NAME, options, SCOPE } from "./options.ts";
import { called } from "./steps.ts";
import { sample } from "./values.ts";

const PROCESS: Kinds = { target: FUNCTION, args: ARGS, name: NAME, module: MODULE, scope: SCOPE };

export async function processes(fuzz: Fuzz): Promise<void> {
  const Type = fuzz.chance(2) ? Process : Thread;
  const chosen = options(fuzz, PROCESS);
  const outcome = await called(
    fuzz,
    `new ${Type.name}(${chosen.text})`,
    chosen,
    () => new Type(wrong<ConstructorParameters<typeof Process>[0]>(chosen.value)),
  );
  if (!outcome.ok) return;
  const made = outcome.value as Process;
  const time = sample(fuzz);
  const isTime = typeof time.value === "number" && !Number.isNaN(time.value);
  if ((await fuzz.attempt("join before start", () => made.join(wrong(time.value)))).ok) {
    fuzz.fail("joins what never began");
  }
  if (!fuzz.chance(3)) return;
  const started = await fuzz.attempt("start", () => made.start());
  if (!started.ok) {
    fuzz.same(activeChildren().length, 0);
    return;
  }
  try {
    const refused = !isTime && time.value !== undefined;
    await called(fuzz, `join(${time.name})`, { refused, good: false }, () => made.join(wrong(time.value)));
    if (refused) {
      await called(fuzz, `joinSync(${time.name})`, { refused, good: false }, () => made.joinSync(wrong(time.value)));
    }
    await fuzz.must("join", () => made.join(LIMIT));
    if (made.exitcode === null) fuzz.fail("has not ended");
  } finally {
    made.terminate();
  }
  await fuzz.must("isAlive", () => made.isAlive(), false);
  await fuzz.must("currentProcess", () => currentProcess().name, "MainProcess");
}
