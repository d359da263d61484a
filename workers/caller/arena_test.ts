import { assert, assertEquals } from "@std/assert";
import { Arena } from "./arena.ts";
import { ARENA_BYTES } from "../shared/submission_ring.ts";

Deno.test("Arena gives the first block that is free and large enough", () => {
  const arena = new Arena();
  const [a, b, c] = [arena.take(5000), arena.take(40_000), arena.take(1)];
  assertEquals([a, b, c], [0, 16_384, 16_384 * 4]);
  arena.free(b!);
  assertEquals(arena.take(50_000), 16_384 * 5); // needs one page more than has become free
  assertEquals(arena.take(30_000), b);
  assertEquals(arena.take(10), 16_384 * 3);
});

Deno.test("Arena gives no block twice, and all of it again", () => {
  const arena = new Arena();
  assertEquals(arena.take(ARENA_BYTES + 1), -1);
  assertEquals(arena.take(ARENA_BYTES), 0);
  assertEquals(arena.take(1), -1);
  arena.free(0);
  const taken = new Map<number, number>();
  let random = 1;
  for (let i = 0; i < 20_000; i++) {
    random = (random * 48271) % 0x7fffffff;
    const length = 1 + random % 300_000;
    const place = arena.take(length);
    if (place < 0 || random % 3 === 0) {
      const first = taken.keys().next().value;
      if (first === undefined) continue;
      arena.free(first);
      taken.delete(first);
    }
    if (place < 0) continue;
    assert(place + length <= ARENA_BYTES);
    for (const [other, size] of taken) {
      assert(place + length <= other || other + size <= place, `${place} and ${other}`);
    }
    taken.set(place, length);
  }
  for (const place of taken.keys()) arena.free(place);
  assertEquals(arena.take(ARENA_BYTES), 0);
});
