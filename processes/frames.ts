/**
 * The frames between a scheduler and its child processes: requests on the standard input of the child, replies in pieces on
 * its standard error.
 *
 * A frame has a header of 32-bit words and a payload, which the codec has made. Replies share the pipe with what the child
 * and its own children print. So a reply travels in pieces of at most {@linkcode PIECE} bytes, each written by one call,
 * which keeps it whole, and each begins with random bytes that only the two sides know.
 *
 * @module
 */

import type { Encoded } from "../codec/encoded.ts";
import { SerializationError } from "../errors.ts";

/** The version of this format, which both sides must have. */
export const PROTOCOL = 1;

// Kinds of requests. `taskId` is the number of a task or a function, `detail` depends on the kind.

/** The first request: what the child has to know before its first task. */
export const INIT = 1;
/** A function, by the number `taskId`. */
export const FUNCTION = 2;
/** A task. `detail`: the number of its mode in 2 bits, and the epoch above these. */
export const TASK = 3;
/** The child shall wait in its event loop until the next request, no longer in a call that blocks. */
export const REST = 4;
/** The child shall end when its own child processes have ended. */
export const END = 5;
/** The export that the function of the task is, for a child that has asked. */
export const EXPORT = 6;
/** The task that the child has asked about is no longer wanted. */
export const DROP = 7;
/** The running task is no longer wanted. The payload is the reason. */
export const ABORT = 8;
/** Written over the kind of a request that was taken before those in front of it. */
const TAKEN = 0;

// Kinds of replies, beside RESULT, FAILURE and UNCAUGHT of `scheduler/messages.ts`.

/** The child runs its program. `taskId`: the version of the format; the payload is that of the runtime. */
export const HELLO = 16;
/** The child is ready for tasks. */
export const READY = 17;
/** The child cannot be prepared. The payload is the error. */
export const BROKEN = 18;
/** The child has begun the task. */
export const BEGIN = 19;
/** When the running call of the task must have ended, in milliseconds since the epoch. `taskId` 0: a part of the preparation. */
export const DEADLINE = 20;
/** The child asks for the function of the task (`detail` 1), or which export it is (`detail` 2). It pauses meanwhile. */
export const LACKS = 21;
/** The child has dropped the tasks of its epoch that it had not begun. `detail`: the next epoch. */
export const PAUSED = 22;
/** The child, which shall end, first waits for its own child processes. */
export const WAITS = 23;

/** Detail of LACKS: the function. */
export const LACKS_FUNCTION = 1;
/** Detail of LACKS: which export of the module the function is. */
export const LACKS_EXPORT = 2;

/** Epochs begin anew above this one, as 2 bits of the detail are for the mode. */
const LAST_EPOCH = 2 ** 29 - 1;

/** Returns the epoch after this one. */
export function nextEpoch(epoch: number): number {
  return epoch === LAST_EPOCH ? 0 : epoch + 1;
}

/** Bit of the detail of a reply that has ended a task: see RETIRING of `scheduler/messages.ts`. */
export const RETIRES = 1;
/** Likewise: see GIVEN_UP. */
export const GIVES_UP = 2;
/** Likewise: as PAUSED. */
export const PAUSES = 4;
/** Likewise: the child has no task that it has not begun, so that BEGIN comes with the next one. */
export const DRAINED = 8;
/** The duration of the task, in microseconds, is in the bits from this one on. */
export const DURATION_SHIFT = 4;
/** The longest duration that fits, in microseconds. */
export const LONGEST: number = 2 ** 27 - 1;

/** The number of bytes of the header of a request: size of the payload, kind, number, detail, function, limit, first item. */
export const REQUEST_HEADER = 32;
/** The number of bytes of the header of a reply: size of the payload, kind, number, detail. */
export const REPLY_HEADER = 16;
/** The largest piece in bytes. Larger writes to a pipe may be mixed with those of other processes. */
export const PIECE = 4096;
/** The number of random bytes with which each piece begins. */
export const MAGIC = 8;
/** The bytes of a piece before its content: the random bytes, the length of the content (16 bits), whether it is the last. */
const PIECE_HEADER = MAGIC + 4;
/** The largest content of a piece. */
const CONTENT = PIECE - PIECE_HEADER;

/** Larger payloads are not copied to be written together with others. */
const LARGE = 2 ** 16;
/** The first size of buffers. */
const SMALLEST = 2 ** 16;

function padded(size: number): number {
  return (size + 7) & ~7;
}

function grown(bytes: Uint8Array<ArrayBuffer>, used: number, size: number): Uint8Array<ArrayBuffer> {
  if (size <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(size, 2 * bytes.length));
  larger.set(bytes.subarray(0, used));
  return larger;
}

/** Returns random bytes for {@linkcode PieceWriter}. None of them is part of a text in UTF-8 that could begin a piece. */
export function newMagic(): Uint8Array<ArrayBuffer> {
  const magic = crypto.getRandomValues(new Uint8Array(MAGIC));
  magic[0] = 0xff; // never in UTF-8
  return magic;
}

/** Collects requests for one child. */
export class RequestWriter {
  #bytes = new Uint8Array(SMALLEST);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #chunks: Uint8Array<ArrayBuffer>[] = [];

  /** Adds a request. */
  add(
    kind: number,
    taskId: number,
    detail: number,
    fn: number,
    limit: number,
    first: number,
    { length, bytes }: Part,
  ): void {
    const large = length > LARGE;
    const size = REQUEST_HEADER + (large ? 0 : padded(length));
    if (this.#length + size > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, this.#length, this.#length + size);
      this.#view = new DataView(this.#bytes.buffer);
    }
    const at = this.#length;
    const view = this.#view;
    view.setUint32(at, length, true);
    view.setUint32(at + 4, kind, true);
    view.setInt32(at + 8, taskId, true);
    view.setInt32(at + 12, detail, true);
    view.setInt32(at + 16, fn, true);
    view.setInt32(at + 20, limit, true);
    view.setInt32(at + 24, first, true);
    this.#length += size;
    if (!large) return this.#bytes.set(bytes, at + REQUEST_HEADER);
    this.#flush();
    this.#chunks.push(bytes.byteOffset === 0 && bytes.buffer.byteLength === length ? bytes : bytes.slice());
    if (padded(length) > length) this.#chunks.push(new Uint8Array(padded(length) - length));
  }

  #flush(): void {
    if (this.#length > 0) this.#chunks.push(this.#bytes.slice(0, this.#length));
    this.#length = 0;
  }

  /** Returns what was added since the last call, for nobody else to use. */
  take(): Uint8Array<ArrayBuffer>[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}

/** The bytes of a payload. */
export type Part = Pick<Encoded, "length" | "bytes">;

/** A payload of no bytes. */
export const NO_PART: Part = { length: 0, bytes: new Uint8Array(0) };

/** A frame that was read. */
export interface Frame {
  /** Its kind. */
  kind: number;
  /** The number of the task or the function. */
  taskId: number;
  /** Its meaning depends on the kind. */
  detail: number;
  /** The number of the function of a task. */
  fn: number;
  /** The limit of each call of a task in milliseconds; 0 means none. */
  limit: number;
  /** The index of the first item of a task in the input of its map. */
  first: number;
  /** The memory with the payload. */
  bytes: Uint8Array;
  /** The position at which the payload begins. */
  at: number;
  /** The number of its bytes. */
  size: number;
}

/** Returns a frame for a reader to fill. */
export function newFrame(): Frame {
  return { kind: 0, taskId: 0, detail: 0, fn: 0, limit: 0, first: 0, bytes: NO_PART.bytes, at: 0, size: 0 };
}

/** Takes requests apart. */
export class RequestReader {
  #bytes = new Uint8Array(SMALLEST);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;

  /** Returns memory for the next bytes. It stays valid until the next call. */
  room(): Uint8Array<ArrayBuffer> {
    const unread = this.#end - this.#start;
    const needed = Math.max(SMALLEST, this.#needed());
    if (this.#start > 0 && (unread === 0 || this.#start + needed > this.#bytes.length)) {
      this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#start = 0;
      this.#end = unread;
    }
    if (needed > this.#bytes.length) {
      this.#bytes = grown(this.#bytes, this.#end, needed);
      this.#view = new DataView(this.#bytes.buffer);
    } else if (unread === 0 && this.#bytes.length > 16 * SMALLEST) {
      this.#bytes = new Uint8Array(SMALLEST);
      this.#view = new DataView(this.#bytes.buffer);
    }
    if (this.#end === this.#bytes.length) {
      this.#bytes = grown(this.#bytes, this.#end, 2 * this.#end);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return this.#bytes.subarray(this.#end);
  }

  /** Called when so many bytes were written to the memory that {@linkcode room} has returned. */
  advance(count: number): void {
    this.#end += count;
  }

  /** The number of bytes of the next request; 0 if that is not known. */
  #needed(): number {
    if (this.#end - this.#start < REQUEST_HEADER) return 0;
    return REQUEST_HEADER + padded(this.#view.getUint32(this.#start, true));
  }

  /** Returns whether a task is among the requests that have come as a whole. */
  hasTask(): boolean {
    const view = this.#view;
    for (let at = this.#start; this.#end - at >= REQUEST_HEADER;) {
      const end = at + REQUEST_HEADER + padded(view.getUint32(at, true));
      if (end > this.#end) return false;
      if (view.getUint32(at + 4, true) === TASK) return true;
      at = end;
    }
    return false;
  }

  /**
   * Reads the next request that is no task into `frame`, whatever stands before it. Returns false if none has come as a whole. Its
   * payload stays until {@linkcode room}.
   */
  nextControl(frame: Frame): boolean {
    const view = this.#view;
    for (let at = this.#start; this.#end - at >= REQUEST_HEADER;) {
      const end = at + REQUEST_HEADER + padded(view.getUint32(at, true));
      if (end > this.#end) return false;
      const kind = view.getUint32(at + 4, true);
      if (kind !== TASK && kind !== TAKEN) {
        this.#fill(frame, at);
        view.setUint32(at + 4, TAKEN, true);
        return true;
      }
      at = end;
    }
    return false;
  }

  /** Reads the next request into `frame`. Returns false if it has not come as a whole. Its payload stays until {@linkcode room}. */
  next(frame: Frame): boolean {
    for (;;) {
      const needed = this.#needed();
      if (needed === 0 || this.#end - this.#start < needed) return false;
      this.#fill(frame, this.#start);
      this.#start += needed;
      if (frame.kind !== TAKEN) return true;
    }
  }

  #fill(frame: Frame, at: number): void {
    const view = this.#view;
    frame.size = view.getUint32(at, true);
    frame.kind = view.getUint32(at + 4, true);
    frame.taskId = view.getInt32(at + 8, true);
    frame.detail = view.getInt32(at + 12, true);
    frame.fn = view.getInt32(at + 16, true);
    frame.limit = view.getInt32(at + 20, true);
    frame.first = view.getInt32(at + 24, true);
    frame.bytes = this.#bytes;
    frame.at = at + REQUEST_HEADER;
  }
}

/** Writes replies in pieces. */
export class PieceWriter {
  readonly #piece = new Uint8Array(PIECE);
  readonly #view = new DataView(this.#piece.buffer);
  readonly #write: (bytes: Uint8Array) => number;

  /** `write` writes bytes by one call, and returns how many it has written. */
  constructor(magic: Uint8Array, write: (bytes: Uint8Array) => number) {
    this.#piece.set(magic);
    this.#write = write;
  }

  /** Writes one reply. */
  send(kind: number, taskId: number, detail: number, part: Part): void {
    const view = this.#view;
    view.setUint32(PIECE_HEADER, part.length, true);
    view.setUint32(PIECE_HEADER + 4, kind, true);
    view.setInt32(PIECE_HEADER + 8, taskId, true);
    view.setInt32(PIECE_HEADER + 12, detail, true);
    let filled = REPLY_HEADER;
    let read = 0;
    do {
      const count = Math.min(part.length - read, CONTENT - filled);
      if (count > 0) this.#piece.set(part.bytes.subarray(read, read + count), PIECE_HEADER + filled);
      read += count;
      this.#put(filled + count, read === part.length);
      filled = 0;
    } while (read < part.length);
  }

  #put(length: number, last: boolean): void {
    this.#view.setUint16(MAGIC, length, true);
    this.#view.setUint8(MAGIC + 2, last ? 1 : 0);
    const size = PIECE_HEADER + length;
    for (let written = 0; written < size;) written += this.#write(this.#piece.subarray(written, size));
  }
}

/** Called with the parts that a {@linkcode PieceReader} finds. */
export interface PieceListener {
  /** Called with each piece of a reply, before the reply. */
  piece(): void;
  /** Called with each reply. The frame and its bytes are valid only during the call. */
  frame(frame: Frame): void;
  /** Called with what is no part of a reply: text that the child, or one of its children, has printed. */
  text(bytes: Uint8Array): void;
}

/** The number of bytes that a reply may have: no more fit into one buffer. */
const MOST = 2 ** 32;

/** Finds the replies among what a child has written. */
export class PieceReader {
  readonly #magic: Uint8Array;
  readonly #listener: PieceListener;
  /** Bytes that may be the beginning of a piece. */
  #rest: Uint8Array | undefined;
  /** The reply whose pieces come, its bytes so far, and its size. */
  #reply = new Uint8Array(0);
  #filled = 0;
  #size = 0;
  readonly #frame = newFrame();

  /** `magic`: the random bytes of the child. */
  constructor(magic: Uint8Array, listener: PieceListener) {
    this.#magic = magic;
    this.#listener = listener;
  }

  /** Takes the next bytes, of which it keeps only copies. */
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest !== undefined) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
      this.#rest = undefined;
    }
    let at = 0;
    while (at < bytes.length) {
      const match = this.#match(bytes, at);
      if (match === "text") {
        const next = bytes.indexOf(this.#magic[0]!, at + 1);
        const end = next < 0 ? bytes.length : next;
        this.#listener.text(bytes.subarray(at, end));
        at = end;
        continue;
      }
      if (match === "cut" || bytes.length - at < PIECE_HEADER) break;
      const length = bytes[at + MAGIC]! | bytes[at + MAGIC + 1]! << 8;
      const last = bytes[at + MAGIC + 2] === 1;
      const end = at + PIECE_HEADER + length;
      if (end > bytes.length) break;
      this.#piece(bytes, at + PIECE_HEADER, length, last);
      at = end;
    }
    if (at < bytes.length) this.#rest = bytes.slice(at);
  }

  /** Gives out as text what was kept back. Called when no more bytes come. */
  end(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined && this.#match(rest, 0) !== "piece") this.#listener.text(rest);
  }

  #match(bytes: Uint8Array, at: number): "piece" | "cut" | "text" {
    const magic = this.#magic;
    for (let i = 0; i < MAGIC; i++) {
      if (at + i === bytes.length) return "cut";
      if (bytes[at + i] !== magic[i]) return "text";
    }
    return "piece";
  }

  #piece(bytes: Uint8Array, at: number, length: number, last: boolean): void {
    this.#listener.piece();
    if (this.#size === 0) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
      const size = view.getUint32(0, true);
      const frame = this.#frame;
      frame.kind = view.getUint32(4, true);
      frame.taskId = view.getInt32(8, true);
      frame.detail = view.getInt32(12, true);
      frame.size = size;
      if (last) {
        if (REPLY_HEADER + size !== length) {
          throw new SerializationError("Cannot read a reply of a process: it is cut off");
        }
        frame.bytes = bytes;
        frame.at = at + REPLY_HEADER;
        return this.#listener.frame(frame);
      }
      if (size >= MOST) throw new SerializationError("Cannot read a reply of a process: it is too large");
      this.#reply = new Uint8Array(size);
      this.#size = size;
      this.#filled = 0;
      at += REPLY_HEADER;
      length -= REPLY_HEADER;
    }
    if (this.#filled + length > this.#size || (last && this.#filled + length !== this.#size)) {
      throw new SerializationError("Cannot read a reply of a process: its pieces do not fit");
    }
    this.#reply.set(bytes.subarray(at, at + length), this.#filled);
    this.#filled += length;
    if (!last) return;
    const frame = this.#frame;
    frame.bytes = this.#reply;
    frame.at = 0;
    this.#reply = new Uint8Array(0);
    this.#size = 0;
    this.#listener.frame(frame);
    frame.bytes = this.#reply;
  }
}
