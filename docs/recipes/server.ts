// A server that computes: GET /primes?below=N counts the prime numbers below N.

import { Pool, TimeoutError } from "@manycore/parallel";

const MAX_QUEUED = 16;

function primesBelow(n: number): number {
  let count = 0;
  for (let i = 2; i < n; i++) {
    let divisor = 2;
    while (divisor * divisor <= i && i % divisor !== 0) divisor++;
    if (divisor * divisor > i) count++;
  }
  return count;
}

if (import.meta.main) {
  await using pool = new Pool({ taskTimeout: 1000, idleTimeout: Infinity });
  const server = Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 8000) }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname !== "/primes") return Response.json(pool.stats());
    const below = Number(searchParams.get("below"));
    if (!Number.isInteger(below)) return new Response("bad 'below'\n", { status: 400 });
    if (pool.stats().queued >= MAX_QUEUED) {
      return new Response("busy\n", { status: 503, headers: { "retry-after": "1" } });
    }
    try {
      return Response.json(await pool.apply(primesBelow, [below], { signal: request.signal }));
    } catch (error) {
      if (request.signal.aborted) return new Response(null, { status: 499 }); // nobody reads it
      if (error instanceof TimeoutError) return new Response("takes too long\n", { status: 504 });
      throw error;
    }
  });
  Deno.addSignalListener("SIGTERM", () => server.shutdown());
  await server.finished;
}
