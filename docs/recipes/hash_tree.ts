// Hashes and compresses each file of a directory tree: writes OUT/PATH.gz for each, and OUT/SHA256SUMS.

import { Pool } from "@manycore/parallel";

const [SOURCE = "files", OUT = "packed"] = Deno.args;

/** The paths of all files below `directory`, relative to `SOURCE`. */
async function* walk(directory = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(`${SOURCE}/${directory}`)) {
    if (isDirectory) yield* walk(`${directory}${name}/`);
    else if (isFile) yield `${directory}${name}`;
  }
}

/** Runs in a worker, which reads and writes the file itself: only a path and a hash are copied between threads. */
async function pack(path: string): Promise<string> {
  const bytes = await Deno.readFile(`${SOURCE}/${path}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const target = `${OUT}/${path}.gz`;
  await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(target, new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip")));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (import.meta.main) {
  await using pool = new Pool({ scope: { SOURCE, OUT } });
  const paths = (await Array.fromAsync(walk())).sort();
  const hashes = await pool.map(pack, paths, { chunksize: 8 });
  await Deno.mkdir(OUT, { recursive: true });
  await Deno.writeTextFile(`${OUT}/SHA256SUMS`, paths.map((path, i) => `${hashes[i]}  ${path}\n`).join(""));
  console.log(`${paths.length} files`);
}
