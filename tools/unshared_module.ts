/** A module whose top level makes objects that each of its workers has for itself, for the tests of the warning. */

import { Lock, Queue, shared } from "../mod.ts";

export const named: Lock = shared("tools/unshared", () => new Lock());
export const lock: Lock = new Lock();
export const queue: Queue = new Queue();

export function isLocked(): boolean {
  return lock.locked() || named.locked() || !queue.empty();
}
