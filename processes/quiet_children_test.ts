import { assertEquals } from "@std/assert";
import type { ProcessHandle } from "./process_handle.ts";
import { QuietChildren } from "./quiet_children.ts";

/** A child that runs one task, in front of others. */
function newChild(): ProcessHandle {
  const child = {
    running: { size: 1 },
    handed: { empty: false },
    stuck: false,
    fencing: false,
    heard: performance.now(),
    fence: (passed: () => void) => passed(),
  };
  return child as unknown as ProcessHandle;
}

Deno.test("QuietChildren looks again at a child that was heard of meanwhile", async () => {
  const child = newChild();
  const held = Promise.withResolvers<void>();
  const quiet = new QuietChildren(new Set([child]), () => held.resolve());
  quiet.watch();
  child.heard = performance.now() + 5; // and nobody calls `watch()` again
  await held.promise;
  assertEquals(child.stuck, true);
});

Deno.test("QuietChildren looks again at a child that is heard of at the last moment", async () => {
  const child = newChild();
  const held = Promise.withResolvers<void>();
  const quiet = new QuietChildren(new Set([child]), () => held.resolve());
  let fences = 0;
  child.fence = (passed) => {
    if (fences++ === 0) child.heard = performance.now();
    passed();
  };
  quiet.watch();
  await held.promise;
  assertEquals(fences, 2);
});
