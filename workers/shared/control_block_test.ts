import { assert, assertEquals } from "@std/assert";
import { FETCHING, IMPORTING } from "../../scheduler/messages.ts";
import { ControlBlock } from "./control_block.ts";

Deno.test("ControlBlock: a task that is held can be revoked, one that has begun cannot", () => {
  const control = new ControlBlock();
  control.hold(5);
  assertEquals(control.current, 5);
  assertEquals(control.revoke(), 5);
  assertEquals(control.begin(5), false);
  control.hold(6);
  assert(control.begin(6));
  assertEquals(control.revoke(), -1);
  assertEquals(control.current, 6);
  control.finish();
  assertEquals(control.current, -1);
});

Deno.test("ControlBlock: a worker that parks is woken by what came just before, and by stop()", () => {
  const control = new ControlBlock();
  assertEquals(control.park(1000, () => true, () => false, true), true);
  assertEquals(control.park(1, () => false, () => false, false), false); // now it is in its event loop
  assertEquals(control.wake(), "message");
  assertEquals(control.wake(), "awake");
  control.stop();
  assert(control.stopped);
});

Deno.test("ControlBlock: a worker that sleeps when it is told to stop rests from then on", () => {
  const control = new ControlBlock();
  control.setBusy();
  assert(!control.rests);
  assertEquals(control.park(1, () => false, () => false, false), false); // now it is in its event loop
  control.stop();
  assert(control.rests);
  assertEquals(control.wake(), "awake");
  control.setBusy();
  control.stop(); // the worker runs: it leaves by itself when it is done
  assert(!control.rests);
  control.leave();
  assert(control.rests);
});

Deno.test("ControlBlock: a worker that waits for the payload of its task rests, one that imports a module does not", () => {
  const control = new ControlBlock();
  control.setTurning();
  control.setStage(FETCHING);
  assert(control.rests);
  control.setStage(IMPORTING);
  assert(!control.rests);
});
