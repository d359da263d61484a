/**
 * Sources taken apart, to compare what a compiler has made of one with the other.
 *
 * @module
 */

/** A part of a source that a compiler keeps. */
export interface Token {
  /** What it is: a string without its closing quote, so that both kinds of quotes are the same. */
  readonly text: string;
  /** Whether it is a name that somebody has given. */
  readonly isName: boolean;
  /** Its line, from 1. */
  readonly line: number;
  /** Its column, from 1. */
  readonly column: number;
}

/** Words that begin a statement, or stand in an expression; in no type. */
export const STATEMENTS: ReadonlySet<string> = new Set(
  ("await break case catch const continue debugger default delete do else export finally for function if let return " +
    "switch throw try var while with yield").split(" "),
);

const NO_NAMES: ReadonlySet<string> = new Set([
  ...STATEMENTS,
  ...("abstract any as async class declare enum extends false from get implements import in infer instanceof interface is keyof " +
    "module namespace never new null number object of out override private protected public readonly satisfies set static string " +
    "super this true type typeof undefined unique unknown using void").split(" "),
]);

const TOKEN =
  /\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|[\p{ID_Start}$_][\p{ID_Continue}$]*|\d[\w.]*|\s+|[^]/gu;

/** What compilers add and leave out as they like. */
const LOOSE: ReadonlySet<string> = new Set(["(", ")", ",", ";"]);

/** The tokens of a source, without comments and what a compiler may leave out. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let start = 0;
  for (const { 0: text, index } of source.matchAll(TOKEN)) {
    const column = index - start + 1;
    const kept = !/^(?:\s|\/[/*])/.test(text) && !LOOSE.has(text);
    if (kept) {
      tokens.push({ text: plain(text), isName: /^[\p{ID_Start}$_]/u.test(text) && !NO_NAMES.has(text), line, column });
    }
    const breaks = text.lastIndexOf("\n");
    if (breaks < 0) continue;
    line += text.split("\n").length - 1;
    start = index + breaks + 1;
  }
  return tokens;
}

function plain(text: string): string {
  if (/^["']/.test(text)) return `"${text.slice(1, -1).replace(/\\(["'])/g, "$1")}`;
  if (text.startsWith("`")) return text.replace(/\s+/g, "");
  return /^\d/.test(text) ? text.replaceAll("_", "") : text;
}

/** What stands before a declaration, or a parameter, of TypeScript alone. */
const MODIFIERS: ReadonlySet<string> = new Set([
  "abstract",
  "declare",
  "override",
  "private",
  "protected",
  "public",
  "readonly",
]);

/** Whether a compiler may have left out the tokens from `start` to before `end`: types, and nothing that does something. */
export function isErased(tokens: readonly Token[], start: number, end: number): boolean {
  while (start < end && (MODIFIERS.has(tokens[start]!.text) || tokens[start]!.text === "!")) start++;
  if (start === end) return true;
  for (let i = start; i < end; i++) if (STATEMENTS.has(tokens[i]!.text)) return false;
  switch (tokens[start]!.text) {
    case ":":
    case "as":
    case "satisfies":
    case "type":
    case "interface":
      return true;
    case "?":
    case "this":
      return tokens[start + 1]!.text === ":" && start + 1 < end;
    case "<":
      return tokens.slice(start, end).some(({ text }) => text === ">");
    default:
      return false;
  }
}
