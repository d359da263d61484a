import { assertEquals } from "@std/assert";
import { CallLimits } from "./deadline_watchdog.ts";

Deno.test("CallLimits tells what is overdue, also when the clock has gone round its 32 bits", () => {
  for (const start of [0, 1000, 2 ** 31 - 50, 2 ** 31, 2 ** 32 - 50, 2 ** 33 + 5]) {
    let now = start;
    const desk = { deadline: ((start + 100) | 0) || 1 };
    const limits = new CallLimits(() => now, () => [desk], () => {});
    limits.enter(100);
    try {
      assertEquals(limits.isOverdue(desk), false);
      assertEquals(Math.abs(limits.untilNext() - 600) <= 1, true);
      now = start + 550;
      assertEquals(limits.isOverdue(desk), false);
      now = start + 601;
      assertEquals(limits.isOverdue(desk), true);
      assertEquals(limits.untilNext() <= 0, true);
      assertEquals(limits.isOverdue({ deadline: 0 }), false);
    } finally {
      limits.leave(100);
      limits.stop();
    }
    assertEquals(limits.untilNext(), Infinity);
  }
});
