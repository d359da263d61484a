/** The conformance suite on child processes. */

import { Pool, ProcessPoolExecutor } from "../../mod.ts";
import { processes } from "../../processes/mod.ts";
import { conforms } from "./suite.ts";

conforms({
  name: "processes, by source",
  pool: (size) => new Pool(size, { backend: processes() }),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers, backend: processes() }),
});

const module = new URL("./functions.ts", import.meta.url);
conforms({
  name: "processes, by module",
  pool: (size) => new Pool(size, { module, backend: processes() }),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers, module, backend: processes() }),
});
