/** A backend as small as can be: calls take turns on the event loop, and arguments and results are copied as for a worker. */

import { setImmediate } from "node:timers";
import { LocalScheduler, type SchedulerBackend } from "../../internal.ts";

/** Makes one call, on copies, in a turn of the event loop of its own. */
async function call(fn: (...args: never[]) => unknown, args: readonly unknown[]): Promise<unknown> {
  const copies = structuredClone(args);
  await new Promise((resolve) => setImmediate(resolve));
  return structuredClone(await Reflect.apply(fn, undefined, copies));
}

/** The backend: the queue, the order, the ends and the counts are those of a {@linkcode LocalScheduler}. */
export const toy: SchedulerBackend = {
  open: (config) => new LocalScheduler({ ...config, call }),
};
