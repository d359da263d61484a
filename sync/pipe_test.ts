import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Pool } from "../pool.ts";
import { ClosedError, InvalidStateError, TimeoutError } from "../errors.ts";
import { Connection, Event, Lock, Pipe } from "./mod.ts";
import { test } from "../testing/counted_workers.ts";

/** The number of bytes that fills a pipe. */
const FULL = 64 * 2 ** 20;

function fullPipe(): [Connection, Connection] {
  const ends = Pipe();
  ends[0].send(new Uint8Array(FULL));
  return ends;
}

test("sending through a full pipe times out or is aborted, and nothing of it arrives", async () => {
  const [here, there] = fullPipe();
  assertThrows(() => here.send(1, 5), TimeoutError, "within 5 ms as the pipe is full");
  assertThrows(() => here.send(1, 0), TimeoutError);
  assertThrows(() => here.send(new Lock(), -1), TimeoutError);
  await assertRejects(() => here.sendAsync(2, 5), TimeoutError);
  await assertRejects(() => here.sendAsync(2, { timeout: 0 }), TimeoutError);
  const controller = new AbortController();
  const aborted = here.sendAsync([3, new Lock()], { signal: controller.signal });
  controller.abort(new RangeError("Enough"));
  await assertRejects(() => aborted, RangeError, "Enough");
  await assertRejects(() => here.sendAsync(4, { signal: AbortSignal.abort(new RangeError("Before")) }), RangeError);
  assertThrows(() => here.send(5, "1" as never), TypeError, "timeout");
  await assertRejects(() => here.sendAsync(5, { timeout: NaN }), TypeError, "timeout");
  await assertRejects(() => here.sendAsync(5, { signal: 1 as never }), TypeError, "signal");
  assertEquals((there.recv() as Uint8Array).length, FULL);
  assertEquals(there.poll(), false);
  here.send(6, 5);
  await here.sendAsync(7, { timeout: 5 });
  assertEquals([there.recv(0), there.recv(0)], [6, 7]);
});

test("what waits for room in a pipe goes in order, and before what is sent later by blocking", async () => {
  const [here, there] = fullPipe();
  const copy = Connection.fromHandle(here.handle);
  const body = [1, { x: 1 }];
  const sent = [here.sendAsync(body), copy.sendAsync(2), here.sendAsync(3)];
  body.push(0); // the call has copied it already
  await using pool = new Pool(1);
  const reader = pool.apply((end: Connection) => {
    const all = [(end.recv() as Uint8Array).length];
    for (let i = 0; i < 4; i++) all.push(end.recv() as never);
    return all;
  }, [there]);
  here.send("last");
  await Promise.all(sent);
  assertEquals(await reader, [FULL, [1, { x: 1 }], 2, 3, "last"] as never);
});

test("what waits for room in a pipe ends when this end closes, also behind another copy of it", async () => {
  const [here, there] = fullPipe();
  const copy = Connection.fromHandle(here.handle);
  const first = copy.sendAsync(1);
  const second = here.sendAsync(2);
  const third = here.sendAsync(3, { timeout: 20_000, signal: new AbortController().signal });
  here.close();
  await assertRejects(() => second, ClosedError, "closed meanwhile");
  await assertRejects(() => third, ClosedError, "closed meanwhile");
  await assertRejects(() => here.sendAsync(4), ClosedError);
  there.recv();
  await first;
  assertEquals(there.recv(0), 1);
  copy.close();
  assertThrows(() => there.recv(0), ClosedError);
});

test("what waits for room in a pipe ends when the other end closes, or its worker ends", async () => {
  for (const how of ["close", "end"]) {
    const [here, there] = fullPipe();
    await using pool = new Pool(1);
    const go = new Event();
    const other = pool.apply((end: Connection, go: Event, how: string) => {
      go.wait();
      if (how === "close") end.close();
      else self.close();
    }, [there, go, how]).catch(() => {});
    there.close();
    const waits = [here.sendAsync(1), here.sendAsync(2, { timeout: 20_000 })];
    go.set();
    for (const wait of waits) await assertRejects(() => wait, ClosedError, "other end");
    assertThrows(() => here.send(3), ClosedError, "other end");
    await other;
  }
});

test("a worker that blocks in a full pipe goes on when there is room, and ends when the other end closes", async () => {
  const [here, there] = Pipe();
  const begun = new Event();
  await using pool = new Pool(1);
  const worker = pool.apply((end: Connection, begun: Event, size: number) => {
    end.send(new Uint8Array(size));
    begun.set();
    end.send("more");
    end.send(new Uint8Array(size));
    try {
      end.send("never");
    } catch (error) {
      return (error as Error).name;
    }
  }, [there, begun, FULL]);
  await begun.waitAsync();
  assertEquals((await here.recvAsync() as Uint8Array).length, FULL);
  assertEquals(await here.recvAsync(20_000), "more");
  assert(await here.pollAsync(20_000));
  here.close();
  assertEquals(await worker, "ClosedError");
});

test("pollAsync() sees what comes, the end included, and takes nothing", async () => {
  const [here, there] = Pipe();
  assertEquals([await here.pollAsync(), await here.pollAsync(5), await here.pollAsync({ timeout: -1 })], [
    false,
    false,
    false,
  ]);
  const polls = [here.pollAsync({}), here.pollAsync(20_000)];
  const received = here.recvAsync();
  const late = here.pollAsync(20_000);
  there.send(1);
  assertEquals(await Promise.all([...polls, received]), [true, true, 1]);
  there.send(2);
  assertEquals([await late, here.recv(0)], [true, 2]);
  const controller = new AbortController();
  const aborted = here.pollAsync({ signal: controller.signal });
  controller.abort(new RangeError("Enough"));
  await assertRejects(() => aborted, RangeError, "Enough");
  await assertRejects(() => here.pollAsync("1" as never), TypeError, "timeout");
  const ended = here.pollAsync({ timeout: 20_000 });
  there.close();
  assertEquals(await ended, true);
  await assertRejects(() => here.recvAsync(), ClosedError);
  here.close();
  await assertRejects(() => here.pollAsync(), ClosedError);
  const [reader, writer] = Pipe({ duplex: false });
  await assertRejects(() => writer.pollAsync(), InvalidStateError);
  await assertRejects(() => reader.sendAsync(1), InvalidStateError);
});

test("a value that was only seen by pollAsync() wakes a worker that receives", async () => {
  const [here, there] = Pipe();
  await using pool = new Pool(1);
  const begun = new Event();
  const polled = there.pollAsync(20_000);
  const worker = pool.apply((end: Connection, begun: Event) => (begun.set(), end.recv(20_000)), [there, begun]);
  await begun.waitAsync();
  here.send("for the worker");
  assertEquals([await polled, await worker], [true, "for the worker"]);
});

test("recvAsync() ends when its connection is closed, also behind another copy of it", async () => {
  const [here, there] = Pipe();
  const copy = Connection.fromHandle(here.handle);
  const first = copy.recvAsync();
  const second = here.recvAsync();
  here.close();
  await assertRejects(() => second, ClosedError, "closed meanwhile");
  there.send(1);
  assertEquals(await first, 1);
});
