/**
 * The way from a worker to its caller: records on the completion ring, messages where these do not fit, and the wake-ups.
 *
 * @module
 */

import { SerializationError } from "../../errors.ts";
import { type Encoded, NOTHING_ENCODED } from "../../codec/encoded.ts";
import { messageOf } from "../../codec/error_fields.ts";
import { detachTransfers, forgetTransfers } from "../../codec/transfer.ts";
import type { ReplyEncoder } from "../../runner/reply_encoder.ts";
import { FAILURE } from "../../scheduler/messages.ts";
import { CompletionRing, LARGEST_RECORD } from "../shared/completion_ring.ts";
import type { ControlBlock } from "../shared/control_block.ts";
import { AWAITS, type FromWorker, type Init } from "../shared/messages.ts";
import { AWAKE, LISTENING, type SubmissionRing } from "../shared/submission_ring.ts";

/** The parts of the worker that a caller link uses. */
export interface LinkParts {
  readonly submissions: SubmissionRing;
  readonly control: ControlBlock;
  readonly replyEncoder: ReplyEncoder;
  /** Wakes a caller that waits in its event loop. */
  wake(message: null): void;
  /** Wakes a caller that is blocked elsewhere than in this pool. */
  ringParent(): void;
}

/** Sends replies and messages of a worker to its caller, and wakes the caller. */
export class CallerLink {
  readonly #completions: CompletionRing;
  readonly #port: MessagePort;
  readonly #parts: LinkParts;

  constructor(init: Init, parts: LinkParts) {
    this.#completions = new CompletionRing(init.control);
    this.#port = init.port;
    this.#parts = parts;
  }

  /** Sends the outcome of a task, or the error if it cannot be sent. */
  reply(taskId: number, kind: number, encoded: Encoded, detail: number): void {
    try {
      this.send(kind, taskId, detail, encoded);
    } catch (error) {
      const reason = new SerializationError(`Cannot send the result of the task: ${messageOf(error)}`, {
        cause: error,
      });
      this.send(FAILURE, taskId, detail, this.#parts.replyEncoder.error(reason));
    }
  }

  /** Sends a record, on the ring if it fits, otherwise by message, and wakes the caller. */
  send(kind: number, taskId: number, detail: number, encoded: Encoded): void {
    const { length, refs, transfers, copies, marked } = encoded;
    if (refs.length === 0 && length <= LARGEST_RECORD) {
      // Buffers to be moved stay here if the reply cannot be sent.
      const moves = transfers.length > 0 && this.#completions.hasRoomFor(length);
      if (moves) detachTransfers(encoded);
      if ((moves || transfers.length === 0) && this.#completions.write(kind, taskId, detail, encoded)) {
        return this.wakeCaller();
      }
    }
    const bytes = this.#parts.replyEncoder.take(encoded);
    this.post({ type: "record", kind, taskId, detail, payload: { bytes, refs } }, [bytes, ...transfers, ...copies]);
    if (marked.length > 0) forgetTransfers(marked);
  }

  /**
   * Tells that a task awaits while this worker may begin others, and when it must have ended. It is of interest only when
   * this worker ends, so nobody is woken for it.
   */
  sendAwaits(taskId: number, deadline: number): void {
    const written = this.#completions.write(AWAITS, taskId, deadline, NOTHING_ENCODED);
    if (!written) this.send(AWAITS, taskId, deadline, NOTHING_ENCODED);
  }

  /** Sends a message, and wakes the caller. */
  post(message: FromWorker, transfers: Transferable[]): void {
    this.#port.postMessage(message, transfers);
    this.#parts.control.countSent(); // after the message, so that the caller can read each message that it sees counted
    this.wakeCaller();
  }

  /** Wakes the caller if it sleeps. */
  wakeCaller(): void {
    const { submissions, control, wake, ringParent } = this.#parts;
    const slept = submissions.wakeCaller(control);
    if (slept === AWAKE) return;
    if (slept === LISTENING) wake(null);
    ringParent(); // the caller may be blocked elsewhere than in this pool
  }
}
