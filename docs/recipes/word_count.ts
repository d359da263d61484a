// Counts the words of a large text, and prints the most frequent ones.

import { Pool } from "@manycore/parallel";

const [FILE = "text.txt"] = Deno.args;
const SLICE = 8 << 20;

/** Counts the words of a slice of the file. Returns one string and one array, which are copied faster than a map. */
function countWords(start: number, end: number): [words: string, counts: Uint32Array] {
  using file = Deno.openSync(FILE);
  file.seekSync(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(end - start);
  for (let at = 0; at < bytes.length;) at += file.readSync(bytes.subarray(at)) ?? bytes.length;
  const counts = new Map<string, number>();
  for (const [word] of new TextDecoder().decode(bytes).toLowerCase().matchAll(/\p{L}+/gu)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [[...counts.keys()].join(" "), Uint32Array.from(counts.values())];
}

/** Cuts the file into slices that end at the end of a line (or in a line, if that is longer than 64 KiB). */
function* slices(): Generator<[start: number, end: number]> {
  using file = Deno.openSync(FILE);
  const { size } = file.statSync();
  const buffer = new Uint8Array(64 << 10);
  for (let start = 0, end; start < size; start = end) {
    file.seekSync(start + SLICE, Deno.SeekMode.Start);
    const ahead = buffer.subarray(0, file.readSync(buffer) ?? 0);
    end = Math.min(start + SLICE + ahead.indexOf(10) + 1, size);
    yield [start, end];
  }
}

if (import.meta.main) {
  await using pool = new Pool({ scope: { FILE } });
  const total = new Map<string, number>();
  for await (const [joined, counts] of pool.istarmapUnordered(countWords, slices())) {
    const words = joined.split(" ");
    counts.forEach((count, i) => total.set(words[i]!, (total.get(words[i]!) ?? 0) + count));
  }
  const sorted = [...total].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  for (const [word, count] of sorted.slice(0, 10)) console.log(`${count} ${word}`);
}
