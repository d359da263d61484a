/** Draws `bench/payloads.svg` from what was measured. */

import { type Case, OURS, sizeText, timeText } from "./report.ts";

/** The kinds that are drawn, and what they are. */
const PANELS = [
  ["records", "array of records"],
  ["json", "JSON document"],
  ["ascii", "string (ASCII)"],
  ["map", "Map"],
  ["bytes", "Uint8Array, copied"],
  ["transfer", "ArrayBuffer, moved"],
] as const;
const COLUMNS = 3;
const [WIDTH, HEIGHT] = [252, 250];
const [LEFT, TOP, GAP_X, GAP_Y] = [72, 104, 72, 86];
const [PAGE_WIDTH, BOTTOM] = [LEFT + COLUMNS * WIDTH + (COLUMNS - 1) * GAP_X + 26, 60];

/** The colors and the shapes of the libraries, in the order in which they were measured; the first is this library. */
const MARKS = [
  ["#0550ae", "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0Z"],
  ["#57606a", "M0 4.5L4.5 -3.5H-4.5Z"],
  ["#b35900", "M-3.5 -3.5H3.5V3.5H-3.5Z"],
  ["#8250df", "M0 -5L5 0L0 5L-5 0Z"],
  ["#1a7f37", "M0 -4.5L4.5 3.5H-4.5Z"],
] as const;

function textAt(x: number, y: number, content: string, kind = "", anchor = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${kind && ` class="${kind}"`}>${
    content.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  }</text>`;
}

/** Returns the powers of ten from `low` to `high`, both rounded to include all that is between. */
function decadesOf(low: number, high: number): number[] {
  const [first, last] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/**
 * Draws the time of a call by the size of its argument, one call at a time: a panel for each kind, a line for each
 * library, all axes logarithmic and the same in all panels. Kinds that were not measured have no panel.
 */
export function chart(cases: readonly Case[]): string {
  const drawn = cases.filter(({ direction, inFlight, kind }) =>
    direction === "argument" && inFlight === 1 && PANELS.some(([panel]) => panel === kind)
  );
  if (drawn.length === 0) throw new Error("Nothing to draw: no kind of the chart was measured");
  const panels = PANELS.filter(([kind]) => drawn.some((measured) => measured.kind === kind));
  const names = [OURS, ...Object.keys(drawn[0]!.times).filter((name) => name !== OURS)];
  const sizes = decadesOf(...extremesOf(drawn.map(({ size }) => size)));
  const times = decadesOf(...extremesOf(drawn.flatMap(({ times }) => Object.values(times))));
  const xOf = placer(sizes, WIDTH);
  const yOf = placer(times, HEIGHT);

  const lines = [textAt(16, 30, "Time of a call by the size of its argument, one call at a time", "title")];
  let x = 24;
  names.forEach((name, i) => {
    const [color, shape] = MARKS[i % MARKS.length]!;
    lines.push(
      `<path d="M${x - 8} 54H${x + 16}" stroke="${color}" stroke-width="${i === 0 ? 2.6 : 1.5}"/>`,
      `<path transform="translate(${x + 4} 54)" d="${shape}" fill="${color}"/>`,
      textAt(x + 24, 58, name, i === 0 ? "ours" : ""),
    );
    x += 60 + name.length * 7;
  });

  panels.forEach(([kind, title], i) => {
    const left = LEFT + (i % COLUMNS) * (WIDTH + GAP_X);
    const top = TOP + Math.floor(i / COLUMNS) * (HEIGHT + GAP_Y);
    const bottom = top + HEIGHT;
    lines.push(textAt(left, top - 10, title, "head"));
    for (const size of sizes) {
      const place = left + xOf(size);
      lines.push(`<path d="M${place.toFixed(1)} ${top}V${bottom + 4}" class="grid"/>`);
      lines.push(textAt(place, bottom + 17, sizeText(size), "tick", "middle"));
    }
    for (const time of times) {
      const place = bottom - yOf(time);
      lines.push(`<path d="M${left - 4} ${place.toFixed(1)}H${left + WIDTH}" class="grid"/>`);
      lines.push(textAt(left - 8, place + 4, timeText(time), "tick", "end"));
    }
    lines.push(`<path d="M${left} ${top}V${bottom}H${left + WIDTH}" class="axis"/>`);
    const points = drawn.filter((measured) => measured.kind === kind).toSorted((a, b) => a.size - b.size);
    // This library is drawn last, above the others.
    for (const [index, name] of [...names.entries()].toReversed()) {
      const [color, shape] = MARKS[index % MARKS.length]!;
      const places = points.filter(({ times }) => times[name] !== undefined).map(({ size, times }) =>
        [(left + xOf(size)).toFixed(1), (bottom - yOf(times[name]!)).toFixed(1)] as const
      );
      lines.push(
        `<path d="M${places.map(([x, y]) => `${x} ${y}`).join("L")}" fill="none" stroke="${color}" stroke-width="${
          index === 0 ? 2.6 : 1.5
        }"/>`,
        ...places.map(([x, y]) => `<path transform="translate(${x} ${y})" d="${shape}" fill="${color}"/>`),
      );
    }
  });

  const rows = Math.ceil(panels.length / COLUMNS);
  const height = TOP + rows * HEIGHT + (rows - 1) * GAP_Y + BOTTOM;
  lines.push(
    textAt(
      16,
      height - 12,
      "Across: size of the payload. Up: time of a call, lower is faster. Both axes are logarithmic.",
      "unit",
    ),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${PAGE_WIDTH} ${height}" font-family="sans-serif" font-size="13">
<style>text { fill: #24292f } .title { font-size: 16px; font-weight: bold } .head { font-size: 14px; font-weight: bold }
.ours { font-weight: bold; fill: #0550ae } .tick { font-size: 10px; fill: #57606a } .unit { font-size: 12px; fill: #57606a }
.grid { stroke: #d8dee4 } .axis { stroke: #57606a; fill: none }</style>
<rect x="0.5" y="0.5" width="${PAGE_WIDTH - 1}" height="${height - 1}" rx="6" fill="#fff" stroke="#d0d7de"/>
${lines.join("\n")}
</svg>
`;
}

const extremesOf = (numbers: readonly number[]): [number, number] => [Math.min(...numbers), Math.max(...numbers)];

/** Returns the function that places a value on a logarithmic axis of a length, whose ticks are given. */
function placer(ticks: readonly number[], length: number): (value: number) => number {
  const [low, high] = extremesOf(ticks);
  return (value) => Math.log(value / low) / Math.log(high / low) * length;
}
