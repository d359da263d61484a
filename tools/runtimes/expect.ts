/**
 * What the checks expect, without packages, so that they run anywhere.
 *
 * @module
 */

import { InvalidStateError } from "../../errors.ts";

/** A check: throws what is wrong; a string says what holds instead, by design. */
export type Check = () => Promise<string | void> | string | void;

/** Runs what blocks this thread, which may be refused. */
export function blocking(run: () => void): string | void {
  try {
    run();
  } catch (error) {
    if (error instanceof InvalidStateError) return refused(error);
    throw error;
  }
}

/** What a check says when an error refuses to block this thread; it must say what to use instead. */
export function refused(error: Error): string {
  check(/await/.test(error.message), `the refusal does not say what to use instead: ${error.message}`);
  return `refused: ${error.message}`;
}

/** The numbers from 0 on. */
export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** All items. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The error that something fails with. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => Promise.reject(new Error(`It did not fail, but gave ${show(value)}`)),
    (error) => error,
  );
}

/** Throws unless something holds. */
export function check(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

/** A value as text. */
export function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message.slice(0, 300)}`;
  return JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}n` : part) ?? String(value);
}

/** Throws unless both look the same as text. */
export function equal(actual: unknown, expected: unknown): void {
  check(show(actual) === show(expected), `${show(actual)} instead of ${show(expected)}`);
}
