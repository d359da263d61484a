/** Tasks that start processes, for the tests of what waits for them. */

import { Event, Lock, Process } from "../mod.ts";

/** Where these tasks are. */
export const MODULE: string = import.meta.url;

/** What the tests and their processes meet on. */
export interface Meeting {
  /** The parent has done its work. */
  readonly returned: Event;
  /** The child has begun. */
  readonly begun: Event;
  /** The child may end. */
  readonly go: Event;
  /** The child has done its work. */
  readonly done: Event;
  /** The child holds it as long as it lives. */
  readonly held: Lock;
}

export function meeting(): Meeting {
  return { returned: new Event(), begun: new Event(), go: new Event(), done: new Event(), held: new Lock() };
}

export function child({ begun, go, done, held }: Meeting): void {
  held.acquire();
  begun.set();
  go.wait();
  done.set();
}

function start(meeting: Meeting, daemon: boolean): void {
  new Process({ target: child, args: [meeting], module: MODULE, daemon }).start();
  meeting.begun.wait();
}

export function startChild(meeting: Meeting): void {
  start(meeting, false);
  meeting.returned.set();
}

export async function startChildLater(meeting: Meeting): Promise<void> {
  await Promise.resolve();
  startChild(meeting);
}

export function startDaemon(meeting: Meeting): void {
  start(meeting, true);
}

export function startGrandchild(meeting: Meeting): void {
  new Process({ target: startChild, args: [meeting], module: MODULE }).start();
}

export function startChildAndThrow(meeting: Meeting): void {
  startChild(meeting);
  throw new RangeError("on purpose");
}

export function startChildAndExit(meeting: Meeting): void {
  startChild(meeting);
  Deno.exit(3);
}

export function startChildAndFail(meeting: Meeting): Promise<void> {
  startChild(meeting);
  return new Promise(() =>
    setTimeout(() => {
      throw new RangeError("on purpose");
    })
  );
}
