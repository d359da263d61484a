/**
 * Splitting sources into tokens, to compare a source with the output of a compiler.
 *
 * @module
 */

/** A part of a source that compilers keep. */
export interface Token {
  /** The text. Strings begin with a double quote and lack the closing one, so that both kinds of quotes are equal. */
  readonly text: string;
  /** True if the token is an identifier, not a word of the language. */
  readonly isName: boolean;
  /** The line, from 1. */
  readonly line: number;
  /** The column, from 1. */
  readonly column: number;
}

/** Words that begin a statement or occur in an expression, but in no type. */
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

/** Tokens that compilers add and remove freely. */
const LOOSE: ReadonlySet<string> = new Set(["(", ")", ",", ";"]);

/** Returns the tokens of a source, without comments and without tokens that a compiler may remove. */
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

/** Modifiers of declarations and parameters that only TypeScript has. */
const MODIFIERS: ReadonlySet<string> = new Set([
  "abstract",
  "declare",
  "override",
  "private",
  "protected",
  "public",
  "readonly",
]);

/** Returns whether the tokens from `start` up to, but not including, `end` are only types and modifiers, or none. */
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
