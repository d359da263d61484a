/**
 * Draws `bench/peers.svg` from the table in `bench/README.md`, without measuring anew:
 *
 *   deno run --allow-read --allow-write bench/peers/chart.ts
 */

/** A kind of work, and the time that each library needs for it. */
interface Row {
  what: string;
  /** The unit of all times of the row, as "µs a task". */
  unit: string;
  ours: number;
  peers: { name: string; time: number }[];
}

const cellsOf = (line: string): string[] => line.split("|").slice(1, -1).map((cell) => cell.trim());

/** Returns the names of the peers and the rows of the first table in a text, whose columns `run.ts` determines. */
export function readTable(markdown: string): { names: string[]; rows: Row[] } {
  const lines = markdown.split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const end = lines.findIndex((line, i) => i > first && !line.startsWith("|"));
  const names = cellsOf(lines[first]!).slice(3, -2);
  const rows = lines.slice(first + 2, end < 0 ? undefined : end).map((line) => {
    const [what, unit, ours, ...times] = cellsOf(line);
    const peers = names.flatMap((name, i) => times[i] === "" ? [] : [{ name, time: Number(times[i]) }]);
    return { what: what!.replaceAll("`", ""), unit: unit!, ours: Number(ours), peers };
  });
  return { names, rows };
}

const [WIDTH, LEFT, RIGHT, HEAD, ROW] = [960, 416, 30, 72, 44];
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const OURS = "this library";
/** The colors and the shapes of the libraries, in the order of their columns. */
const MARKS = [
  ["#b35900", "M-5 -5H5V5H-5Z"],
  ["#8250df", "M0 -7L7 0L0 7L-7 0Z"],
  ["#1a7f37", "M0 -6L6 5H-6Z"],
  ["#57606a", "M0 6L6 -5H-6Z"],
  ["#a40e6b", "M-6 -2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z"],
  ["#9a6700", "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z"],
] as const;
const OUR_MARK = ["#0550ae", "M-7 0A7 7 0 1 1 7 0A7 7 0 1 1 -7 0Z"] as const;

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function text(x: number, y: number, content: string, kind = "", anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}"${kind && ` class="${kind}"`}>${
    escaped(content)
  }</text>`;
}

/** Marks of others are transparent, as several may be at the same place. */
function mark(x: number, y: number, [color, shape]: readonly [string, string]): string {
  return `<path transform="translate(${x.toFixed(1)} ${y})" d="${shape}" fill="${color}" fill-opacity="${
    shape === OUR_MARK[1] ? 1 : 0.2
  }" stroke="${color}" stroke-width="1.6"/>`;
}

const figure = (time: number, unit: string): string => `${Number(time.toPrecision(3))} ${unit.split(" ")[0]}`;

/** Draws the table in `markdown` as an SVG: a line for each row, and on it a mark for the time of each library. */
export function chart(markdown: string): string {
  const { names, rows } = readTable(markdown);
  const ratios = rows.flatMap(({ ours, peers }) => peers.map(({ time }) => time / ours));
  const low = TICKS.findLast((tick) => tick < Math.min(1, ...ratios))!;
  const high = TICKS.find((tick) => tick >= Math.max(...ratios)) ?? Math.max(...ratios);
  const scale = (WIDTH - LEFT - RIGHT) / Math.log(high / low);
  const place = (ratio: number): number => LEFT + Math.log(ratio / low) * scale;
  const marks = new Map(names.map((name, i) => [name, MARKS[i % MARKS.length]!]));
  const bottom = HEAD + rows.length * ROW;

  const lines = [text(12, 26, "Time needed, compared with this library's", "title")];
  let x = 20;
  for (const [name, shape] of [[OURS, OUR_MARK] as const, ...marks]) {
    lines.push(mark(x, 49, shape), text(x + 12, 54, name));
    x += 40 + name.length * 7.6;
  }
  for (const tick of TICKS.filter((tick) => tick >= low && tick <= high)) {
    lines.push(`<path d="M${place(tick).toFixed(1)} ${HEAD}V${bottom + 6}" class="${tick === 1 ? "one" : "tick"}"/>`);
    lines.push(text(place(tick), bottom + 22, `${tick} ×`, "", "middle"));
  }
  rows.forEach(({ what, unit, ours, peers }, i) => {
    const y = HEAD + i * ROW + 30;
    lines.push(`<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" class="line"/>`);
    lines.push(text(LEFT - 20, y - 2, what, "", "end"), text(LEFT - 20, y + 13, unit, "unit", "end"));
    for (const { name, time } of peers.toReversed()) lines.push(mark(place(time / ours), y, marks.get(name)!));
    lines.push(mark(place(1), y, OUR_MARK));
    const best = peers.reduce((a, b) => b.time < a.time ? b : a);
    const ratio = best.time / ours;
    const label = `${best.name} ${figure(best.time, unit)}`;
    const from = Math.min(place(ratio) - 8, WIDTH - 12 - label.length * 7.6);
    // Our figure is on the far side of our mark, where the best of the others is not.
    if (ratio < 1) lines.push(text(place(1) + 12, y + 5, figure(ours, unit), "ours"));
    else lines.push(text(place(1) - 12, y + 5, figure(ours, unit), "ours", "end"));
    lines.push(text(from, y - 11, label, "best"));
  });
  lines.push(text(place(1), bottom + 42, "the same time; further right is slower (logarithmic axis)", "unit"));
  lines.push(text(12, bottom + 42, "Figures: this library and the fastest of the others", "unit"));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
    bottom + 56
  }" font-family="sans-serif" font-size="13">
<style>text { fill: #24292f } .title { font-size: 16px; font-weight: bold } .ours { font-weight: bold; fill: #0550ae }
.unit { fill: #57606a; font-size: 12px } .ours, .best { paint-order: stroke; stroke: #fff; stroke-width: 3 }
.tick { stroke: #d8dee4 } .one { stroke: #0550ae } .line { stroke: #d8dee4 }</style>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${bottom + 55}" rx="6" fill="#fff" stroke="#d0d7de"/>
${lines.join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const table = await Deno.readTextFile(new URL("../README.md", import.meta.url));
  await Deno.writeTextFile(new URL("../peers.svg", import.meta.url), chart(table));
}
