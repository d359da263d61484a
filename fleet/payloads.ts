/**
 * Payloads that are too large for a message: they are kept in a bucket of the servers, and removed once they were read.
 *
 * @module
 */

import { type Connection, sleep } from "./connection.ts";

/** The time between two attempts, in milliseconds. */
const RETRY = 250;

/** Stores a payload under a name. */
export async function putPayload({ payloads }: Connection, name: string, bytes: Uint8Array): Promise<void> {
  await payloads.putBlob({ name }, bytes);
}

/**
 * Returns a payload, as soon as a server can be reached.
 *
 * @throws {Error} If it is not there any more, or the connection was closed.
 */
export async function getPayload({ payloads, nats }: Connection, name: string): Promise<Uint8Array> {
  for (;;) {
    let bytes: Uint8Array | null;
    try {
      bytes = await payloads.getBlob(name);
    } catch (error) {
      if (nats.isClosed()) throw error;
      await sleep(RETRY); // a server was lost meanwhile
      continue;
    }
    if (bytes === null) throw new Error(`The payload '${name}' is not there any more`);
    return bytes;
  }
}

/** Removes a payload. One that stays, as the servers cannot be reached, is removed by its age. */
export async function removePayload({ payloads }: Connection, name: string): Promise<void> {
  await payloads.delete(name).catch(() => {});
}
