/**
 * What a worker answers, in bytes.
 *
 * @module
 */

import { SerializationError } from "../errors.ts";
import { type Encoded, Encoder } from "../codec/encoder.ts";
import { errorClassOf, isError, messageOf, newError, readText, setErrorFields } from "../codec/error_fields.ts";
import type { ChunkValue } from "../scheduler/task.ts";
import { FAILURE, RESULT } from "../scheduler/messages.ts";
import type { Payload } from "../codec/payload.ts";

/** What there is to tell of a task. */
export interface Answer {
  /** The results, by index. */
  readonly results: unknown[];
  /** What the failed calls threw, by index. */
  readonly failures: readonly (readonly [number, unknown])[];
  /** When it began, by the clock of the replies. */
  readonly started: number;
}

/** Encodes values and errors, which may not be fit to be sent. */
export class ReplyEncoder {
  readonly #encoder = new Encoder();
  readonly #now: () => number;
  /** Whether the times of the task travel with it. */
  timed = false;
  /** What the last {@linkcode result} or {@linkcode chunk} is. */
  kind: typeof RESULT | typeof FAILURE = RESULT;

  /** `now` is the clock for the times. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** See {@linkcode Encoder.take}. */
  take(encoded: Encoded): ArrayBuffer {
    return this.#encoder.take(encoded);
  }

  /** What was encoded, in a message; it stays as it is. */
  parcel({ bytes, refs }: Encoded): Payload {
    return { bytes: bytes.slice().buffer, refs };
  }

  /**
   * One value.
   *
   * @throws {SerializationError} If it cannot be sent.
   */
  value(value: unknown, answer: Answer | undefined): Encoded {
    return this.#encoder.encode(this.#withTimes(answer, value));
  }

  #withTimes(answer: Answer | undefined, value: unknown): unknown {
    if (!this.timed) return value;
    const end = this.#now();
    return [answer === undefined ? end : answer.started, end, value];
  }

  /** The result of one call, or what it threw, or why that cannot be sent. */
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

  /** The results of a chunk; what cannot be sent of it fails alone. */
  chunk(answer: Answer): Encoded {
    const { results, failures } = answer;
    this.kind = RESULT;
    try {
      return this.#results(answer, failures);
    } catch {
      // Something in it cannot be sent: find out what.
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
      return this.#failure(error, answer); // a result that changes while it is read
    }
  }

  #results(answer: Answer, failures: Answer["failures"]): Encoded {
    const failed = failures.length === 0 ? undefined : failures;
    if (!this.timed) return this.#encoder.encodeCall(failed, answer.results);
    return this.value([failed, answer.results] satisfies ChunkValue, answer);
  }

  /** What a task threw, or as much of it as can be sent. */
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

  /** An error that nothing caught, or the text of what cannot be sent; always without times. */
  uncaught(error: unknown): Encoded {
    try {
      return this.#encoder.encode(error);
    } catch {
      return this.#encoder.encode(isError(error) ? this.#sendable(error) : messageOf(error));
    }
  }

  /** `error`, or what can be told of it when it cannot be sent as it is. */
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
