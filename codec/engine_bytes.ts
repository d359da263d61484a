/**
 * Strings and BigInts as the bytes that the engine keeps them in. To ask the engine for them by `node:v8` costs a few
 * microseconds, and then a copy of memory: for long ones that takes much less time than to convert them unit by unit.
 *
 * @module
 */

import { hasNodeModules, isDeno } from "../base/platform.ts";

interface Serializer {
  serialize(value: unknown): Uint8Array;
  deserialize(bytes: Uint8Array): unknown;
}

let serializer: Serializer | undefined;
let loaded = false;

/** Loads `node:v8` when it is needed first, as importing this library loads no module of Node. */
function load(): Serializer | undefined {
  if (loaded) return serializer;
  loaded = true;
  if (!hasNodeModules() || !isDeno()) return undefined; // other runtimes have another engine, or another format
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const module = process?.getBuiltinModule?.("node:v8") as Partial<Serializer> | undefined;
  const { serialize, deserialize } = module ?? {};
  if (serialize === undefined || deserialize === undefined) return undefined;
  // A probe of the format: a version, the tag of a string in UTF-16, its number of bytes, the bytes.
  const probe = serialize("\u0416");
  const known = probe.length >= 4 && probe[0] === 0xff && probe.at(-4) === TWO_BYTES && probe.at(-3) === 2 &&
    probe.at(-2) === 0x16 && probe.at(-1) === 0x04;
  if (known) serializer = { serialize, deserialize };
  return serializer;
}

/** The tag of a string in UTF-16. */
const TWO_BYTES = 0x63;
/** The tag of a string of one-byte characters. */
const ONE_BYTE = 0x22;
/** The bytes of the version, at the beginning. */
const VERSION = 2;

/** Returns whether {@linkcode rawText} returns anything. */
export function hasRawText(): boolean {
  return load() !== undefined;
}

/** The bytes of a string. */
export interface RawText {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** True for UTF-16, false for one byte a character. */
  readonly wide: boolean;
}

/** Returns the bytes of a string; undefined if the engine does not give them. */
export function rawText(text: string): RawText | undefined {
  const all = load()?.serialize(text);
  if (all === undefined) return undefined;
  let at = VERSION;
  while (all[at] === 0) at++; // padding, so that the units are aligned
  const tag = all[at];
  const wide = tag === TWO_BYTES;
  const size = text.length * (wide ? 2 : 1);
  if ((!wide && tag !== ONE_BYTE) || all.length - size <= at) return undefined;
  return { bytes: all.subarray(all.length - size), wide };
}

/** Returns a BigInt as the engine writes it; undefined if it does not. */
export function rawBigint(value: bigint): Uint8Array | undefined {
  return load()?.serialize(value);
}

/** Returns the value that {@linkcode rawBigint} has made these bytes of. Any other bytes give something else, or throw. */
export function fromRawBigint(bytes: Uint8Array<ArrayBuffer>): unknown {
  return load()?.deserialize(bytes);
}
