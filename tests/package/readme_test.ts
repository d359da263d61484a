/** What the README says is true: its figures are measured ones, and its links lead somewhere. */

import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);
const REPOSITORY =
  /^https:\/\/(?:github\.com\/manycore\/parallel\/(?:blob|tree)|raw\.githubusercontent\.com\/manycore\/parallel)\/main\//;

const readme = Deno.readTextFileSync(new URL("README.md", ROOT));
const prose = readme.replace(/^```[^]*?^```$/gm, "");

/** Returns the text of a section, by its heading. */
function section(heading: string): string {
  const [, text] = readme.split(`\n## ${heading}\n`);
  assert(text !== undefined, `There is no section '${heading}'`);
  return text.split("\n## ")[0]!;
}

Deno.test("README.md is at most 200 lines long", () => {
  assert(readme.trimEnd().split("\n").length <= 200);
});

Deno.test("each figure of README.md about speed is one of bench/README.md", () => {
  const measured = Deno.readTextFileSync(new URL("bench/README.md", ROOT));
  const figures = new Set([...measured.matchAll(/\d+(?:\.\d+)?/g)].map(([figure]) => figure));
  const [, bullet = ""] = /\*\*Fast\.\*\*([^]*?)\n- /.exec(readme) ?? [];
  const claimed = [...`${bullet}\n${section("Speed")}`.matchAll(/([\d.]+\d|\d+) (?:µs|ms|times)/g)];
  assert(claimed.length >= 10);
  assertEquals(claimed.map(([, figure]) => figure!).filter((figure) => !figures.has(figure)), []);
});

Deno.test("each link of README.md leads somewhere", () => {
  const headings = [...readme.matchAll(/^##+ (.*)$/gm)].map(([, title]) =>
    `#${title!.toLowerCase().replace(/[^\w ]/g, "").replaceAll(" ", "-")}`
  );
  const wrong: string[] = [];
  for (const [, target] of prose.matchAll(/\]\(([^)]*)\)/g)) {
    if (target!.startsWith("#")) {
      if (!headings.includes(target!)) wrong.push(target!);
    } else if (REPOSITORY.test(target!)) {
      try {
        Deno.statSync(new URL(target!.replace(REPOSITORY, ""), ROOT));
      } catch {
        wrong.push(target!);
      }
    } else if (!/^https:\/\/(?:ui\.perfetto\.dev$|github\.com\/denoland\/)/.test(target!)) {
      wrong.push(target!);
    }
  }
  assertEquals(wrong, []);
});
