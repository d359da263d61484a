// Article 002, `threading`: three threads open a page each, with a long wait before it. Takes addresses as arguments;
// `--delay=MS` changes the wait of 3 seconds. Needs `--allow-net`.

import { parseArgs } from "@std/cli";
import { Thread } from "@manycore/parallel";

const URLS = ["https://www.royalacademy.org.uk/", "http://www.metmuseum.org/", "http://www.artic.edu/"];

async function openUrl(url: string, delay: number): Promise<void> {
  console.log(`${self.name} starting`);
  console.log(`Opening ${url}`);
  await new Promise((resolve) => setTimeout(resolve, delay));
  try {
    const response = await fetch(url);
    await response.body?.cancel();
  } catch (error) {
    console.log(`Cannot open ${url}: ${(error as Error).message}`);
  }
  console.log(`${self.name} exiting`);
}

if (import.meta.main) {
  const { _: urls, delay } = parseArgs(Deno.args, { string: ["_", "delay"], default: { delay: "3000" } });
  for (const url of urls.length > 0 ? urls.map(String) : URLS) {
    new Thread({ target: openUrl, args: [url, Number(delay)] }).start();
  }
}
