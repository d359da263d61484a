import { assert, assertEquals } from "@std/assert";
import { AWAKE, Board, type Claimant, Desk, LISTENING, PAYLOAD, type Payload, SLOTS } from "./submission_ring.ts";

const running: Claimant = { stopped: false, setBusy: () => {} };

function payload(bytes: number[]): Payload {
  return { length: bytes.length, writeTo: (target, at) => target.set(bytes, at) };
}

function fill(board: Board, seq: number, byte = seq): number {
  return board.push(seq, 1, 0, 0, payload([byte]));
}

function firstByte(board: Board, slot: number): number | undefined {
  const at = board.payloadAt(slot);
  return board.source.bytes[at];
}

Deno.test("Board gives tasks in order, with their payloads", () => {
  const board = new Board();
  const worker = new Board(board.memory);
  for (let seq = 1; seq <= 3; seq++) fill(board, seq);
  assertEquals(board.unclaimed(), 3);
  for (let seq = 1; seq <= 3; seq++) {
    const slot = worker.claim(7, running);
    assertEquals(worker.header(slot), { seq, fn: 1, mode: 0, limit: 0 });
    assertEquals(firstByte(worker, slot), seq);
    assert(worker.release(slot, 7));
  }
  assertEquals(worker.claim(7, running), -1);
});

Deno.test("Board takes as many tasks as it has slots, again and again", () => {
  const board = new Board();
  let seq = 0;
  for (let round = 0; round < 5; round++) {
    while (board.hasRoom()) fill(board, ++seq);
    assertEquals(board.unclaimed(), SLOTS);
    for (let i = 0; i < SLOTS; i++) {
      const slot = board.claim(1, running);
      assertEquals(board.header(slot).seq, round * SLOTS + i + 1);
      assert(board.release(slot, 1));
    }
  }
});

Deno.test("Board passes over a cancelled task, and a claimed one cannot be cancelled", () => {
  const board = new Board();
  const [a, b, c] = [fill(board, 1), fill(board, 2), fill(board, 3)];
  assert(board.cancel(b!));
  assert(!board.cancel(b!));
  assertEquals(board.claim(1, running), a);
  assert(!board.cancel(a!));
  assert(board.release(a!, 1));
  assertEquals(board.claim(1, running), c);
});

Deno.test("Board takes back what a stopped worker has claimed, and lets it begin nothing", () => {
  const board = new Board();
  const [a, b] = [fill(board, 1), fill(board, 2)];
  assertEquals(board.claim(1, running), a);
  assertEquals(board.claim(2, running), b);
  assertEquals(board.repossess(1), [a]);
  assertEquals(board.release(a!, 1), false);
  assertEquals(board.release(b!, 2), true);
  assertEquals(board.claim(1, { ...running, stopped: true }), -1);
});

Deno.test("Board: a claim begun before the worker was stopped fails after it", () => {
  const board = new Board();
  fill(board, 1);
  let stopped = false;
  const slot = board.claim(1, {
    setBusy: () => {},
    get stopped() {
      if (stopped) return true;
      // Right after the worker has read HEAD and found itself not stopped, the caller stops it.
      stopped = true;
      assertEquals(board.repossess(1), []);
      return false;
    },
  });
  assertEquals(slot, -1);
  assertEquals(board.unclaimed(), 1);
  assert(board.claim(2, running) >= 0);
});

Deno.test("Board: a worker that is to stop leaves the wake of the caller to others, as it may end before it has notified", () => {
  const board = new Board();
  board.setCaller(LISTENING);
  assertEquals(board.wakeCaller({ stopped: true }), AWAKE);
  assertEquals(board.wakeCaller({ stopped: false }), LISTENING); // nobody has taken it before
  assertEquals(board.wakeCaller({ stopped: false }), AWAKE);
});

Deno.test("Desk: a task that is held can be revoked, one that has begun cannot", () => {
  const desk = new Desk();
  desk.hold(5);
  assertEquals(desk.current, 5);
  assertEquals(desk.revoke(), 5);
  assertEquals(desk.begin(5), false);
  desk.hold(6);
  assert(desk.begin(6));
  assertEquals(desk.revoke(), -1);
  assertEquals(desk.current, 6);
  desk.finish();
  assertEquals(desk.current, -1);
});

Deno.test("Desk: records of every size go round the ring whole, and it says when it is full", () => {
  const desk = new Desk();
  let read = 0;
  let written = 0;
  for (let round = 0; round < 2000; round++) {
    const size = (round * 3701) % 60_000;
    const bytes = new Uint8Array(size).fill(written);
    while (!desk.write(1, written, size, { length: size, writeTo: (target, at) => target.set(bytes, at) })) {
      const record = desk.peek()!;
      assertEquals([record.kind, record.seq], [1, read]);
      const payload = desk.source.bytes.slice(record.at, record.at + record.detail);
      assert(payload.every((byte) => byte === (read & 255)), `record ${read}`);
      read++;
      desk.advance();
    }
    written++;
  }
  assert(read > 1800);
  while (desk.peek() !== undefined) {
    desk.advance();
    read++;
  }
  assertEquals(read, written);
  assert(!desk.hasRecords());
});

Deno.test("Desk: little of the ring is used as long as the caller keeps up", () => {
  const desk = new Desk();
  let last = 0;
  for (let i = 0; i < 10_000; i++) {
    assert(desk.write(1, i, 0, payload(new Array(i % 100).fill(1))));
    const record = desk.peek()!;
    assertEquals(record.seq, i);
    last = Math.max(last, record.at);
    desk.advance();
    assertEquals(desk.peek(), undefined);
  }
  assert(last < 70_000, `up to ${last}`);
});

Deno.test("Desk: a worker that parks is woken by what came just before, and by stop()", () => {
  const desk = new Desk();
  assertEquals(desk.park(1000, () => true, true), true);
  assertEquals(desk.park(1, () => false, false), false); // now it is in its event loop
  assertEquals(desk.wake(), "message");
  assertEquals(desk.wake(), "awake");
  desk.stop();
  assert(desk.stopped);
});

Deno.test("Desk: a worker that sleeps when it is told to stop rests from then on", () => {
  const desk = new Desk();
  desk.setBusy();
  assert(!desk.rests);
  assertEquals(desk.park(1, () => false, false), false); // now it is in its event loop
  desk.stop();
  assert(desk.rests);
  assertEquals(desk.wake(), "awake");
  desk.setBusy();
  desk.stop(); // it runs: it says by itself when it is done
  assert(!desk.rests);
  desk.leave();
  assert(desk.rests);
});

Deno.test("Board's payloads do not touch each other", () => {
  const board = new Board();
  for (let seq = 0; seq < SLOTS; seq++) {
    board.push(seq, 0, 0, 0, payload(new Array(PAYLOAD).fill(seq)));
  }
  for (let seq = 0; seq < SLOTS; seq++) {
    const at = board.payloadAt(board.claim(1, running));
    assert(board.source.bytes.subarray(at, at + PAYLOAD).every((byte) => byte === seq));
  }
});
