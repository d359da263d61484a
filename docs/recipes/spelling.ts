// Counts the words of each text that are not in a dictionary: spelling.py, in TypeScript.

import { asCompleted, ProcessPoolExecutor } from "@manycore/parallel";

declare global {
  var words: Set<string>;
}

async function load(path: string): Promise<void> {
  globalThis.words = new Set((await Deno.readTextFile(path)).split(/\s+/));
}

async function unknownWords(path: string): Promise<number> {
  const found = (await Deno.readTextFile(path)).toLowerCase().match(/[a-z]+/g) ?? [];
  return found.filter((word) => !words.has(word)).length;
}

if (import.meta.main) {
  const [dictionary = "words.txt", ...paths] = Deno.args;
  await using executor = new ProcessPoolExecutor({ initializer: load, initargs: [dictionary] });
  const todo = new Map(paths.map((path) => [executor.submit(unknownWords, path), path]));
  for await (const future of asCompleted(todo.keys())) {
    console.log(todo.get(future), await future.result());
  }
}
