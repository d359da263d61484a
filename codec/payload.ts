/**
 * What of a task is sent: its function, where it may be unknown, and its arguments.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { type Encoded, Encoder } from "./encoder.ts";
import { messageOf } from "./error_fields.ts";
import type { FunctionSpec } from "./functions.ts";
import type { AnyFunction } from "../base/values.ts";
import { forgetTransfers } from "./transfer.ts";

/** An encoded value in a message. */
export interface Payload {
  /**
   * The bytes. Not an array of them: the runtime looks through every property of a message that is received synchronously,
   * which are as many as an array has items.
   */
  readonly bytes: ArrayBuffer;
  /** What goes beside them. */
  readonly refs: readonly unknown[];
}

/** A part of an array of numbers. */
export interface NumberRange {
  /** The array. */
  readonly numbers: readonly number[];
  /** Where the part begins. */
  readonly start: number;
  /** Where it has ended. */
  readonly end: number;
}

/** A payload that waits on the calling side. */
export interface StoredPayload extends Payload {
  /** What of `refs` is moved, not copied. */
  readonly moves: readonly Transferable[];
}

type Args = readonly unknown[] | NumberRange | undefined;

/** Encodes payloads. */
export class PayloadEncoder {
  readonly #encoder: Encoder;
  readonly #describe: (fn: AnyFunction) => FunctionSpec;
  #busy = false;

  /** `describe`: what of functions among the arguments is sent. */
  constructor(describe: (fn: AnyFunction) => FunctionSpec) {
    this.#describe = describe;
    this.#encoder = new Encoder(undefined, describe);
  }

  /**
   * The payload of a task; `spec` only if a worker may not know the function.
   *
   * @throws {SerializationError} If an argument cannot be sent.
   */
  encode(spec: FunctionSpec | undefined, args: Args): Encoded {
    // A getter of an argument has called for more work: that must not touch what is half done here.
    if (this.#busy) return encodeCall(new Encoder(undefined, this.#describe), spec, args);
    this.#busy = true;
    try {
      return encodeCall(this.#encoder, spec, args);
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Keeps a payload until it is posted. What is to be moved leaves this thread's hands at once.
   *
   * @throws {SerializationError} If something cannot be moved.
   */
  keep(encoded: Encoded): StoredPayload {
    const { refs, transfers, marked } = encoded;
    if (transfers.length === 0) return { bytes: this.#encoder.take(encoded), refs, moves: [] };
    try {
      const moved = structuredClone(refs, { transfer: [...transfers] });
      forgetTransfers(marked);
      const moves = moved.filter((_, i) => transfers.includes(refs[i] as Transferable)) as Transferable[];
      return { bytes: this.#encoder.take(encoded), refs: moved, moves };
    } catch (cause) {
      throw cannotSend(cause);
    }
  }
}

/**
 * Posts a kept payload by `post`.
 *
 * @throws {SerializationError} If something in it cannot be copied.
 */
export function postStored(
  { bytes, refs, moves }: StoredPayload,
  post: (parcel: Payload, transfers: Transferable[]) => void,
): void {
  try {
    post({ bytes, refs }, [bytes, ...moves]); // nobody else has the bytes: they are moved too
  } catch (cause) {
    throw cannotSend(cause);
  }
}

function encodeCall(encoder: Encoder, spec: FunctionSpec | undefined, args: Args): Encoded {
  if (args === undefined) return encoder.encode([spec, args]);
  if ("numbers" in args) return encoder.encodeCallOfNumbers(spec, args.numbers, args.start, args.end);
  return encoder.encodeCall(spec, args);
}

function cannotSend(cause: unknown): SerializationError {
  return new SerializationError(`Cannot send the arguments: ${messageOf(cause)}`, { cause });
}
