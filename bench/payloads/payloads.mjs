// The payloads that are measured. Node and Deno make the same ones, on the main thread and in the workers.

/** The kinds of payloads, in the order in which they are measured. */
export const KINDS = [
  "records",
  "json",
  "ascii",
  "cyrillic",
  "bytes",
  "doubles",
  "map",
  "set",
  "dates",
  "bigint",
  "transfer",
];

/** The sizes of all kinds, in bytes. */
export const SIZES = [100, 1e3, 1e4, 1e5, 1e6, 1e7];

/** The size that only kinds without structure have, in bytes. */
export const LARGE = 1e8;

/** The kinds that are measured with `LARGE` bytes as well. */
export const LARGE_KINDS = ["ascii", "bytes", "doubles", "transfer"];

/**
 * Returns a function that returns numbers from 0 up to 1, the same ones each time.
 *
 * @returns {() => number}
 */
function randomNumbers() {
  let state = 42;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let n = Math.imul(state ^ (state >>> 15), 1 | state);
    n = (n + Math.imul(n ^ (n >>> 7), 61 | n)) ^ n;
    return ((n ^ (n >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WORDS = "amber basin cedar delta ember fjord grove haven inlet jetty knoll lagoon meadow north ocean prairie"
  .split(" ");

/**
 * Returns items whose JSON texts have about `size` bytes together.
 *
 * @template T
 * @param {number} size
 * @param {(index: number) => T} makeItem
 * @returns {T[]}
 */
function itemsOf(size, makeItem) {
  const items = [];
  let length = 0;
  for (let bytes = 2; bytes + length / 2 < size || items.length === 0; bytes += length) {
    const item = makeItem(items.length);
    // Of many items, one of 16 is enough for the size.
    if (items.length < 100 || items.length % 16 === 0) length = JSON.stringify(item).length + 1;
    items.push(item);
  }
  return items;
}

/**
 * Returns a text of `length` characters, taken from `alphabet`. The text is one piece, not a tree of strings.
 *
 * @param {number} length
 * @param {string} alphabet
 * @returns {string}
 */
function textOf(length, alphabet) {
  const random = randomNumbers();
  const block = Array.from({ length: 1000 }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");
  const blocks = Array(Math.floor(length / 1000)).fill(block);
  blocks.push(block.slice(0, length % 1000));
  return blocks.join("");
}

/**
 * Fills an array with a pattern of 1000 numbers, and returns the array.
 *
 * @template {Uint8Array | Float64Array} T
 * @param {T} numbers
 * @param {(index: number) => number} numberAt
 * @returns {T}
 */
function repeated(numbers, numberAt) {
  for (let i = 0; i < Math.min(numbers.length, 1000); i++) numbers[i] = numberAt(i);
  for (let filled = 1000; filled < numbers.length; filled *= 2) numbers.copyWithin(filled, 0, filled);
  return numbers;
}

/**
 * Returns a JSON document as of a REST API.
 *
 * @param {number} size
 */
function documentOf(size) {
  const random = randomNumbers();
  /** @param {number} limit */
  const below = (limit) => Math.floor(random() * limit);
  /** A text of at least 5 and at most 60 characters. */
  const text = (limit = 60) => {
    const length = 5 + below(limit - 4);
    let words = WORDS[below(WORDS.length)];
    while (words.length < length) words += ` ${WORDS[below(WORDS.length)]}`;
    return words.slice(0, length);
  };
  if (size < 500) return { id: 4711, name: text(30), active: true, manager: null, tags: [text(10), text(10)] };
  const items = itemsOf(size - 60, (id) => ({
    id,
    name: text(30),
    email: `${WORDS[below(WORDS.length)]}.${id}@example.com`,
    active: random() < 0.7,
    score: below(10_000) / 100,
    created: "2025-03-01T12:00:00Z",
    manager: random() < 0.5 ? null : below(1000),
    tags: Array.from({ length: below(5) }, () => text(12)),
    address: { street: text(), city: text(20), location: { latitude: random() * 90, longitude: random() * 180 } },
    orders: Array.from({ length: 1 + below(3) }, () => ({
      article: text(40),
      quantity: 1 + below(9),
      price: below(100_000) / 100,
      note: random() < 0.8 ? null : text(),
    })),
  }));
  return { page: 1, next: null, total: items.length, items };
}

/**
 * Returns a payload of about `size` bytes: of memory, or of JSON text for kinds that consist of many values. An
 * `ArrayBuffer` to be moved is a new one each time.
 *
 * @param {string} kind
 * @param {number} size
 * @returns {any}
 */
export function makePayload(kind, size) {
  const random = randomNumbers();
  const score = () => Math.floor(random() * 1e6) / 1e3;
  switch (kind) {
    case "records":
      return itemsOf(size, (id) => ({ id, name: `name ${id}`, score: score() }));
    case "json":
      return documentOf(size);
    case "ascii":
      return textOf(size, "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789.,-");
    case "cyrillic":
      return textOf(size / 2, "абвгдежзийклмнопрстуфхцчшщъыьэюяАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯ");
    case "bytes":
      return repeated(new Uint8Array(size), (i) => i * 31);
    case "doubles":
      return repeated(new Float64Array(Math.floor(size / 8)), (i) => i / 3);
    case "map":
      return new Map(itemsOf(size, (i) => [`key ${i}`, score()]));
    case "set":
      return new Set(itemsOf(size, (i) => `${WORDS[i % WORDS.length]} ${i}`));
    case "dates":
      return itemsOf(size, (i) => new Date(1.7e12 + i * 1e6 + Math.floor(random() * 1e6)));
    case "bigint":
      return BigInt(`0x7${textOf(size * 2 - 1, "0123456789abcdef")}`);
    case "transfer":
      return new ArrayBuffer(size);
    default:
      throw new RangeError(`Unknown kind of payload: ${kind}`);
  }
}

/**
 * Returns a number from which it can be seen whether a payload arrived.
 *
 * @param {any} payload
 * @returns {number}
 */
export function extentOf(payload) {
  if (typeof payload === "bigint") return Number(BigInt.asUintN(50, payload));
  return payload?.byteLength ?? payload?.length ?? payload?.size ?? payload?.items?.length ?? payload?.id;
}

let kept = { key: "", /** @type {any} */ payload: undefined };

/**
 * A task that makes the payload that `give` returns. The task lasts a few milliseconds, so that of two tasks each
 * worker gets one.
 *
 * @param {string} kind
 * @param {number} size
 */
export function prepare(kind, size) {
  give(kind, size);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}

/**
 * A task that returns a payload. The worker makes the payload once, and keeps it until another one is asked for.
 *
 * @param {string} kind
 * @param {number} size
 */
export function give(kind, size) {
  const key = `${kind} ${size}`;
  if (kept.key !== key) kept = { key, payload: makePayload(kind, size) };
  return kept.payload;
}

/**
 * A task that gets a payload.
 *
 * @param {unknown} payload
 */
export function take(payload) {
  return payload === undefined ? 1 : 0;
}
