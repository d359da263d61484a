import { assertEquals } from "@std/assert";
import { DeadlineWatchdog } from "./deadline_watchdog.ts";

Deno.test("DeadlineWatchdog tells what is overdue, also when the clock has gone round its 32 bits", () => {
  for (const start of [0, 1000, 2 ** 31 - 50, 2 ** 31, 2 ** 32 - 50, 2 ** 33 + 5]) {
    let now = start;
    const control = { deadline: ((start + 100) | 0) || 1 };
    const deadlines = new DeadlineWatchdog(() => now, () => [control], () => {});
    deadlines.enter(100);
    try {
      assertEquals(deadlines.isOverdue(control), false);
      assertEquals(Math.abs(deadlines.untilNext() - 600) <= 1, true);
      now = start + 550;
      assertEquals(deadlines.isOverdue(control), false);
      now = start + 601;
      assertEquals(deadlines.isOverdue(control), true);
      assertEquals(deadlines.untilNext() <= 0, true);
      assertEquals(deadlines.isOverdue({ deadline: 0 }), false);
    } finally {
      deadlines.leave(100);
      deadlines.stop();
    }
    assertEquals(deadlines.untilNext(), Infinity);
  }
});
