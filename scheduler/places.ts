/**
 * Finding, on the calling side, where functions that were sent by source are written, so that the stacks of their
 * errors name the lines of the user's files.
 *
 * A worker gets a function as text, and its stacks count the lines of that text. Deno compiles TypeScript before it
 * runs it, so the lines of the text differ from those of the file, and a function does not tell where its text begins.
 * Three sources help: the stack of the call that a function was first passed to; the files, if the program may read
 * them anyway; and Deno's source map from compiled lines to lines of the file. Deno applies that map to the stack of
 * any code that claims to be from the file, and `node:vm` runs such code without a permission. So the text is searched
 * in the file, a place is guessed, and the guess is accepted only if every name in the text is at its place in the
 * file. Without certainty there is no place: no line is better than a wrong one.
 *
 * The search runs only after an error, once for each function.
 *
 * @module
 */

import { isDeno } from "../base/platform.ts";
import { isErased, STATEMENTS, type Token, tokensOf } from "./tokens.ts";

/** A place in a text: line and column, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A frame of a stack that names a file. */
interface Frame extends Position {
  readonly file: string;
}

interface Script {
  runInThisContext(): unknown;
}

interface Vm {
  readonly Script: new (
    code: string,
    options: { filename: string; lineOffset: number; columnOffset: number },
  ) => Script;
}

/** The length in characters of the longest file that is searched. */
const LONGEST = 1_000_000;
/** The most places in a file that are examined closely. With more, there is no place. */
const MOST_PLACES = 40;
/** The largest number of tokens of types between two tokens of a function in the file. */
const GAP = 40;
/** The number of names of a function that are compared. */
const MOST_NAMES = 40;
/** The number of names that a function needs for a place in a file that cannot be read. */
const FEWEST_NAMES = 3;
/** The most lines of a compiled file that are searched, and the most columns of a line. */
const MOST_LINES = 1 << 16;
const LONGEST_LINE = 1 << 10;

const FRAME = /\(?((?:file|https?):\/\/[^\s()]+):(\d+):(\d+)\)?$/;

/** Returns the frames of a stack that name files, from the top. */
function framesOf(lines: readonly string[]): Frame[] {
  const frames: Frame[] = [];
  for (const text of lines) {
    const match = FRAME.exec(text);
    if (match !== null) frames.push({ file: match[1]!, line: Number(match[2]), column: Number(match[3]) });
  }
  return frames;
}

let vm: Vm | undefined;

/** Returns the place in a file that a place in its compiled text comes from, by Deno's source map. */
function originOf(file: string, { line, column }: Position): Position | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  vm ??= process?.getBuiltinModule?.("node:vm") as Vm | undefined;
  if (vm === undefined) return undefined;
  const options = { filename: file, lineOffset: line - 1, columnOffset: column - 1 };
  const error = new vm.Script("new Error()", options).runInThisContext() as Error;
  return typeof error.stack === "string"
    ? framesOf(error.stack.split("\n")).find((frame) => frame.file === file)
    : undefined;
}

function compare(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}

/** Returns the least number below `end` for which `holds`, or `end`. It must hold for all greater numbers too. */
function least(end: number, holds: (n: number) => boolean): number {
  let [low, high] = [1, end];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Returns the place in the compiled text of a file that comes from `target`; undefined if there is no such place. */
function compiledFrom(file: string, target: Position): Position | undefined {
  const reaches = (place: Position): boolean => {
    const origin = originOf(file, place);
    return origin !== undefined && compare(origin, target) >= 0;
  };
  const line = least(MOST_LINES, (line) => reaches({ line, column: LONGEST_LINE }));
  if (line === MOST_LINES) return undefined;
  const place = { line, column: least(LONGEST_LINE, (column) => reaches({ line, column })) };
  const origin = originOf(file, place);
  return origin !== undefined && compare(origin, target) === 0 ? place : undefined;
}

/** Returns the text of a file; undefined if it may not be read without a prompt, or is too long. */
function readable(file: string): string | undefined {
  if (!file.startsWith("file:")) return undefined;
  const path = new URL(file);
  try {
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
    const text = Deno.readTextFileSync(path);
    return text.length <= LONGEST ? text : undefined;
  } catch {
    return undefined; // the file no longer exists
  }
}

/** The place of a function: a file, and where the function begins in the compiled text of the file. */
export class Place {
  readonly #file: string;
  readonly #start: Position;
  readonly #found = new Map<string, string | undefined>();

  constructor(file: string, start: Position) {
    this.#file = file;
    this.#start = start;
  }

  /** Returns the place in the compiled text of the file for a place in the text of the function. */
  compiled({ line, column }: Position): Position {
    const { line: first, column: indent } = this.#start;
    return { line: first + line - 1, column: line === 1 ? indent + column - 1 : column };
  }

  /** Returns the place in the file for a place in the text of the function. */
  origin(place: Position): Position | undefined {
    return originOf(this.#file, this.compiled(place));
  }

  /** As {@linkcode origin}, in the form that stacks use; undefined if it is unknown. */
  show(place: Position): string | undefined {
    if (place.line === 1 && Number.isNaN(this.#start.column)) return undefined;
    const key = `${place.line}:${place.column}`;
    if (!this.#found.has(key)) {
      const origin = this.origin(place);
      this.#found.set(key, origin && `${this.#file}:${origin.line}:${origin.column}`);
    }
    return this.#found.get(key);
  }

  /** A string that is equal for equal places. */
  get key(): string {
    return `${this.#file}:${this.#start.line}:${this.#start.column}`;
  }
}

/** Returns the place that a function would have if one of its names came from `origin`; undefined if impossible. */
function placeBy(file: string, name: Position, origin: Position): Place | undefined {
  const compiled = compiledFrom(file, origin);
  if (compiled === undefined) return undefined;
  const line = compiled.line - name.line + 1;
  // A name on another line does not tell the column of the first line.
  const column = name.line === 1 ? compiled.column - name.column + 1 : NaN;
  return line < 1 || column < 1 ? undefined : new Place(file, { line, column });
}

/** A function that is searched for. */
interface Wanted {
  /** The name of the function; empty if it has none. */
  readonly name: string;
  readonly tokens: readonly Token[];
  /** The first token of the function that is a name. */
  readonly first: Token;
}

/** A file that can be read. */
interface TextFile {
  readonly url: string;
  readonly lines: readonly string[];
  readonly tokens: readonly Token[];
  /** The index of the token at a line and column. */
  readonly at: ReadonlyMap<string, number>;
}

function textFile(url: string, text: string): TextFile {
  const tokens = tokensOf(text);
  return {
    url,
    lines: text.split("\n"),
    tokens,
    at: new Map(tokens.map(({ line, column }, i) => [`${line}:${column}`, i])),
  };
}

/** Returns the index of the token at a place, or after parentheses there, where the source map places their content. */
function indexAt({ at, lines }: TextFile, { line, column }: Position): number | undefined {
  const open = /^[(\s]*/.exec(lines[line - 1]?.slice(column - 1) ?? "")![0];
  return at.get(`${line}:${column + open.length}`);
}

/** A place that fits, and the first token of its function in the file. */
interface Fit {
  readonly place: Place;
  readonly start: Token;
}

/** Returns the place of a function in a file that can be read; undefined if there is none, null if it is ambiguous. */
function findInText(file: TextFile, wanted: Wanted, calls: readonly Frame[]): Place | null | undefined {
  const { first } = wanted;
  const starts = new Map<Token, number>();
  file.tokens.forEach((token, i) => {
    const start = token.text === first.text && follows(file, i, wanted) ? startOf(file, i, wanted) : -1;
    if (start >= 0) starts.set(token, start);
  });
  if (starts.size > MOST_PLACES) return null;
  const fits = new Map<string, Fit>();
  for (const [origin, start] of starts) {
    const place = placeBy(file.url, first, origin);
    if (place !== undefined && fitsAt(file, place, wanted)) fits.set(place.key, { place, start: file.tokens[start]! });
  }
  if (fits.size === 0) return undefined;
  // A function that is written into the call itself is the right one, even if others have the same text.
  const inCall = [...fits.values()].filter((fit) => calls.some((call) => isInCall(file, fit, call)));
  const [fit] = inCall.length === 1 ? inCall : fits.values();
  return inCall.length === 1 || fits.size === 1 ? fit!.place : null;
}

/** Returns whether the tokens of a function follow in the file from its first name on, with only types between them. */
function follows(file: TextFile, start: number, { tokens, first }: Wanted): boolean {
  let at = start;
  for (let i = tokens.indexOf(first) + 1; i < tokens.length; i++) {
    at = next(file, at, tokens[i]!.text);
    if (at < 0) return false;
  }
  return true;
}

/** Returns the index of the next token `text`, at most GAP after `at`, with only types between; -1 if there is none. */
function next({ tokens }: TextFile, at: number, text: string): number {
  const end = Math.min(tokens.length, at + GAP);
  for (let i = at + 1; i < end; i++) {
    if (tokens[i]!.text === text && isErased(tokens, at + 1, i)) return i;
  }
  return -1;
}

/** Returns whether all names of a function are at their places in the file, in order, with the tokens between them. */
function fitsAt(file: TextFile, place: Place, { tokens, first }: Wanted): boolean {
  let at = -1;
  let names = 0;
  for (let i = tokens.indexOf(first); i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.isName && ++names <= MOST_NAMES) {
      const origin = place.origin(token);
      const index = origin && indexAt(file, origin);
      if (index === undefined || index <= at || file.tokens[index]!.text !== token.text) return false;
      if (at >= 0 && !isErased(file.tokens, at + 1, index)) return false;
      at = index;
    } else {
      at = next(file, at, token.text);
      if (at < 0) return false;
    }
  }
  return true;
}

/** Returns the index of the first token of a function whose first name is at `at`; -1 if it cannot begin there. */
function startOf(file: TextFile, at: number, { name, tokens, first }: Wanted): number {
  let index = at;
  for (const { text } of tokens.slice(0, tokens.indexOf(first)).toReversed()) {
    const end = Math.max(-1, index - GAP);
    index--;
    while (index > end && file.tokens[index]!.text !== text) index--;
    if (index === end) return -1;
  }
  return isNamed(file, index, tokens, name) ? index : -1;
}

/** Returns whether a function has its name at its beginning or before it, as in `name = () =>` or `name: () =>`. */
function isNamed(file: TextFile, start: number, tokens: readonly Token[], name: string): boolean {
  if (name === "" || name === "default" || tokens.slice(0, 4).some(({ text }) => text === name)) return true;
  for (let i = start - 1; i >= 0 && i > start - GAP; i--) {
    const { text } = file.tokens[i]!;
    if (text === name || text === `"${name}`) return true;
    if (text === "{" || text === "}" || STATEMENTS.has(text)) return false;
  }
  return false;
}

/** Returns whether a function is written into a call: only the beginning of the call is between its place and it. */
function isInCall(file: TextFile, { start }: Fit, call: Frame): boolean {
  if (call.file !== file.url || compare(start, call) <= 0) return false;
  const between = file.tokens.filter((token) => compare(token, call) >= 0 && compare(token, start) < 0);
  if (between.length > GAP || !/^(?:await )?[^;{}=]*$/.test(between.map(({ text }) => text).join(" "))) return false;
  const before = file.lines[start.line - 1]!.slice(0, start.column - 1);
  // On a new line the function may be any argument; on the line of the call only the first one.
  return /^\s*$/.test(before) ? between.at(-1)?.line !== start.line : /\(\s*\(?$/.test(before);
}

/**
 * Returns the place of a function that is written into the call itself, in a file that cannot be read: its text begins
 * after the name of the method. The place is accepted if the segments of Deno's source map begin where the names of the
 * text do.
 */
function findInCall({ file, line, column }: Frame, method: string, { tokens }: Wanted): Place | undefined {
  const compiled = compiledFrom(file, { line, column });
  const names = tokens.filter(({ isName }) => isName);
  if (compiled === undefined || names.length < FEWEST_NAMES || isIdentity(file, compiled)) return undefined;
  const place = new Place(file, { line: compiled.line, column: compiled.column + method.length + 1 });
  let before = place.origin({ line: 1, column: 0 });
  const fits = names.slice(0, MOST_NAMES).every((name) => {
    const origin = place.origin(name);
    if (origin === undefined || before === undefined || compare(before, origin) >= 0) return false;
    before = origin;
    const within = place.origin({ line: name.line, column: name.column + name.text.length - 1 });
    const previous = name.column > 1 ? place.origin({ line: name.line, column: name.column - 1 }) : undefined;
    return within !== undefined && compare(within, origin) === 0 &&
      (previous === undefined || compare(previous, origin) !== 0);
  });
  return fits ? place : undefined;
}

/** Returns whether a file was not compiled. Then the source map has no segments to compare. */
function isIdentity(file: string, { line, column }: Position): boolean {
  return [0, 1, 2, 3].every((more) => {
    const origin = originOf(file, { line, column: column + more });
    return origin !== undefined && compare(origin, { line, column: column + more }) === 0;
  });
}

/** Matches imports of modules by a relative path. */
const IMPORT = /\bfrom\s*["'](\.{1,2}\/[^"'\n]+)["']/g;

/**
 * Finds the place where a function is written, in the files of the call that it was passed to, or in files that they
 * import.
 *
 * @param name The name of the function; empty if it has none.
 * @param source The text of the function.
 * @param frames The frames of the call.
 * @param method The method that was called, if that is known.
 * @returns The place; undefined if it is not certain.
 */
export function findPlace(
  name: string,
  source: string,
  frames: readonly string[],
  method: string | undefined,
): Place | undefined {
  const tokens = tokensOf(source);
  const first = tokens.find(({ isName }) => isName);
  if (!isDeno() || first === undefined) return undefined;
  const wanted = { name, tokens, first };
  const calls = framesOf(frames);
  const files = new Set(calls.map(({ file }) => file));
  const imported = new Set<string>();
  for (const url of files) {
    const text = readable(url);
    if (text === undefined) continue;
    const place = findInText(textFile(url, text), wanted, calls);
    if (place !== undefined) return place ?? undefined;
    for (const [, path] of text.matchAll(IMPORT)) imported.add(new URL(path!, url).href);
  }
  for (const url of imported) {
    const text = files.has(url) ? undefined : readable(url);
    const place = text === undefined ? undefined : findInText(textFile(url, text), wanted, calls);
    if (place !== undefined) return place ?? undefined;
  }
  const [call] = calls;
  if (call === undefined || method === undefined || readable(call.file) !== undefined) return undefined;
  return findInCall(call, method, wanted);
}
