/** A nats-server and workers for tests, as processes of their own. */

const FLEET = new URL("../", import.meta.url);

/** A free port. */
function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}

/** A server with a store of its own. */
export class Server implements AsyncDisposable {
  readonly port: number = freePort();
  readonly #store = Deno.makeTempDirSync({ prefix: "fleet-" });
  #child: Deno.ChildProcess | undefined;

  /** Its address. */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts a server. */
  static async start(): Promise<Server> {
    const server = new Server();
    await server.run();
    return server;
  }

  /** Runs it, again after {@linkcode kill}. Resolves once it can be connected to. */
  async run(): Promise<void> {
    const args = ["-a", "127.0.0.1", "-p", String(this.port), "-js", "-sd", this.#store];
    try {
      this.#child = new Deno.Command("nats-server", { args, stdout: "null", stderr: "null" }).spawn();
    } catch (cause) {
      throw new Error("The tests of the fleet need nats-server: apt-get install nats-server", { cause });
    }
    for (;;) {
      try {
        (await Deno.connect({ port: this.port, hostname: "127.0.0.1" })).close();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Kills it as a crash would. */
  async kill(): Promise<void> {
    this.#child!.kill("SIGKILL");
    await this.#child!.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.#store, { recursive: true });
  }
}

/** A worker machine. */
export class Worker implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  /** What it has printed. */
  output = "";
  readonly #read: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #ended = false;

  private constructor(url: string, args: readonly string[]) {
    const flags = ["--allow-net", "--allow-run", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", ...flags, new URL("worker.ts", FLEET).href, "--servers", url, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([this.#child.stdout, this.#child.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.output += text;
        if (this.output.includes("takes tasks")) this.#ready.resolve();
      }
    })).then(() => this.#ready.reject(new Error(this.output)));
    this.#ready.promise.catch(() => {}); // somebody may not have waited for it
  }

  /** Starts a worker, and waits until it takes tasks. */
  static async start(url: string, ...args: string[]): Promise<Worker> {
    const module = new URL("tests/tasks.ts", FLEET).href;
    const worker = new Worker(url, ["--module", `tasks=${module}`, "--processes", "2", ...args]);
    await worker.#ready.promise;
    return worker;
  }

  /** Sends a signal. Resolves with the exit code once it has ended. */
  async end(signal: Deno.Signal): Promise<number> {
    this.#ended = true;
    this.#child.kill(signal);
    const { code } = await this.#child.status;
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) await this.end("SIGKILL");
  }
}
