/**
 * An array shared by threads.
 *
 * Memory, in 32-bit words: 0 the object number; for strings 1 … a critical section. The elements have separate memory,
 * from its first byte: numbers as a typed array, strings in slots (`internal/string_slots.ts`). The lock of the array
 * is a separate shared object.
 *
 * @module
 */

import { checkIterator, show } from "../base/checks.ts";
import {
  checkHandle,
  dataOf,
  FIRST,
  type Handle,
  handleIn,
  registerSharedClass,
  SharedObject,
} from "./internal/shared_object.ts";
import { CRITICAL_SECTION, CriticalSection } from "./internal/critical_section.ts";
import type { AsyncHeld, Held } from "./internal/hold.ts";
import type { Lock } from "./lock.ts";
import type { RLock } from "./rlock.ts";
import { slotBytes, StringSlots } from "./internal/string_slots.ts";
import {
  type AnyView,
  checkNumber,
  type NumericType,
  numericType,
  type SharedType,
  stringBytes,
  type ValueOf,
  type ViewOf,
} from "./internal/value_types.ts";
import { describe, lockOf, SHARED_VALUE_OPTIONS, type SharedValueOptions } from "./value.ts";

interface ArrayData {
  readonly type: SharedType;
  readonly length: number;
  readonly maxBytes: number;
  readonly lock: Handle | undefined;
}

/**
 * A fixed number of numbers or strings in shared memory.
 *
 * {@linkcode SharedArray.view} is a typed array on the shared memory itself: code for typed arrays works on it without
 * a copy, in all threads at once. Each element is read and written as a whole. Only the lock keeps two threads from
 * writing to the same element.
 *
 * The types are those of {@linkcode Value}. The class is also exported as `Array`, its name in Python.
 *
 * Source: `multiprocessing.Array`.
 *
 * Differs from Python: slices cannot be assigned; use `set` and `subarray` of `view`. A number out of range is an
 * error.
 *
 * @typeParam T The type of the elements.
 *
 * @example Fill ranges of one array in several workers, without copies
 * ```ts
 * import { Pool, SharedArray } from "@manycore/parallel";
 * import { assertEquals } from "@std/assert";
 *
 * const data = new SharedArray("d", 1_000);
 * await using pool = new Pool(2, { scope: { data } });
 * await pool.map((start: number) => {
 *   for (let i = start; i < start + 250; i++) data.view[i] = Math.sqrt(i);
 * }, [0, 250, 500, 750]);
 * assertEquals(data.at(900), 30);
 * ```
 */
export class SharedArray<T extends SharedType = SharedType> implements Iterable<ValueOf<T>> {
  /** The number of elements. */
  readonly length: number;
  readonly #object: SharedObject;
  readonly #name: SharedType;
  readonly #type: NumericType | undefined;
  readonly #view: AnyView | undefined;
  readonly #strings: StringSlots | undefined;
  readonly #maxBytes: number;
  readonly #lock: Lock | RLock | undefined;

  /**
   * Creates an array.
   *
   * @param type The type of the elements; or the handle of an existing array.
   * @param sizeOrValues The number of elements, all 0 or the empty string; or the elements, from any iterable.
   * @param options The size of strings, and the lock.
   * @throws {TypeError} If an argument is of the wrong type.
   * @throws {RangeError} If there is no such type, an element does not fit, or there is not enough memory.
   */
  constructor(type: T | Handle, sizeOrValues: number | Iterable<ValueOf<T>> = 0, options?: SharedValueOptions) {
    const handle = handleIn("SharedArray", type);
    const given = SHARED_VALUE_OPTIONS.read(options, "SharedArray");
    const name = (handle === undefined ? type : dataOf<ArrayData>("SharedArray", handle).type) as SharedType;
    this.#name = name;
    this.#type = numericType(name);
    let values: readonly unknown[] | undefined;
    if (handle !== undefined) {
      this.length = (handle.data as ArrayData).length;
    } else {
      values = typeof sizeOrValues === "number" ? undefined : elements(sizeOrValues);
      this.length = values?.length ?? checkSize(sizeOrValues);
    }
    const { length } = this;
    const made = handle === undefined ? describe(name, given) : undefined;
    const maxBytes = made?.maxBytes ?? (handle!.data as ArrayData).maxBytes;
    this.#maxBytes = maxBytes;
    const bytes = this.#type?.View.BYTES_PER_ELEMENT ?? slotBytes(maxBytes);
    // Checked before the memory is allocated.
    for (const value of values ?? []) {
      if (this.#type !== undefined) checkNumber(this.#type, name, value);
      else stringBytes(value, maxBytes);
    }
    this.#object = new SharedObject("SharedArray", handle, this.#type === undefined ? CRITICAL_SECTION : 0, () => ({
      memory: [allocate(length, bytes)],
      data: { type: name, length, maxBytes, lock: made!.lock?.handle },
    }), 2);
    const { words, member } = this.#object;
    const memory = this.#object.handle.memory[1]!;
    if (this.#type !== undefined) {
      this.#view = new this.#type.View(memory, 0, length);
    } else {
      this.#strings = new StringSlots(
        memory,
        0,
        maxBytes,
        new CriticalSection(words, FIRST, member, this.#object.place(0), () => {}),
      );
    }
    this.#lock = made === undefined ? lockOf(handle!.data as ArrayData) : made.lock;
    values?.forEach((value, i) => this.set(i, value as ValueOf<T>));
    // So `array[i] = x`, which Python allows, throws instead of setting a property on this thread. Subclasses have fields.
    if (new.target === SharedArray) Object.preventExtensions(this);
  }

  /** Returns the array of a handle; see {@linkcode Lock.fromHandle}. */
  static fromHandle(handle: Handle): SharedArray {
    return new SharedArray(checkHandle("SharedArray", handle));
  }

  #index(index: number): number {
    if (typeof index !== "number" || !Number.isInteger(index)) {
      throw new TypeError(`Cannot use the index as it must be a whole number: current value is ${show(index)}`);
    }
    const place = index < 0 ? this.length + index : index;
    if (place < 0 || place >= this.length) {
      throw new RangeError(`Cannot use the index as there are ${this.length} elements: current value is ${index}`);
    }
    return place;
  }

  /**
   * Returns an element.
   *
   * @param index The index; a negative index counts from the end.
   * @returns The element.
   * @throws {TypeError} If `index` is not a whole number.
   * @throws {RangeError} If there is no such element.
   */
  at(index: number): ValueOf<T> {
    const place = this.#index(index);
    return (this.#strings === undefined ? this.#view![place] : this.#strings.get(place)) as ValueOf<T>;
  }

  /**
   * Sets an element.
   *
   * @param index The index, as for {@linkcode SharedArray.at}.
   * @param value The new element.
   * @throws {TypeError} If `index` is not a whole number, or `value` is of the wrong type.
   * @throws {RangeError} If there is no such element, or `value` does not fit.
   */
  set(index: number, value: ValueOf<T>): void {
    const place = this.#index(index);
    if (this.#strings !== undefined) this.#strings.set(place, value);
    else this.#view![place] = checkNumber(this.#type!, this.#name, value);
  }

  /** Iterates over the elements. Each element is read when it is reached. */
  *[Symbol.iterator](): IterableIterator<ValueOf<T>> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /**
   * All elements, as a new array. Assigning takes exactly `length` elements, from any iterable, and throws as
   * {@linkcode SharedArray.set}; no element changes if one does not fit.
   */
  get value(): ValueOf<T>[] {
    return [...this];
  }

  set value(values: Iterable<ValueOf<T>>) {
    const list = elements(values) as ValueOf<T>[];
    if (list.length !== this.length) {
      throw new RangeError(`Cannot set ${list.length} values as the array has ${this.length} elements`);
    }
    // All elements are checked before the first is set.
    for (const value of list) {
      if (this.#type !== undefined) checkNumber(this.#type, this.#name, value);
      else stringBytes(value, this.#maxBytes);
    }
    list.forEach((value, i) => this.set(i, value));
  }

  /**
   * The typed array on the shared memory. Only for numbers.
   *
   * @throws {TypeError} If the elements are strings.
   */
  get view(): ViewOf<T> {
    if (this.#view === undefined) throw new TypeError("Cannot give a typed array as the elements are strings");
    return this.#view as ViewOf<T>;
  }

  /** Returns the lock of the array; see {@linkcode Value.getLock}. */
  getLock(): Lock | RLock {
    if (this.#lock === undefined) throw new TypeError("Cannot get the lock as the array was made without one");
    return this.#lock;
  }

  /** Acquires the lock of the array until the end of the block; see {@linkcode Value.hold}. */
  hold(): Held {
    return this.getLock().hold();
  }

  /** Acquires the lock of the array until the end of the block, by awaiting; see {@linkcode Value.holdAsync}. */
  holdAsync(options?: { signal?: AbortSignal }): Promise<AsyncHeld> {
    return this.getLock().holdAsync(options);
  }

  /** The handle of the array; see {@linkcode Value.handle}. */
  get handle(): Handle {
    return this.#object.handle;
  }

  /** Returns the type and the number of elements, such as `"SharedArray(d, 1000)"`. */
  toString(): string {
    return `SharedArray(${this.#name}, ${this.length})`;
  }
}

function checkSize(size: unknown): number {
  if (typeof size !== "number") {
    throw new TypeError(`Cannot make a SharedArray as its size must be a number: current value is ${show(size)}`);
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(
      `Cannot make a SharedArray as its size must be a whole number: current value is ${show(size)}`,
    );
  }
  return size;
}

function elements(values: unknown): unknown[] {
  const iterable = typeof values === "string" ||
    (typeof values === "object" && values !== null && Symbol.iterator in values);
  if (!iterable) {
    throw new TypeError(`Cannot make a SharedArray as its elements must be iterable: current value is ${show(values)}`);
  }
  const list: unknown[] = [];
  const from = values as Iterable<unknown>;
  for (const value of { [Symbol.iterator]: () => checkIterator(from[Symbol.iterator]()) }) list.push(value);
  return list;
}

function allocate(length: number, bytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(length * bytes);
  } catch (cause) {
    throw new RangeError(`Cannot make a SharedArray as there is no memory for ${length} elements`, { cause });
  }
}

registerSharedClass("SharedArray", SharedArray);
