/**
 * The part of a task that is sent: its arguments, and its function if a worker may not know it.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import type { Encoded, Reach } from "./encoded.ts";
import { Encoder } from "./encoder.ts";
import { messageOf } from "./error_fields.ts";
import type { FunctionSpec } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { detachTransfers, forgetTransfers } from "./transfer.ts";

/** An encoded value in a message. */
export interface Payload {
  /**
   * The bytes. A buffer rather than a byte array: the runtime visits every property of a message that is received
   * synchronously, and each item of an array is a property.
   */
  readonly bytes: ArrayBuffer;
  /** The values that travel beside the bytes. */
  readonly refs: readonly unknown[];
}

/** A part of an array of numbers. */
export interface NumberRange {
  /** The array. */
  readonly numbers: readonly number[];
  /** The index of the first number. */
  readonly start: number;
  /** The index after the last number. */
  readonly end: number;
}

/** A payload that is stored on the calling side until it is posted. */
export interface StoredPayload extends Payload {
  /** The values among `refs` that are moved, not copied. */
  readonly moves: readonly Transferable[];
}

type Args = readonly unknown[] | NumberRange | undefined;

/** Encodes payloads. */
export class PayloadEncoder {
  readonly #encoder: Encoder;
  readonly #describe: (fn: AnyFunction) => FunctionSpec;
  readonly #reach: Reach;
  #busy = false;

  /** `describe` returns what is sent of a function among the arguments. `reach`: where the payloads go. */
  constructor(describe: (fn: AnyFunction) => FunctionSpec, reach: Reach = "thread") {
    this.#describe = describe;
    this.#reach = reach;
    this.#encoder = this.#newEncoder();
  }

  #newEncoder(): Encoder {
    return new Encoder(undefined, this.#describe, this.#reach);
  }

  /**
   * Returns the payload of a task. `first` is its function if a worker may not know that, or what else goes before the arguments.
   *
   * @throws {SerializationError} If an argument cannot be sent.
   */
  encode(first: object | undefined, args: Args): Encoded {
    // A getter of an argument has submitted more work, which must not disturb the payload that is half encoded.
    if (this.#busy) return encodeCall(this.#newEncoder(), first, args);
    this.#busy = true;
    try {
      return encodeCall(this.#encoder, first, args);
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Returns a payload that can be stored until it is posted. Buffers to be moved are detached on this thread
   * immediately.
   *
   * @throws {SerializationError} If an object cannot be moved.
   */
  keep(encoded: Encoded): StoredPayload {
    const { refs, transfers, copies, marked } = encoded;
    if (transfers.length === 0) return { bytes: this.#encoder.take(encoded), refs, moves: copies };
    try {
      const taken: Transferable[] = [...transfers, ...copies];
      const moved = structuredClone(refs, { transfer: taken });
      forgetTransfers(marked);
      const moves = moved.filter((_, i) => taken.includes(refs[i] as Transferable)) as Transferable[];
      return { bytes: this.#encoder.take(encoded), refs: moved, moves };
    } catch (cause) {
      throw cannotSend(cause);
    }
  }
}

/**
 * Detaches the buffers to be moved with arguments, whose bytes hold copies of them.
 *
 * @throws {SerializationError} If one cannot be moved.
 */
export function moveCopied(encoded: Encoded): void {
  try {
    detachTransfers(encoded);
  } catch (cause) {
    throw cannotSend(cause);
  }
}

/**
 * Posts a stored payload with `post`.
 *
 * @throws {SerializationError} If a value in the payload cannot be copied.
 */
export function postStored(
  { bytes, refs, moves }: StoredPayload,
  post: (payload: Payload, transfers: Transferable[]) => void,
): void {
  try {
    post({ bytes, refs }, [bytes, ...moves]); // no other code uses the bytes, so they are moved too
  } catch (cause) {
    throw cannotSend(cause);
  }
}

function encodeCall(encoder: Encoder, first: object | undefined, args: Args): Encoded {
  if (args === undefined) return encoder.encode([first, args]);
  if ("numbers" in args) return encoder.encodeCallOfNumbers(first, args.numbers, args.start, args.end);
  return encoder.encodeCall(first, args);
}

function cannotSend(cause: unknown): SerializationError {
  return new SerializationError(`Cannot send the arguments: ${messageOf(cause)}`, { cause });
}
