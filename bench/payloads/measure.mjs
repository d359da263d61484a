// Measures one library: reads commands "kind size direction inFlight milliseconds" from the standard input, and answers each
// with a line "<µs a call> <MB of memory>".

import process from "node:process";
import { createInterface } from "node:readline";
import { extentOf, give } from "./payloads.mjs";

/** A round has a single call if that takes longer than this, in microseconds. */
const LONG = 200_000;

/**
 * The calls of a library. All of them run on two workers.
 *
 * @typedef {object} Library
 * @property {(kind: string, size: number) => Promise<unknown>} prepare Makes the payload of a kind and a size in both workers.
 * @property {(payload: any) => Promise<unknown>} take Sends a payload as a copy.
 * @property {(kind: string, size: number) => Promise<unknown>} give Returns the payload that a worker keeps.
 * @property {(buffer: ArrayBuffer) => Promise<unknown>} takeMoved Moves a buffer to a worker.
 * @property {(size: number) => Promise<unknown>} giveMoved Moves a new buffer out of a worker.
 */

/**
 * Makes `count` calls, of which `inFlight` are outstanding at a time, and returns the microseconds a call.
 *
 * @param {() => Promise<unknown>} call
 * @param {number} count
 * @param {number} inFlight
 */
async function timeOf(call, count, inFlight) {
  let left = count;
  const callOften = async () => {
    while (left-- > 0) await call();
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, callOften));
  return (performance.now() - start) * 1000 / count;
}

/**
 * Returns the call to be measured.
 *
 * @param {Library} library
 * @param {string} kind
 * @param {number} size
 * @param {string} direction
 */
async function callOf(library, kind, size, direction) {
  if (kind === "transfer") {
    return direction === "argument" ? () => library.takeMoved(new ArrayBuffer(size)) : () => library.giveMoved(size);
  }
  if (direction === "argument") {
    const payload = give(kind, size);
    return () => library.take(payload);
  }
  await library.prepare(kind, size);
  return () => library.give(kind, size);
}

/**
 * Makes one call and returns its microseconds. Throws an error if the call does not do what is measured.
 *
 * @param {() => Promise<unknown>} call
 * @param {string} kind
 * @param {number} size
 * @param {string} direction
 */
async function check(call, kind, size, direction) {
  const start = performance.now();
  const result = await call();
  const time = (performance.now() - start) * 1000;
  const [actual, expected] = direction === "argument" ? [result, 0] : [result, give(kind, size)].map(extentOf);
  if (actual !== expected) throw new Error(`${kind} ${size} ${direction}: ${actual} instead of ${expected}`);
  return time;
}

/**
 * Answers the commands until the input ends.
 *
 * @param {Library} library
 */
export async function serve(library) {
  /** @type {() => Promise<unknown>} */
  let call;
  let last = "";
  let lastCase = "";
  /** The time of a call, as far as known, in microseconds. */
  let known = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const [kind, sizeText, direction, inFlightText, milliseconds] = line.split(" ");
    const [size, inFlight, time] = [Number(sizeText), Number(inFlightText), Number(milliseconds) * 1000];
    if (`${kind} ${size} ${direction}` !== last) {
      call = await callOf(library, kind, size, direction);
      known = await check(call, kind, size, direction);
      if (known < LONG) known = await timeOf(call, 1, 1);
      last = `${kind} ${size} ${direction}`;
    }
    const least = Math.max(known > LONG ? 1 : known > time / 2 ? 2 : 3, inFlight);
    if (`${last} ${inFlight}` !== lastCase) {
      lastCase = `${last} ${inFlight}`;
      // Calls that together take longer than a round need no more warm-up than those before.
      const slow = known * least > time;
      for (let spent = 0, count = least; !slow && spent < time / 2; count *= 2) {
        known = await timeOf(call, count, inFlight);
        spent += known * count;
      }
    } else if (known * least < time) {
      // Other libraries ran since the round before.
      await timeOf(call, Math.ceil(time / known / 5), inFlight);
    }
    const count = Math.max(least, Math.round(time / known));
    known = await timeOf(call, count, inFlight);
    console.log(`${known} ${Math.round(process.memoryUsage.rss() / 1e6)}`);
  }
  process.exit();
}
