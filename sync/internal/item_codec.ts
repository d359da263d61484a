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
import { thisThread } from "./current_thread.ts";
import { LARGEST_RECORD, type RingItem, type RingRecord } from "./record_ring.ts";
import { waitFor, waitForAsync } from "./wait.ts";

/** A value on its way into a ring. */
export interface PackedItem extends RingItem {
  /** What leaves this thread with it. */
  readonly given?: Given;
}

interface Given {
  readonly buffers: ArrayBuffer[];
  /** Because of these values. */
  readonly marked: readonly object[];
}

/** Turns values into items and back; on one thread. */
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
   * Packs a value.
   *
   * @throws {SerializationError} If it cannot be sent.
   * @throws {RangeError} If it is too large.
   */
  pack(value: unknown): PackedItem {
    // A getter of the value may put something itself.
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
   * The item has been put: whoever gives a buffer away has it no more, as everywhere, although it was copied into the bytes.
   *
   * @throws {SerializationError} If one cannot be given away.
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

  /** Takes back what was left elsewhere for an item that is not sent after all. */
  withdraw(item: RingItem): void {
    if (item.messageId !== 0) thisThread().sharer.unregister(item.messageId);
  }

  /**
   * Unpacks a record, blocking until what was left elsewhere has come; `instead` names what awaits.
   *
   * @throws {InvalidStateError} If that cannot come while this thread blocks.
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

  /** Whether there is a record that could not be unpacked without the event loop. */
  get hasLeft(): boolean {
    return this.#left.length > 0;
  }

  /** A record that could not be unpacked without the event loop. */
  takeDeferred(): RingRecord | undefined {
    return this.#left.length === 0 ? undefined : this.#left.shift();
  }

  /**
   * The same as {@linkcode ItemCodec.unpack}, waiting in the event loop.
   *
   * @throws {SerializationError} If a promise would call what was unpacked; it is gone.
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

/** An item that stays valid when others are packed, as they may be while its thread waits to put it. */
export function copyOf(item: PackedItem): PackedItem {
  return { ...item, memory: item.memory.slice(0, item.length) };
}

/** The answer wakes this thread without knowing what for. */
export function anywhere(messageId: number): WaitPlace {
  return { key: -messageId, forAll: true, enter: () => {}, leave: () => {}, rung: () => true };
}
