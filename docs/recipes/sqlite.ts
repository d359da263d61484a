// One report a month from a database of sales. Each worker opens the database once, to read.

import { DatabaseSync } from "node:sqlite";
import { Pool } from "@manycore/parallel";

declare global {
  var database: DatabaseSync;
}

export function connect(path: string): void {
  globalThis.database = new DatabaseSync(path, { readOnly: true });
  database.exec("PRAGMA mmap_size = 1073741824"); // maps the file: threads do not wait for each other's reads
}

/** The product that sold best in a month, such as "2024-05", and for how much. */
export function bestSeller(month: string): string {
  const row = database.prepare(`
    SELECT product, sum(price * pieces) AS total FROM sales
    WHERE substr(day, 1, 7) = ? GROUP BY product ORDER BY total DESC, product LIMIT 1
  `).get(month);
  return row === undefined ? `${month} nothing` : `${month} ${row.product} ${row.total}`;
}

if (import.meta.main) {
  const [path = "sales.db", year = "2024"] = Deno.args;
  await using pool = new Pool({ module: import.meta.url, initializer: connect, initargs: [path] });
  const months = Array.from({ length: 12 }, (_, i) => `${year}-${String(i + 1).padStart(2, "0")}`);
  for await (const line of pool.imap(bestSeller, months)) console.log(line);
}
