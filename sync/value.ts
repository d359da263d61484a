/**
 * A value shared by threads.
 *
 * Memory, in 32-bit words: 0 the object number; 1 unused; 2 and 3 the number. For a string: 2 … a critical section,
 * then a slot (`internal/string_slots.ts`). The lock of the value is a separate shared object.
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
import { unwarned } from "./internal/importing.ts";
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

/** Options of a {@linkcode Value} or {@linkcode SharedArray}. */
export interface SharedValueOptions {
  /**
   * The greatest size of a string of type `"z"`, in bytes of UTF-8; from 1 to 1073741823.
   *
   * @default {256}
   */
  maxBytes?: number;
  /**
   * The lock that `getLock()` returns: a new {@linkcode RLock} with `true`, none with `false`.
   *
   * @default {true}
   */
  lock?: Lock | RLock | boolean;
}

/** The part of a handle beside its memory. */
interface ValueData {
  readonly type: SharedType;
  readonly maxBytes: number;
  readonly lock: Handle | undefined;
}

/**
 * A number or a string in shared memory.
 *
 * Reading `value` is atomic, and so is writing it. `value += 1` does both and loses updates between threads, as in
 * Python; use {@linkcode Value.add}, or the lock of {@linkcode Value.getLock}.
 *
 * The types are Python's codes `b B h H i I l L q Q f d` (`l` and `L` have 32 bits), Deno's names for the same types
 * (`i8` … `f64`), and `z` for strings. The 64-bit integer types hold bigints.
 *
 * Source: `multiprocessing.Value`.
 *
 * Differs from Python: a number out of range is an error, where ctypes truncates it; there are atomic operations.
 *
 * @typeParam T The type of the value.
 *
 * @example Count the calls of all workers
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
  /** The range of an integer type whose values are numbers; of any other type `NaN`, which no number is in. */
  readonly #least: number;
  readonly #most: number;
  readonly #strings: StringSlots | undefined;
  readonly #lock: Lock | RLock | undefined;

  /**
   * Creates a value.
   *
   * @param type The type of the value; or the handle of an existing value.
   * @param initial The initial content; 0 or the empty string by default.
   * @param options The size of a string, and the lock.
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
    // Checked before any memory is allocated.
    const none = string ? "" : typeof this.#type!.least === "bigint" ? 0n : 0;
    const first = initial === undefined ? none : initial;
    if (handle === undefined && !string) checkNumber(this.#type!, this.#name, first);
    const size = string ? STRING_AT / 4 + slotBytes(maxBytes) / 4 : 4;
    this.#object = new SharedObject("Value", handle, size, () => ({ data: { ...made, lock: made!.lock?.handle } }));
    const { words, member } = this.#object;
    const memory = words.buffer as SharedArrayBuffer;
    const View = this.#type?.View ?? Int32Array;
    this.#view = new View(memory, NUMBER_AT, 1) as IntegerView;
    const { least, most } = this.#type ?? {};
    this.#least = typeof least === "number" ? least : NaN;
    this.#most = typeof most === "number" ? most : NaN;
    if (string) {
      const guard = new CriticalSection(words, CRITICAL_SECTION_AT, member, this.#object.place(0), () => {});
      this.#strings = new StringSlots(memory, STRING_AT, maxBytes, guard);
    }
    this.#lock = made === undefined ? lockOf(handle!.data as ValueData) : made.lock;
    if (handle === undefined) this.value = first as ValueOf<T>;
  }

  /** Returns the value of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): Value {
    return new Value(checkHandle("Value", handle));
  }

  /**
   * The content.
   *
   * Assigning a value of the wrong type throws a `TypeError`. Assigning a number out of range, or a string of more than
   * `maxBytes`, throws a `RangeError`.
   */
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
   * Adds `n` atomically. Only for integer types.
   *
   * @param n The number to add: a bigint for a 64-bit type, otherwise a whole number.
   * @returns The previous content.
   * @throws {TypeError} If the value is not of an integer type, or `n` is of the wrong type.
   * @throws {RangeError} If the sum is out of range. The content stays unchanged.
   */
  add(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#add(n, n as number) ?? this.#change(n, (old, n) => old + n);
  }

  /** Subtracts `n` atomically, as {@linkcode Value.add}. */
  sub(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#add(n, typeof n === "number" ? -n : 0) ?? this.#change(n, (old, n) => old - n);
  }

  /**
   * Computes the bitwise AND of the content and `n` atomically, and stores it. Only for integer types.
   *
   * @param n The other operand.
   * @returns The previous content.
   * @throws {TypeError} As {@linkcode Value.add}.
   * @throws {RangeError} If `n` is out of range.
   */
  and(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.and, n);
  }

  /** Computes the bitwise OR of the content and `n`, as {@linkcode Value.and}. */
  or(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.or, n);
  }

  /** Computes the bitwise XOR of the content and `n`, as {@linkcode Value.and}. */
  xor(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(Atomics.xor, n);
  }

  /** Stores `n` and returns the previous content atomically. Throws as {@linkcode Value.and}. */
  exchange(this: Value<T & IntegerType>, n: ValueOf<T>): ValueOf<T> {
    return this.#bits(exchange, n);
  }

  /**
   * Stores `n` atomically if the content is `expected`. Throws as {@linkcode Value.and}, for either argument.
   *
   * @param expected The content that is required.
   * @param n The new content.
   * @returns The previous content: `n` was stored if it equals `expected`.
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

  /**
   * Adds `difference`, which is `n` or its negation, to a value of an integer type whose values are numbers. Returns the
   * previous content; undefined, with nothing changed, if that is not possible: `#change` then finds out why.
   *
   * An exchange, not `Atomics.add`, which would store a sum out of range before anyone could check it.
   */
  #add(n: ValueOf<T>, difference: number): ValueOf<T> | undefined {
    if (typeof n !== "number" || !Number.isInteger(n)) return undefined;
    const view = this.#view as Int32Array;
    let old = view[0]!; // read plainly: if another thread has changed it, the exchange fails
    for (;;) {
      const next = old + difference;
      if (!(next >= this.#least && next <= this.#most)) return undefined;
      const seen = compareExchange(view, 0, old, next);
      if (seen === old) return old as ValueOf<T>;
      old = seen;
    }
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
   * Returns the lock of the value, the same on all threads.
   *
   * @returns The lock.
   * @throws {TypeError} If the value was created with `lock: false`.
   */
  getLock(): Lock | RLock {
    if (this.#lock === undefined) throw new TypeError("Cannot get the lock as the value was made without one");
    return this.#lock;
  }

  /**
   * Acquires the lock of the value until the end of the block, as {@linkcode Lock.hold} or {@linkcode RLock.hold}.
   *
   * @returns The guard that releases the lock.
   * @throws {TypeError} As {@linkcode Value.getLock}.
   */
  hold(): Held {
    return this.getLock().hold();
  }

  /**
   * Acquires the lock of the value until the end of the block, by awaiting, as {@linkcode Lock.holdAsync} or
   * {@linkcode RLock.holdAsync}.
   */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return this.getLock().holdAsync(options);
  }

  /** The handle of the value; see {@linkcode Lock.handle}. The handle includes that of the lock. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns the type and the content, such as `"Value(i, 3)"`. */
  toString(): string {
    return `Value(${this.#name}, ${show(this.value)})`;
  }
}

/** Checks the type of a new value or array. Returns it with the options and their defaults. */
export function describe(
  type: SharedType,
  { maxBytes = MAX_BYTES, lock = true }: OptionsOf<ValueChecks>,
): { readonly type: SharedType; readonly maxBytes: number; readonly lock: Lock | RLock | undefined } {
  numericType(type);
  return { type, maxBytes, lock: lock === true ? unwarned(() => new RLock()) : lock === false ? undefined : lock };
}

const checkLock: Check<Lock | RLock | boolean> = (lock) => {
  if (typeof lock === "boolean") return lock;
  const own = ownLock(lock) as Lock | RLock;
  if (coreOf(own) !== undefined) return own;
  throw new TypeError(`Cannot use 'lock' as it must be a Lock, an RLock or a boolean: current value is ${show(lock)}`);
};

type ValueChecks = { readonly maxBytes: Check<number>; readonly lock: Check<Lock | RLock | boolean> };

/** The options of values and arrays. */
export const SHARED_VALUE_OPTIONS: OptionsSchema<ValueChecks> = new OptionsSchema<ValueChecks>({
  maxBytes: checkMaxBytes,
  lock: checkLock,
});

/** Returns the lock that a handle includes. */
export function lockOf(data: { readonly lock: Handle | undefined }): Lock | RLock | undefined {
  return data.lock === undefined ? undefined : reviveShared(data.lock) as Lock | RLock;
}

registerSharedClass("Value", Value);
