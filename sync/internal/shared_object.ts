/**
 * The base of every shared object: its memory, its number, and the thread that uses it.
 *
 * @module
 */

import { shareClass } from "../../base/copies.ts";
import { HANDLE, type Handle, registerShared } from "../../codec/handles.ts";
import { registerLibraryFunction } from "../../codec/functions.ts";
import type { AnyFunction } from "../../base/values.ts";
import { show } from "../../base/checks.ts";
import { warnIfImporting } from "./importing.ts";
import { THREAD_TABLE_BYTES } from "./thread_table.ts";
import { memberOf } from "./current_thread.ts";
import type { Member } from "./member.ts";

/** The first word of every object's memory: the object number. The object's own words follow. */
const PLACE = 0;
/** The first word of the object's own words. */
export const FIRST = 1;
/** The greatest number of wait sets of an object. */
const PLACES = 8;

/** The memory of a shared object, and the thread that uses it. */
export class SharedObject {
  /** The handle, which is sent to other threads in place of the object. */
  readonly handle: Handle;
  /** This thread. */
  readonly member: Member;
  /** The words of the object. */
  readonly words: Int32Array;
  readonly #place: number;

  /**
   * Opens the object of `handle`, or creates one of `size` words. `make` creates the further memory and data of a new
   * object. `memories`: the number of memories in all.
   *
   * @throws {TypeError} If `handle` is not a handle of this kind.
   */
  constructor(
    kind: string,
    handle: Handle | undefined,
    size: number,
    make?: () => { readonly memory?: readonly SharedArrayBuffer[]; readonly data?: unknown },
    memories = 1,
  ) {
    if (handle !== undefined) {
      this.handle = checkHandle(kind, handle);
      if (handle.memory[0]!.byteLength < (FIRST + size) * 4 || handle.memory.length < memories) {
        throw wrongHandle(kind, "a part");
      }
      this.member = memberOf(handle.threadTable);
      this.words = new Int32Array(handle.memory[0]!);
    } else {
      this.member = memberOf();
      warnIfImporting(kind, this.member.threadTable);
      const memory = new SharedArrayBuffer((FIRST + size) * 4);
      this.words = new Int32Array(memory);
      this.words[PLACE] = this.member.threadTable.nextPlace();
      const { memory: more = [], data } = make?.() ?? {};
      this.handle = { kind, threadTable: this.member.threadTable.memory, memory: [memory, ...more], data };
    }
    this.#place = this.words[PLACE]! >>> 0;
  }

  /** Returns the key of one of the object's wait sets. */
  place(index: number): number {
    return this.#place * PLACES + index;
  }
}

/** Returns whether `value` is a handle of any kind. */
export function isHandle(value: unknown): value is Handle {
  return typeof value === "object" && value !== null && "kind" in value && "memory" in value && "threadTable" in value;
}

/**
 * Returns `handle` if it is a handle of a `kind`.
 *
 * @throws {TypeError} If it is not.
 */
export function checkHandle(kind: string, handle: unknown): Handle {
  const right = isHandle(handle) && handle.kind === kind && handle.threadTable instanceof SharedArrayBuffer &&
    handle.threadTable.byteLength >= THREAD_TABLE_BYTES && Array.isArray(handle.memory) && handle.memory.length > 0 &&
    handle.memory.every((memory) => memory instanceof SharedArrayBuffer);
  if (right) return handle;
  throw wrongHandle(kind, isHandle(handle) && handle.kind !== kind ? `one of ${show(handle.kind)}` : show(handle));
}

function wrongHandle(kind: string, what: string): TypeError {
  return new TypeError(
    `Cannot make a ${kind} from the handle as it must be that of a ${kind}: current value is ${what}`,
  );
}

/**
 * Returns the data that a handle includes beside its memory.
 *
 * @throws {TypeError} If there is none.
 */
export function dataOf<D>(kind: string, { data }: Handle): D {
  if (typeof data === "object" && data !== null) return data as D;
  throw wrongHandle(kind, "a part");
}

/** Returns `value`, checked, if it is a handle; undefined if not. */
export function handleIn(kind: string, value: unknown): Handle | undefined {
  return isHandle(value) ? checkHandle(kind, value) : undefined;
}

/** Registers a shared class: instances are sent by handle, the class by name. */
export function registerSharedClass<T extends { readonly handle: Handle }>(
  kind: string,
  type: (new (...args: never[]) => T) & { fromHandle(handle: Handle): T },
): void {
  Object.defineProperty(type.prototype, HANDLE, {
    value(this: T): Handle {
      return this.handle;
    },
  });
  shareClass(type, kind);
  registerShared(kind, (handle) => type.fromHandle(handle));
  registerLibraryFunction(kind, type as unknown as AnyFunction);
}

export type { Handle };
