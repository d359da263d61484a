/** The functions that the conformance suite calls: by source, or as exports of this module. */

/** Returns the square of a number. */
export function square(n: number): number {
  return n * n;
}

/** Returns the sum of two numbers, some time later. */
export async function addLater(a: number, b: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return a + b;
}

/** Throws for odd numbers. */
export function refuseOdd(n: number): number {
  if (n % 2 === 1) throw new RangeError(`odd: ${n}`);
  return n;
}

/** Never settles. */
export function never(): Promise<never> {
  return new Promise(() => {});
}

/** Returns what it was given. */
export function echo<T>(value: T): T {
  return value;
}
