/**
 * Locks that another copy of this library has made.
 *
 * @module
 */

import { handleOf, reviveShared } from "../../codec/handles.ts";
import { coreOf } from "./hold.ts";

/** A lock of another copy of this library becomes one of this copy; anything else stays what it is. */
export function ownLock(lock: unknown): unknown {
  try {
    const handle = typeof lock === "object" && lock !== null && coreOf(lock) === undefined ? handleOf(lock) : undefined;
    return handle === undefined ? lock : reviveShared(handle);
  } catch {
    return lock; // a proxy, which is none, as will be said
  }
}
