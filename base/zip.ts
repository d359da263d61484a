/**
 * Reading several inputs in parallel.
 *
 * @module
 */

import { checkIterator } from "./checks.ts";
import { checkStep, isAsyncIterable, isIterable, type Items } from "./values.ts";

/** Returns tuples of the items at the same index, up to the end of the shortest iterable; none without iterables. */
export function zip(iterables: readonly Items[]): Items {
  return iterables.every(isIterable) ? zipSync(iterables) : zipAsync(iterables);
}

function* zipSync(iterables: readonly Iterable<unknown>[]): Generator<unknown[]> {
  const iterators: Iterator<unknown>[] = [];
  const open = new Set<Iterator<unknown>>();
  try {
    for (const items of iterables) open.add(iterators[iterators.push(checkIterator(items[Symbol.iterator]())) - 1]!);
    while (iterators.length > 0) {
      const tuple: unknown[] = [];
      for (const iterator of iterators) {
        open.delete(iterator); // an iterator that throws or ends is not closed
        const { done, value } = checkStep(iterator.next());
        if (done) return;
        open.add(iterator);
        tuple.push(value);
      }
      yield tuple;
    }
  } finally {
    const errors: unknown[] = [];
    for (const iterator of open) {
      try {
        iterator.return?.();
      } catch (error) {
        errors.push(error);
      }
    }
    // deno-lint-ignore no-unsafe-finally -- as `for…of` does when closing fails
    if (errors.length > 0) throw errors[0];
  }
}

async function* zipAsync(iterables: readonly Items[]): AsyncGenerator<unknown[]> {
  const iterators: (Iterator<unknown> | AsyncIterator<unknown>)[] = [];
  const open = new Set<Iterator<unknown> | AsyncIterator<unknown>>();
  try {
    for (const items of iterables) {
      const iterator = checkIterator(isAsyncIterable(items) ? items[Symbol.asyncIterator]() : items[Symbol.iterator]());
      iterators.push(iterator);
      open.add(iterator);
    }
    for (;;) {
      const tuple: unknown[] = [];
      for (const iterator of iterators) {
        open.delete(iterator);
        const { done, value } = checkStep(await iterator.next());
        if (done) return;
        open.add(iterator);
        tuple.push(value);
      }
      yield tuple;
    }
  } finally {
    await Promise.allSettled([...open].map(async (iterator) => await iterator.return?.()));
  }
}
