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
import type { FromPorter, PorterInit, ToPorter } from "./porter_messages.ts";

declare const self: {
  onmessage: ((event: MessageEvent<PorterInit>) => void) | null;
  postMessage(message: null): void;
};

const lines = new Map<number, Line>();

self.onmessage = ({ data: { port, sent, threadTable, slot } }): void => {
  self.onmessage = null;
  const home = new ThreadTable(threadTable);
  const send = (message: FromPorter, transfers: Transferable[] = []): void => {
    port.postMessage(message, transfers);
    // After the message, so that the calling side can read each message that it sees counted.
    Atomics.add(sent, 0, 1);
    home.notify(slot); // in case it is blocked
    self.postMessage(null); // in case it waits in its event loop
  };
  send({ type: "ready", id: 0 });
  port.onmessage = ({ data: message }: MessageEvent<ToPorter>): void => {
    const { id } = message;
    switch (message.type) {
      case "open":
        try {
          const line = openDirect(message.launch, {
            data: (bytes) => send({ type: "data", id, bytes }, [bytes.buffer as ArrayBuffer]),
            ended: (end) => {
              lines.delete(id);
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
        void Promise.resolve(written).then(() => send({ type: "written", id, count }));
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
