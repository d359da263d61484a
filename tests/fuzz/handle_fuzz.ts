/** Handles of shared objects, also forged ones. */

import {
  Barrier,
  BoundedSemaphore,
  Condition,
  Connection,
  Event,
  type Handle,
  JoinableQueue,
  Lock,
  Pipe,
  Queue,
  RLock,
  Semaphore,
  SharedArray,
  Value,
} from "../../mod.ts";
import { type Fuzz, isOn, wrong } from "./fuzz.ts";
import { called } from "./steps.ts";
import { PRIMITIVES, sample, throwing } from "./values.ts";

const SHARED = [Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event, Queue, JoinableQueue];

function madeOf(kind: number): { readonly handle: Handle } {
  const made = [
    ...SHARED.map((Type) => () => new Type()),
    () => new Barrier(2),
    () => new Value("i"),
    () => new SharedArray("z", 2),
    () => Pipe()[0],
  ];
  return made[kind]!();
}

export async function handles(fuzz: Fuzz): Promise<void> {
  const types = [...SHARED, Barrier, Value, SharedArray, Connection];
  const kind = fuzz.next(types.length);
  const Type: { readonly name: string; fromHandle(handle: Handle): unknown } = types[kind]!;
  const { handle } = madeOf(kind);
  const odd = sample(fuzz);
  // Found once: a handle with a kind that is no text, without its data, or with too little memory is an error of the inside.
  const forged = isOn("handles")
    ? fuzz.pick([
      () => ({ ...handle, data: odd.value }),
      () => ({ ...handle, kind: odd.value }),
      () => ({ ...handle, memory: [new SharedArrayBuffer(0)] }),
      () => ({ ...handle, memory: [handle.memory[0], odd.value] }),
      () => ({ ...handle, threadTable: new SharedArrayBuffer(4) }),
    ])()
    : fuzz.pick<() => unknown>([
      () => odd.value,
      () => ({ ...handle, kind: fuzz.pick(PRIMITIVES) }),
      () => ({ ...handle, memory: odd.value }),
      () => ({ ...handle, memory: [odd.value] }),
      () => ({ ...handle, threadTable: odd.value }),
      () => ({ kind: handle.kind }),
      () => madeOf((kind + 1 + fuzz.next(types.length - 1)) % types.length).handle,
      () => throwing(handle),
    ])();
  const chosen = { refused: !isOn("handles"), good: false };
  if (odd.name !== "growable shared memory") {
    await called(fuzz, `${Type.name}.fromHandle(${odd.name})`, chosen, () => Type.fromHandle(wrong(forged)));
  }
  const again = structuredClone(handle);
  await fuzz.must(`${Type.name}.fromHandle`, () => void Type.fromHandle(again));
}
