import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { draw } from "../examples/chunksize_timeline.ts";

const HERE = new URL("./", import.meta.url);

const bar = (worker: string, start: number, duration: number) => (
  { worker, start, duration, label: "<b>", color: "#2f6db5" }
);

Deno.test("draw() draws a lane for each worker, and below each timeline an axis with its unit", () => {
  const svg = draw([
    { title: "a", workers: ["one", "two"], bars: [bar("one", 0, 100), bar("two", 20, 300)] },
    { title: "b & <c>", workers: ["one", "three"], bars: [bar("one", 0, 50)] },
  ], "caption");
  assertEquals(svg.match(/class="lane"/g)!.length, 4);
  assertEquals(svg.match(/class="worker">(one|two|three)</g)!.length, 4);
  assertEquals([...svg.matchAll(/class="total">(.*?)</g)].map(([, total]) => total), ["320 ms", "50.0 ms"]);
  const times = ["0 ms", "50 ms", "100 ms", "150 ms", "200 ms", "250 ms", "300 ms"];
  assertEquals([...svg.matchAll(/class="time">(.*?)</g)].map(([, time]) => time), [...times, ...times]);
  assertStringIncludes(svg, ">b &amp; &lt;c>");
  assertEquals(svg.match(/<title>&lt;b>: /g)!.length, 3);
});

Deno.test("draw() chooses seconds for long runs, and parts of milliseconds for short ones", () => {
  const timesOf = (duration: number) => {
    const svg = draw([{ title: "", workers: ["one"], bars: [bar("one", 0, duration)] }], "");
    return [...svg.matchAll(/class="time">(.*?)</g)].map(([, time]) => time);
  };
  assertEquals(timesOf(2500), ["0 s", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s"]);
  assertEquals(timesOf(0.9), [
    "0 ms",
    "0.1 ms",
    "0.2 ms",
    "0.3 ms",
    "0.4 ms",
    "0.5 ms",
    "0.6 ms",
    "0.7 ms",
    "0.8 ms",
    "0.9 ms",
  ]);
});

Deno.test("each picture of timelines.md is there, and has its own background", async () => {
  const page = await Deno.readTextFile(new URL("timelines.md", HERE));
  const pictures = [...page.matchAll(/!\[[^\]]+\]\((.*?\.svg)\)/g)].map(([, path]) => path!);
  assert(pictures.length >= 5);
  for (const path of pictures) {
    const svg = await Deno.readTextFile(new URL(path, HERE));
    assertStringIncludes(svg, '<rect x="0.5" y="0.5" width="959"', path);
    assert(!svg.includes("NaN"), path);
  }
});
