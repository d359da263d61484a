/**
 * `@std/assert` from the npm registry, with types for the functions that the tests use.
 *
 * @module
 */

import * as untyped from "deno-std/assert/mod.js";

// deno-lint-ignore no-explicit-any -- the shape of a constructor
type Class<T> = abstract new (...args: any[]) => T;

interface Assert {
  assert(condition: unknown, message?: string): asserts condition;
  assertEquals<T>(actual: T, expected: T, message?: string): void;
  assertNotEquals<T>(actual: T, expected: T, message?: string): void;
  assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T;
  assertInstanceOf<T>(actual: unknown, expected: Class<T>, message?: string): asserts actual is T;
  assertStringIncludes(actual: string, expected: string, message?: string): void;
  assertMatch(actual: string, expected: RegExp, message?: string): void;
  assertThrows<E extends Error = Error>(run: () => unknown, Class?: Class<E>, includes?: string, message?: string): E;
  assertRejects<E extends Error = Error>(
    run: () => PromiseLike<unknown>,
    Class?: Class<E>,
    includes?: string,
    message?: string,
  ): Promise<E>;
}

const std = untyped as unknown as Assert;

export const assert: Assert["assert"] = std.assert;
export const assertEquals: Assert["assertEquals"] = std.assertEquals;
export const assertNotEquals: Assert["assertNotEquals"] = std.assertNotEquals;
export const assertStrictEquals: Assert["assertStrictEquals"] = std.assertStrictEquals;
export const assertInstanceOf: Assert["assertInstanceOf"] = std.assertInstanceOf;
export const assertStringIncludes: Assert["assertStringIncludes"] = std.assertStringIncludes;
export const assertMatch: Assert["assertMatch"] = std.assertMatch;
export const assertThrows: Assert["assertThrows"] = std.assertThrows;
export const assertRejects: Assert["assertRejects"] = std.assertRejects;
