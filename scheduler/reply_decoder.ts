/**
 * Decoding the replies of workers.
 *
 * @module
 */

import { Decoder, type Source, sourceOf } from "../codec/decoder.ts";
import { EMPTY_ENVIRONMENT } from "../codec/functions.ts";
import { AT_TARGET, type Outcome, type Task } from "./task.ts";
import { FAILURE, RESULT, UNCAUGHT } from "./messages.ts";
import type { Payload } from "../codec/payload.ts";

const NO_REFS: readonly unknown[] = [];
const AT_TARGET_OUTCOME: Outcome = { ok: true, value: AT_TARGET };

/** Decodes the replies of one scheduler's workers. */
export class ReplyDecoder {
  readonly #decoder = new Decoder(() => EMPTY_ENVIRONMENT, false);

  /** Returns the outcome of a task from a reply of this kind. A reply that cannot be read is a failure. */
  read(task: Task, kind: number, source: Source, at: number, refs: readonly unknown[] = NO_REFS): Outcome {
    try {
      if (kind === RESULT && task.target !== undefined && this.#decoder.decodeNumbersTo(source, at, task.target)) {
        return AT_TARGET_OUTCOME;
      }
      const value = this.#decoder.decode(source, at, refs);
      return kind === FAILURE || kind === UNCAUGHT ? { ok: false, error: value } : { ok: true, value };
    } catch (error) {
      return { ok: false, error };
    }
  }

  /** As {@linkcode read}, for a reply that came by message. */
  readPayload(task: Task, kind: number, payload: Payload): Outcome {
    return this.read(task, kind, sourceOf(new Uint8Array(payload.bytes)), 0, payload.refs);
  }

  /** Returns an error that came by message, or the reason why it cannot be read. */
  readError({ bytes, refs }: Payload): unknown {
    try {
      return this.#decoder.decode(sourceOf(new Uint8Array(bytes)), 0, refs);
    } catch (error) {
      return error;
    }
  }
}
