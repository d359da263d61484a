/**
 * Checks the words of the documentation: `deno task check:words [files]`.
 *
 * Reports misspellings and British spellings in the Markdown pages and in the comments of the code, and phrases that only
 * the writers of the library understand in what users read. Code spans, code blocks, links and identifiers are skipped.
 *
 * - `cspell.json` says what is skipped, for both kinds of words.
 * - `words.txt` has the accepted words that are in no dictionary.
 *
 * @module
 */

import { lint } from "cspell";

const ROOT = new URL("../", import.meta.url);

/** Phrases that a user of the library cannot understand, and what to write in their place. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\bboards?\b/gi, "submission ring"],
  [/\bdesks?\b/gi, "control block, or completion ring"],
  [/\bcrews?\b/gi, "workers"],
  [/(?<!in[- ])\bflights?\b/gi, "tasks that are running"],
  [/\bparcels?\b/gi, "payload"],
  [/\bpackers?\b/gi, "task encoder"],
  [/\bpost offices?\b/gi, "resource sharer"],
  [/\bletters?\b/gi, "message"],
  [/\bbells?\b/gi, "event count"],
  [/\bsweeps?\b/gi, "pending settlements"],
  [/\blanes?\b/gi, "slot"],
  [/\barticles? \d+/gi, "the examples"],
  [/\bthe articles?(?:'s?)?\b/gi, "the examples"],
  [/\b(?:he|him|his|himself)\b/gi, "you, or the noun"],
  [/\bfor ever\b/gi, "forever"],
  [/\bunless told otherwise\b/gi, "by default"],
  [/\bgo(?:es)? by source\b/gi, "is sent as source text"],
  [/\b(?:is|are) told at\b/gi, "see"],
  [/\bmeans? harm\b/gi, "malicious"],
  [/\bis no thenable\b/gi, "is not a promise"],
  [/\bin handfuls\b/gi, "several at a time"],
  [/\btimes as (?:late|long|fast) as the best of them\b/gi, "than the next best"],
  [/\bwaits? for luck\b/gi, "relies on timing"],
  [/\bmain job\b/gi, "what the program does"],
];

/** The pages and the files whose comments are public documentation. */
const PUBLIC = /\.md$|^[^/]+\.ts$|^(?:sync|calls)\/.+\.ts$|^base\/backend\.ts$|^codec\/(?:handles|transfer)\.ts$/;
/** Files that are not checked: generated ones, tests and programs for them. */
const SKIPPED = /_gen\.ts$|_test\.ts$|^(?:bench|examples|testing|tests|docs\/recipes|tools\/runtimes)\/.*\.[mj]?[tj]s$/;

/** Returns the Markdown and TypeScript files of a folder and those below it, relative to the root. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(({ name, isDirectory }) => {
    const path = folder + name;
    if (isDirectory) return name.startsWith(".") || name === "node_modules" ? [] : filesIn(`${path}/`);
    return /\.(?:md|ts)$/.test(name) && !SKIPPED.test(path) ? [path] : [];
  });
}

interface Config {
  readonly ignoreRegExpList: readonly string[];
  readonly overrides: readonly [{ readonly includeRegExpList: readonly [string] }];
}

const config: Config = JSON.parse(Deno.readTextFileSync(new URL("cspell.json", import.meta.url)));
const [comments, ...skipped] = [...config.overrides[0].includeRegExpList, ...config.ignoreRegExpList].map((pattern) => {
  const end = pattern.lastIndexOf("/");
  return new RegExp(pattern.slice(1, end), pattern.slice(end + 1));
}) as [RegExp, ...RegExp[]];

/** Returns a text with spaces in place of everything but line breaks. */
const blank = (text: string) => text.replace(/[^\n]/g, " ");

/** Returns the prose of a file, at the places where it stands in the file. */
function proseOf(path: string, text: string): string {
  let prose = text;
  if (path.endsWith(".ts")) {
    let end = 0;
    prose = "";
    for (const { index, 0: comment } of text.matchAll(comments)) {
      prose += blank(text.slice(end, index)) + comment;
      end = index + comment.length;
    }
  }
  for (const pattern of skipped) prose = prose.replace(pattern, blank);
  return prose;
}

/** Returns the phrases of a file that users cannot understand. A phrase may go on in the next line. */
function phrasesIn(path: string): string[] {
  const prose = proseOf(path, Deno.readTextFileSync(new URL(path, ROOT))).replace(/\n( *)(\*?)/g, "\n$1 ");
  return PHRASES.flatMap(([phrase, better]) => {
    const across = new RegExp(phrase.source.replaceAll(" ", "\\s+"), phrase.flags);
    return [...prose.matchAll(across)].map(({ index, 0: found }) => {
      const line = prose.slice(0, index).split("\n").length;
      return `${path}:${line} '${found.replace(/\s+/g, " ")}' is for insiders: write '${better}'`;
    });
  });
}

const files = Deno.args.length > 0 ? Deno.args : filesIn("");
const problems = files.filter((path) => PUBLIC.test(path)).flatMap(phrasesIn);
const { errors, files: seen } = await lint(files.map((path) => new URL(path, ROOT).pathname), {
  config: new URL("cspell.json", import.meta.url).pathname,
  root: "/", // cspell passes over files that are not below its root
  progress: false,
}, {
  issue: ({ uri = "", row, text }) => {
    const place = `${uri.replace(ROOT.href, "").replace("file://", "")}:${row}`;
    problems.push(`${place} '${text}' is not in the dictionary: correct it, or add it to tools/words.txt`);
  },
  error: (message, error) => console.error(message, error),
});
if (seen !== files.length) problems.push(`Only ${seen} of ${files.length} files could be read`);
for (const problem of problems) console.error(problem);
if (problems.length + errors > 0) Deno.exit(1);
console.log(`The words of ${files.length} files are right`);
