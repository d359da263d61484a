import { assert, assertEquals } from "@std/assert";
import {
  bestOf,
  type Case,
  kindTable,
  OURS,
  sectionOf,
  sizeText,
  summaryTable,
  tables,
  timeText,
  withSection,
} from "./report.ts";

const CASES: Case[] = [
  {
    kind: "json",
    size: 100,
    direction: "argument",
    inFlight: 1,
    times: { [OURS]: 5, "bare workers": 20, piscina: 40 },
  },
  {
    kind: "json",
    size: 1e7,
    direction: "argument",
    inFlight: 1,
    times: { [OURS]: 2e5, "bare workers": 3e5, piscina: 1e5 },
  },
  {
    kind: "json",
    size: 100,
    direction: "result",
    inFlight: 64,
    times: { [OURS]: 2, "bare workers": 5, piscina: 9 },
  },
];

Deno.test("a cell has both times, the ratio and the best of the others, bold where this library is slower", () => {
  assertEquals(
    kindTable(CASES),
    `| kind | direction | in flight | 100 B | 10 MB |
| --- | --- | --- | --- | --- |
| json | argument | 1 | 5 µs / 20 µs (4 ×, bare workers) | **200 ms / 100 ms (0.5 ×, piscina)** |
| json | result | 64 | 2 µs / 5 µs (2.5 ×, bare workers) |  |`,
  );
});

Deno.test("the summary has the median and the minimum of each kind", () => {
  assertEquals(
    summaryTable(CASES).split("\n").at(-1),
    "| json | 2.5 × | **0.5 ×** | argument, 1 in flight, 10 MB: piscina | 1 of 3 |",
  );
});

Deno.test("the best of the others never is this library", () => {
  assertEquals(bestOf(CASES[2]!), { name: "bare workers", time: 5, ratio: 2.5 });
});

Deno.test("times and sizes have units and three digits at most", () => {
  assertEquals([0.51234, 1.66, 999.6, 1234, 1e6].map(timeText), ["0.512 µs", "1.66 µs", "1 ms", "1.23 ms", "1 s"]);
  assertEquals([100, 1e3, 1e5, 1e8].map(sizeText), ["100 B", "1 KB", "100 KB", "100 MB"]);
});

Deno.test("withSection() replaces the section and nothing else", () => {
  const page = withSection("# Page\n\nText.\n", tables(CASES));
  assert(page.startsWith("# Page\n\nText.\n\n<!--"));
  assert(page.includes("### Summary"));
  assertEquals(withSection(page, "$& later"), withSection("# Page\n\nText.\n", "$& later"));
  assertEquals(`# Page\n\nText.\n\n${sectionOf(page)}\n`, page);
});

Deno.test("a page without a section has an empty one", () => {
  assertEquals(withSection(`# Page\n\n${sectionOf("# Other")}\n`, "Text."), withSection("# Page\n", "Text."));
});
