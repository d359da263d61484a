/**
 * Encoding the replies of a worker.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import type { Encoded, Reach } from "../codec/encoded.ts";
import { Encoder } from "../codec/encoder.ts";
import { errorClassOf, isError, messageOf, newError, readText, setErrorFields } from "../codec/error_fields.ts";
import type { ChunkValue } from "../scheduler/task.ts";
import { FAILURE, RESULT } from "../scheduler/messages.ts";
import type { Payload } from "../codec/payload.ts";

/** The outcome of all calls of a task. */
export interface Answer {
  /** The results, by index. */
  readonly results: unknown[];
  /** The errors of the failed calls, each with its index. */
  readonly failures: readonly (readonly [number, unknown])[];
  /** When the task began, by the clock of the replies. */
  readonly started: number;
}

/** Encodes results and errors, including those that cannot be sent as they are. */
export class ReplyEncoder {
  readonly #encoder: Encoder;
  readonly #now: () => number;
  /** True if the start and end times of tasks are sent with the replies. */
  timed = false;
  /** The kind of the reply that the last {@linkcode result} or {@linkcode chunk} made. */
  kind: typeof RESULT | typeof FAILURE = RESULT;

  /** `now` is the clock of the replies. `reach`: where they go. */
  constructor(now: () => number, reach: Reach = "thread") {
    this.#now = now;
    this.#encoder = new Encoder(undefined, undefined, reach);
  }

  /** As {@linkcode Encoder.take}. */
  take(encoded: Encoded): ArrayBuffer {
    return this.#encoder.take(encoded);
  }

  /** Returns a payload with a copy of an encoded value. */
  payload({ bytes, refs }: Encoded): Payload {
    return { bytes: bytes.slice().buffer, refs };
  }

  /**
   * Encodes one value.
   *
   * @throws {SerializationError} If the value cannot be sent.
   */
  value(value: unknown, answer: Answer | undefined): Encoded {
    return this.#encoder.encode(this.#withTimes(answer, value));
  }

  #withTimes(answer: Answer | undefined, value: unknown): unknown {
    if (!this.timed) return value;
    const end = this.#now();
    return [answer === undefined ? end : answer.started, end, value];
  }

  /** Encodes the result of one call, or the error that it threw, or the reason why neither can be sent. */
  result(answer: Answer): Encoded {
    const { results, failures } = answer;
    if (failures.length > 0) return this.#failure(failures[0]![1], answer);
    this.kind = RESULT;
    try {
      return this.value(results[0], answer);
    } catch (error) {
      return this.#failure(error, answer);
    }
  }

  #failure(error: unknown, answer: Answer): Encoded {
    this.kind = FAILURE;
    return this.error(error, answer);
  }

  /** Encodes the results of a chunk. A result that cannot be sent fails alone. */
  chunk(answer: Answer): Encoded {
    const { results, failures } = answer;
    this.kind = RESULT;
    try {
      return this.#results(answer, failures);
    } catch {
      // A part of the chunk cannot be sent. The code below finds out which.
    }
    const errors = new Map<number, unknown>();
    for (const [index, error] of failures) errors.set(index, this.#sendable(error));
    results.forEach((result, index) => {
      if (errors.has(index)) return;
      try {
        this.#encoder.encode(result);
      } catch (error) {
        results[index] = undefined;
        errors.set(index, this.#sendable(error));
      }
    });
    try {
      return this.#results(answer, [...errors]);
    } catch (error) {
      return this.#failure(error, answer); // a result has changed while it was read
    }
  }

  #results(answer: Answer, failures: Answer["failures"]): Encoded {
    const failed = failures.length === 0 ? undefined : failures;
    if (!this.timed) return this.#encoder.encodeCall(failed, answer.results);
    return this.value([failed, answer.results] satisfies ChunkValue, answer);
  }

  /** Encodes an error that a task threw, or as much of the error as can be sent. */
  error(error: unknown, answer?: Answer): Encoded {
    for (const attempt of [() => error, () => this.#sendable(error)]) {
      try {
        return this.value(attempt(), answer);
      } catch {
        // The next attempt carries less.
      }
    }
    return this.value(new SerializationError("Cannot send what the task threw"), answer);
  }

  /** Encodes an error that nothing caught, or the text of a value that cannot be sent; always without times. */
  uncaught(error: unknown): Encoded {
    try {
      return this.#encoder.encode(error);
    } catch {
      return this.#encoder.encode(isError(error) ? this.#sendable(error) : messageOf(error));
    }
  }

  /** Returns `error` if it can be sent, else an error with as much of it as can be sent. */
  #sendable(error: unknown): unknown {
    try {
      this.#encoder.encode(error);
      return error;
    } catch (reason) {
      if (isError(error)) {
        const bare = newError(errorClassOf(error), readText(error, "message"), readText(error, "name"));
        setErrorFields(bare, { stack: readText(error, "stack") });
        return bare;
      }
      return new SerializationError(`Cannot send what the task threw: ${messageOf(reason)}`);
    }
  }
}
