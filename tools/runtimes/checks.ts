/**
 * What works in the runtime that runs this: short programs on the library, with nothing but Web APIs.
 *
 * Each is announced before it begins, and its outcome told after its end, by `POST` to the server that has served this. So one
 * that never ends is known by its name, and the next run begins after it.
 *
 * @module
 */

import { show } from "./expect.ts";
import { POOL_CHECKS } from "./pool_checks.ts";
import { SYNC_CHECKS } from "./sync_checks.ts";

export { nested, nestedSync } from "./pool_checks.ts"; // for the workers, which take them from the bundle

/** Where outcomes go, and at which check to begin. */
interface Wishes {
  readonly url: string;
  readonly from: number;
}

async function run({ url, from }: Wishes): Promise<void> {
  const tell = (message: unknown): Promise<Response> => fetch(url, { method: "POST", body: JSON.stringify(message) });
  for (const [name, run] of Object.entries({ ...POOL_CHECKS, ...SYNC_CHECKS }).slice(from)) {
    await tell({ begins: name });
    let outcome = "ok";
    try {
      outcome = await run() ?? "ok";
    } catch (error) {
      outcome = `fails: ${show(error)}`;
    }
    await tell({ ended: name, outcome });
  }
  await tell({ agent: navigator.userAgent });
}

const { wishes } = globalThis as { wishes?: Wishes };
if (wishes !== undefined) await run(wishes);
