/**
 * Locks that another copy of this library has made.
 *
 * @module
 */

import { handleOf, reviveShared } from "../../codec/handles.ts";
import { coreOf } from "./hold.ts";

/** Converts a lock of another copy of this library to one of this copy. Returns any other value unchanged. */
export function ownLock(lock: unknown): unknown {
  try {
    const handle = typeof lock === "object" && lock !== null && coreOf(lock) === undefined ? handleOf(lock) : undefined;
    return handle === undefined ? lock : reviveShared(handle);
  } catch {
    return lock; // a proxy that throws is not a lock; the caller rejects it
  }
}
