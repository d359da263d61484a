import { assertEquals } from "@std/assert";
import { test } from "../testing/counted_workers.ts";
import { ModuleLookup } from "./module_lookup.ts";

const later: { open?: Promise<unknown>; fn?: () => void } = {};
Object.assign(globalThis, { moduleLookupTest: later });

/** Returns the URL of a module whose top level waits until `later.open` resolves, and which exports `later.fn`. */
const module = (n: number): string =>
  `data:text/javascript,const later = globalThis.moduleLookupTest; await later.open; export const f = later.fn; //${n}`;

test("a module that is still being evaluated is not waited for, and known when it has been", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const fn = (): void => {};
  Object.assign(later, { open: promise, fn });
  const known = Promise.withResolvers<void>();
  const lookup = new ModuleLookup(module(1), known.resolve);
  await new Promise<void>((answer) => lookup.ask(false, answer));
  assertEquals(lookup.keyOf(fn), undefined);
  resolve();
  await known.promise;
  assertEquals([lookup.keyOf(fn), lookup.keyOf(() => {})], ["f", null]);
});

test("a thread that blocks gets its answer at once, as does who waits already", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  Object.assign(later, { open: promise, fn: () => {} });
  const known = Promise.withResolvers<void>();
  const lookup = new ModuleLookup(module(2), known.resolve);
  const answers: string[] = [];
  lookup.ask(false, () => answers.push("waits"));
  lookup.ask(true, () => answers.push("blocks"));
  assertEquals(answers, ["blocks"]);
  lookup.giveUp();
  assertEquals(answers, ["blocks", "waits"]);
  resolve();
  await known.promise;
});

test("a module that cannot be imported is known not to be", async () => {
  const lookup = new ModuleLookup("data:text/javascript,throw 1", () => {});
  await new Promise<void>((answer) => lookup.ask(false, answer));
  assertEquals(lookup.keyOf(() => {}), undefined);
});
