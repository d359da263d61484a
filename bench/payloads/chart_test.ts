import { assert, assertEquals, assertThrows } from "@std/assert";
import { chart } from "./chart.ts";
import { type Case, OURS } from "./report.ts";

const caseOf = (kind: string, size: number, direction: Case["direction"] = "argument"): Case => ({
  kind,
  size,
  direction,
  inFlight: 1,
  times: { [OURS]: 3 + size / 1000, "bare workers": 20 + size / 2000, piscina: 60 },
});
const CASES = ["records", "bytes"].flatMap((kind) => [100, 1e4, 1e6].map((size) => caseOf(kind, size)));

const countOf = (text: string, part: string): number => text.split(part).length - 1;

Deno.test("the chart has a line of each library in each panel, and a mark for each time", () => {
  const svg = chart(CASES);
  assertEquals(countOf(svg, `fill="none" stroke="#0550ae"`), 2);
  assertEquals(countOf(svg, `fill="none"`), 2 * 3);
  assertEquals(countOf(svg, "<path transform"), 3 + 2 * 3 * 3);
  for (const name of [OURS, "bare workers", "piscina", "Uint8Array, copied"]) assert(svg.includes(`>${name}</text>`));
});

Deno.test("the ticks are powers of ten around all sizes and times", () => {
  const ticks = [...chart(CASES).matchAll(/class="tick">([^<]+)</g)].map(([, tick]) => tick!);
  const ofPanel = ["100 B", "1 KB", "10 KB", "100 KB", "1 MB", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"];
  assertEquals(ticks, [...ofPanel, ...ofPanel]);
});

Deno.test("points are where the ticks of their values are", () => {
  const svg = chart([caseOf("bytes", 100), caseOf("bytes", 1000)].map((measured, i) => ({
    ...measured,
    times: { [OURS]: 10 ** i, piscina: 10 ** (1 + i) },
  })));
  assert(svg.includes(`<path d="M72.0 354.0L324.0 229.0" fill="none" stroke="#0550ae"`));
});

Deno.test("results, calls in flight and other kinds are not drawn", () => {
  assertEquals(
    chart([...CASES, caseOf("bytes", 1e7, "result"), caseOf("set", 1e7), { ...caseOf("bytes", 1e7), inFlight: 64 }]),
    chart(CASES),
  );
  assertThrows(() => chart([caseOf("set", 100)]), Error, "Nothing to draw");
});
