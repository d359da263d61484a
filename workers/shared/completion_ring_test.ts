import { assert, assertEquals } from "@std/assert";
import { CompletionRing } from "./completion_ring.ts";

Deno.test("CompletionRing: records of every size go round it whole, and it says when it is full", () => {
  const completions = new CompletionRing();
  let read = 0;
  let written = 0;
  for (let round = 0; round < 4000; round++) {
    const size = (round * 3701) % 60_000;
    const bytes = new Uint8Array(size).fill(written);
    while (!completions.write(1, written, size, { length: size, writeTo: (target, at) => target.set(bytes, at) })) {
      const record = completions.peek()!;
      assertEquals([record.kind, record.taskId], [1, read]);
      const payload = completions.source.bytes.slice(record.at, record.at + record.detail);
      assert(payload.every((byte) => byte === (read & 255)), `record ${read}`);
      read++;
      completions.consume();
    }
    written++;
  }
  assert(read > 3000);
  while (completions.peek() !== undefined) {
    completions.consume();
    read++;
  }
  assertEquals(read, written);
  assert(!completions.hasRecords());
});

Deno.test("CompletionRing: little of it is used as long as the caller keeps up", () => {
  const completions = new CompletionRing();
  let last = 0;
  for (let i = 0; i < 10_000; i++) {
    assert(completions.write(1, i, 0, { length: i % 100, writeTo: () => {} }));
    const record = completions.peek()!;
    assertEquals(record.taskId, i);
    last = Math.max(last, record.at);
    completions.consume();
    assertEquals(completions.peek(), undefined);
  }
  assert(last < 70_000, `up to ${last}`);
});
