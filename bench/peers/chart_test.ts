import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { chart, readTable } from "./chart.ts";

const TABLE = `
|               | unit       | here | one | two     | times the best | wanted |
| ------------- | ---------- | ---- | --- | ------- | -------------- | ------ |
| \`a\` & <b>     | µs a task  | 2    | 30  | 1.23e+3 | 15             | 20     |
| slower        | ms         | 4    |     | 2       | 0.5: **slower** | 2     |

|  | measured |
| --- | --- |
| another table | 1 |
`;

Deno.test("readTable() reads the first table, and leaves out empty cells", () => {
  assertEquals(readTable(TABLE), {
    names: ["one", "two"],
    rows: [
      { what: "a & <b>", unit: "µs a task", ours: 2, peers: [{ name: "one", time: 30 }, { name: "two", time: 1230 }] },
      { what: "slower", unit: "ms", ours: 4, peers: [{ name: "two", time: 2 }] },
    ],
  });
});

Deno.test("chart() draws a line for each row, a mark for each time, the figures with units, and an axis", () => {
  const svg = chart(TABLE);
  assertEquals(svg.match(/class="line"/g)!.length, 2);
  assertEquals(svg.match(/<path transform/g)!.length, 3 + 2 + 3); // the legend, and our marks among those of the rows
  for (
    const text of ["a &amp; &lt;b>", ">2 µs<", ">one 30 µs<", ">4 ms<", ">two 2 ms<", ">0.2 ×<", ">1 ×<", ">1000 ×<"]
  ) {
    assertStringIncludes(svg, text);
  }
  assert(!svg.includes("NaN"));
});

Deno.test("peers.svg is drawn from bench/README.md as it is", async () => {
  const [table, svg] = await Promise.all(
    ["../README.md", "../peers.svg"].map((path) => Deno.readTextFile(new URL(path, import.meta.url))),
  );
  assertEquals(chart(table!), svg);
});
