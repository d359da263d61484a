/** Imports point one way: from the doors to the errors, room by room. */

import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** Each room may import from those before it, and within itself. */
const ROOMS = [
  "errors",
  "base",
  "codec",
  "sync scheduler",
  "runner",
  "workers/shared",
  "workers/caller workers/program processes",
  "workers",
  "calls",
  "door",
  "mod",
];

/** The programs of workers and child processes as texts. */
const PROGRAM_TEXTS = ["workers/program_gen.ts", "processes/program_gen.ts", "processes/porter_program_gen.ts"];
/** Imported by the errors, and importing nothing: what makes classes of several copies of the library one. */
const BELOW_ALL = "base/copies.ts";

/** The room that a file of the library is in; undefined for tests, tools and the like. */
function roomOf(path: string): string | undefined {
  if (path.endsWith("_test.ts")) return undefined;
  const folder = /^(base|calls|codec|processes|runner|scheduler|sync|workers\/(?:caller|program|shared)|workers)\//
    .exec(path)
    ?.[1];
  if (folder !== undefined) return folder;
  if (path === "mod.ts" || path === "errors.ts") return path.slice(0, -3);
  return path.includes("/") ? undefined : "door";
}

function* filesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory && !name.startsWith(".")) yield* filesIn(`${folder}${name}/`);
    else if (name.endsWith(".ts") && !name.endsWith("program_gen.ts")) yield folder + name;
  }
}

/** What a file of the library imports, as paths from the root. */
function importsOf(path: string): string[] {
  const text = Deno.readTextFileSync(new URL(path, ROOT)).replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/g)]
    .map(([, specifier]) => new URL(specifier!, new URL(path, ROOT)).href.slice(ROOT.href.length));
}

const files = [...filesIn("")].filter((path) => roomOf(path) !== undefined);
const rankOf = (room: string): number => ROOMS.findIndex((rooms) => rooms.split(" ").includes(room));

Deno.test("each room imports only from the rooms below it", () => {
  const wrong: string[] = [];
  for (const path of files) {
    const room = roomOf(path)!;
    for (const imported of importsOf(path)) {
      if (imported === BELOW_ALL || PROGRAM_TEXTS.includes(imported)) continue;
      const other = roomOf(imported);
      if (other === room) continue;
      if (other === undefined || rankOf(other) >= rankOf(room)) wrong.push(`${path} imports ${imported}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("no two files import each other, not even by way of others", () => {
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") return void circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    state.set(path, "open");
    for (const imported of importsOf(path)) {
      if (roomOf(imported) !== undefined && !PROGRAM_TEXTS.includes(imported)) visit(imported, [...way, path]);
    }
    state.set(path, "done");
  };
  for (const path of files) visit(path, []);
  assertEquals(circles, []);
});
