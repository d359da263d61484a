/** A main program that lacks `if (import.meta.main)`, for the tests. */

import { Process } from "../mod.ts";

const process = new Process({ target: () => {} });
process.start();
await process.join();
