import { assert, assertEquals } from "@std/assert";
import { AWAKE, type Claimant, LISTENING, PAYLOAD, SLOTS, SubmissionRing } from "./submission_ring.ts";
import type { Writable } from "./growable.ts";

const running: Claimant = { stopped: false, setBusy: () => {} };

function payload(bytes: number[]): Writable {
  return { length: bytes.length, writeTo: (target, at) => target.set(bytes, at) };
}

function fill(submissions: SubmissionRing, taskId: number, byte = taskId): number {
  return submissions.push(taskId, 1, 0, 0, payload([byte]));
}

function firstByte(submissions: SubmissionRing, slot: number): number | undefined {
  const at = submissions.payloadAt(slot);
  return submissions.source.bytes[at];
}

Deno.test("SubmissionRing gives tasks in order, with their payloads", () => {
  const submissions = new SubmissionRing();
  const worker = new SubmissionRing(submissions.memory);
  for (let taskId = 1; taskId <= 3; taskId++) fill(submissions, taskId);
  assertEquals(submissions.unclaimed(), 3);
  for (let taskId = 1; taskId <= 3; taskId++) {
    const slot = worker.claim(7, running);
    assertEquals(worker.header(slot), { taskId, fn: 1, mode: 0, limit: 0, first: 0 });
    assertEquals(firstByte(worker, slot), taskId);
    assert(worker.release(slot, 7));
  }
  assertEquals(worker.claim(7, running), -1);
});

Deno.test("SubmissionRing takes as many tasks as it has slots, again and again", () => {
  const submissions = new SubmissionRing();
  let taskId = 0;
  for (let round = 0; round < 5; round++) {
    while (submissions.hasRoom()) fill(submissions, ++taskId);
    assertEquals(submissions.unclaimed(), SLOTS);
    for (let i = 0; i < SLOTS; i++) {
      const slot = submissions.claim(1, running);
      assertEquals(submissions.header(slot).taskId, round * SLOTS + i + 1);
      assert(submissions.release(slot, 1));
    }
  }
});

Deno.test("SubmissionRing passes over a cancelled task, and a claimed one cannot be cancelled", () => {
  const submissions = new SubmissionRing();
  const [a, b, c] = [fill(submissions, 1), fill(submissions, 2), fill(submissions, 3)];
  assert(submissions.cancel(b!));
  assert(!submissions.cancel(b!));
  assertEquals(submissions.claim(1, running), a);
  assert(!submissions.cancel(a!));
  assert(submissions.release(a!, 1));
  assertEquals(submissions.claim(1, running), c);
});

Deno.test("SubmissionRing takes back what a stopped worker has claimed, and lets it begin nothing", () => {
  const submissions = new SubmissionRing();
  const [a, b] = [fill(submissions, 1), fill(submissions, 2)];
  assertEquals(submissions.claim(1, running), a);
  assertEquals(submissions.claim(2, running), b);
  assertEquals(submissions.repossess(1), [a]);
  assertEquals(submissions.release(a!, 1), false);
  assertEquals(submissions.release(b!, 2), true);
  assertEquals(submissions.claim(1, { ...running, stopped: true }), -1);
});

Deno.test("SubmissionRing: a claim begun before the worker was stopped fails after it", () => {
  const submissions = new SubmissionRing();
  fill(submissions, 1);
  let stopped = false;
  const slot = submissions.claim(1, {
    setBusy: () => {},
    get stopped() {
      if (stopped) return true;
      // Right after the worker has read HEAD and found itself not stopped, the caller stops it.
      stopped = true;
      assertEquals(submissions.repossess(1), []);
      return false;
    },
  });
  assertEquals(slot, -1);
  assertEquals(submissions.unclaimed(), 1);
  assert(submissions.claim(2, running) >= 0);
});

Deno.test("SubmissionRing: a worker that is to stop leaves the wake of the caller to others, as it may end before it has notified", () => {
  const submissions = new SubmissionRing();
  submissions.setCaller(LISTENING);
  assertEquals(submissions.wakeCaller({ stopped: true }), AWAKE);
  assertEquals(submissions.wakeCaller({ stopped: false }), LISTENING); // no other worker has woken it before
  assertEquals(submissions.wakeCaller({ stopped: false }), AWAKE);
});

Deno.test("SubmissionRing's payloads do not touch each other", () => {
  const submissions = new SubmissionRing();
  for (let taskId = 0; taskId < SLOTS; taskId++) {
    submissions.push(taskId, 0, 0, 0, payload(new Array(PAYLOAD).fill(taskId)));
  }
  for (let taskId = 0; taskId < SLOTS; taskId++) {
    const at = submissions.payloadAt(submissions.claim(1, running));
    assert(submissions.source.bytes.subarray(at, at + PAYLOAD).every((byte) => byte === taskId));
  }
});
