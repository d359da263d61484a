/** The conformance suite of all backends, on a fleet of two workers. */

import { Pool, ProcessPoolExecutor } from "@manycore/parallel";
import * as functions from "../../tests/conformance/functions.ts";
import { conforms } from "../../tests/conformance/suite.ts";
import { fleet } from "../mod.ts";
import { Server, Worker } from "./server.ts";

const server = await Server.start();
const module = `functions=${new URL("../../tests/conformance/functions.ts", import.meta.url)}`;
const workers = await Promise.all([1, 2].map(() => Worker.start(server.url, "--module", module)));
const backend = await fleet(server.url, { modules: { functions } });

Deno.test.afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  for (const worker of workers) await worker[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

conforms({
  name: "fleet",
  remote: true,
  pool: () => new Pool({ backend }),
  executor: () => new ProcessPoolExecutor({ backend }),
});
