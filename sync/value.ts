/**
 * A value shared by threads.
 *
 * Memory, in words: 0 the number of the object; 1 nothing; 2 and 3 the number. A string instead: 2 … a guard, then a slot
 * (`_strings.ts`). The lock that goes with it is an object of its own.
 *
 * @module
 */

import { show } from "../base/checks.ts";
import { type Check, type OptionsOf, OptionsSchema } from "../base/options_schema.ts";
import { reviveShared } from "../codec/handles.ts";
import {
  checkHandle,
  dataOf,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { CRITICAL_SECTION, CriticalSection } from "./internal/critical_section.ts";
import { type AsyncHeld, coreOf, type Held } from "./internal/hold.ts";
import type { Lock } from "./lock.ts";
import { ownLock } from "./internal/own_lock.ts";
import { RLock } from "./rlock.ts";
import { slotBytes, StringSlots } from "./internal/string_slots.ts";
import {
  checkMaxBytes,
  checkNumber,
  type IntegerType,
  type IntegerView,
  MAX_BYTES,
  type NumericType,
  numericType,
  type SharedType,
  type ValueOf,
} from "./internal/value_types.ts";

const { load, store, exchange, compareExchange } = Atomics;

const NUMBER_AT = 8;
const CRITICAL_SECTION_AT = 2;
const STRING_AT = (CRITICAL_SECTION_AT + CRITICAL_SECTION) * 4;

/** Options of a {@linkcode Value} or `SharedArray`. */
export interface SharedValueOptions {
  /**
   * How many bytes a string of type `"z"` can have.
   *
   * @default {256}
   */
  maxBytes?: number;
  /**
   * The lock that `getLock()` gives; none with `false`.
   *
   * @default {true} a new RLock
   */
  lock?: Lock | RLock | boolean;
}

/** What travels beside the memory. */
interface ValueData {
  readonly type: SharedType;
  readonly maxBytes: number;
  readonly lock: Handle | undefined;
}

/**
 * A number or a string in shared memory.
 *
 * Reading and writing `value` is atomic each, but `value += 1` is both and loses updates between threads, exactly as in
 * Python; {@linkcode Value.add} or the lock of {@linkcode Value.getLock} cure it.
 *
 * Types are Python's codes `b B h H i I l L q Q f d` (`l` and `L` have 32 bits), Deno's names for the same (`i8` … `f64`),
 * and `z` for strings. The 64-bit types hold bigints.
 *
 * Source: `multiprocessing.Value`, article 003.
 *
 * Differs from Python: what does not fit is an error, where ctypes cuts it off; there are atomic operations.
 *
 * @typeParam T The type.
 *
 * @example Counted in two workers
 * ```ts
 * import { Pool, Value } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const counter = new Value("i", 0);
 * await using pool = new Pool(2);
 * await pool.map((counter: Value<"i">) => counter.add(1), Array<Value<"i">>(100).fill(counter));
 * assertEquals(counter.value, 100);
 * ```
 */
export class Value<out T extends SharedType = SharedType> {
  readonly #object: SharedObject;
  readonly #name: SharedType;
  readonly #type: NumericType | undefined;
  readonly #view: IntegerView;
  readonly #strings: StringSlots | undefined;
  readonly #lock: Lock | RLock | undefined;

  /**
   * A new value.
   *
   * @param type Its type; or the handle of a value, to get that one instead.
   * @param initial What it holds at first; 0 or the empty string if not given.
   * @param options The size of a string, and a lock.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If there is no such type, or `initial` does not fit.
   */
  constructor(type: T | Handle, initial?: ValueOf<T>, options?: SharedValueOptions) {
    const handle = handleIn("Value", type);
    const given = SHARED_VALUE_OPTIONS.read(options, "Value");
    const made = handle === undefined ? describe(type as T, given) : undefined;
    this.#name = (handle === undefined ? type : dataOf<ValueData>("Value", handle).type) as SharedType;
    this.#type = numericType(this.#name);
    const string = this.#type === undefined;
    const maxBytes = made?.maxBytes ?? (handle!.data as ValueData).maxBytes;
    // Checked before anything is made.
    const none = string ? "" : typeof this.#type!.least === "bigint" ? 0n : 0;
    const first = initial === undefined ? none : initial;
    if (handle === undefined && !string) checkNumber(this.#type!, this.#name, first);
    const size = string ? STRING_AT / 4 + slotBytes(maxBytes) / 4 : 4;
    this.#object = new SharedObject("Value", handle, size, () => ({ data: { ...made, lock: made!.lock?.handle } }));
    const { words, member } = this.#object;
    const memory = words.buffer as SharedArrayBuffer;
    const View = this.#type?.View ?? Int32Array;
    this.#view = new View(memory, NUMBER_AT, 1) as IntegerView;
    if (string) {
      const guard = new CriticalSection(words, CRITICAL_SECTION_AT, member, this.#object.place(0), () => {});
      this.#strings = new StringSlots(memory, STRING_AT, maxBytes, guard);
    }
    this.#lock = made === undefined ? lockOf(handle!.data as ValueData) : made.lock;
    if (handle === undefined) this.value = first as ValueOf<T>;
  }

  /**
   * The value that `handle` stands for, on this thread.
   *
   * @throws {TypeError} If it is not the handle of a value.
   */
  static fromHandle(handle: Handle): Value {
    return new Value(checkHandle("Value", handle));
  }

  /** What it holds. Setting it throws a `TypeError` for the wrong kind of value, a `RangeError` for one that does not fit. */
  get value(): ValueOf<T> {
    if (this.#strings !== undefined) return this.#strings.get(0) as ValueOf<T>;
    return (this.#type!.least === undefined ? this.#view[0] : load(this.#view as Int32Array, 0)) as ValueOf<T>;
  }

  set value(value: ValueOf<T>) {
    if (this.#strings !== undefined) {
      this.#strings.set(0, value);
      return;
    }
    const number = checkNumber(this.#type!, this.#name, value);
    if (this.#type!.least === undefined) this.#view[0] = number;
    else store(this.#view as Int32Array, 0, number as number);
  }

  /**
   * Adds `n` in one step. For integers.
   *
   * @param n What to add, of the type of the value.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If the sum does not fit; the value is as before.
   */
  add(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#change(n, (old, n) => old + n);
  }

  /**
   * Subtracts `n` in one step. For integers.
   *
   * @param n What to subtract, of the type of the value.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If the difference does not fit; the value is as before.
   */
  sub(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#change(n, (old, n) => old - n);
  }

  /**
   * The bits of both, in one step. For integers.
   *
   * @param n The other operand.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If `n` does not fit.
   */
  and(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.and, n);
  }

  /**
   * The bits of either, in one step. For integers.
   *
   * @param n The other operand.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If `n` does not fit.
   */
  or(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.or, n);
  }

  /**
   * The bits of one or the other but not both, in one step. For integers.
   *
   * @param n The other operand.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If `n` does not fit.
   */
  xor(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.xor, n);
  }

  /**
   * Sets the value in one step. For integers.
   *
   * @param n The new value.
   * @returns What the value was before.
   * @throws {TypeError} If the value is no integer, or `n` is not of its type.
   * @throws {RangeError} If `n` does not fit.
   */
  exchange(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(exchange, n);
  }

  /**
   * Sets the value to `n` if it is `expected`, in one step. For integers.
   *
   * @param expected What the value must be.
   * @param n The new value.
   * @returns What the value was before: it was set if that is `expected`.
   * @throws {TypeError} If the value is no integer, or an argument is not of its type.
   * @throws {RangeError} If an argument does not fit.
   */
  compareExchange(this: Value<T & IntegerType>, expected: ValueOf<T>, n: ValueOf<T>): ValueOf<T> {
    const old = checkNumber(this.#integer(), this.#name, expected) as number;
    const next = checkNumber(this.#integer(), this.#name, n) as number;
    return compareExchange(this.#view as Int32Array, 0, old, next) as ValueOf<T>;
  }

  #integer(): NumericType {
    if (this.#type?.least === undefined) {
      throw new TypeError(`Cannot change a value of type '${this.#name}' in one step: only integers can`);
    }
    return this.#type;
  }

  #bits(operation: (view: Int32Array, index: number, n: number) => number, n: ValueOf<T>): ValueOf<T> {
    const number = checkNumber(this.#integer(), this.#name, n) as number;
    return operation(this.#view as Int32Array, 0, number) as ValueOf<T>;
  }

  #change(n: ValueOf<T>, operation: (old: number, n: number) => number): ValueOf<T> {
    const type = this.#integer();
    const view = this.#view as Int32Array;
    const kind = typeof type.least;
    if (typeof n !== kind || (kind === "number" && !Number.isInteger(n))) {
      const what = kind === "bigint" ? "a bigint" : "a whole number";
      throw new TypeError(
        `Cannot add to a value of type '${this.#name}' as it takes ${what}: current value is ${show(n)}`,
      );
    }
    let old = load(view, 0);
    for (;;) {
      const next = checkNumber(type, this.#name, operation(old, n as number)) as number;
      const seen = compareExchange(view, 0, old, next);
      if (seen === old) return old as ValueOf<T>;
      old = seen;
    }
  }

  /**
   * The lock that goes with the value: the same for everyone.
   *
   * @returns The lock.
   * @throws {TypeError} If it was made with `lock: false`.
   */
  getLock(): Lock | RLock {
    if (this.#lock === undefined) throw new TypeError("Cannot get the lock as the value was made without one");
    return this.#lock;
  }

  /**
   * Acquires the lock of the value until the end of the block, blocking this thread: `using _ = value.hold()`.
   *
   * @returns What releases it.
   * @throws {TypeError} If the value was made with `lock: false`.
   * @throws {InvalidStateError} As `hold()` of the lock does.
   * @throws {CancelledError} If this worker was terminated meanwhile.
   */
  hold(): Held {
    return this.getLock().hold();
  }

  /**
   * The same without blocking: `await using _ = await value.holdAsync()`.
   *
   * @param options A signal that gives up.
   * @returns What releases it.
   * @throws {TypeError} If the value was made with `lock: false`.
   */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return this.getLock().holdAsync(options);
  }

  /** What stands for the value in a message to a Worker of your own: {@linkcode Value.fromHandle} makes it one there. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Such as `Value(i, 3)`. */
  toString(): string {
    return `Value(${this.#name}, ${show(this.value)})`;
  }
}

/** What a new value or array is made with, checked. */
export function describe(
  type: SharedType,
  { maxBytes = MAX_BYTES, lock = true }: OptionsOf<ValueChecks>,
): { readonly type: SharedType; readonly maxBytes: number; readonly lock: Lock | RLock | undefined } {
  numericType(type);
  return { type, maxBytes, lock: lock === true ? new RLock() : lock === false ? undefined : lock };
}

const checkLock: Check<Lock | RLock | boolean> = (lock) => {
  if (typeof lock === "boolean") return lock;
  const own = ownLock(lock) as Lock | RLock;
  if (coreOf(own) !== undefined) return own;
  throw new TypeError(`Cannot use 'lock' as it must be a Lock, an RLock or a boolean: current value is ${show(lock)}`);
};

type ValueChecks = { readonly maxBytes: Check<number>; readonly lock: Check<Lock | RLock | boolean> };

/** What a value or array takes. */
export const SHARED_VALUE_OPTIONS: OptionsSchema<ValueChecks> = new OptionsSchema<ValueChecks>({
  maxBytes: checkMaxBytes,
  lock: checkLock,
});

/** The lock that came with a handle. */
export function lockOf(data: { readonly lock: Handle | undefined }): Lock | RLock | undefined {
  return data.lock === undefined ? undefined : reviveShared(data.lock) as Lock | RLock;
}

registerSharedClass("Value", Value);
