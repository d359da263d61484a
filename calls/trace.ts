/**
 * Traces in the Chrome Trace Event format.
 *
 * @module
 */

import type { TraceEvent } from "../scheduler/task.ts";

/** Returns the events as a JSON text that Perfetto and `chrome://tracing` can open, with a row for each worker. */
export function traceJson(name: string, events: readonly TraceEvent[]): string {
  const workers = [...new Set(events.map((event) => event.worker))].sort((a, b) => a - b);
  return JSON.stringify({
    displayTimeUnit: "ms",
    traceEvents: [
      ...workers.map((worker) => ({
        ph: "M",
        name: "thread_name",
        pid: 1,
        tid: worker,
        args: { name: `${name}-${worker}` },
      })),
      ...events.map(({ worker, name, calls, start, duration }) => ({
        ph: "X",
        name: name === "" ? "(anonymous)" : name,
        cat: "task",
        pid: 1,
        tid: worker,
        ts: Math.round(start * 1000),
        dur: Math.round(duration * 1000),
        args: { calls },
      })),
    ],
  });
}
