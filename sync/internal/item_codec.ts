/**
 * Values on their way through a ring.
 *
 * @module
 */

import { SerializationError } from "../../errors.ts";
import { refuseToBlockForMessages } from "../../base/platform.ts";
import { Decoder, sourceOf } from "../../codec/decoder.ts";
import { Encoder } from "../../codec/encoder.ts";
import { messageOf } from "../../codec/error_fields.ts";
import { hasThen, thenRefused } from "../../codec/foreign.ts";
import { forgetTransfers } from "../../codec/transfer.ts";
import type { Member, WaitPlace } from "./member.ts";
import { Patience } from "./patience.ts";
import { thisThread } from "./current_thread.ts";
import { LARGEST_RECORD, type RingItem, type RingRecord } from "./record_ring.ts";
import { waitFor, waitForAsync } from "./wait.ts";

/** An encoded value, ready to be put into a ring. */
export interface PackedItem extends RingItem {
  /** The buffers that are moved along with the value, and so leave this thread. */
  readonly given?: Given;
}

interface Given {
  readonly buffers: ArrayBuffer[];
  /** The values that were marked for transfer. */
  readonly marked: readonly object[];
}

/** Encodes values to items and decodes them, on one thread. */
export class ItemCodec {
  readonly #member: Member;
  readonly #encoder = new Encoder(Infinity);
  readonly #decoder = new Decoder(() => thisThread().environment(), false);
  readonly #left: RingRecord[] = [];
  #busy = false;

  constructor(member: Member) {
    this.#member = member;
  }

  /**
   * Encodes a value.
   *
   * @throws {SerializationError} If the value cannot be sent.
   * @throws {RangeError} If the value is too large.
   */
  pack(value: unknown): PackedItem {
    // A getter of the value may itself put an item.
    const encoder = this.#busy ? new Encoder(Infinity) : this.#encoder;
    const outermost = !this.#busy;
    this.#busy = true;
    try {
      const { memory, length, refs, transfers, marked } = encoder.encode(value);
      if (length > LARGEST_RECORD) {
        throw new RangeError(`Cannot send a value of ${length} bytes: ${LARGEST_RECORD} are the most`);
      }
      if (refs.length === 0 && transfers.length === 0) return { memory, length, messageId: 0 };
      let messageId = 0;
      if (refs.length > 0) {
        messageId = this.#member.threadTable.nextMessageId();
        thisThread().sharer.register(messageId, refs, transfers.filter((thing) => refs.includes(thing)));
      }
      if (transfers.length === 0) return { memory, length, messageId };
      const buffers = transfers.filter((thing) => thing instanceof ArrayBuffer);
      return { memory, length, messageId, given: { buffers, marked } };
    } finally {
      if (outermost) this.#busy = false;
    }
  }

  /**
   * Finishes an item that was put: detaches its moved buffers on this thread, as every transfer does, although their
   * bytes were copied into the item.
   *
   * @throws {SerializationError} If a buffer cannot be detached.
   */
  sent({ given }: PackedItem): void {
    if (given === undefined) return;
    try {
      structuredClone(null, { transfer: given.buffers.filter((buffer) => !buffer.detached) });
    } catch (cause) {
      throw new SerializationError(`Cannot move a buffer, of which a copy was sent: ${messageOf(cause)}`, { cause });
    }
    forgetTransfers(given.marked);
  }

  /** Unregisters the values that were registered for an item that is not sent after all. */
  withdraw(item: RingItem): void {
    if (item.messageId !== 0) thisThread().sharer.unregister(item.messageId);
  }

  /**
   * Decodes a record. Blocks until its registered values have arrived. `instead`: the method that an error suggests to
   * await.
   *
   * @throws {InvalidStateError} If the values cannot arrive while this thread is blocked.
   */
  unpack(record: RingRecord, instead: string): unknown {
    let things: readonly unknown[] = [];
    if (record.messageId !== 0) {
      const claim = (): boolean => this.#claim(record.messageId, (found) => things = found);
      if (!claim()) {
        this.#refuseToBlock(record, instead);
        waitFor(this.#member, anywhere(record.messageId), claim, Infinity, instead);
      }
    }
    return this.#decoder.decode(record.source, 0, things);
  }

  #refuseToBlock({ source, messageId }: RingRecord, instead: string): void {
    try {
      refuseToBlockForMessages(instead);
    } catch (error) {
      this.#left.push({ source: sourceOf(source.bytes.slice()), messageId });
      throw error;
    }
  }

  /** True if a record was deferred, since decoding it needs the event loop. */
  get hasLeft(): boolean {
    return this.#left.length > 0;
  }

  /** Returns the oldest record that was deferred, since decoding it needs the event loop. */
  takeDeferred(): RingRecord | undefined {
    return this.#left.length === 0 ? undefined : this.#left.shift();
  }

  /**
   * As {@linkcode ItemCodec.unpack}, but waits in the event loop.
   *
   * @throws {SerializationError} If the value is a thenable, which a promise would call. The value is lost.
   */
  async unpackAsync(record: RingRecord): Promise<unknown> {
    let things: readonly unknown[] = [];
    if (record.messageId !== 0) {
      const claim = (): boolean => this.#claim(record.messageId, (found) => things = found);
      await waitForAsync(this.#member, anywhere(record.messageId), claim, Infinity, undefined);
    }
    const value = this.#decoder.decode(record.source, 0, things);
    if (hasThen(value)) throw thenRefused("the item", "put it in an array, or get it by a call that blocks");
    return value;
  }

  #claim(messageId: number, found: (things: readonly unknown[]) => void): boolean {
    const things = thisThread().sharer.acquire(messageId);
    if (things !== undefined) found(things);
    return things !== undefined;
  }
}

/**
 * Returns a copy of an item that stays valid while other items are packed, as they may be while this thread waits to
 * put it.
 */
export function copyOf(item: PackedItem): PackedItem {
  return { ...item, memory: item.memory.slice(0, item.length) };
}

/** One for all answers, as each answer has a place of its own. */
const patience = new Patience();

/** Returns a place for the wait for an answer: an answer wakes the thread without saying which of its waits it ends. */
export function anywhere(messageId: number): WaitPlace {
  return { key: -messageId, forAll: true, patience, enter: () => {}, leave: () => {}, rung: () => true };
}
