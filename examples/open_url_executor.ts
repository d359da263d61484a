// Article 002, `ThreadPoolExecutor`: the same by an executor. Takes addresses as arguments; `--delay=MS` changes the wait
// of 3 seconds. Needs `--allow-net`.

import { parseArgs } from "@std/cli";
import { ThreadPoolExecutor } from "@manycore/parallel";

const URLS = ["https://www.royalacademy.org.uk/", "http://www.metmuseum.org/", "http://www.artic.edu/"];

const { _: urls, delay } = parseArgs(Deno.args, { string: ["_", "delay"], default: { delay: "3000" } });

async function openUrl(url: string): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, Number(delay)));
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return `${url} ${response.status}`;
  } catch (error) {
    return `Cannot open ${url}: ${(error as Error).message}`;
  }
}

if (import.meta.main) {
  await using executor = new ThreadPoolExecutor({ maxWorkers: 5 });
  for await (const result of executor.map(openUrl, urls.length > 0 ? urls.map(String) : URLS)) console.log(result);
}
