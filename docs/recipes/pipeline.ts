// Fetches the addresses that come on stdin, 8 at a time, and counts the links of each page on all cores.

import { Pool, ThreadPool } from "@manycore/parallel";

interface Page {
  url: string;
  html: string;
}

async function* lines(input: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of input.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** The first stage waits: it runs on this event loop. */
async function download(url: string): Promise<Page> {
  const response = await fetch(url);
  return { url, html: await response.text() };
}

/** The second stage computes: it runs in the workers. */
function analyze({ url, html }: Page): string {
  const links = new Set<string>();
  for (const [, href] of html.matchAll(/<a\s[^>]*href="([^"]*)"/gi)) links.add(new URL(href!, url).href);
  return `${links.size} ${url}`;
}

if (import.meta.main) {
  await using threads = new ThreadPool(8);
  await using pool = new Pool();
  const pages = threads.imapUnordered(download, lines(Deno.stdin.readable), { buffersize: 16 });
  for await (const line of pool.imapUnordered(analyze, pages, { buffersize: 8 })) console.log(line);
}
