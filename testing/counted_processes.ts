/**
 * A helper for tests of child processes: no child may outlive its test.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";

/** The limit of a test, in milliseconds. The limit ends a test that hangs, and no test needs nearly as much. */
const TEST_LIMIT = 30_000;

/** Returns whether there is a process with this number. */
export function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT"); // changes nothing
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof TypeError) return false;
    throw error;
  }
}

/** Registers a test that fails if it hangs or if a child process outlives it. */
export function test(name: string, run: () => Promise<void>): void {
  Deno.test(name, async () => {
    const { spawn } = Deno.Command.prototype;
    const pids: number[] = [];
    Deno.Command.prototype.spawn = function (this: Deno.Command): Deno.ChildProcess {
      const child = spawn.call(this);
      pids.push(child.pid);
      return child;
    };
    try {
      await deadline(run(), TEST_LIMIT);
      assertEquals(pids.filter(isAlive), [], "a process outlived the test");
    } finally {
      Deno.Command.prototype.spawn = spawn;
      for (const pid of pids.filter(isAlive)) Deno.kill(pid, "SIGKILL");
    }
  });
}
