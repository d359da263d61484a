/**
 * The program of the porter: starts children, and passes on what goes to them and what comes from them.
 *
 * It is bundled into one text (`porter_program_gen.ts`, by `deno task build`).
 *
 * @module
 */

import { messageOf } from "../codec/error_fields.ts";
import { ThreadTable } from "../sync/internal/thread_table.ts";
import { type Line, openDirect } from "./direct_line.ts";
import { CALLED, type FromPorter, type PorterInit, REPORTED, SENT, type ToPorter } from "./porter_messages.ts";

declare const self: {
  onmessage: ((event: MessageEvent<PorterInit>) => void) | null;
  postMessage(message: null): void;
};

const lines = new Map<number, Line>();
/** The numbers of bytes that were written to each child and not reported. */
const unreportedOf = new Map<number, number>();

self.onmessage = ({ data: { port, sent, threadTable, slot } }): void => {
  self.onmessage = null;
  const home = new ThreadTable(threadTable);
  const send = (message: FromPorter, transfers: Transferable[] = []): void => {
    port.postMessage(message, transfers);
    // After the message, so that the calling side can read each message that it sees counted.
    Atomics.add(sent, SENT, 1);
    home.notify(slot); // in case it is blocked
    if (Atomics.exchange(sent, CALLED, 1) === 0) self.postMessage(null); // in case it waits in its event loop
  };
  send({ type: "ready", id: 0 });
  port.onmessage = ({ data: message }: MessageEvent<ToPorter>): void => {
    const { id } = message;
    switch (message.type) {
      case "open":
        try {
          const line = openDirect(message.launch, {
            data: (bytes) => {
              const copy = bytes.slice();
              send({ type: "data", id, bytes: copy }, [copy.buffer]);
            },
            ended: (end) => {
              lines.delete(id);
              unreportedOf.delete(id);
              send({ type: "ended", id, end });
            },
            failed: () => {},
          });
          lines.set(id, line);
          send({ type: "started", id, pid: line.pid });
        } catch (error) {
          send({ type: "failed", id, message: messageOf(error) });
        }
        return;
      case "write": {
        const line = lines.get(id);
        const written = line?.write(message.chunks);
        const { count } = message;
        void Promise.resolve(written).then(() => {
          const unreported = (unreportedOf.get(id) ?? 0) + count;
          if (!lines.has(id)) return;
          unreportedOf.set(id, unreported < REPORTED ? unreported : 0);
          if (unreported >= REPORTED) send({ type: "written", id, count: unreported });
        });
        return;
      }
      case "fence":
        // Whatever comes of a child before is passed on before.
        return lines.get(id)?.fence(() => send({ type: "fenced", id }));
      case "kill":
        return lines.get(id)?.kill();
    }
  };
};
