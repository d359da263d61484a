/** The conformance suite for each way to run calls. */

import { assertThrows } from "@std/assert";
import { Pool, ProcessPoolExecutor, ThreadPool, ThreadPoolExecutor } from "../../mod.ts";
import { test } from "../../testing/counted_workers.ts";
import { conforms } from "./suite.ts";
import { ownScheduler } from "./own_scheduler.ts";
import { toy } from "./toy_backend.ts";

conforms({
  name: "workers, by source",
  pool: (size) => new Pool(size),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers }),
});

const module = new URL("./functions.ts", import.meta.url);
conforms({
  name: "workers, by module",
  pool: (size) => new Pool(size, { module }),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers, module }),
});

conforms({
  name: "threads",
  pool: (size) => new ThreadPool(size),
  executor: (maxWorkers) => new ThreadPoolExecutor({ maxWorkers }),
});

conforms({
  name: "a toy",
  pool: (size) => new Pool(size, { backend: toy }),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers, backend: toy }),
});

conforms({
  name: "a scheduler of its own",
  pool: (size) => new Pool(size, { backend: ownScheduler }),
  executor: (maxWorkers) => new ProcessPoolExecutor({ maxWorkers, backend: ownScheduler }),
});

test("a backend that is none is refused", () => {
  for (const backend of [null, "processes", {}, { open: 1 }]) {
    assertThrows(() => new Pool(1, { backend } as never), TypeError, "Cannot use 'backend'");
  }
});
