/** A main program that lacks `if (import.meta.main)`, for the tests. */

import { Pool } from "../mod.ts";

await using pool = new Pool(1);
await pool.apply((n: number) => n, [1]);
