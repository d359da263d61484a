// Article 002, `multiprocessing.dummy`: the same by a pool on this event loop, with the results at hand. Takes addresses
// as arguments; `--delay=MS` changes the wait of 3 seconds. Needs `--allow-net`.

import { parseArgs } from "@std/cli";
import { ThreadPool } from "@manycore/parallel";

const URLS = ["https://www.royalacademy.org.uk/", "http://www.metmuseum.org/", "http://www.artic.edu/"];

const { _: urls, delay } = parseArgs(Deno.args, { string: ["_", "delay"], default: { delay: "3000" } });
let threads = 0;

async function openUrl(url: string): Promise<string> {
  const name = `Thread-${++threads}`; // nothing is copied here, and variables are shared
  console.log(`${name} starting`);
  console.log(`Opening ${url}`);
  await new Promise((resolve) => setTimeout(resolve, Number(delay)));
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return `${url} ${response.status}`;
  } catch (error) {
    return `Cannot open ${url}: ${(error as Error).message}`;
  } finally {
    console.log(`${name} exiting`);
  }
}

if (import.meta.main) {
  await using pool = new ThreadPool(3);
  const results = await pool.map(openUrl, urls.length > 0 ? urls.map(String) : URLS);
  for (const result of results) console.log(result);
}
