/**
 * Strings in slots of fixed size.
 *
 * Memory of a slot: the length of the string in bytes (32 bits), then `maxBytes`, rounded up to whole words.
 *
 * @module
 */

import type { CriticalSection } from "./critical_section.ts";
import { stringBytes, stringOf } from "./value_types.ts";

/** Returns the size of a slot, in bytes. */
export function slotBytes(maxBytes: number): number {
  return 4 + Math.ceil(maxBytes / 4) * 4;
}

/** Strings in shared memory. Each is read and written as a whole. */
export class StringSlots {
  /** The greatest size of a string, in bytes. */
  readonly maxBytes: number;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #lengths: Int32Array<SharedArrayBuffer>;
  readonly #guard: CriticalSection;
  readonly #at: number;

  /** `at`: the position of the first slot, in bytes. */
  constructor(memory: SharedArrayBuffer, at: number, maxBytes: number, guard: CriticalSection) {
    this.maxBytes = maxBytes;
    this.#bytes = new Uint8Array(memory);
    this.#lengths = new Int32Array(memory);
    this.#guard = guard;
    this.#at = at;
  }

  /** Returns the string in a slot. */
  get(index: number): string {
    const at = this.#at + index * slotBytes(this.maxBytes);
    return this.#guard.run(() => stringOf(this.#bytes, at + 4, this.#lengths[at / 4]!));
  }

  /**
   * Stores a string in a slot.
   *
   * @throws {TypeError} If `value` is not a string, or holds a lone surrogate.
   * @throws {RangeError} If the string takes more than `maxBytes`.
   */
  set(index: number, value: unknown): void {
    const at = this.#at + index * slotBytes(this.maxBytes);
    const bytes = stringBytes(value, this.maxBytes);
    this.#guard.run(() => {
      this.#lengths[at / 4] = 0; // if this step is interrupted, the slot holds an empty string rather than a wrong one
      this.#bytes.set(bytes, at + 4);
      this.#lengths[at / 4] = bytes.length;
    });
  }
}
