/**
 * A local registry that serves this package as JSR would serve it after publication.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);
const NAME = "@manycore/parallel";

interface Config {
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
}

/** Returns the files that `deno publish` would publish, by their paths in the package. */
export async function publishedFiles(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stdout) + decoder.decode(stderr);
  if (!success) throw new Error(output);
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [, url] of output.matchAll(/^\s+(file:\S+) \([\d.]+[KMG]?B\)$/gm)) {
    files.set(url!.slice(ROOT.href.length - 1), await Deno.readFile(new URL(url!)));
  }
  return files;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** Serves the package. The returned `url` is for Deno's variable `JSR_URL`. */
export async function serveRegistry(): Promise<{ url: string; [Symbol.asyncDispose](): Promise<void> }> {
  const { version, exports }: Config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const files = await publishedFiles();
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of files) {
    manifest[path] = { size: bytes.length, checksum: `sha256-${await sha256(bytes)}` };
  }
  const [scope, name] = NAME.slice(1).split("/");
  const pages = new Map<string, BodyInit>([
    [`/${NAME}/meta.json`, JSON.stringify({ scope, name, latest: version, versions: { [version]: {} } })],
    [`/${NAME}/${version}_meta.json`, JSON.stringify({ manifest, exports })],
  ]);
  for (const [path, bytes] of files) pages.set(`/${NAME}/${version}${path}`, bytes);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const page = pages.get(new URL(request.url).pathname);
    if (page === undefined) return new Response("not found", { status: 404 });
    const type = request.url.endsWith(".json") ? "application/json" : "application/typescript";
    return new Response(page, { headers: { "content-type": type } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
