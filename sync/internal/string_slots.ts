/**
 * StringSlots in slots of fixed size.
 *
 * Memory of a slot: its length in bytes (32 bits), then `maxBytes`, rounded up to whole words.
 *
 * @module
 */

import type { CriticalSection } from "./critical_section.ts";
import { stringBytes, stringOf } from "./value_types.ts";

/** How many bytes a slot takes. */
export function slotBytes(maxBytes: number): number {
  return 4 + Math.ceil(maxBytes / 4) * 4;
}

/** StringSlots in shared memory, each read and written as a whole. */
export class StringSlots {
  /** The most bytes a string can have. */
  readonly maxBytes: number;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #lengths: Int32Array<SharedArrayBuffer>;
  readonly #guard: CriticalSection;
  readonly #at: number;

  /** The slots begin at byte `at`. */
  constructor(memory: SharedArrayBuffer, at: number, maxBytes: number, guard: CriticalSection) {
    this.maxBytes = maxBytes;
    this.#bytes = new Uint8Array(memory);
    this.#lengths = new Int32Array(memory);
    this.#guard = guard;
    this.#at = at;
  }

  /** The string in a slot. */
  get(index: number): string {
    const at = this.#at + index * slotBytes(this.maxBytes);
    return this.#guard.run(() => stringOf(this.#bytes, at + 4, this.#lengths[at / 4]!));
  }

  /**
   * Puts a string into a slot.
   *
   * @throws {TypeError} If it is no string, or half a character.
   * @throws {RangeError} If it takes more than `maxBytes`.
   */
  set(index: number, value: unknown): void {
    const at = this.#at + index * slotBytes(this.maxBytes);
    const bytes = stringBytes(value, this.maxBytes);
    this.#guard.run(() => {
      this.#lengths[at / 4] = 0; // if it is broken off in the middle, there is no string rather than a wrong one
      this.#bytes.set(bytes, at + 4);
      this.#lengths[at / 4] = bytes.length;
    });
  }
}
