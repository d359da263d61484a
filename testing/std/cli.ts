/**
 * `@std/cli` from the npm registry, with types for the functions that are used here. Only one file of it is imported,
 * as the npm package lacks a file that its index needs.
 *
 * @module
 */

import * as untyped from "deno-std/cli/parse_args.js";

interface Cli {
  parseArgs(args: readonly string[], options?: {
    string?: readonly string[];
    boolean?: readonly string[];
    default?: Readonly<Record<string, unknown>>;
  }): Record<string, unknown> & { _: (string | number)[] };
}

const std = untyped as unknown as Cli;

export const parseArgs: Cli["parseArgs"] = std.parseArgs;
