/** Which values and errors a call may end with. */

import {
  BrokenBarrierError,
  BrokenProcessPoolError,
  CancelledError,
  ClosedError,
  QueueEmptyError,
  SerializationError,
  TimeoutError,
} from "../../mod.ts";
import { fixtures } from "./fixtures.ts";
import type { Subject } from "./subjects.ts";
import { BLOCKED, DYING, isLoad, isOneOf, isThrown, type Item, type Kind } from "./tasks.ts";

/** A call, and what was done to it. */
export interface Call {
  readonly step: number;
  readonly how: string;
  readonly subject: Subject;
  readonly items: readonly Item[];
  readonly limit: number;
  readonly chunksize: number;
  signal: AbortSignal | undefined;
  readonly started: number;
  /** The subject took nothing any more. */
  readonly refused: boolean;
  /** The input throws at its end. */
  readonly inputFails: boolean;
  /** Some arguments were moved. */
  moved: boolean;
  /** A result of it may be missing as nobody reads on. */
  cancelled: boolean;
}

/** Returns the call as a line of a failure. */
export function describe({ step, how, subject, items, limit, chunksize, signal }: Call): string {
  const list = items.slice(0, 12).map(([kind, n, size]) => `${kind} ${n}/${size}`).join(", ");
  const more = `${limit > 0 ? `, limit ${limit}` : ""}${signal ? ", signal" : ""}, chunks of ${chunksize}`;
  return `step ${step}: ${how} of ${items.length} in ${subject.name}${more}: ${list}`;
}

/** The items that share the fate of one. */
function chunkOf({ items, chunksize }: Call, index: number): readonly Item[] {
  const start = index - index % chunksize;
  return items.slice(start, start + chunksize);
}

function hasKind(items: readonly Item[], kinds: readonly Kind[]): boolean {
  return items.some(([kind]) => isOneOf(kinds, kind));
}

/** Whether an item cannot have a value, whatever else happens. */
function mustFail(call: Call, index: number): boolean {
  const [kind] = call.items[index]!;
  if (kind === "throws" || (kind === "stalls" && (call.limit > 0 || !call.subject.local))) return true;
  if (call.subject.local) return false;
  if (kind === "unsendable" || kind === "loops" || kind === "loopsLocked" || isOneOf(BLOCKED, kind)) return true;
  if (isOneOf([...DYING, "unsendableArgument"], kind)) return true;
  // An executor that is shut down sends what has been read of a chunk; with a limit, a task may be ended before it dies.
  if (call.how.startsWith("executor.map") && call.subject.ended) return false;
  const chunk = chunkOf(call, index);
  return hasKind(chunk, ["unsendableArgument"]) || (call.limit === 0 && hasKind(chunk, DYING));
}

/** Whether a value is that of an item. */
export function isRight(call: Call, index: number, value: unknown): boolean {
  const [kind, n, size] = call.items[index]!;
  if (mustFail(call, index) || call.refused) return false;
  if (Atomics.load(fixtures.begun, n) !== 1) return false;
  if (kind === "large" || kind === "echo") return isLoad(n, size, value);
  if (kind === "get") return typeof value === "number" && value < 0;
  return value === n;
}

/** The reason of an aborted call starts so; the number of the step follows. */
export const REASON = "aborted by step ";

/** What the tasks throw that leave an error behind. */
const STRAY = "on purpose, by chaos";

/** How the message of an error begins that stands for what is no error. */
const NO_ERROR = "The call threw something that is not an error";

/** Whether an error is one that an item, or the call for it, may end with. */
export function isFitting(call: Call, index: number, given: unknown): boolean {
  // `returnExceptions` has what is no error as the cause of one.
  const error = given instanceof Error && given.message.startsWith(NO_ERROR) ? given.cause : given;
  const { subject, items, limit, signal } = call;
  const [kind, n, size] = items[index]!;
  const chunk = chunkOf(call, index);
  if (error === `${REASON}${call.step}`) return signal?.aborted === true;
  if (error instanceof ClosedError) return call.refused || (call.how.startsWith("executor.map") && subject.ended);
  if (error instanceof BrokenProcessPoolError) {
    if (subject.broken || subject.cursed) return true;
    const stray = subject.strays > 0 && error.cause === STRAY;
    return !call.refused && (stray || hasKind(chunk, DYING) || (call.moved && subject.deaths + subject.strays > 0));
  }
  if (call.refused) return false;
  if (error instanceof CancelledError) return subject.terminated || subject.cancelled || call.cancelled;
  if (error instanceof TimeoutError) {
    return limit > 0 && performance.now() - call.started >= limit - 2;
  }
  if (!subject.local && error instanceof SerializationError) {
    return kind === "unsendable" || hasKind(chunk, ["unsendableArgument"]);
  }
  if (error instanceof RangeError && error.message === "input") return call.inputFails;
  if (kind === "throws") return isThrown(n, size, error);
  if (kind === "meet") return error instanceof BrokenBarrierError;
  // Another was ended in the middle of its arrival there, so that nobody knows who has come.
  if (kind === "blockedBarrier") return error instanceof BrokenBarrierError && fixtures.lonely.broken;
  return kind === "get" && subject.local && error instanceof QueueEmptyError;
}

/** Returns whether an error says that the next result is not there yet. */
export function isLate(error: unknown): boolean {
  return error instanceof TimeoutError && error.message.startsWith("The next result is not there");
}

/** Whether an error is that of a stream, or a call for no items, whose subject has ended or whose input has failed. */
export function endsWith({ subject, inputFails }: Call, error: unknown): boolean {
  if (error instanceof CancelledError) return subject.terminated || subject.cancelled;
  if (error instanceof BrokenProcessPoolError) return subject.broken || subject.cursed;
  if (error instanceof ClosedError) return subject.ended;
  return inputFails && error instanceof RangeError && error.message === "input";
}

/** Whether an error is the last thing that a stream gives. */
export function isLast(call: Call, error: unknown, left: number): boolean {
  if (error === `${REASON}${call.step}`) return call.signal?.aborted === true;
  const { subject, inputFails } = call;
  if (error instanceof ClosedError) return call.how.startsWith("executor.map") && subject.ended;
  if (left > 0) return false;
  return endsWith(call, error) || (inputFails && error instanceof RangeError && error.message === "input");
}

/** Returns a short text of a value. */
export function inspect(value: unknown): string {
  return Deno.inspect(value, { iterableLimit: 5, strAbbreviateSize: 100, depth: 3 });
}

/** Judges the outcomes of calls, and collects the faults of one part. */
export class Oracle {
  /** Descriptions of what has gone wrong. */
  readonly faults: string[] = [];
  /** The numbers that came out of the queues. */
  readonly got: number[] = [];

  /** Notes what is wrong with a call. */
  fault(call: Call, what: string): void {
    this.faults.push(`${describe(call)}: ${what}`);
  }

  /** Checks one outcome of one item. */
  check(call: Call, index: number, outcome: PromiseSettledResult<unknown>): void {
    if (outcome.status === "fulfilled") {
      if (!isRight(call, index, outcome.value)) this.fault(call, `item ${index} gave ${inspect(outcome.value)}`);
      else if (call.items[index]![0] === "get") this.got.push(-1 - (outcome.value as number));
    } else if (!isFitting(call, index, outcome.reason)) {
      this.fault(call, `item ${index} failed with ${inspect(outcome.reason)}`);
    }
  }

  /** Checks the outcome of a whole map. */
  checkMap(call: Call, outcome: PromiseSettledResult<unknown[]>, errorsToo: boolean): void {
    const { items } = call;
    if (outcome.status === "rejected") {
      const { reason } = outcome;
      // One of the items before the first that must fail, or that one.
      const first = items.findIndex((_, i) => mustFail(call, i));
      const own = items.slice(0, first < 0 ? items.length : first + 1).some((_, i) => isFitting(call, i, reason));
      const aborted = call.signal?.aborted === true && reason === `${REASON}${call.step}`;
      const whole = items.length === 0 && (aborted || endsWith(call, reason));
      if (!own && !whole) this.fault(call, `failed with ${inspect(reason)}`);
      return;
    }
    const { value } = outcome;
    if (value.length !== items.length) return this.fault(call, `gave ${value.length} results`);
    value.forEach((one, i) => {
      if (errorsToo && isFitting(call, i, one)) return;
      this.check(call, i, { status: "fulfilled", value: one });
    });
  }

  /** Finds an item for each error of a stream without order. */
  match(call: Call, left: Set<number>, errors: readonly unknown[]): void {
    const owners = new Map<number, unknown>();
    const place = (error: unknown, tried: Set<number>): boolean => {
      for (const i of left) {
        if (tried.has(i) || !isFitting(call, i, error)) continue;
        tried.add(i);
        if (owners.has(i) && !place(owners.get(i), tried)) continue;
        owners.set(i, error);
        return true;
      }
      return false;
    };
    for (const error of errors) {
      if (!place(error, new Set()) && !endsWith(call, error)) this.fault(call, `one failed with ${inspect(error)}`);
    }
    for (const i of owners.keys()) left.delete(i);
  }
}
