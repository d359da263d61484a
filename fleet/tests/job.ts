/** A program that works on a job: `job.ts SERVER FILE`. */

import { ProcessPoolExecutor } from "@manycore/parallel";
import { fleet } from "../mod.ts";
import * as tasks from "./tasks.ts";

const [server = "", file = ""] = Deno.args;
const backend = await fleet(server, { modules: { tasks }, job: "films", ackWait: 1000 });
await using executor = new ProcessPoolExecutor({ backend });
const futures = Array.from({ length: 40 }, () => executor.submit(tasks.noteAndBurn, file, 20));
const results = await Promise.all(futures.map((future) => future.result()));
console.log(`${results.length} results, ${results.reduce((sum, time) => sum + time)} in all`);
