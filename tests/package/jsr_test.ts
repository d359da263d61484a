/** The package as a user gets it: published to a registry of its own, used from an empty folder. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { publishedFiles, serveRegistry } from "../../testing/jsr_registry.ts";

const POOL = `
import { Pool } from "jsr:@manycore/parallel";
await using pool = new Pool(2);
console.log(await pool.map((n: number) => n * n, [1, 2, 3]), pool.applySync(Math.sqrt, [16]));
`;

const EXECUTOR = `
import { asCompleted, ProcessPoolExecutor } from "jsr:@manycore/parallel/executor";
import { CancelledError } from "jsr:@manycore/parallel/errors";
await using executor = new ProcessPoolExecutor(2);
const futures = [3, 4].map((n) => executor.submit((n: number) => n + 1, n));
const results: number[] = [];
for await (const future of asCompleted(futures)) results.push(await future.result());
console.log(results.sort(), typeof CancelledError);
`;

const SYNC = `
import { Pool } from "jsr:@manycore/parallel/pool";
import { Lock, Queue, Value } from "jsr:@manycore/parallel/sync";
import { Process } from "jsr:@manycore/parallel/process";
const scope = { lock: new Lock(), count: new Value("i"), queue: new Queue<number>() };
const { lock, count, queue } = scope;
await using pool = new Pool(2, { scope });
await pool.broadcast(() => {
  for (let i = 0; i < 100; i++) {
    using _ = lock.hold();
    count.value++;
  }
  queue.put(1);
});
const process = new Process({ target: () => queue.put(5), scope: { queue } });
process.start();
await process.join();
console.log(count.value, queue.get() + queue.get() + queue.get());
`;

const MODULE = `
import { currentProcess, Pool } from "jsr:@manycore/parallel";
const offset = 10;
export const shift = (n: number): string => \`\${n + offset} \${currentProcess().name}\`;
if (import.meta.main) {
  await using pool = new Pool({ processes: 1, module: import.meta.url });
  console.log(await pool.apply(shift, [1]));
}
`;

const TEST = `
import { Pool } from "jsr:@manycore/parallel";
Deno.test("a pool in a test leaves nothing behind", async () => {
  await using pool = new Pool(1);
  if (await pool.apply((n: number) => n + 1, [1]) !== 2) throw new Error("wrong");
});
`;

const BENCH = `
import { Pool } from "jsr:@manycore/parallel";
const pool = new Pool(1);
Deno.bench("a call", { n: 10, warmup: 1 }, async () => {
  await pool.apply((n: number) => n + 1, [1]);
});
`;

const SERVE = `
import { Pool } from "jsr:@manycore/parallel";
const pool = new Pool(1, { idleTimeout: Infinity });
export default {
  async fetch(request: Request): Promise<Response> {
    const n = Number(new URL(request.url).searchParams.get("n"));
    return new Response(String(await pool.apply((n: number) => n * n, [n])));
  },
} satisfies Deno.ServeDefaultExport;
`;

Deno.test("the package as a user gets it", async (t) => {
  await using registry = await serveRegistry();
  const folder = await Deno.makeTempDir();
  const cache = await Deno.makeTempDir();
  const env = { JSR_URL: registry.url, DENO_DIR: cache, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const start = (...args: string[]): Deno.ChildProcess =>
    new Deno.Command(Deno.execPath(), { args, cwd: folder, env, stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
  const deno = async (...args: string[]): Promise<string> => {
    const { success, stdout, stderr } = await start(...args).output();
    const decoder = new TextDecoder();
    assert(success, `deno ${args.join(" ")}: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  };
  try {
    const programs = {
      "pool.ts": POOL,
      "executor.ts": EXECUTOR,
      "sync.ts": SYNC,
      "module.ts": MODULE,
      "some_test.ts": TEST,
      "some_bench.ts": BENCH,
      "serve.ts": SERVE,
    };
    for (const [name, text] of Object.entries(programs)) await Deno.writeTextFile(`${folder}/${name}`, text);

    await t.step("deno check", async () => void await deno("check", "."));
    const outputs = { "pool.ts": "[ 1, 4, 9 ] 4\n", "executor.ts": "[ 4, 5 ] function\n", "sync.ts": "200 7\n" };
    for (const [name, output] of Object.entries(outputs)) {
      await t.step(`deno run ${name}, without flags`, async () => assertEquals(await deno("run", name), output));
    }
    await t.step("deno run --allow-read module.ts", async () => {
      assertEquals(await deno("run", "--allow-read", "module.ts"), "11 PoolWorker-1\n");
    });
    await t.step("deno test", async () => assertStringIncludes(await deno("test"), "ok | 1 passed | 0 failed"));
    await t.step("deno bench", async () => assertStringIncludes(await deno("bench"), "| a call "));
    await t.step("deno bundle, and run", async () => {
      for (const name of Object.keys(outputs) as (keyof typeof outputs)[]) {
        const bundled = name.replace(".ts", ".bundle.js");
        await deno("bundle", "--quiet", "--output", bundled, name);
        assertEquals(await deno("run", "--no-remote", bundled), outputs[name]);
      }
    });
    await t.step("deno serve", async () => {
      const server = start("serve", "--host", "127.0.0.1", "--port", "0", "--no-check", "serve.ts");
      try {
        let told = "";
        for await (const text of server.stderr.pipeThrough(new TextDecoderStream())) {
          told += text;
          const address = /http:\/\/127\.0\.0\.1:\d+/.exec(told)?.[0];
          if (address === undefined) continue;
          const responses = await Promise.all([5, 6].map((n) => fetch(`${address}/?n=${n}`)));
          assertEquals(await Promise.all(responses.map((response) => response.text())), ["25", "36"]);
          return;
        }
        throw new Error(`it ended: ${told}`);
      } finally {
        server.kill("SIGKILL"); // while a worker lives, `deno serve` does not end by SIGTERM
        await server.stdout.cancel();
        await server.status;
      }
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
    await Deno.remove(cache, { recursive: true });
  }
});

Deno.test("the package holds what the library needs, and nothing else", async () => {
  const { exports } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const needed = new Set<string>();
  for (const entry of Object.values(exports) as string[]) {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", entry],
      cwd: new URL("../../", import.meta.url),
    }).output();
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { specifier: string }[] };
    for (const { specifier } of modules) {
      needed.add(specifier.slice(new URL("../../", import.meta.url).href.length - 1));
    }
  }
  for (const page of ["/README.md", "/LICENSE", "/CHANGELOG.md", "/SECURITY.md", "/deno.json"]) needed.add(page);
  assertEquals([...(await publishedFiles()).keys()].sort(), [...needed].sort());
});
