/**
 * Payloads that are too large for a message: they are kept in a bucket of the servers, and removed once they were read.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** Stores a payload under a name. */
export async function putPayload({ payloads }: Connection, name: string, bytes: Uint8Array): Promise<void> {
  await payloads.putBlob({ name }, bytes);
}

/**
 * Returns a payload.
 *
 * @throws {Error} If it is not there any more.
 */
export async function getPayload({ payloads }: Connection, name: string): Promise<Uint8Array> {
  const bytes = await payloads.getBlob(name);
  if (bytes === null) throw new Error(`The payload '${name}' is not there any more`);
  return bytes;
}

/** Removes a payload. One that stays, as the servers cannot be reached, is removed by its age. */
export async function removePayload({ payloads }: Connection, name: string): Promise<void> {
  await payloads.delete(name).catch(() => {});
}
