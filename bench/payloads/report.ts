/** The section of `bench/README.md` about payloads. */

/** One thing that was measured with all libraries. */
export interface Case {
  readonly kind: string;
  /** The size of the payload in bytes. */
  readonly size: number;
  readonly direction: "argument" | "result";
  /** The number of calls that are outstanding at a time. */
  readonly inFlight: number;
  /** The microseconds a call, for each library. */
  readonly times: Readonly<Record<string, number>>;
}

/** The name of this library among the `times` of a case. */
export const OURS = "this library";

const START = "<!-- payloads: start -->";
const END = "<!-- payloads: end -->";

/** Returns the section about payloads of a page, with its markers; an empty one if the page has none. */
export function sectionOf(page: string): string {
  const [start, end] = [page.indexOf(START), page.indexOf(END)];
  return start < 0 || end < start ? `${START}\n${END}` : page.slice(start, end + END.length);
}

/** Returns the page with another text as its section about payloads, which is at its end if it had none. */
export function withSection(page: string, text: string): string {
  const section = `${START}\n\n${text.trim()}\n\n${END}`;
  const before = sectionOf(page);
  return page.includes(before) ? page.replace(before, () => section) : `${page.trimEnd()}\n\n${section}\n`;
}

const digits = (value: number): string => String(Number(value.toPrecision(3)));

/** Returns a time with its unit. `microseconds` is rounded to three digits. */
export function timeText(microseconds: number): string {
  const rounded = Number(microseconds.toPrecision(3));
  if (rounded < 1000) return `${rounded} µs`;
  return rounded < 1e6 ? `${digits(rounded / 1000)} ms` : `${digits(rounded / 1e6)} s`;
}

/** Returns a number of bytes with its unit, in powers of ten. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${digits(bytes / 1000)} KB` : `${digits(bytes / 1e6)} MB`;
}

/** Returns the median of numbers. */
export function medianOf(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** Returns the fastest of the other libraries, and how many times as long as this library it needs. */
export function bestOf({ times }: Case): { name: string; time: number; ratio: number } {
  const [name, time] = Object.entries(times).filter(([name]) => name !== OURS).reduce((a, b) => b[1] < a[1] ? b : a);
  return { name, time, ratio: time / times[OURS]! };
}

const uniqueOf = <T>(values: readonly T[]): T[] => [...new Set(values)];

function cellOf(measured: Case | undefined): string {
  if (measured === undefined) return "";
  const { name, time, ratio } = bestOf(measured);
  const text = `${timeText(measured.times[OURS]!)} / ${timeText(time)} (${digits(ratio)} ×, ${name})`;
  return ratio < 1 ? `**${text}**` : text;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Returns the table of one kind: a row for each direction and number of calls in flight, a column for each size. */
export function kindTable(cases: readonly Case[]): string {
  const sizes = uniqueOf(cases.map(({ size }) => size)).toSorted((a, b) => a - b);
  const rows = uniqueOf(cases.map(({ direction, inFlight }) => `${direction} ${inFlight}`)).map((key) => {
    const ofRow = cases.filter(({ direction, inFlight }) => `${direction} ${inFlight}` === key);
    const cells = sizes.map((size) => cellOf(ofRow.find((measured) => measured.size === size)));
    return [ofRow[0]!.kind, ofRow[0]!.direction, String(ofRow[0]!.inFlight), ...cells];
  });
  return tableOf(["kind", "direction", "in flight", ...sizes.map(sizeText)], rows);
}

/** Returns the summary: for each kind the median and the lowest of the ratios to the best of the others. */
export function summaryTable(cases: readonly Case[]): string {
  const rows = uniqueOf(cases.map(({ kind }) => kind)).map((kind) => {
    const ofKind = cases.filter((measured) => measured.kind === kind);
    const ratios = ofKind.map((measured) => bestOf(measured).ratio);
    const lowest = ofKind[ratios.indexOf(Math.min(...ratios))]!;
    const { name, ratio } = bestOf(lowest);
    const least = `${digits(ratio)} ×`;
    return [
      kind,
      `${digits(medianOf(ratios))} ×`,
      ratio < 1 ? `**${least}**` : least,
      `${lowest.direction}, ${lowest.inFlight} in flight, ${sizeText(lowest.size)}: ${name}`,
      `${ratios.filter((ratio) => ratio < 1).length} of ${ratios.length}`,
    ];
  });
  return tableOf(["kind", "median", "minimum", "where", "behind"], rows);
}

/** Returns the tables of all kinds, and the summary. */
export function tables(cases: readonly Case[]): string {
  const kinds = uniqueOf(cases.map(({ kind }) => kind));
  const parts = kinds.map((kind) =>
    `### ${kind}\n\n${kindTable(cases.filter((measured) => measured.kind === kind))}\n`
  );
  return `${parts.join("\n")}\n### Summary\n\n${summaryTable(cases)}\n`;
}
